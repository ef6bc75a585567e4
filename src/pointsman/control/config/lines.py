"""Where each key of a TOML document stands: the line numbers that ``tomllib`` does not give.

Strategy: ``tomllib`` decides what a document means; this walks the same text once more, only as far as is needed to know
where keys and array items begin. So it may assume a valid document, and it never decides what a value is.

Law: for every valid document the paths found here are exactly the paths of ``tomllib``'s result (tested on generated
documents); a difference would be a wrong line in an error, never a wrong configuration.
"""

import bisect
import re
import tomllib
from typing import Final

Path = tuple[str | int, ...]

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'  # up to two quotes may stand before the closing three
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^\[\]{},#\r\n]+")  # numbers, booleans and dates: a date may hold one blank


def key_lines(text: str) -> dict[Path, int]:
    """Return the line (from 1) on which each key, table and array item of a valid TOML document first appears.

    A path is made of keys and of positions in arrays: ``("prices", 0, "input")``. For text that is not valid TOML the
    result is meaningless, and ValueError is raised where the walk cannot go on.
    """
    return _Walk(text.replace("\r\n", "\n")).document()


class _Walk:
    """One pass over a document; ``_at`` is the offset of the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[Path, int] = {}
        self._items: dict[Path, int] = {}  # arrays of tables: how many tables each has so far

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip_blank() < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)
        return self._lines

    def _header(self, brackets: int) -> Path:
        """Read ``[a.b]`` or ``[[a.b]]`` and return the path that the following keys belong to."""
        start = self._at
        self._at += brackets
        keys = self._keys()
        self._expect("]" * brackets)
        path: Path = ()
        for key in keys[:-1]:
            path = self._inside((*path, key), start)
        path = (*path, keys[-1])
        if brackets == 1:
            return self._inside(path, start)
        self._note(path, start)
        self._items[path] = self._items.get(path, 0) + 1
        return self._inside(path, start)

    def _inside(self, path: Path, start: int) -> Path:
        """Note a table; where it is an array of tables, the latest of them is meant."""
        self._note(path, start)
        if path in self._items:
            path = (*path, self._items[path] - 1)
            self._note(path, start)
        return path

    def _pair(self, table: Path) -> None:
        start = self._at
        path = table
        for key in self._keys():
            path = (*path, key)
            self._note(path, start)
        self._expect("=")
        self._value(path)

    def _keys(self) -> list[str]:
        """Read a dotted key; quoted parts are decoded."""
        keys = []
        while True:
            self._skip_blank()
            if quoted := self._take(_STRING):
                keys.append(tomllib.loads(f"key = {quoted}")["key"])
            elif bare := self._take(_BARE):
                keys.append(bare)
            else:
                raise ValueError(f"no key at offset {self._at}")
            self._skip_blank()
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        self._skip_blank()
        if self._text.startswith("[", self._at):
            self._sequence("]", path)
        elif self._text.startswith("{", self._at):
            self._sequence("}", path)
        elif not self._take(_STRING) and not self._take(_SCALAR):
            raise ValueError(f"no value at offset {self._at}")

    def _sequence(self, closing: str, path: Path) -> None:
        """Read an array or an inline table, the next character being its opening bracket."""
        self._at += 1
        position = 0
        while True:
            self._skip_blank()
            if self._text.startswith(closing, self._at):
                self._at += 1
                return
            if closing == "}":
                self._pair(path)
            else:
                self._note((*path, position), self._at)
                self._value((*path, position))
                position += 1
            self._skip_blank()
            if self._text.startswith(",", self._at):
                self._at += 1
            elif not self._text.startswith(closing, self._at):
                raise ValueError(f"neither , nor {closing} at offset {self._at}")

    def _note(self, path: Path, offset: int) -> None:
        self._lines.setdefault(path, bisect.bisect_left(self._ends, offset) + 1)

    def _skip_blank(self) -> int:
        if match := _BLANK.match(self._text, self._at):
            self._at = match.end()
        return self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match.group()

    def _expect(self, wanted: str) -> None:
        self._skip_blank()
        if not self._text.startswith(wanted, self._at):
            raise ValueError(f"no {wanted} at offset {self._at}")
        self._at += len(wanted)
