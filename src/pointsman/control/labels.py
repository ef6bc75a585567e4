"""What the journal says of the quality of answers: one label for each answer that anybody judged.

    for label in labelled(store, Filter(feature="support")):
        label.score, label.weight      learn from these: the score is unbiased, the weight what it counts for

Strategy: all judgements of one answer (an exchange and a deployment) become one label. Who is trusted most decides alone:
people, and checks that know what is right, count 1 (their mean, where they disagree); else a judge counts 1; else feedback
does, each signal corrected by its own reliability (``policy/reliability``), several of them combined. Reliability is learned
from answers that have both: feedback, and a person's or a check's grade.

Laws: order is that of the exchanges' ids, which is that of their times; memory is bounded by a page of exchanges. A label
made from feedback may lie outside [0, 1]: bounded to it, it would be biased. A signal that says nothing makes no labels.
A *compared* label is a share of wins against the reference's one half, as pairwise judges and people give it, and no
quality of its own: it may be compared with others of its exchange only.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean
from typing import Final, Literal

import numpy as np
from msgspec import Struct

from pointsman.core.chat import Usage
from pointsman.core.feedback import GRADER, FeedbackKind
from pointsman.core.record import ExchangeRecord, Judgement
from pointsman.core.routing import Arm
from pointsman.policy.reliability import Reliability, combined, reliability
from pointsman.store.interfaces import Filter, Store

PAGE: Final = 200
JUDGE: Final = "judge"


class Label(Struct, frozen=True):
    """How good one answer was. ``weight`` in (0, 1] is what ``score`` counts for beside a person's judgement.

    ``arm`` is the decision's where the answer was graded as served, else ``reference`` or ``candidate`` of a trial.
    ``propensity`` is the chance that this deployment had of being drawn; None where it answered for another reason (a trial
    asked it, it was a fallback). ``at_ms`` is when the request came, ``judged_ms`` when the answer was judged last.
    ``grader`` is who decided: of several of one rank, the last. ``vector`` is empty, ``cost_nano`` and
    ``usage`` None where unknown.
    """

    exchange: str
    deployment: str
    arm: Arm | Literal["candidate"]
    feature: str
    score: float
    weight: float
    vector: bytes
    cost_nano: int | None
    at_ms: int
    propensity: float | None
    grader: str
    compared: bool
    judged_ms: int
    usage: Usage | None = None


class Trust(Struct, frozen=True):
    """The reliability of each signal, by its grader's name, and of how many answers it speaks that nobody else knows."""

    signals: Mapping[str, Reliability]
    labels: Mapping[str, float]

    def weight(self, grader: str) -> float:
        """Return what one label of a signal counts for; 0 where nothing is known of it or it says nothing."""
        found = self.signals.get(grader)
        return found.weight(self.labels.get(grader, 0.0)) if found is not None else 0.0


def labelled(store: Store, wanted: Filter, trust: Trust | None = None, *, after: int = 0) -> Iterator[Label]:
    """Yield the labels of the answers to exchanges of which a judgement is ``wanted`` (a filter of judgements).

    ``after``: and arrived above that number (``Journal.last_judged``).
    All that was ever said of such an answer counts, whether or not it is wanted itself: a thumb of today gives way to a
    check's word of last week.
    ``trust`` is learned from the whole journal unless it is given (``learned_trust``).
    """
    known = learned_trust(store) if trust is None else trust
    page: list[list[Judgement]] = []
    for judged in store.journal.by_exchange(wanted, after=after):
        page.append(judged)
        if len(page) == PAGE:
            yield from _labels(store, page, known)
            page = []
    yield from _labels(store, page, known)


def learned_trust(store: Store) -> Trust:
    """Return the reliability of every signal, from all answers that have its word and a person's or a check's."""
    signals = store.feedback.signals(unknown_before_ms=0)
    said = heard(store) if signals else {}
    found = {signal.grader: said.get(signal.grader, Heard()) for signal in signals}
    return Trust(
        {signal.grader: found[signal.grader].reliability(signal.kind) for signal in signals},
        {grader: sum(weight for _, weight in one.alone) for grader, one in found.items()},
    )


@dataclass
class Heard:
    """What one signal said of answers: each score with its weight; where the truth is known, that too."""

    compared: list[tuple[float, float, float]] = field(default_factory=list)
    alone: list[tuple[float, float]] = field(default_factory=list)

    def reliability(self, kind: FeedbackKind) -> Reliability:
        """Return its line."""
        pairs = np.array(self.compared, dtype=np.float64).reshape(-1, 3)
        return reliability(kind, pairs[:, 0], pairs[:, 1], pairs[:, 2])

    def quality(self, kind: FeedbackKind) -> tuple[float, float, float] | None:
        """Return the mean quality of all answers that it spoke of, with 95 % bounds; None where that cannot be told."""
        said = np.array([*((score, weight) for score, _, weight in self.compared), *self.alone], dtype=np.float64)
        return self.reliability(kind).quality(said[:, 0], said[:, 1]) if len(said) else None


