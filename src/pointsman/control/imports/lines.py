"""A file as a stream of JSON values, with the line each begins on.

Strategy: JSON Lines are read line by line. A file that begins with ``[`` is one array, whose elements are cut out one by one
from a sliding window. A file whose first line is no JSON, but which is one object as a whole (printed over several lines),
is read whole. A value that is a page of an API's list (its ``data``) counts as its elements.

Laws: memory is bounded by the longest element (``ELEMENT_BYTES``) or the single object (``WHOLE_BYTES``); a value that is
not JSON yields a reason, and reading goes on behind it.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from msgspec import Struct

from pointsman.core.errors import TableError

ELEMENT_BYTES: Final = 64 * 1024 * 1024
WHOLE_BYTES: Final = 64 * 1024 * 1024
_WINDOW: Final = 1024 * 1024
_MARK: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
_QUOTE: Final = 0x22
_COMMA: Final = 0x2C
# A whole string, a sign of structure, or a lone quote: a string that goes on behind the window.
_SIGN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\],]', re.DOTALL)


class Read(Struct, frozen=True):
    """A value and the line it begins on, or the reason why there is none."""

    line: int
    value: Any = None
    problem: str = ""


def values(path: Path, advance: Callable[[int], None] = lambda _: None) -> Iterator[Read]:
    """Yield every value of a file. ``advance`` is told how many more bytes were read. Raises TableError: no such file."""
    try:
        with path.open("rb") as file:
            beginning = file.read(_WINDOW).removeprefix(_MARK).lstrip(_BLANK)
            file.seek(0)
            if beginning.startswith(b"["):
                source = _array(file, advance)
            elif (whole := _single(file, path.stat().st_size)) is not None:
                source = iter((Read(1, whole),))
            else:
                source = _lines(file, advance)
            for read in source:
                yield from _elements(read)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error


def _decoded(line: int, raw: bytes) -> Read:
    try:
        return Read(line, msgspec.json.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Read(line, problem=f"is not JSON: {error}")


def _elements(read: Read) -> Iterator[Read]:
    page = read.value.get("data") if isinstance(read.value, dict) and "model" not in read.value else None
    if isinstance(page, list):
        for value in page:
            yield Read(read.line, value)
    else:
        yield read


def _single(file: BinaryIO, size: int) -> Any:
    """Return the only value of a file that is one object over several lines, None for any other file."""
    first = file.readline(_WINDOW).removeprefix(_MARK).strip(_BLANK)
    file.seek(0)
    if size > WHOLE_BYTES or not _decoded(1, first).problem:
        return None
    found = _decoded(1, file.read().removeprefix(_MARK)).value
    file.seek(0)
    return found


def _lines(file: BinaryIO, advance: Callable[[int], None]) -> Iterator[Read]:
    number = 0
    while raw := file.readline(ELEMENT_BYTES):
        number += 1
        advance(len(raw))
        rest = raw
        while len(rest) == ELEMENT_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(ELEMENT_BYTES)
            advance(len(rest))
        stripped = raw.removeprefix(_MARK).strip(_BLANK)
        if rest is not raw:
            yield Read(number, problem=f"is longer than {ELEMENT_BYTES:,} bytes")
        elif stripped:
            yield _decoded(number, stripped)


def _array(file: BinaryIO, advance: Callable[[int], None]) -> Iterator[Read]:
    line = 1
    while (byte := file.read(1)) != b"[":
        line += byte == b"\n"
    buffer = b""
    depth = 1
    start = scanned = counted = 0  # of the element under way, of the signs seen, of the lines counted
    while chunk := file.read(_WINDOW):
        advance(len(chunk))
        buffer += chunk
        for token in _SIGN.finditer(buffer, scanned):
            sign = buffer[token.start()]
            if sign == _QUOTE and len(token.group()) == 1:
                break
            scanned = token.end()
            closes = sign in b"}]"
            if depth == 1 and (closes or sign == _COMMA):
                raw = buffer[start : token.start()]
                element = raw.lstrip(_BLANK)
                begins = start + len(raw) - len(element)
                line += buffer.count(b"\n", counted, begins)
                start, counted = scanned, begins
                if element:
                    yield _decoded(line, element.rstrip(_BLANK))
            depth += (sign in b"{[") - closes
            if depth == 0:
                return
        line += buffer.count(b"\n", counted, start)
        buffer, scanned, start, counted = buffer[start:], scanned - start, 0, 0
        if len(buffer) > ELEMENT_BYTES:
            yield Read(line, problem=f"is longer than {ELEMENT_BYTES:,} bytes; what follows it was not read")
            return
    yield Read(line, problem="the array is not closed: its last element cannot be read")
