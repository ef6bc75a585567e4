"""The verdict table: what the judgements of a trial allow to be said about each candidate.

Strategy: rows of one exchange are paired, the candidate's grade minus the reference's; the differences go through
``policy/guarantee`` in the order in which they came, and the costs of the same exchanges give the cost ratio. Everything is
worked out anew from the journal, so that the table can be checked by anybody who can read the journal.

Laws: one row per feature and candidate, from the trial that judged it last; what could not be graded is counted and
shown, never dropped in silence. Where enough people judged (``policy/powered``), the verdict goes by what they say of all
answers, the judge's word corrected by theirs. The verdict holds however often one looks, on quality and on cost
(``is_cheaper``); the interval of the cost ratio is for showing, a plain one of 95 % for one look.
A grade from a pairwise judge is a share of wins ``s`` in [0, 1]; the difference is ``2 s - 1``, wins minus losses.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from pointsman.control.evidence import today
from pointsman.core.record import Judgement
from pointsman.core.snapshot import Snapshot
from pointsman.policy.guarantee import ALPHA, ConfidenceSequence, Interval, VerdictKind, needed, verdict
from pointsman.policy.powered import Powered
from pointsman.store.interfaces import Filter, Journal

Z95: Final = 1.959963984540054
TOLERANCE: Final = 0.05
LEAST_PRICED: Final = 30
_REPEATS: Final = 3
_MIXTURE: Final = 0.0439  # the mixture's squared width, at which the bound on costs is narrowest at 200 pairs


class Ratio(Struct, frozen=True):
    """Mean cost of the candidate over mean cost of the reference, on ``n`` exchanges that both answered; 95 % bounds."""

    value: float
    low: float
    high: float
    n: int


class Row(Struct, frozen=True):
    """One line of the verdict table.

    ``more`` is about how many further judgements would settle it (None: more than 20,000, or it is not a matter of
    judgements) and ``more_nano`` what those would cost. ``why`` is empty unless the verdict needs a word of explanation.
    ``judged_ms`` is when it was judged last; ``people`` is what people's judgements say, where enough of them did.
    """

    feature: str
    reference: str
    candidate: str
    trial: str
    change: Interval
    ungraded: int
    cost: Ratio | None
    kind: VerdictKind
    tolerance: float
    more: int | None = None
    more_nano: int | None = None
    why: str = ""
    judged_ms: int = 0
    people: Powered | None = None

    @property
    def settled(self) -> bool:
        """Whether further judgements would not change the verdict."""
        return self.kind != "cannot tell"


def cost_ratio(pairs: Sequence[tuple[int, int]]) -> Ratio | None:
    """Return the ratio of mean costs of (candidate, reference) pairs; None for fewer than two or a reference that is free.

    The bounds are normal ones on the log of the ratio, its variance by the delta method for a ratio of paired means
    (Cochran, Sampling Techniques, 3rd edition, section 6.3).
    """
    n = len(pairs)
    candidate, reference = sum(c for c, _ in pairs), sum(r for _, r in pairs)
    if n < 2 or reference == 0:
        return None
    value = candidate / reference
    if value == 0:
        return Ratio(0.0, 0.0, 0.0, n)
    squares = sum((c - value * r) ** 2 for c, r in pairs) / (n - 1)
    spread = math.exp(Z95 * math.sqrt(squares / n) / (reference / n) / value)
    return Ratio(value, value / spread, value * spread, n)


def is_cheaper(pairs: Sequence[tuple[int, int]], alpha: float = ALPHA) -> bool | None:
    """Say whether (candidate, reference) pairs settle that the candidate costs less, or does not; None: not settled.

    The bound is a confidence sequence by normal mixture (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021,
    arXiv:2103.06476): both errors together have a chance of about ``alpha`` over all looks from the 30th pair on. It is an
    asymptotic one, and costs are skewed: the few answers that make a candidate dear may not have come yet. So the claim must
    hold even if the pair that speaks most against it came three times more; without that, a candidate of equal cost and
    long-tailed answers was called cheaper in 19 % of runs, with it in 4 %.
    """
    if len(pairs) < LEAST_PRICED:
        return None
    changes = [candidate - reference for candidate, reference in pairs]
    n, total, squares = len(changes), sum(changes), sum(change * change for change in changes)
    if not squares or surely_below_zero(n, -total, squares, -min(changes), alpha):
        return False
    return True if surely_below_zero(n, total, squares, max(changes), alpha) else None


def surely_below_zero(n: int, total: float, squares: float, largest: float, alpha: float) -> bool:
    """Whether the mean of differences is below zero, by their number, sum, sum of squares and the largest: see above."""
    n, total, squares = n + _REPEATS, total + _REPEATS * largest, squares + _REPEATS * largest * largest
    if total >= 0:
        return False
    mean = total / n
    variance = max(0.0, squares - n * mean * mean) / (n - 1)
    scale = n * _MIXTURE + 1
    return mean + math.sqrt(variance * 2 * scale / (n * n * _MIXTURE) * math.log(math.sqrt(scale) / alpha)) < 0


@dataclass
class Evidence:
    """What has been judged of one candidate for one feature in one trial. ``changes`` are the differences, in order."""

    reference: str = ""
    alpha: float = ALPHA
    changes: list[float] = field(default_factory=list)
    ungraded: int = 0
    costs: list[tuple[int, int]] = field(default_factory=list)
    spent_nano: int = 0
    unpriced: int = 0
    judged_ms: int = 0
    people: Powered | None = None

    def add(self, reference: Judgement, candidate: Judgement) -> None:
        """Take one pair into account."""
        self.reference = reference.deployment
        self.judged_ms = max(self.judged_ms, candidate.at_ms)
        self.spent_nano += (candidate.cost_nano or 0) + candidate.grading_nano
        answered = candidate.usage is not None and reference.usage is not None
        if answered and candidate.cost_nano is not None and reference.cost_nano is not None:
            self.costs.append((candidate.cost_nano, reference.cost_nano))  # a refusal is no answer that costs nothing
        elif candidate.score is not None and not candidate.note:  # a failure has a note, and no price is missing for it
            self.unpriced += 1
        change = difference(reference, candidate)
        if change is None:
            self.ungraded += 1
        else:
            self.changes.append(change)

    @property
    def sequence(self) -> ConfidenceSequence:
        """What the differences allow to be said, at level ``1 - alpha``: worked out anew each time, in milliseconds."""
        sequence = ConfidenceSequence(self.alpha)
        sequence.extend(self.changes)
        return sequence

    def row(self, feature: str, candidate: str, trial: str, tolerance: float) -> Row:
        """Return the line of the table for an owner who accepts a loss of ``tolerance``."""
        sequence = self.sequence
        change, cost = self._change(sequence), cost_ratio(self.costs)
        kind = verdict(change, tolerance, cheaper=is_cheaper(self.costs, self.alpha))
        more: int | None = None
        more_nano: int | None = None
        if kind == "cannot tell" and change.n and not change.contradicts(tolerance) and self.people is None:
            more = needed(sequence.counts, tolerance, self.alpha) or None
            more_nano = round(more * self.spent_nano / change.n) if more is not None else None
        return Row(
            feature=feature,
            reference=self.reference,
            candidate=candidate,
            trial=trial,
            change=change,
            ungraded=self.ungraded,
            cost=cost,
            kind=kind,
            tolerance=tolerance,
            more=more,
            more_nano=more_nano,
            why=self._why(kind, change, tolerance, cost),
            judged_ms=self.judged_ms,
            people=self.people,
        )

    def _change(self, sequence: ConfidenceSequence) -> Interval:
        """Return the change of quality: what the judge said, corrected by people where enough of them judged."""
        if self.people is None:
            return sequence.interval
        low, high = self.people.ever(self.alpha)
        return Interval(self.people.value, max(-1.0, low), min(1.0, high), self.people.judged)

    def _why(self, kind: VerdictKind, change: Interval, tolerance: float, cost: Ratio | None) -> str:
        if not change.n:
            return "nothing judged yet"
        low, high = change.ruled_out()
        if kind == "stay":
            return "" if high < -tolerance and not change.contradicts(tolerance) else "not cheaper"
        if change.contradicts(tolerance):
            return "later answers contradict earlier ones: start it afresh"
        if kind == "cannot tell" and low > -tolerance:
            return "no price known" if cost is None and self.unpriced else "good enough, but the cost is not settled"
        if kind == "cannot tell" and self.people is not None:
            more = self.people.needed(tolerance, self.alpha)
            return "people's word is too close to call" if more is None else f"about {round_up(more)} more by people"
        return ""


def difference(reference: Judgement, candidate: Judgement) -> float | None:
    """Return the candidate's grade minus the reference's, in [-1, 1]; None where one of them is ungraded.

    A pairwise judge's share of wins is against the reference's one half, so its difference is doubled: wins minus losses.
    """
    if reference.score is None or candidate.score is None:
        return None
    change = candidate.score - reference.score
    return 2 * change if candidate.grader.startswith("judge") else change


def gather(judgements: Iterable[Judgement]) -> dict[tuple[str, str, str], Evidence]:
    """Pair what checks and judges said in trials, in the order given; return the evidence by (feature, candidate, trial)."""
    evidence: defaultdict[tuple[str, str, str], Evidence] = defaultdict(Evidence)
    references: dict[tuple[str, str], Judgement] = {}
    waiting: dict[tuple[str, str], list[Judgement]] = {}
    for judged in judgements:
        if not judged.trial or not judged.by_check:
            continue
        pair = (judged.trial, judged.exchange)
        if judged.arm == "reference":
            references[pair] = judged
            ready = waiting.pop(pair, [])
        elif judged.arm == "candidate" and pair in references:
            ready = [judged]
        elif judged.arm == "candidate":
            waiting.setdefault(pair, []).append(judged)
            continue
        else:
            continue
        for candidate in ready:
            evidence[candidate.feature, candidate.deployment, candidate.trial].add(references[pair], candidate)
    return evidence


def verdicts(
    journal: Journal,
    tolerances: Mapping[str, float],
    *,
    feature: str | None = None,
    trial: str | None = None,
    counts: Callable[[str, str], bool] | None = None,
    people: Mapping[tuple[str, str, str], Powered] | None = None,
    snapshot: Snapshot | None = None,
) -> list[Row]:
    """Return the verdict table: one row per feature and candidate, from the trial that judged it last, by feature.

    ``tolerances`` maps features to the loss that the owner accepts; the key ``*`` holds for the others. ``counts`` says of
    a feature and a trial whether that is evidence at all. ``people``: what people's judgements say, by feature,
    candidate and trial. With a ``snapshot`` its prices hold, and nothing counts that was judged before a deployment changed.
    """
    newest: dict[tuple[str, str], Row] = {}
    judged = journal.judgements(Filter(feature=feature, trial=trial))
    gathered = gather(judged if snapshot is None else today(judged, snapshot))
    for (name, candidate, source), evidence in sorted(gathered.items(), key=lambda item: item[1].judged_ms):
        if counts is not None and not counts(name, source):
            continue
        tolerance = tolerances.get(name, tolerances.get("*", TOLERANCE))
        evidence.people = (people or {}).get((name, candidate, source))
        newest[name, candidate] = evidence.row(name, candidate, source, tolerance)
    return [newest[key] for key in sorted(newest)]


def tolerances(snapshot: Snapshot, route: str) -> dict[str, float]:
    """Return the loss that the owner accepts for each feature of a route."""
    found = snapshot.routes.get(route)
    return {feature: plan.tolerance for feature, plan in found.plans.items()} if found else {}


def spell(row: Row) -> str:
    """Return the verdict in words, as in ``cannot tell: about 700 more, $24``."""
    if row.kind != "cannot tell":
        return f"{row.kind}: {row.why}" if row.why else row.kind
    if row.why:
        return f"cannot tell: {row.why}"
    if row.more is None:
        return "cannot tell: more than 20,000 more"
    money = f", {dollars(row.more_nano)}" if row.more_nano is not None else ""
    return f"cannot tell: about {round_up(row.more):,} more{money}"


def points(interval: Interval) -> str:
    """Return a change of quality in points, as in ``-0.4 [-2.1,+1.3]``; a dash where nothing was judged."""
    if not interval.n:
        return "-"
    return f"{_point(interval.mean)} [{_point(interval.low)},{_point(interval.high)}]"


def percent(ratio: Ratio | None) -> str:
    """Return a cost ratio as a change, as in ``-71 %``."""
    return "unknown" if ratio is None else f"{100 * (ratio.value - 1):+.0f} %"


def dollars(nano: int) -> str:
    """Return an amount of nano-dollars for people: two significant digits below ten dollars."""
    usd = nano / 1e9
    if usd >= 10:
        return f"${usd:,.0f}"
    if usd >= 1:
        return f"${usd:.1f}"
    return f"${usd:.2f}" if usd >= 0.01 or nano == 0 else "less than $0.01"


def _point(value: float) -> str:
    return f"{100 * value:+.0f}" if abs(value) >= 0.0995 else f"{100 * value:+.1f}"


def round_up(count: int) -> int:
    """Return a count to two significant digits, upwards: 1,234 is 1,300."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit
