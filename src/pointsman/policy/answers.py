"""Which answers are the same: what is compared of an answer when several models are asked.

    exact    the whole text, blanks collapsed, without regard to case
    numeric  the last number in it
    choice   the letter of the option that it names: "(C)", "The answer is C", or nothing but the letter
    json     the JSON value in it, keys in any order

Laws: what is compared is bounded, and found in time linear in the answer; an answer without it agrees with none.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pointsman.core.routing import Compared

LONGEST: Final = 16_384  # characters of an answer that are read, its last ones: what an answer comes to stands at its end
_NUMBER: Final = re.compile(r"(?<![\w.])[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?")
_SAID: Final = re.compile(r"\banswer(?: is|:)?\s*\*{0,2}\(?([A-Z])\b", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\(([A-Z])\)")
_ALONE: Final = re.compile(r"\W*([A-Za-z])\W*")


def compared(how: Compared, answer: str) -> str | None:
    """Return what of an answer is compared: equal texts where answers are the same; None where it holds none."""
    return _HOW[how](answer[-LONGEST:]) or None


def _exact(answer: str) -> str:
    return " ".join(answer.split()).casefold()


def _numeric(answer: str) -> str | None:
    found = _NUMBER.findall(answer)
    if not found:
        return None
    try:
        number = Decimal(found[-1].replace(",", "").replace("−", "-"))
    except InvalidOperation:
        return None
    return str(number.normalize() + 0)  # minus nothing is nothing


def _choice(answer: str) -> str | None:
    alone = _ALONE.fullmatch(answer)
    if alone is not None:
        return alone[1].upper()
    found = _SAID.findall(answer) or _BRACKETED.findall(answer)
    return found[-1].upper() if found else None


def _json(answer: str) -> str | None:
    start = min((place for place in map(answer.find, "{[") if place >= 0), default=0)
    end = max(map(answer.rfind, "}]")) + 1
    for text in (answer, answer[start:end]):
        try:
            return json.dumps(_plain(json.loads(text, parse_constant=_refused)), sort_keys=True)
        except (ValueError, RecursionError):
            continue
    return None


def _plain(value: Any) -> Any:
    """Return a value in which 1 and 1.0 are the same, and blanks around a text do not count."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _refused(constant: str) -> None:
    raise ValueError(constant)


_HOW: Final[dict[Compared, Callable[[str], str | None]]] = {
    "exact": _exact,
    "numeric": _numeric,
    "choice": _choice,
    "json": _json,
}
