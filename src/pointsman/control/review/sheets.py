"""Questions as a file, for a reviewer who works elsewhere; and what came back.

Strategy: a *sheet* is JSON Lines, one question a line, the blind pair that the terminal would show to this reviewer, who
fills in ``choice`` (and ``seconds``) and sends it back. Every line stands alone.

Laws: a line that cannot be taken is told with its number and reason, and takes nothing else with it; what was said already
stays as it was said; a line that was exported for somebody else is refused, for its sides are one reviewer's (``mark``).
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from pointsman.control.review.docket import side, standing, write
from pointsman.control.review.piles import Pile
from pointsman.control.review.veil import printable, veiled
from pointsman.core.review import Opinion, Question, Said
from pointsman.policy.queue import gains, priority
from pointsman.store.interfaces import Store

CHOICES: Final = ("a", "b", "tie", "cannot tell", "skip")
ALONE: Final = ("good", "bad", "cannot tell", "skip")
LONGEST_S: Final = 3600.0
_MEANINGS: Final[dict[str, Said]] = {
    "tie": "tie", "good": "good", "bad": "bad", "cannot tell": "cannot tell", "skip": "skip",
}  # fmt: skip


class Line(Struct, frozen=True):
    """One question as it stands in a file. ``b`` is empty where one answer stands alone; ``choice`` is the reviewer's."""

    id: str
    reviewer: str
    feature: str
    request: str
    a: str
    b: str = ""
    choices: tuple[str, ...] = CHOICES
    choice: str = ""
    seconds: float = 0.0
    next: float = 0.0
    mark: str = ""


class Problem(Struct, frozen=True):
    """A line that was not taken, and why."""

    line: int
    why: str


class Taken(Struct, frozen=True):
    """What an import came to: judgements taken, those that were there already, lines without a choice, problems."""

    taken: int
    known: int
    blank: int
    problems: tuple[Problem, ...]


def sheet(store: Store, piles: Sequence[Pile], reviewer: str, count: int, names: Iterable[str]) -> Iterator[Line]:
    """Yield up to ``count`` questions for a reviewer, those first whose judgement is worth most, each pile in its order.

    A pile's gain counts less the more was taken of it: divided by that number and one (D'Hondt's rule). Raises StoreError.
    """
    everything = {pile.key: pile for pile in piles}
    worth: dict[int, float] = {}
    for feature in {pile.feature for pile in piles}:
        mine = [place for place, pile in enumerate(piles) if pile.feature == feature]
        worth.update(zip(mine, gains([standing(piles[place], everything) for place in mine]), strict=True))
    waiting = [pile.open for pile in piles]
    taken = [0] * len(piles)
    for _ in range(min(count, sum(map(len, waiting)))):
        some = (place for place in range(len(piles)) if taken[place] < len(waiting[place]))
        taken[max(some, key=lambda place: (worth[place] / (taken[place] + 1), -taken[place]))] += 1
    known = tuple(names)
    for pile_open, number in zip(waiting, taken, strict=True):
        after = priority(pile_open[number].id, pile_open[number].worth) if number < len(pile_open) else 0.0
        for question in pile_open[:number]:
            line = _line(store, question, reviewer, after, known)
            if line is not None:
                yield line


def take(store: Store, lines: Iterable[bytes], *, now_ms: int) -> Taken:
    """Take the choices in a file. Raises StoreError; what was taken before that stays, and the file may be taken again."""
    taken = known = blank = 0
    problems: list[Problem] = []
    earlier = {(one.question, one.reviewer): one.said for one in store.reviews.opinions()}
    seen: dict[tuple[str, str], int] = {}
    decoder = msgspec.json.Decoder(Line)
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            line = decoder.decode(text)
            if not line.choice.strip():
                blank += 1
                continue
            question, opinion = _opinion(store, line, now_ms, seen.setdefault((line.id, line.reviewer), number), number)
        except msgspec.DecodeError as error:
            cut = "" if text.endswith(b"\n") else ": the file seems to be cut off here"
            problems.append(Problem(number, f"is no line of a sheet ({error}){cut}"))
            continue
        except _LineError as error:
            problems.append(Problem(number, str(error)))
            continue
        before = earlier.get((opinion.question, opinion.reviewer))
        if before == opinion.said:
            known += 1
        elif before is not None:
            problems.append(Problem(number, f"{line.reviewer} said {before!r} to question {line.id} before, which stays"))
        else:
            write(store, question, opinion)
            taken += 1
    return Taken(taken, known, blank, tuple(problems))


class _LineError(ValueError):
    """A line that cannot be taken."""


def _line(store: Store, question: Question, reviewer: str, after: float, names: tuple[str, ...]) -> Line | None:
    material = store.reviews.material(question)
    if material is None:
        return None
    answer, other = (
        printable(veiled(text, material.request, names)) for text in (material.answer, material.other)
    )  # fmt: skip
    if question.paired and side(question.id, reviewer) == "reference":
        answer, other = other, answer
    return Line(
        id=question.id,
        reviewer=reviewer,
        feature=question.feature,
        request=printable(material.request),
        a=answer,
        b=other,
        choices=CHOICES if question.paired else ALONE,
        next=after,
        mark=_mark(question.id, reviewer, after),
    )


def _opinion(store: Store, line: Line, now_ms: int, first_number: int, number: int) -> tuple[Question, Opinion]:
    """Return what a line says; ``first_number`` is the line that answers its question first. Raises _LineError."""
    if first_number != number:
        raise _LineError(f"question {line.id} was answered on line {first_number} already; that line counts")
    if line.mark != _mark(line.id, line.reviewer, line.next):
        raise _LineError("its id, reviewer, next and mark do not belong together: leave them as they were exported")
    question = store.reviews.question(line.id)
    if question is None:
        raise _LineError(f"there is no question {line.id} here; was it exported from another installation?")
    choice = line.choice.strip().casefold()
    choices = CHOICES if question.paired else ALONE
    if choice not in choices:
        raise _LineError(f"choice {line.choice!r} is none of {', '.join(choices)}")
    if not (math.isfinite(line.seconds) and 0 <= line.seconds <= LONGEST_S):
        raise _LineError(f"seconds {line.seconds} lie outside of 0 to {LONGEST_S:g}")
    first = side(question.id, line.reviewer)
    return question, Opinion(question.id, line.reviewer, now_ms, meaning(choice, first), first, line.seconds, line.next)


def meaning(choice: str, first: str) -> Said:
    """Return what a choice means when ``first`` stands at A. Raises KeyError for what is no choice."""
    if choice in ("a", "b"):
        return "candidate" if (choice == "a") == (first == "candidate") else "reference"
    return _MEANINGS[choice]


def _mark(question: str, reviewer: str, after: float) -> str:
    """Return what shows that a line's fields belong together: no secret, a guard against slips."""
    return hashlib.sha256(f"mark {question} {reviewer} {after!r}".encode()).hexdigest()[:8]
