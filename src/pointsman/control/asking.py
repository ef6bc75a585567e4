"""Learning to ask twice: a plan for a route that allows it, from a table that says what was answered.

Strategy: the plan is rehearsed on the rows that the policy was learned from, with what is predicted of each without it
(``policy/rehearsal``), against what the route would do without asking twice. Where the tolerance of ``match`` is tested, so
is the plan, on the same prompts set apart as the trade-off.

Laws: a plan that does not certainly pay is not published; what was not tested where a test was asked for is not either.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pointsman.control.bound import CONFIDENCE, set_apart
from pointsman.control.learn import Asked, Taught, expected
from pointsman.control.verdict import is_cheaper
from pointsman.core.routing import BoundTest, Deployment
from pointsman.policy import rehearsal
from pointsman.policy.bound import holds
from pointsman.policy.cascade import Plan
from pointsman.policy.outcomes import Floats, Indices, Outcomes
from pointsman.policy.teach import spent
from pointsman.policy.trade import choices


def with_asking(taught: Taught, outcomes: Outcomes, known: Mapping[str, Deployment]) -> Taught:
    """Return what was taught with a plan of asking twice where one pays. ``outcomes`` is the whole table."""
    lesson = taught.lesson
    if lesson.outcomes.said is None:
        return taught
    rows = rehearsal.graded(lesson.outcomes, lesson.quality, lesson.cost_nano, lesson.spent_nano)
    found = rehearsal.rehearsed(rows, taught.reference, taught.objective, _otherwise(taught, rows.quality, rows.cost_nano))
    if found is None:
        return taught
    asked = Asked(
        plan=found.plan,
        rehearsed_on=len(found.score),
        quality=float(found.score.mean()),
        cost_nano=float(found.spent_nano.mean()),
        other=(float(found.other_score.mean()), float(found.other_nano.mean())),
    )
    if taught.bound is None:
        return replace(taught, asked=asked)
    tested = _test(taught, found.plan, set_apart(outcomes)[1], known)
    return taught if tested is None else replace(taught, asked=replace(asked, tested=tested))


def _otherwise(taught: Taught, quality: Floats, cost: Floats) -> Indices:
    """Return the deployment (N,) that answers each request without asking twice."""
    names, trade = taught.deployments, taught.trade
    if trade.one_model is not None:
        return np.full(len(quality), names.index(trade.one_model))
    serving = np.array([place for place, name in enumerate(names) if name in (*trade.chosen, taught.reference)])
    chosen: Indices = serving[choices(quality[:, serving], cost[:, serving], trade.value_nano)]
    return chosen


def _test(taught: Taught, plan: Plan, apart: Outcomes, known: Mapping[str, Deployment]) -> BoundTest | None:
    """Return the bound that a plan passes on prompts set apart, where it certainly costs less than the reference."""
    names, tolerance, confidence = taught.deployments, taught.objective.tolerance, taught.objective.confidence or CONFIDENCE
    rows = apart.columns([apart.deployments.index(name) for name in names])
    quality, cost = expected(taught.lesson.policy, rows, known)
    paid = spent(rows, [known[name] for name in names if name in known])
    table = rehearsal.graded(rows, quality.astype(np.float64), cost, paid)
    whole = table.rows(np.flatnonzero(rehearsal.complete(table, [names.index(name) for name in plan.models])))
    if not len(whole.score):
        return None
    home = names.index(taught.reference)
    score, cost_nano = rehearsal.outcome(plan, whole)
    pairs = np.rint(np.column_stack((cost_nano, whole.spent_nano[:, home]))).astype(np.int64)
    held = bool(holds(score - whole.score[:, home], tolerance, 1 - confidence))
    cheaper = is_cheaper([(own, other) for own, other in pairs.tolist()], 1 - confidence) is True
    return BoundTest(len(whole.score), tolerance, confidence) if held and cheaper else None
