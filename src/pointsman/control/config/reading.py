"""Reading TOML tables with a memory for mistakes: each is noted with its line and its remedy, and reading goes on.

Strategy: a ``Table`` hands out typed values. A value that is missing or wrong comes back as the default, so that one
mistake does not hide the next, and what was asked for is remembered, so that ``finish`` can name every key that nobody
knows.

Laws: a mistake never contains a value that might be a secret: values are quoted only where a reader says so.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar

from msgspec import Struct

from pointsman.control.config.lines import Path

Word = TypeVar("Word", bound=str)
_PLAIN_DIGITS: Final = 6  # no secret is that short
_TYPES: Final = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    Decimal: "a number",
    list: "a list",
    dict: "a table",
}


class Mistake(Struct, frozen=True):
    """One mistake: the line it stands on (from 1), what is wrong, and what to do."""

    line: int
    what: str
    remedy: str


@dataclass
class Report:
    """All mistakes found so far. ``lines`` maps paths to lines (``key_lines``)."""

    lines: Mapping[Path, int]
    mistakes: list[Mistake] = field(default_factory=list)

    def add(self, path: Path, what: str, remedy: str) -> None:
        """Note a mistake at the line of a path, or of the nearest table around it."""
        while path and path not in self.lines:
            path = path[:-1]
        mistake = Mistake(self.lines.get(path, 1), what, remedy)
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)


class Table:
    """One TOML table at a path, read key by key."""

    def __init__(self, report: Report, path: Path, values: Mapping[str, Any]) -> None:
        self.report = report
        self.path = path
        self._values = values
        self._asked: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @property
    def name(self) -> str:
        """The table as one would write it: ``routes.auto``, ``prices[0]``."""
        return spell(self.path)

    def wrong(self, key: str, what: str, remedy: str) -> None:
        """Note a mistake in the value of a key."""
        self.report.add((*self.path, key), f"{spell((*self.path, key))} {what}", remedy)

    def text(self, key: str) -> str | None:
        """Text, None where it is absent or wrong. Empty text is a mistake."""
        value: str | None = self._typed(key, str)
        if value is not None and not value.strip():
            self.wrong(key, "is empty", "write a value, or remove the key")
            return None
        return value

    def any_text(self, key: str) -> str | None:
        """Text that may be empty, None where it is absent or wrong."""
        value: str | None = self._typed(key, str)
        return value

    def choice(self, key: str, choices: Sequence[Word]) -> Word | None:
        """One of some words, None where it is absent or wrong."""
        value = self.text(key)
        found = next((choice for choice in choices if choice == value), None)
        if value is not None and found is None:
            self.wrong(key, f"cannot be {value!r}", meant(value, choices) or f"write one of {', '.join(choices)}")
        return found

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value: bool | None = self._typed(key, bool)
        return default if value is None else value

    def whole(self, key: str, low: int, high: int) -> int | None:
        """A whole number in [low, high], None where it is absent or wrong."""
        value: int | None = self._typed(key, int)
        if value is None or low <= value <= high:
            return value
        self.wrong(key, "is out of range", f"write a whole number from {low} to {high}")
        return None

    def number(self, key: str, low: str, high: str, *, above: bool = False) -> Decimal | None:
        """A number in [low, high] (``above``: in (low, high]), exact, None where it is absent or wrong."""
        value = self._typed(key, Decimal)
        if value is None:
            return None
        if value.is_finite() and Decimal(low) <= value <= Decimal(high) and not (above and value == Decimal(low)):
            return Decimal(value)
        bounds = f"above {low} and at most {high}" if above else f"from {low} to {high}"
        self.wrong(key, "is out of range", f"write a number {bounds}")
        return None

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts, None where it is absent or wrong. Repeated and empty items are mistakes."""
        values: list[Any] | None = self._typed(key, list)
        if values is None:
            return None
        found: list[str] = []
        for position, value in enumerate(values):
            where = (*self.path, key, position)
            if not isinstance(value, str) or not value.strip():
                self.report.add(where, f"{spell(where)} is not text", 'write a list of texts: ["one", "two"]')
            elif value in found:
                self.report.add(where, f"{spell(where)} repeats {value!r}", "remove it")
            else:
                found.append(value)
        return tuple(found)

    def table(self, key: str) -> "Table | None":
        """A table, None where it is absent or wrong."""
        values: dict[str, Any] | None = self._typed(key, dict)
        return None if values is None else Table(self.report, (*self.path, key), values)

    def tables(self, key: str) -> Iterator[tuple[str, "Table"]]:
        """The named tables inside a table: ``[providers.NAME]`` gives (NAME, table)."""
        outer = self.table(key)
        if outer is None:
            return
        for name in outer:
            values = outer.raw(name)
            inner = Table(self.report, (*outer.path, name), values if isinstance(values, dict) else {})
            if not isinstance(values, dict):
                self.report.add(inner.path, f"{inner.name} is not a table", f"write [{inner.name}] and its keys below it")
            elif not name.strip() or not name.isprintable():
                self.report.add(inner.path, f"[{self.name or key}] has a table without a proper name", "give it a name")
            else:
                yield name, inner

    def pairs(self, key: str) -> Iterator[tuple[str, str]]:
        """The keys of a table whose values are all texts."""
        outer = self.table(key)
        if outer is None:
            return
        for name in outer:
            value = outer.text(name)
            if value is not None:
                yield name, value

    def listed(self, key: str) -> Iterator["Table"]:
        """The tables of an array of tables, ``[[key]]``."""
        values: list[Any] | None = self._typed(key, list, hint=f"write [[{key}]] and its keys below it")
        for position, value in enumerate(values or ()):
            where = (*self.path, key, position)
            if isinstance(value, dict):
                yield Table(self.report, where, value)
            else:
                self.report.add(where, f"{spell(where)} is not a table", f"write [[{key}]] and its keys below it")

    def raw(self, key: str) -> Any:
        """The value as ``tomllib`` read it, None where it is absent."""
        self._asked.append(key)
        return self._values.get(key)

    def finish(self) -> None:
        """Note every key that was never asked for."""
        for key in self._values:
            if key not in self._asked:
                known = ", ".join(dict.fromkeys(self._asked))
                place = f"[{self.name}]" if self.path else "the file"
                remedy = meant(key, self._asked) or f"remove it; {place} knows {known}"
                self.report.add((*self.path, key), f"unknown key {key!r} in {place}", remedy)

    def _typed(self, key: str, wanted: type, *, hint: str = "") -> Any:
        value = self.raw(key)
        if value is None:
            return None
        if wanted is Decimal and isinstance(value, int) and not isinstance(value, bool):
            return Decimal(value)
        if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
            return value
        found = "a fraction" if isinstance(value, Decimal) else _TYPES.get(type(value), "a date or time")
        quoted = isinstance(value, str) and wanted in (int, Decimal, bool)
        meant_number = quoted and wanted is not bool and value.isdecimal() and len(value) <= _PLAIN_DIGITS
        example = f"{key} = {value}" if meant_number else _example(key, wanted)
        remedy = hint or f"write {example}{', without quotes' if quoted else ''}"
        self.wrong(key, f"must be {_TYPES[wanted]}, not {found}", remedy)
        return None


def spell(path: Path) -> str:
    """Return a path as one would write it in TOML: ``deployments."openai/gpt"``, ``prices[0].input``."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        else:
            bare = part and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in part)
            written += ("." if written else "") + (part if bare else f'"{part}"')
    return written


def meant(word: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" with the nearest known words, empty where none is near."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else ""


def _example(key: str, wanted: type) -> str:
    examples = {str: '"..."', bool: "true", int: "1", Decimal: "1.5", list: '["..."]', dict: "{...}"}
    return f"{key} = {examples[wanted]}"
