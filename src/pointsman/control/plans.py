"""How far a feature has come, as pure transitions from one snapshot to the next.

    observe ── start_trial ──> trial ── accept ──> canary ── promote ──> auto
       ^                         │                   │                    │
       └────── stop_trial ───────┴──── rollback ─────┴───── rollback ─────┘

Strategy: each function takes a snapshot and returns another; ``publish`` makes it current, so that two acts at once never
undo one another in silence. What a transition needs to know (the verdict, money spent, what was learned) is passed in.

Laws: only what the verdict calls ready is accepted, unless the owner gives a reason, which is kept in the snapshot's
``made_by``. Before canary nothing but the reference serves. ``rollback`` works in every mode, at once, and forgets no
judgement. A trial's id follows from what is compared and how, so that a trial that is taken up again goes on with its
evidence (an anytime-valid interval may be continued), while another reference or another check starts afresh.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pointsman.control import wave
from pointsman.control.grade import check
from pointsman.control.verdict import Row, percent, points, spell
from pointsman.core.errors import PointsmanError
from pointsman.core.routing import BoundTest, Grader, Plan, Route, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.policy.guarantee import ALPHA

CANARY_SHARE: Final = 0.1
EVERY: Final = "*"


class PlanError(PointsmanError):
    """A transition that cannot be made, and what to do instead."""


class Serving(Struct, frozen=True):
    """Who may serve beside the reference, and how it is chosen among them.

    ``one_model`` for every request; or per request, by a ``policy`` (as bytes) and the worth of a right answer to the
    route's objective, in nano-dollars (None: cost only breaks ties).
    """

    accepted: tuple[str, ...]
    one_model: str | None = None
    policy: bytes | None = None
    value_nano: int | None = None


def plan_of(snapshot: Snapshot, route: str, feature: str) -> Plan:
    """Return the plan in force for a feature on a route, its reference filled in. Raises PlanError, naming the routes."""
    found = _route(snapshot, route)
    plan = found.plans.get(feature) or replace(found.plans[EVERY], feature=feature)
    return replace(plan, reference=plan.reference or found.reference)


def grader_name(grader: Grader) -> str:
    """Return what judgements say of their grader: its kind, and the judging deployment."""
    return f"judge:{grader.spec}" if grader.kind == "judge" else grader.kind


def trial_id(route: str, feature: str, reference: str, grader: Grader, fresh: str = "") -> str:
    """Return the id of the trial that compares with this reference by this check; ``fresh`` sets a new start apart."""
    digest = hashlib.sha256(msgspec.json.encode([route, feature, reference, grader])).hexdigest()
    return f"{feature}-{digest[:10]}" + (f"-{fresh}" if fresh else "")


def is_current(snapshot: Snapshot, route: str, feature: str, trial: str) -> bool:
    """Return whether a trial, fresh or not, compares by the feature's check and reference of today, on this route."""
    if route not in snapshot.routes:
        return False
    plan = plan_of(snapshot, route, feature)
    if plan.reference is None or plan.grader is None:
        return False
    today = [trial_id(route, name, plan.reference, plan.grader) for name in (feature, EVERY)]
    return any(trial == one or trial.startswith(f"{one}-") for one in today)


