"""The head of a reply, and the framing of its body, as bytes (RFC 9112, sections 4 and 7.1)."""

from email.utils import formatdate
from http import HTTPStatus
from time import time
from typing import Final

from pointsman.gateway.server.message import Headers

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"
CLOSE: Final = b"connection: close\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Clock:
    """The ``date`` header (RFC 9110, section 6.6.1), made anew at most once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        """Return the header's line for now."""
        second = int(time())
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line


def rendered(status: int, headers: Headers, date: bytes, body: bytes) -> bytes:
    """Return status line and headers, the blank line, and what follows it."""
    parts = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, date, *headers, b"\r\n", body]
    return b"".join(parts)


def chunk(piece: bytes) -> bytes:
    """Return a piece of the body as a chunk; an empty piece as nothing, because an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
