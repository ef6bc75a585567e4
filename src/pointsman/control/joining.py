"""Feedback becomes judgements: each thing said is joined once to the answers that it is about.

Strategy: what waits is looked at when it is due. Where its exchanges are in the journal, a judgement is written for each
that was answered: of the deployment that served, under the arm of the decision, by the grader that its signal is.
One outcome of a conversation speaks for all of its answers until then, and counts once: a judgement has the weight 1/n.
What finds no exchange is looked for again, each time after as long as it has waited already, and never given up: the
journal is written behind the reply, and past calls may be imported later.

Laws: a judgement and the mark that its feedback is joined are one transaction; a correction takes the place of the
judgements that it corrects; feedback that cannot be joined keeps no other from it; feedback on a request that got no answer
is joined and judges nobody; however long the conversations are, a bounded number of exchanges is in memory.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pointsman.core.errors import PointsmanError
from pointsman.core.feedback import Feedback
from pointsman.core.record import ExchangeRecord, Judgement
from pointsman.store.interfaces import CONVERSATION_ANSWERS, Joined, Store

PAGE: Final = 200
UNKNOWN_MS: Final = 3_600_000
"""After so long without an exchange feedback is listed as about one that is unknown."""

_AGAIN_MS: Final = 1_000
_WORDS: Final = "feedback %s of %s cannot be joined and is looked at again later: %s"

logger = logging.getLogger("pointsman.feedback")


def join_due(store: Store, now_ms: int, *, pages: int | None = None, advance: Callable[[int], None] = lambda _: None) -> int:
    """Join what is due, at most so many pages of it, and return how many were joined.

    What cannot be joined is looked at later. Raises StoreError where the store cannot say what is due, or postpone it.
    ``advance`` is told how many more were looked at.
    """
    joined, left = 0, -1 if pages is None else pages
    while left:
        due = store.feedback.due(now_ms, PAGE)
        later: list[Feedback] = []
        joined += sum(_joined(store, made, now_ms) for made in _found(store, due, later))
        if later:
            _put_off(store, later, now_ms)
        advance(len(due))
        left = left - 1 if len(due) == PAGE else 0
    return joined


def _found(store: Store, due: Sequence[Feedback], later: list[Feedback]) -> Iterator[list[Joined]]:
    """Yield what found its exchanges, each time about ``CONVERSATION_ANSWERS`` of them; ``later`` gets what found none."""
    made: list[Joined] = []
    for one in due:
        try:
            records = store.feedback.about(one)
            found = Joined(one, judgements(one, records), len(records)) if records else None
        except (PointsmanError, ValueError) as error:
            found = None
            logger.warning(_WORDS, one.id, one.source, error)
        if found is None:
            later.append(one)
            continue
        made.append(found)
        if sum(each.exchanges for each in made) >= CONVERSATION_ANSWERS:
            yield made
            made = []
    yield made


def _joined(store: Store, made: Sequence[Joined], now_ms: int) -> int:
    """Join, one by one where they cannot be joined together; return how many were. What cannot be is put off."""
    try:
        return store.feedback.join(made)
    except (PointsmanError, ValueError) as error:
        _put_off(store, [one.feedback for one in made], now_ms)  # raises at once where nothing can be written
        if len(made) > 1:
            return sum(_joined(store, [one], now_ms) for one in made)
        logger.warning(_WORDS, made[0].feedback.id, made[0].feedback.source, error)
        return 0


def _put_off(store: Store, said: Sequence[Feedback], now_ms: int) -> None:
    store.feedback.postpone(said, [now_ms + max(_AGAIN_MS, now_ms - one.taken_ms) for one in said])


def judgements(said: Feedback, records: Sequence[ExchangeRecord]) -> tuple[Judgement, ...]:
    """Return what feedback says of the exchanges that it is about: one judgement for each that was answered."""
    answered = [(record, record.served_by) for record in records]
    served = [(record, attempt) for record, attempt in answered if attempt is not None]
    return tuple(
        [
            Judgement(
                exchange=record.id,
                at_ms=said.at_ms,
                feature=record.feature,
                deployment=attempt.deployment,
                arm=record.decision.arm if record.decision is not None else "observed",
                score=said.score,
                grader=said.grader,
                usage=attempt.usage,
                cost_nano=attempt.cost_nano,
                vector=record.vector,
                note="" if said.about != "conversation" else f"of a conversation of {len(served):,} answers",
                weight=1 / len(served),
            )
            for record, attempt in served
        ]
    )
