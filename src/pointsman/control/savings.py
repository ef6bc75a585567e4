"""What acting on a verdict saved, measured against the share of requests that stayed on the reference.

Strategy: since a feature was accepted, chance alone decided whether a request went the policy's way or stayed on the
reference (control); a conversation as a whole. So the plain difference between the two arms is the effect, with nothing to
model: cost and errors from the journal's sums, quality from the answers that were graded as served, latency from the newest
exchanges. Cost is compared by what chance decided for, by *course*: a conversation, or a request that stands alone. So a
model that needs more calls for the same work is as dear as it is, and what is compared is independent.

Laws: what was not measured is None and shown as such, never estimated. Intervals here are 95 % bounds for one look, by the
normal approximation; graded answers get one right and one wrong answer added to each arm, which keeps the bounds honest
for small arms (Agresti and Caffo 2000, The American Statistician 54:280). Where a judge compares pairs, the bounds are
those of ``policy/guarantee`` and hold for every look.
"""

import math
from collections.abc import Sequence
from statistics import fmean, median, variance
from typing import Final

from msgspec import Struct

from pointsman.control.verdict import Z95
from pointsman.core.record import Judgement
from pointsman.policy.guarantee import ALPHA, apart, confidence
from pointsman.store.interfaces import CourseSpend, Filter, Journal, Spend

LATENCIES: Final = 5000


class Change(Struct, frozen=True):
    """Policy minus control, with 95 % bounds, from so many courses or judgements of each arm."""

    value: float
    low: float
    high: float
    policy: int
    control: int


class Arm(Struct, frozen=True):
    """One arm's sums. ``usd`` is the mean cost of a priced course; the median latency is of the newest exchanges.

    ``courses`` are conversations for which chance decided, and requests that stand alone; of ``priced`` a cost is known.
    """

    requests: int = 0
    errors: int = 0
    unpriced: int = 0
    usd: float | None = None
    latency_ms: float | None = None
    courses: int = 0
    priced: int = 0


class Savings(Struct, frozen=True):
    """One feature since its last step; before that the arms had other shares, and sums over both would mix times.

    ``cost`` in US dollars per course, ``quality`` in [-1, 1]; None: not measured. ``at_most`` is what the change of quality
    is at most, with 95 % for all looks together: what a monitor goes by.
    """

    feature: str
    policy: Arm
    control: Arm
    cost: Change | None
    quality: Change | None
    at_most: float | None = None

    @property
    def saved_usd(self) -> float | None:
        """What the policy's courses cost less than they would have on the reference, in US dollars."""
        return None if self.cost is None else -self.cost.value * self.policy.priced


def savings(
    journal: Journal, feature: str, *, since_ms: int, route: str | None = None, grader: str | None = None
) -> Savings:
    """Return what a feature's accepted candidates changed since ``since_ms``.

    Grades of different checks do not mix: only those by ``grader`` count (None: by the one that graded last). Grades do not
    say of which route their exchange was, so that quality is of the feature on all routes.
    """
    lines = journal.spend(Filter(feature=feature, since_ms=since_ms, route=route))
    policy, control = ([line for line in lines if line.arm == arm] for arm in ("policy", "control"))
    courses = {each.arm: each for each in journal.courses(Filter(feature=feature, since_ms=since_ms, route=route))}
    chosen, held = (courses.get(arm, CourseSpend(arm, 0, 0, 0, 0.0)) for arm in ("policy", "control"))
    latencies: dict[str, list[float]] = {"policy": [], "control": []}
    wanted = Filter(feature=feature, since_ms=since_ms, route=route)
    for record in journal.exchanges(wanted, newest_first=True, limit=LATENCIES):
        if record.decision is not None and record.decision.arm in latencies and record.outcome == "ok":
            latencies[record.decision.arm].append(record.latency_ms)
    judged = _judged(journal, wanted, grader)
    return Savings(
        feature=feature,
        policy=_arm(policy, chosen, latencies["policy"]),
        control=_arm(control, held, latencies["control"]),
        cost=_cost(chosen, held),
        quality=_quality(judged),
        at_most=_at_most(judged),
    )


def _judged(journal: Journal, wanted: Filter, grader: str | None) -> list[Judgement]:
    """Return the grades of the exchanges that are wanted, not those that were only graded in that time: ids sort by time."""
    first = next(iter(journal.exchanges(wanted, limit=1)), None)
    made = journal.judgements(Filter(feature=wanted.feature, since_ms=wanted.since_ms))
    served = [judged for judged in made if judged.arm in ("policy", "control")]
    named = grader or next((judged.grader for judged in reversed(served) if judged.by_check), "")
    return [judged for judged in served if first is not None and judged.grader == named and judged.exchange >= first.id]


def _arm(lines: Sequence[Spend], courses: CourseSpend, latencies: Sequence[float]) -> Arm:
    return Arm(
        requests=sum(line.requests for line in lines),
        courses=courses.courses,
        priced=courses.priced,
        errors=sum(line.errors for line in lines),
        unpriced=sum(line.unpriced for line in lines),
        usd=courses.cost_nano / 1e9 / courses.priced if courses.priced else None,
        latency_ms=median(latencies) if latencies else None,
    )


def _cost(policy: CourseSpend, control: CourseSpend) -> Change | None:
    arms = []
    for each in (policy, control):
        n, total, squares = each.priced, each.cost_nano / 1e9, each.cost_nano_squared / 1e18
        if n < 2:
            return None
        mean = total / n
        arms.append((n, mean, max(0.0, squares - n * mean * mean) / (n - 1)))
    (n, mean, spread), (m, base, base_spread) = arms
    return _welch(mean - base, spread / n + base_spread / m, n, m)


def _welch(value: float, squared_error: float, policy: int, control: int) -> Change:
    half = Z95 * math.sqrt(squared_error)
    return Change(value, value - half, value + half, policy, control)


def _scores(judgements: Sequence[Judgement]) -> tuple[list[float], list[float], list[float]]:
    """Return the grades of the policy's and of the control's answers, and a judge's wins minus losses of the policy's."""
    scores: dict[str, list[float]] = {"policy": [], "control": []}
    wins_minus_losses: list[float] = []
    for judged in judgements:
        if judged.arm not in scores or judged.score is None:
            continue
        if judged.grader.startswith("judge") and judged.arm == "policy":
            wins_minus_losses.append(2 * judged.score - 1)
        scores[judged.arm].append(judged.score)
    return scores["policy"], scores["control"], wins_minus_losses


def _at_most(judgements: Sequence[Judgement]) -> float | None:
    policy, control, wins_minus_losses = _scores(judgements)
    if wins_minus_losses:
        return confidence(wins_minus_losses, 2 * ALPHA).ruled_out()[1]  # one side alone
    return apart(policy, control) if policy and control else None


def _quality(judgements: Sequence[Judgement]) -> Change | None:
    policy, control, wins_minus_losses = _scores(judgements)
    if wins_minus_losses:
        change = confidence(wins_minus_losses)
        return Change(change.mean, change.low, change.high, change.n, len(control))
    if not policy or not control:
        return None
    value = fmean(policy) - fmean(control)
    wide = [[*arm, 0.0, 1.0] for arm in (policy, control)]
    centre = fmean(wide[0]) - fmean(wide[1])
    bounds = _welch(centre, sum(variance(arm) / len(arm) for arm in wide), len(policy), len(control))
    return Change(value, min(value, bounds.low), max(value, bounds.high), len(policy), len(control))
