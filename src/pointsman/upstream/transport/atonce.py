"""A reply that came in one read of the socket, read without the parser: most whole replies do. No I/O.

Strategy: providers repeat themselves, so that nearly every line of a head was read before; only what is new in it (the date,
a name of the request) is looked at.

Laws: whatever is not plain goes to the parser, and what is plain is read as the parser reads it (RFC 9112): HTTP/1.1, a
status that has a body, visible ASCII, one length in digits, no transfer coding and nothing of the connection but
``keep-alive``; not a byte is missing, and none too many. What is remembered is bounded.
"""

import functools
import re
from typing import Any, Final

Headers = tuple[tuple[bytes, bytes], ...]

HEAD: Final = 4 * 1024
"""Bytes of a head that is read here."""

FIELDS: Final = 64

_LINES: Final = 1024
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([2-5]\d\d) [ -~]*")
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([!-~](?:[ -~]*[!-~])?)")
_BODILESS: Final = frozenset((204, 304))
_LENGTH: Final = re.compile(rb"\d{1,15}")
_FRAMING: Final = frozenset((b"transfer-encoding", b"connection", b"proxy-connection", b"upgrade", b"trailer"))


class _Line:
    """A line that was read: its ``field``, a pair of name and value, and the ``length`` that it declares or -1.

    ``plain``: it is one that may be read here.
    """

    __slots__ = ("field", "length", "plain")

    def __init__(self, name: bytes, value: bytes, length: int = -1, *, plain: bool = True) -> None:
        self.field: Any = (name, value)  # any object, else it would be made anew for each request where this is compiled
        self.length = length
        self.plain = plain


class Whole:
    """A reply that is whole. Header names are in lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


def read(data: bytes) -> Whole | None:
    """Return the one whole reply that these bytes are, None where the parser must see them."""
    end = data.find(b"\r\n\r\n", 0, HEAD)
    if end < 0:
        return None
    lines = data[:end].split(b"\r\n")
    status = _status(lines[0])
    if not status or len(lines) > FIELDS:
        return None
    fields: list[Any] = []
    length = -1
    for place in range(1, len(lines)):
        line = _line(lines[place])
        if not line.plain or (line.length >= 0 and length >= 0):
            return None
        length = max(length, line.length)
        fields.append(line.field)
    if length < 1 or len(data) != end + 4 + length:
        return None
    return Whole(status, tuple(fields), data[end + 4 :])


@functools.lru_cache(FIELDS)
def _status(line: bytes) -> int:
    """Return the status of a status line, 0 where the parser must see it."""
    found = _STATUS.fullmatch(line)
    status = int(found[1]) if found else 0
    return 0 if status in _BODILESS else status


@functools.lru_cache(_LINES)
def _line(line: bytes) -> _Line:
    """Read a line of a head."""
    found = _FIELD.fullmatch(line)
    if found is None:
        return _Line(b"", b"", plain=False)
    name, value = found[1].lower(), found[2]
    if name == b"content-length":
        return _Line(name, value, int(value)) if _LENGTH.fullmatch(value) else _Line(b"", b"", plain=False)
    return _Line(name, value, plain=name not in _FRAMING or (name == b"connection" and value.lower() == b"keep-alive"))
