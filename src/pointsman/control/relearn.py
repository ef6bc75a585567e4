"""Learning on the job: what a route's graded answers teach, again and again, and the small snapshot that follows.

    labels -> Memory (``control/memory``) -> rows set apart | rows to learn from -> learn -> test -> Plan, policy -> publish

Strategy: the control process remembers the newest graded answers of each plan, those to one request side by side. What
several answered (a trial asked them) teaches as a table does; the far more that one alone answered correct what is predicted
of that one (``policy/correction``). What the objective comes to is found on requests that several answered.

A fifth of the requests, by their ids, is never learned from. On those of them that the reference and others were asked, what
would be chosen now is compared with it and with what is chosen today. (What the reference alone answered is mostly what was
left to it: nothing is lost there, and it says nothing of the rest.) Then everybody who may be tried gets a part of the
owner's share: in proportion to what knowing more of it is expected to be worth.

Laws: what was shown to be worse than what serves, or with ``match`` than tolerated, is not published; who was shown to be
worse than tolerated is not tried; what ``objective.confidence`` promises, or what serves has passed a test of, is published
only when it has passed its own test (``control/bound``), whatever the objective; all tests of a plan share one error, and
their number is published; what changes and tests nothing publishes nothing; answers of a deployment from before it was found
to have changed are forgotten, and who is barred does not act.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from pointsman.control.bound import error_of, kept, mixed, tested_on
from pointsman.control.learn import SEED, Taught, expected
from pointsman.control.memory import Memory
from pointsman.core.errors import TableError
from pointsman.core.routing import Deployment, Objective, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import model, onboard, worth
from pointsman.policy.correction import corrected
from pointsman.policy.guarantee import confidence
from pointsman.policy.model import Policy
from pointsman.policy.onboard import NOBODY, Expected
from pointsman.policy.outcomes import Floats, Outcomes
from pointsman.policy.quality import CLOSEST
from pointsman.policy.teach import Lesson
from pointsman.policy.trade import choices, resolve

EVERY: Final = "*"
APART: Final = 0.2  # of the requests, never learned from
LEAST_ROWS: Final = 60  # requests before anything is learned
MOVED: Final = 0.2  # of the requests: where so many are answered by another than before, what is watched begins anew

Hopes = Callable[[Outcomes], Mapping[str, Expected]]
"""What is expected of deployments, given what is known of others."""


def nothing(_rows: Outcomes) -> Mapping[str, Expected]:
    """Expect nothing."""
    return NOBODY


@dataclass(frozen=True)
class Relearned:
    """What a plan's labels come to: the plan, its policy and its name; ``why`` says in a few words what was done.

    ``changed``: other choices serve from now on. Where they were not published, the plan keeps its own and ``why`` says so.
    ``others``: not the same ones may serve as did, or they serve other requests; what was served until then says nothing of
    what is in force.
    """

    plan: Plan
    name: str
    policy: Policy | None
    changed: bool
    why: str
    others: bool = False


def relearn(
    snapshot: Snapshot,
    route: Route,
    plan: Plan,
    memory: Memory,
    *,
    hopes: Hopes = nothing,
) -> Relearned | None:
    """Return what a plan that acts should be now; None where too little is known to say anything.

    A policy that reads what an encoder makes of texts stays as it is: the journal has no encodings to learn from.
    ``hopes`` says what is expected of deployments of which little was graded (``control/onboard.expectations``).
    """
    reference = plan.reference or route.reference
    if reference is None or _encodes(snapshot, route, plan):
        return None
    names = candidates(snapshot, route, plan)
    but = route.plans.keys() - {EVERY} if plan.feature == EVERY else ()
    changed = {name: change.since_ms for name, change in snapshot.changes.items()}
    rows = memory.outcomes((reference, *names), but, changed)
    graded = np.asarray(np.isfinite(rows.score).any(axis=0))
    if len(rows) < LEAST_ROWS or not graded[0] or graded.sum() < 2:
        return None
    known = {name: snapshot.deployments[name] for name in (reference, *names)}
    learning = rows.lots() >= APART
    apart = _set_apart(rows.rows(~learning))
    objective = objective_of(route, plan)
    try:
        taught = _taught(rows.rows(learning), objective, reference, known, hopes(rows))
        taught = _tested(plan, taught, apart, known)
    except (ValueError, TableError):
        return None
    return _judged(snapshot, route, plan, taught, apart, known)


def _tested(plan: Plan, taught: Taught, apart: Outcomes, known: Mapping[str, Deployment]) -> Taught:
    """Return what was learned with what its test said, where one is promised; each next test of a plan is stricter.

    Raises TableError where there is nothing to test on.
    """
    number = plan.tests + 1
    if taught.objective.confidence is not None:
        return tested_on(taught, apart, known, error=error_of(taught.objective.confidence, number))
    if plan.tested is None or taught.serving == (taught.reference,):
        return taught
    return kept(taught, apart, known, plan.tested, error=error_of(plan.tested.confidence, number))


def _set_apart(rows: Outcomes) -> Outcomes:
    """Return what is tested on: rows that several answered, in an order that means nothing."""
    return mixed(rows.rows(np.isfinite(rows.score).sum(axis=1) > 1))


def _taught(
    rows: Outcomes, objective: Objective, reference: str, known: Mapping[str, Deployment], hopes: Mapping[str, Expected]
) -> Taught:
    """Return what rows teach of which most have gaps. Raises ValueError where too few were answered by several."""
    rows = rows.grouped()
    several = np.isfinite(rows.score).sum(axis=1) > 1
    rows = rows.columns(np.flatnonzero(np.isfinite(rows.score[several]).any(axis=0)))
    deployments = [known[name] for name in rows.deployments]
    lesson = onboard.taught(rows.rows(several), deployments, home=reference, expected=hopes, caution=objective.caution)
    lesson = _corrected(lesson, rows.rows(several), rows.rows(~several))
    trade = resolve(objective, lesson.evidence, reference, np.random.default_rng(SEED))
    return Taught(lesson, trade, reference, objective)


def _corrected(lesson: Lesson, several: Outcomes, alone: Outcomes) -> Lesson:
    """Return a lesson corrected by rows that one deployment alone answered: its policy, and what it predicts of its rows.

    ``several`` are the lesson's own rows as they were graded, gaps and all.
    """
    there = lesson.outcomes
    graded = several.columns([several.deployments.index(name) for name in there.deployments])
    policy = corrected(lesson.policy, alone, graded, lesson.quality)
    tags = [(there.features[place],) for place in there.feature]
    before, after = (model.estimate(each, there.vectors, tags).quality for each in (lesson.policy, policy))
    quality = np.clip(lesson.quality + (after - before), CLOSEST, 1 - CLOSEST)
    return dataclasses.replace(lesson, policy=policy, quality=quality)


def _encodes(snapshot: Snapshot, route: Route, plan: Plan) -> bool:
    data = snapshot.policies.get(plan.policy or route.name)
    return data is not None and model.decode(data).encoder != ""


def candidates(snapshot: Snapshot, route: Route, plan: Plan) -> tuple[str, ...]:
    """Return the deployments that a plan may come to choose beside its reference."""
    reference = plan.reference or route.reference
    named = dict.fromkeys((*(plan.candidates or route.candidates), *plan.accepted))
    barred = {name for name, change in snapshot.changes.items() if change.barred}
    able = (name for name in named if name in snapshot.deployments and plan.allows(name))
    return tuple(name for name in able if name != reference and name not in barred)


def objective_of(route: Route, plan: Plan) -> Objective:
    """Return the route's objective, with the tolerance and the confidence of the test that the plan has passed, if any."""
    if route.objective.kind != "match" or plan.tested is None:
        return route.objective
    return replace(route.objective, tolerance=plan.tested.tolerance, confidence=plan.tested.confidence)


