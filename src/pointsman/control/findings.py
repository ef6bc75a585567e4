"""All that the trials of a route found: the verdict on each candidate, and on choosing per request; and what to accept.

Strategy: verdicts come from ``verdict``, policies from ``tailor``. What is accepted is one thing: the cheapest candidate
that is ready, or choosing per request where that is ready and certainly cheaper still.

Law: where choosing per request was not shown to beat the best fixed model, one model suffices, and that is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from pointsman.control.evidence import today
from pointsman.control.lessons import learn
from pointsman.control.plans import PlanError, Serving, check_acceptable, is_current, plan_of
from pointsman.control.tailor import PER_REQUEST, Tailor, Tailored
from pointsman.control.verdict import Row, spell, tolerances, verdicts
from pointsman.core.routing import Objective
from pointsman.core.snapshot import Snapshot
from pointsman.policy import model
from pointsman.policy.powered import Powered
from pointsman.store.interfaces import Filter, Journal


@dataclass(frozen=True)
class Findings:
    """The verdict table's rows, and the policies behind the rows called ``per request``, by feature."""

    rows: tuple[Row, ...]
    tailored: dict[str, Tailored]


@dataclass(frozen=True)
class Proposal:
    """What would be accepted: the verdict that speaks for it, who would serve, and why it and nothing else."""

    row: Row
    serving: Serving
    why: str


def findings(
    journal: Journal,
    snapshot: Snapshot,
    route: str,
    feature: str | None = None,
    *,
    people: Mapping[tuple[str, str, str], Powered] | None = None,
) -> Findings:
    """Return the verdicts on a route's trials, of one feature or of all. Policies are learned on the way, in seconds.

    Only what was judged by a feature's check of today against its reference of today counts, at the prices of today;
    ``people`` as in ``verdicts``.
    """
    rows = verdicts(
        journal,
        tolerances(snapshot, route),
        feature=feature,
        counts=partial(is_current, snapshot, route),
        people=people,
        snapshot=snapshot,
    )
    cut: dict[str, Tailored] = {}
    for name in dict.fromkeys(row.feature for row in rows):
        found = _tailored(journal, snapshot, route, [row for row in rows if row.feature == name])
        if found is not None:
            cut[name] = found
    rows += [tailored.row for tailored in cut.values()]
    return Findings(tuple(sorted(rows, key=lambda row: row.feature)), cut)


def propose(found: Findings, feature: str, wanted: str | None = None, *, despite: str | None = None) -> Proposal:
    """Return what to accept for a feature: what is ``wanted`` (a deployment, ``per request``), else the best that is ready.

    Raises PlanError when nothing was tried, or when what would be taken is not ready and no reason is given to take it.
    """
    mine = {row.candidate: row for row in found.rows if row.feature == feature}
    if not mine:
        raise PlanError(
            f'nothing was tried for feature "{feature}" by the check and against the reference that it has today: '
            f"start with `pointsman trial {feature}`"
        )
    if wanted is not None:
        if wanted not in mine:
            raise PlanError(f'{wanted} was not tried for feature "{feature}"; tried: {", ".join(mine)}')
        check_acceptable(mine[wanted], despite=despite)
        return _proposal(found, mine[wanted], "you named it")
    ready = [row for row in mine.values() if row.kind == "ready"]
    fixed = min((row for row in ready if row.candidate != PER_REQUEST), key=_cost, default=None)
    per_request = next((row for row in ready if row.candidate == PER_REQUEST), None)
    if per_request is not None and (fixed is None or found.tailored[feature].cheaper_than(fixed.candidate)):
        return _proposal(
            found, per_request, "no single model is ready" if fixed is None else "cheaper than any single model"
        )
    if fixed is not None:
        return _proposal(found, fixed, "one model suffices here")
    said = "; ".join(f"{row.candidate}: {spell(row)}" for row in mine.values())
    raise PlanError(f'nothing is ready for feature "{feature}" ({said})')


def _proposal(found: Findings, row: Row, why: str) -> Proposal:
    if row.candidate != PER_REQUEST:
        return Proposal(row, Serving((row.candidate,), one_model=row.candidate), why)
    tailored = found.tailored[row.feature]
    chosen = tuple(name for name in tailored.choices if name != row.reference)
    learned = tailored.learned
    return Proposal(row, Serving(chosen, policy=model.encode(learned.policy), value_nano=learned.value_nano), why)


def _cost(row: Row) -> float:
    return row.cost.value if row.cost is not None else float("inf")


def _tailored(journal: Journal, snapshot: Snapshot, route: str, rows: Sequence[Row]) -> Tailored | None:
    """Return the policy for one feature, from the trial that was judged last."""
    newest = max(rows, key=lambda row: row.judged_ms)
    feature, trial, reference = newest.feature, newest.trial, newest.reference
    known = snapshot.deployments
    candidates = tuple(known[row.candidate] for row in rows if row.trial == trial and row.candidate in known)
    if route not in snapshot.routes or reference not in known or len(candidates) < 2:
        return None
    plan = plan_of(snapshot, route, feature)
    tailor = Tailor(
        feature=feature,
        reference=known[reference],
        candidates=candidates,
        trial=trial,
        tolerance=plan.tolerance,
        learn=partial(learn, deployments=(known[reference], *candidates), objective=_aim(snapshot, route, newest)),
    )
    return tailor.cut(today(journal.judgements(Filter(feature=feature, trial=trial)), snapshot))


def _aim(snapshot: Snapshot, route: str, row: Row) -> Objective:
    """Return the route's objective, its tolerance no larger than half of what the verdict tolerates: room for the test.

    A judge's grades are shares of wins: a change of one point in the verdict table is half a point of them.
    """
    objective = snapshot.routes[route].objective
    plan = plan_of(snapshot, route, row.feature)
    scale = 0.5 if plan.grader is not None and plan.grader.kind == "judge" else 1.0
    return replace(objective, tolerance=min(objective.tolerance, row.tolerance / 2) * scale)
