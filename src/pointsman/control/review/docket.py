"""A reviewer's way through the questions: what comes next, what was said, and one step back.

Strategy: the feature and candidate whose next judgement is worth most (``policy/queue.gains``), and of its pile the question
with the largest priority. A fifth of the questions are put to a second reviewer, so that agreement is known: those that
others have judged come up every fourth time. What was said is written at once, as an opinion and as a judgement.

Laws: whose answer stands at A follows from question and reviewer, as by the toss of a coin; nobody is asked twice but after
undo; a judgement that is taken back stays in the journal as one without a grade, until another takes its place.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pointsman.control.review.piles import Key, Pile
from pointsman.core.record import Judgement
from pointsman.core.review import GRADER, SHARES, Material, Opinion, Question, Said, Side
from pointsman.policy.queue import Belief, Standing, gains, number, priority
from pointsman.store.interfaces import Filter, Store

SECOND: Final = 0.2
"""The share of questions that two reviewers are asked."""
_EVERY: Final = 4


class Card(Struct, frozen=True):
    """A question as it is put to a reviewer: the material, who stands at A, and what would have come next in its pile."""

    question: Question
    material: Material
    first: Side
    next: float


class Docket:
    """One reviewer's way through the piles. ``now_ms`` returns Unix milliseconds."""

    def __init__(self, store: Store, piles: list[Pile], reviewer: str, *, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._piles = {pile.key: pile for pile in piles}
        self._reviewer = reviewer
        self._now_ms = now_ms
        self._gains: dict[Key, float] = {}
        self._features: set[str] = {pile.feature for pile in piles}
        mine = [one for pile in piles for said in pile.opinions.values() for one in said if one.reviewer == reviewer]
        self._said = sorted(mine, key=lambda one: one.at_ms)
        self._latest = self._said[-1].at_ms if self._said else 0

    @property
    def left(self) -> int:
        """How many questions can still be put to this reviewer."""
        return sum(len(pile.open) for pile in self._piles.values()) + len(self._second())

    @property
    def said(self) -> list[Opinion]:
        """What this reviewer said so far, in order of time."""
        return list(self._said)

    def next(self) -> Card | None:
        """Return the next question, None when nothing is left."""
        while True:
            found = self._next()
            if found is None:
                return None
            question, following = found
            card = self._card(question, following)
            if card is not None:
                return card
            self._lose(question)

    def say(self, card: Card, said: Said, seconds: float) -> None:
        """Write down what the reviewer said to a card after so many seconds. Raises StoreError; nothing counts then."""
        opinion = Opinion(card.question.id, self._reviewer, self._later(), said, card.first, seconds, card.next)
        write(self._store, card.question, opinion)
        self._said.append(opinion)
        self._put(card.question, lambda pile: pile.said(opinion))

    def undo(self) -> Card | None:
        """Take back what was said last and return its card, None where there is none, or its material is gone."""
        while self._said:
            opinion = self._said.pop()
            question = self._find(opinion.question)
            card = None if question is None else self._card(question, opinion.next)
            if question is None or card is None:
                continue
            take_back(self._store, question, opinion, at_ms=self._later())
            self._put(question, partial(Pile.unsaid, question=question.id, reviewer=self._reviewer))
            return card
        return None

    def _later(self) -> int:
        """Return a moment that is later than all that this reviewer said, for two keys may be pressed within one."""
        self._latest = max(self._now_ms(), self._latest + 1)
        return self._latest

    def _next(self) -> tuple[Question, float] | None:
        second = self._second()
        if second and len(self._said) % _EVERY == _EVERY - 1:
            return second[0], 0.0
        best: Pile | None = None
        for pile in self._piles.values():
            if pile.open and (best is None or self._gain(pile) > self._gain(best)):
                best = pile
        if best is None:
            return (second[0], 0.0) if second else None
        first, *others = best.open
        return first, priority(others[0].id, others[0].worth) if others else 0.0

    def _second(self) -> list[Question]:
        """Return the questions that somebody else judged and this reviewer is to judge too."""
        found = []
        for pile in self._piles.values():
            for one in pile.questions:
                said = pile.opinions.get(one.id, ())
                if len(said) == 1 and said[0].reviewer != self._reviewer and one.gone_ms is None and is_second(one.id):
                    found.append(one)
        return found

    def _gain(self, pile: Pile) -> float:
        if pile.key not in self._gains:
            mine = [one for one in self._piles.values() if one.feature == pile.feature]
            worth = gains([standing(one, self._piles) for one in mine])
            self._gains.update(zip((one.key for one in mine), worth, strict=True))
        return self._gains[pile.key]

    def _card(self, question: Question, following: float) -> Card | None:
        material = self._store.reviews.material(question)
        return None if material is None else Card(question, material, side(question.id, self._reviewer), following)

    def _find(self, id_: str) -> Question | None:
        return next((one for pile in self._piles.values() for one in pile.questions if one.id == id_), None)

    def _put(self, question: Question, change: Callable[[Pile], Pile]) -> None:
        """Replace the pile of a question, and forget what was worked out of its feature."""
        for key, pile in self._piles.items():
            if any(one.id == question.id for one in pile.questions):
                self._piles[key] = change(pile)
        self._gains = {key: gain for key, gain in self._gains.items() if key[0] != question.feature}

    def _lose(self, question: Question) -> None:
        """Leave out a question whose material was forgotten meanwhile."""
        gone = replace(question, gone_ms=self._now_ms())

        def without(pile: Pile) -> Pile:
            return replace(pile, questions=tuple(gone if one.id == gone.id else one for one in pile.questions))

        self._put(question, without)


def standing(pile: Pile, everything: Mapping[Key, Pile]) -> Standing:
    """Return how things stand with a pile. Where one answer stands alone, the policy's mean less the control's matters."""
    if pile.paired:
        return pile.standing
    own = pile.standing
    means = [
        other.belief.mean if other is not None else 0.0
        for other in (everything.get((pile.feature, "", "", arm)) for arm in ("policy", "control"))
    ]
    return replace(own, belief=Belief(means[0] - means[1], own.belief.sd, own.belief.noise))


def side(question: str, reviewer: str) -> Side:
    """Return whose answer stands at A: as by the toss of a coin, and the same whenever this reviewer sees the question."""
    return "candidate" if hashlib.sha256(f"side {question} {reviewer}".encode()).digest()[0] & 1 else "reference"


def is_second(question: str) -> bool:
    """Whether a question is put to two reviewers."""
    return number(f"second {question}") <= SECOND


def write(store: Store, question: Question, opinion: Opinion) -> None:
    """Write an opinion, and the judgement that it is. Raises StoreError.

    The judgement comes first: were the process to end in between, the question is asked again, and nothing was lost.
    """
    if opinion.said != "skip":
        note = "cannot tell" if SHARES[opinion.said] is None else ""
        store.journal.judge([_judgement(store, question, opinion, SHARES[opinion.said], note)])
    store.reviews.say([opinion])


def take_back(store: Store, question: Question, opinion: Opinion, *, at_ms: int) -> None:
    """Take an opinion back. Raises StoreError."""
    if opinion.said != "skip":
        store.journal.judge([_judgement(store, question, replace(opinion, at_ms=at_ms), None, "taken back")])
    store.reviews.take_back(question.id, opinion.reviewer)


def _judgement(store: Store, question: Question, opinion: Opinion, score: float | None, note: str) -> Judgement:
    """Return a person's judgement, with the answer's usage, cost and vector as the machine's judgement has them."""
    of_machine = next(
        (
            one
            for one in store.journal.judgements(Filter(exchange=question.exchange, deployment=question.deployment))
            if one.by_check and (one.trial, one.arm) == (question.trial, question.arm)
        ),
        None,
    )
    made = Judgement(
        exchange=question.exchange,
        at_ms=opinion.at_ms,
        feature=question.feature,
        deployment=question.deployment,
        arm=question.arm,
        score=score,
        grader=f"{GRADER}{opinion.reviewer}",
        trial=question.trial,
        note=note,
    )
    if of_machine is None:
        return made
    return replace(made, usage=of_machine.usage, cost_nano=of_machine.cost_nano, vector=of_machine.vector)