def heard(store: Store) -> dict[str, Heard]:
    """Return what every signal said of the answers in the journal, by its grader's name."""
    found: defaultdict[str, Heard] = defaultdict(Heard)
    for judged in store.journal.by_exchange(Filter()):
        for rows in _answers(judged):
            graded = [(score, row) for row in rows if (score := row.score) is not None]
            spoken = [(score, row) for score, row in graded if row.grader.startswith(GRADER)]
            true = [score for score, row in graded if is_truth(row, judged)] if spoken else []
            for score, row in spoken:
                if true:
                    found[row.grader].compared.append((score, fmean(true), row.weight))
                else:
                    found[row.grader].alone.append((score, row.weight))
    return found


def is_truth(row: Judgement, others: Iterable[Judgement]) -> bool:
    """Whether a judgement may be taken for the truth: a person's or a check's word on the answer alone."""
    return not row.grader.startswith((GRADER, JUDGE)) and not _compared(row, others)


def _compared(row: Judgement, others: Iterable[Judgement]) -> bool:
    """Whether a grade is a share of wins: a judge's, or a person's beside the reference's one half."""
    if row.grader.startswith(JUDGE):
        return True
    if not row.grader.startswith("person:") or not row.trial:
        return False
    mates = [one for one in others if (one.grader, one.trial) == (row.grader, row.trial)]
    return len(mates) > 1 and any(one.arm == "reference" and one.score == 0.5 for one in mates)


def _answers(judged: Sequence[Judgement]) -> Iterator[list[Judgement]]:
    """Yield the judgements of each answer to one exchange."""
    rows = sorted(judged, key=lambda row: (row.deployment, row.at_ms))
    return (list(group) for _, group in groupby(rows, lambda row: row.deployment))


def _labels(store: Store, page: Sequence[Sequence[Judgement]], trust: Trust) -> Iterator[Label]:
    """Yield the labels of a page of exchanges."""
    records = store.journal.named([judged[0].exchange for judged in page])
    for judged in page:
        for rows in _answers(judged):
            decided = _decided(rows, judged, trust)
            if decided is not None:
                yield _label(decided, rows, records.get(rows[0].exchange))


class _Decided(Struct, frozen=True):
    """What the judgements of one answer come to, and which of them decided last."""

    score: float
    weight: float
    by: Judgement
    compared: bool = False


def _decided(rows: Sequence[Judgement], judged: Sequence[Judgement], trust: Trust) -> _Decided | None:
    """Return the word of who is trusted most; None where nobody says anything."""
    graded = [(row.score, row) for row in rows if row.score is not None]
    true = [(score, row) for score, row in graded if is_truth(row, judged)]
    if true:
        return _Decided(fmean(score for score, _ in true), 1.0, true[-1][1])
    compared = [(score, row) for score, row in graded if not row.grader.startswith(GRADER)]
    if compared:
        return _Decided(fmean(score for score, _ in compared), 1.0, compared[-1][1], compared=True)
    told = [(score, row, row.weight * trust.weight(row.grader)) for score, row in graded]
    told = [each for each in told if each[2] > 0]
    if not told:
        return None
    score, weight = combined([(trust.signals[row.grader].corrected(score), weight) for score, row, weight in told])
    return _Decided(score, weight, told[-1][1])


def _label(decided: _Decided, rows: Sequence[Judgement], record: ExchangeRecord | None) -> Label:
    last = decided.by
    kept = record.vector if record is not None else b""
    own = record.served_by if record is not None else None
    served = own if own is not None and own.deployment == last.deployment else None
    return Label(
        exchange=last.exchange,
        deployment=last.deployment,
        arm=next((row.arm for row in rows if not row.trial), last.arm),
        feature=last.feature,
        score=decided.score,
        weight=decided.weight,
        vector=next((row.vector for row in rows if row.vector), kept),
        cost_nano=next(
            (row.cost_nano for row in rows if row.cost_nano is not None), served.cost_nano if served is not None else None
        ),
        at_ms=record.at_ms if record is not None else last.at_ms,
        propensity=_propensity(record, last.deployment),
        grader=last.grader,
        compared=decided.compared,
        judged_ms=max(row.at_ms for row in rows),
        usage=next((row.usage for row in rows if row.usage is not None), served.usage if served is not None else None),
    )


def _propensity(record: ExchangeRecord | None, deployment: str) -> float | None:
    """Return the chance that a deployment had of being drawn, None where it did not answer because it was."""
    served = record.served_by if record is not None else None
    decision = record.decision if record is not None else None
    if served is None or decision is None or not decision.chosen == served.deployment == deployment:
        return None
    return dict(zip(decision.eligible, decision.probabilities, strict=True)).get(deployment)
