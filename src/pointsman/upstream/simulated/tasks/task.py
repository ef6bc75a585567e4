"""What a task is, and what every family of tasks can do.

Strategy: a family turns a *problem* (its parameters, a frozen value) into text, and reads a problem back out of text. The
right answer, the difficulty and the plausible wrong answers are functions of the problem alone. So whoever has only the text
of a request, as the simulated models do, must read it and really solve it; nothing secret rides along.

Laws: ``read`` undoes ``write``; a problem's difficulty is in [0, 1]; no slip is accepted as the right answer.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from random import Random
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

Language = Literal["en", "zh"]
Kind = Literal["exact", "numeric", "json_fields"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
P = TypeVar("P")

_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_MARKER: Final = re.compile(r"(?:Answer:|答案：)\s*")


class Task(Struct, frozen=True):
    """A request with a known answer. ``answer`` is what a grader of ``kind`` expects (JSON text for ``json_fields``).

    ``schema`` is the JSON Schema that the request asks for (None: plain text); ``system`` may be empty.
    """

    family: str
    language: Language
    difficulty: float
    user: str
    answer: str
    kind: Kind
    system: str = ""
    feature: str = ""
    schema: Mapping[str, Any] | None = None

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of a chat request."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": self.user}]

    def body(self, model: str) -> dict[str, Any]:
        """Return the body of a chat completion request; add ``stream`` and the like as needed."""
        body: dict[str, Any] = {"model": model, "messages": self.messages}
        if self.schema is not None:
            schema = {"name": self.family, "strict": True, "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body


class Solution(Struct, frozen=True):
    """What a solver made of a text: the right answer, and wrong ones that someone might give (``slips``)."""

    family: str
    language: Language
    difficulty: float
    answer: str
    kind: Kind
    slips: tuple[str, ...]

    def accepts(self, reply: str) -> bool:
        """Whether a reply, with or without words around the answer, is right."""
        if self.kind == "json_fields":
            return bool(_json_object(reply) == json.loads(self.answer))
        if self.kind == "numeric":
            return _last_number(reply) == _last_number(self.answer)
        return " ".join(_MARKER.split(reply)[-1].split()) == self.answer


class Family(ABC, Generic[P]):
    """A kind of task. ``P`` is the type of its problems."""

    name: str
    kind: Kind

    @abstractmethod
    def _draw(self, difficulty: float, language: Language, rng: Random) -> P:
        """Return a problem of about the difficulty asked for (in [0, 1])."""

    @abstractmethod
    def _write(self, problem: P, language: Language, rng: Random) -> str:
        """Return a problem as text, in one of several wordings."""

    @abstractmethod
    def _read(self, text: str) -> tuple[P, Language] | None:
        """Return the problem that a text states, None where it states none of this family.

        May raise ValueError, ArithmeticError or LookupError for a text that only looks like one of the family.
        """

    @abstractmethod
    def _answer(self, problem: P) -> str:
        """Return the right answer."""

    @abstractmethod
    def _difficulty(self, problem: P) -> float:
        """Return how hard a problem is, in [0, 1]."""

    @abstractmethod
    def _slips(self, problem: P) -> list[str]:
        """Return wrong answers that someone in a hurry might give; the right one among them is dropped by ``solve``."""

    def _schema(self, problem: P) -> Mapping[str, Any] | None:  # noqa: ARG002 - most families ask for plain text
        """Return the JSON Schema of the answer, None for plain text."""
        return None

    def generate(self, difficulty: float, language: Language, rng: Random) -> Task:
        """Return a new task; its stated difficulty is that of the problem drawn, close to the one asked for."""
        problem = self._draw(difficulty, language, rng)
        return Task(
            family=self.name,
            language=language,
            difficulty=self._difficulty(problem),
            user=self._write(problem, language, rng),
            answer=self._answer(problem),
            kind=self.kind,
            schema=self._schema(problem),
        )

    def solve(self, text: str) -> Solution | None:
        """Return the solution of the task in a text, None where there is none of this family."""
        try:
            found = self._read(text)
            return self._solution(*found) if found else None
        except (ValueError, ArithmeticError, LookupError):
            return None

    def _solution(self, problem: P, language: Language) -> Solution | None:
        answer = self._answer(problem)
        solution = Solution(self.name, language, self._difficulty(problem), answer, self.kind, ())
        slips = tuple(slip for slip in dict.fromkeys(self._slips(problem)) if slip.strip() and not solution.accepts(slip))
        return replace(solution, slips=slips) if slips else None


def off_numbers(number: str) -> list[str]:
    """Return numbers that look like a slip of ``number``: a digit wrong, two digits exchanged, off by one."""
    digits = [place for place, character in enumerate(number) if character.isdigit()]
    slips = [str(Decimal(number) + 1), str(Decimal(number) - 1)]
    middle = digits[len(digits) // 2]
    slips.append(number[:middle] + str((int(number[middle]) + 3) % 10) + number[middle + 1 :])
    for left, right in pairwise(digits):
        if right == left + 1 and number[left] != number[right] and (left != digits[0] or number[right] != "0"):
            slips.append(number[:left] + number[right] + number[left] + number[right + 1 :])
    return slips


def _last_number(text: str) -> Decimal | None:
    found = _NUMBER.findall(text)
    try:
        return Decimal(found[-1]) if found else None
    except InvalidOperation:
        return None


def _json_object(text: str) -> Any:
    start, end = text.find("{"), text.rfind("}")
    try:
        return json.loads(text[start : end + 1])
    except ValueError:
        return None