def _judged(
    snapshot: Snapshot, route: Route, plan: Plan, taught: Taught, apart: Outcomes, known: Mapping[str, Deployment]
) -> Relearned:
    """Return the plan with what was learned, or as it was where that was shown to be worse on the requests set apart."""
    reference, tolerance = taught.reference, plan.tolerance if plan.tested is None else plan.tested.tolerance
    paired = apart.rows(np.isfinite(apart.score[:, apart.deployments.index(reference)]))
    name = plan.policy or (route.name if plan.feature == EVERY else f"{route.name}/{plan.feature}")
    tried = _explorable(taught, paired, tolerance)
    plan = replace(plan, explorable=tried, tests=plan.tests + (taught.bound is not None))
    worse = _worse(snapshot, plan, name, taught, paired, known, tolerance)
    if worse:
        why = f"what was learned is not used: {worse}"
        return Relearned(plan, name, None, changed=False, why=why)
    accepted = tuple(one for one in taught.serving if one != reference)
    trade = taught.trade
    changed = replace(
        plan,
        mode=plan.mode if accepted or tried else "observe",
        accepted=accepted,
        acting_share=plan.acting_share if accepted or tried else 0.0,
        value_nano=trade.value_nano,
        one_model=trade.one_model,
        policy="" if name == route.name else name,
        tested=taught.bound.tested if taught.bound is not None else None,
    )
    learned_from = taught.lesson.policy.learned_from
    others = {*accepted} != {*plan.accepted} or trade.one_model != plan.one_model
    others = others or _moved(snapshot, plan, name, taught, known) > MOVED
    why = f"learned again from {learned_from:,} requests"
    return Relearned(changed, name, taught.lesson.policy, changed=True, why=why, others=others)