def start_trial(
    snapshot: Snapshot,
    route: str,
    feature: str,
    *,
    candidates: Sequence[str] = (),
    share: float = 0.2,
    cap_nano: int,
    tolerance: float | None = None,
    fresh: str = "",
) -> Snapshot:
    """Try candidates on a share of a feature's requests, up to a sum of money in all.

    Where none is named, the feature's own are tried, else the route's.

    Raises PlanError when there is no reference, no check or judge, no candidate, an unknown deployment, one that may not
    answer here, or one without a price (a cap of money cannot be kept without prices); when the judge is itself compared.
    """
    plan = plan_of(snapshot, route, feature)
    if plan.reference is None:
        raise PlanError(
            f'no reference is named for feature "{feature}": set reference = "provider/model" in [routes.{route}]'
        )
    if plan.grader is None:
        raise PlanError(
            f'no check is declared for feature "{feature}": add to the configuration, for example, '
            f'[features.{_key(feature)}] check = {{kind = "exact"}} or judge = "provider/model"'
        )
    check(plan.grader)
    routes = tuple(name for name in _route(snapshot, route).candidates if plan.allows(name))
    names = tuple(dict.fromkeys(candidates or plan.candidates or routes))
    names = tuple(name for name in names if name != plan.reference)
    barred = [name for name in names if not plan.allows(name)]
    if barred:
        raise PlanError(f"{', '.join(barred)} may not be tried: allow, in [routes.{route}] or of the feature, leaves it out")
    if not names:
        raise PlanError(f"no candidates: name some with --candidates, or set candidates = [...] in [routes.{route}]")
    if plan.grader.kind == "judge" and plan.grader.spec in (plan.reference, *names):
        raise PlanError(
            f"{plan.grader.spec} cannot judge a trial that it takes part in (models prefer their own answers): name another"
        )
    paid = {*names, plan.grader.spec} if plan.grader.kind == "judge" else {*names}
    for name in sorted(paid):
        _priced(snapshot, name)
    if not 0 < share <= 1 or cap_nano <= 0 or (tolerance is not None and not 0 < tolerance < 1):
        raise PlanError("the share lies in (0, 1], the cap above $0, and the tolerance between 0 and 100 points")
    trial = Trial(trial_id(route, feature, plan.reference, plan.grader, fresh), names, share, cap_nano)
    mode = plan.mode if plan.acts else "trial"
    changed = replace(plan, mode=mode, trial=trial, tolerance=plan.tolerance if tolerance is None else tolerance)
    return _with(snapshot, route, changed, f"trial of {', '.join(names)} for {feature}")


def stop_trial(snapshot: Snapshot, route: str, feature: str) -> Snapshot:
    """End a trial; its judgements stay. Raises PlanError when none is running."""
    plan = plan_of(snapshot, route, feature)
    if plan.trial is None:
        raise PlanError(f'no trial is running for feature "{feature}"')
    mode = "observe" if plan.mode == "trial" else plan.mode
    return _with(snapshot, route, replace(plan, mode=mode, trial=None), f"trial for {feature} stopped")


def check_acceptable(row: Row, *, despite: str | None = None) -> None:
    """Raise PlanError when a verdict is not ready and no reason is given to take it all the same."""
    if row.kind != "ready" and not despite:
        raise PlanError(
            f"the verdict on {row.candidate} for {row.feature} is not ready ({spell(row)}). Let the trial go on, "
            'or take it at your own risk with --despite-verdict "REASON"'
        )


def accept(
    snapshot: Snapshot,
    route: str,
    feature: str,
    row: Row,
    serving: Serving,
    *,
    now_ms: int,
    despite: str | None = None,
    acting_share: float = CANARY_SHARE,
) -> Snapshot:
    """Let what a verdict is about serve a small share of a feature's requests: canary. It replaces what served before.

    The trial ends for its candidates; what is left of its cap pays for measuring the answers that are served. Raises
    PlanError when the verdict is not ready, is about another reference, check or route than the feature has today, or names
    a deployment that exists no more.
    """
    check_acceptable(row, despite=despite)
    plan = plan_of(snapshot, route, feature)
    for name in serving.accepted:
        if name not in snapshot.deployments:
            raise PlanError(f"{name} is no deployment of the configuration any more: accept another")
    if plan.reference is not None and row.reference != plan.reference:
        raise PlanError(f"{row.candidate} was compared with {row.reference}, but today's reference is {plan.reference}")
    if not is_current(snapshot, route, feature, row.trial):
        raise PlanError(
            f"{row.candidate} was judged by another check, or for another route, than {feature} has today: "
            f"start with `pointsman trial {feature}`"
        )
    name = f"{route}/{feature}" if serving.policy is not None else ""
    changed = replace(
        plan,
        mode="canary",
        accepted=serving.accepted,
        asks=(),
        acting_share=acting_share,
        one_model=serving.one_model,
        policy=name,
        value_nano=serving.value_nano,
        trial=measuring(plan, row.trial),
        since_ms=now_ms,
        tested=BoundTest(row.change.n, row.tolerance, 1 - ALPHA) if row.kind == "ready" else None,
    )
    evidence = f"{row.candidate}: {row.change.n} judged, {points(row.change)} points, cost {percent(row.cost)}"
    reason = f", despite the verdict: {despite}" if despite and row.kind != "ready" else ""
    after = _with(snapshot, route, changed, f"accepted for {feature}: {evidence}{reason}")
    after = wave.won(after, route, plan, serving.accepted)
    retested = {name: replace(one, barred=False) for name, one in after.changes.items() if name in serving.accepted}
    after = replace(after, changes={**after.changes, **retested})
    learned = {} if serving.policy is None else {name: serving.policy}
    return replace(after, policies={**_without(after, plan.policy), **learned})


def promote(snapshot: Snapshot, route: str, feature: str, *, now_ms: int) -> Snapshot:
    """Let the accepted candidates serve all but the control share: auto. Raises PlanError when not in canary."""
    plan = plan_of(snapshot, route, feature)
    if plan.mode != "canary":
        raise PlanError(f'feature "{feature}" is in {plan.mode}, not in canary: only a canary can be promoted')
    share = 1 - _route(snapshot, route).control_share
    changed = replace(plan, mode="auto", acting_share=share, since_ms=now_ms)
    return _with(snapshot, route, changed, f"{feature} promoted from canary to auto")


def rollback(snapshot: Snapshot, route: str, feature: str, *, now_ms: int, why: str = "") -> Snapshot:
    """Send all of a feature's requests to its reference again. Judgements stay, so that it can be accepted again later.

    ``why`` is kept on record where it was done by itself.
    """
    plan = plan_of(snapshot, route, feature)
    if plan.mode == "observe":
        raise PlanError(f'nothing to roll back: feature "{feature}" acts on no verdict')
    changed = replace(
        plan,
        mode="observe",
        accepted=(),
        asks=(),
        acting_share=0.0,
        one_model=None,
        policy="",
        trial=None,
        since_ms=now_ms,
        tested=None,
        explorable={},
    )
    made_by = f"{feature} rolled back from {plan.mode}" + (f" by itself: {why}" if why else "")
    after = wave.lost(_with(snapshot, route, changed, made_by), route, feature, plan.accepted, why or "rolled back")
    return replace(after, policies=_without(after, plan.policy))


def _without(snapshot: Snapshot, policy: str) -> dict[str, bytes]:
    """Return the policies without one that belonged to a single plan."""
    return {name: data for name, data in snapshot.policies.items() if name != policy or name in snapshot.routes}


def measuring(plan: Plan, judged_in: str) -> Trial | None:
    """Return the trial that goes on where a plan acts: it tries nothing, and grades what is served.

    A check costs nothing and looks at every request; a judge goes on with the trial's share and what is left of its cap.
    """
    if plan.grader is not None and plan.grader.kind != "judge" and plan.grader.against == "expected":
        return Trial(judged_in, (), 1.0, plan.trial.cap_nano if plan.trial is not None else 1)
    return replace(plan.trial, candidates=()) if plan.trial is not None else None


def _key(name: str) -> str:
    """Return a name as a key of TOML, quoted where it has to be."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else msgspec.json.encode(name).decode()


def _route(snapshot: Snapshot, route: str) -> Route:
    if route not in snapshot.routes:
        known = ", ".join(sorted(snapshot.routes)) or "none is configured"
        raise PlanError(f'there is no route "{route}"; routes: {known}')
    return snapshot.routes[route]


def _priced(snapshot: Snapshot, name: str) -> None:
    if name not in snapshot.deployments:
        known = ", ".join(sorted(snapshot.deployments))
        raise PlanError(f"{name} is no deployment of the configuration; deployments: {known}")
    if snapshot.deployments[name].price is None:
        raise PlanError(
            f"no price is known for {name}, so that a cap of money could not be kept: "
            f'set price = {{input = ..., output = ...}} in [deployments."{name}"]'
        )


def _with(snapshot: Snapshot, route: str, plan: Plan, made_by: str) -> Snapshot:
    found = snapshot.routes[route]
    changed = replace(found, plans={**found.plans, plan.feature: plan})
    return replace(snapshot, routes={**snapshot.routes, route: changed}, made_by=made_by)