def _worse(
    snapshot: Snapshot,
    plan: Plan,
    name: str,
    taught: Taught,
    paired: Outcomes,
    known: Mapping[str, Deployment],
    tolerance: float,
) -> str:
    """Say what was learned was shown to be worse than on requests set apart; empty where it was not.

    Against the reference in quality where the objective says how much of it may be lost, and against what serves today in
    what the objective is about; by bounds that may be looked at after each request, as what serves was chosen there too.
    """
    if taught.bound is not None and taught.bound.tested is None:
        return f"it did not pass its test on {taught.bound.judged:,} requests"
    fresh = _choices(taught.lesson.policy, taught.trade.value_nano, taught.trade.one_model, taught.serving, paired, known)
    home = np.full(len(paired), paired.deployments.index(taught.reference))
    loss = confidence(_differences(paired.score, fresh, home)).ruled_out()[1]
    if taught.objective.kind == "match" and loss < -tolerance:
        return f"at least {-100 * loss:.1f} points below {taught.reference}, and {100 * tolerance:.3g} are tolerated"
    data = snapshot.policies.get(name)
    if data is None or not plan.accepted:
        return ""
    serving = (taught.reference, *plan.accepted)
    today = _choices(model.decode(data), plan.value_nano, plan.one_model, serving, paired, known)
    value = None if taught.objective.kind == "budget" else taught.trade.value_nano  # what is within it is judged by quality
    gain = paired.score if value is None else paired.score - np.nan_to_num(paired.cost_nano) / max(value, 1)
    most = confidence(_differences(gain, fresh, today)).ruled_out()[1]
    return "certainly worse than what serves today" if most < 0 else ""


def _moved(snapshot: Snapshot, plan: Plan, name: str, taught: Taught, known: Mapping[str, Deployment]) -> float:
    """Return what part of the requests that were learned from is answered by another than what serves today chooses.

    None of them where nothing serves yet, or one model serves all.
    """
    data = snapshot.policies.get(name)
    if data is None or not plan.accepted or plan.one_model is not None:
        return 0.0
    rows = taught.lesson.outcomes
    trade, serving = taught.trade, (taught.reference, *plan.accepted)
    fresh = _choices(taught.lesson.policy, trade.value_nano, trade.one_model, taught.serving, rows, known)
    today = _choices(model.decode(data), plan.value_nano, plan.one_model, serving, rows, known)
    return float((fresh != today).mean())


def _choices(
    policy: Policy,
    value: int | None,
    one_model: str | None,
    serving: Sequence[str],
    rows: Outcomes,
    known: Mapping[str, Deployment],
) -> NDArray[np.int64]:
    """Return the column of ``rows`` that is chosen for each of them among those that may serve."""
    if one_model is not None:
        return np.full(len(rows), rows.deployments.index(one_model))
    columns = [place for place, name in enumerate(policy.deployments) if name in serving and name in rows.deployments]
    quality, cost = expected(policy, rows, known)
    chosen = choices(quality[:, columns], cost[:, columns], None if value is None else float(value))
    places = np.array([rows.deployments.index(policy.deployments[column]) for column in columns])
    return np.asarray(places[chosen])


def _differences(values: Floats, ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> Floats:
    """Return our values less theirs where both are known; where both chose the same, that is nothing, known or not."""
    rows = np.arange(len(values))
    change = np.where(ours == theirs, 0.0, values[rows, ours] - values[rows, theirs])
    return np.asarray(np.clip(change[np.isfinite(change)], -1.0, 1.0))


def _explorable(taught: Taught, paired: Outcomes, tolerance: float) -> dict[str, float]:
    """Return who may be tried, each with its part of the share: in proportion to what knowing more is expected to be worth.

    Left out is who was shown to be worse than tolerated and is chosen for nothing.
    """
    reference = paired.score[:, paired.deployments.index(taught.reference)]
    evidence, value = taught.lesson.evidence, taught.trade.value_nano
    found = worth.of_knowing(evidence, None if value is None else float(value))
    for name in [*found]:
        change = paired.score[:, paired.deployments.index(name)] - reference
        most = confidence(np.clip(change[np.isfinite(change)], -1.0, 1.0)).ruled_out()[1]
        if name == taught.reference or (most < -tolerance and name not in taught.serving):
            del found[name]
    whole = sum(found.values())
    return {name: part / whole for name, part in found.items()} if whole > 0 else {}


def with_relearned(snapshot: Snapshot, route: str, before: Plan, found: Relearned, *, now_ms: int) -> Snapshot:
    """Return a snapshot with what was learned again; where somebody acted on the plan meanwhile, as it is."""
    if route not in snapshot.routes or snapshot.routes[route].plans.get(before.feature) != before:
        return snapshot
    there = snapshot.routes[route]
    policies = snapshot.policies if found.policy is None else {**snapshot.policies, found.name: model.encode(found.policy)}
    plan = replace(found.plan, since_ms=now_ms) if found.others else found.plan
    changed = replace(there, plans={**there.plans, before.feature: plan})
    where = "" if before.feature == EVERY else f" for {before.feature}"
    return replace(
        snapshot,
        routes={**snapshot.routes, route: changed},
        policies=policies,
        made_by=f"{route}{where}: {found.why}",
    )
