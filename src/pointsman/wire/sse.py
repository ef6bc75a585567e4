"""Server-sent events as bytes: where one frame ends and the next begins, and what its data is.

Strategy: a frame is everything up to and including a blank line (WHATWG HTML, section 9.2.6). Its bytes are kept exactly, so
that what is not understood goes through unchanged. Streams of models write LF only and one event per write: that case is
one search and no copy; CR and CRLF take a regular expression.

Laws: frames joined are the stream, byte for byte, however it was cut into chunks, and the cuts never move a frame's end;
text is never decoded here; a frame longer than the limit is an error, so that memory stays bounded.
"""

import re
from collections.abc import Callable

from pointsman.core.errors import WireError
from pointsman.wire.fields import BROKEN

FRAME_LIMIT = 16 * 1024 * 1024
"""Bytes of one frame: room for a picture in base64, not for a stream without blank lines."""

_END = re.compile(rb"(?>\r\n|\n|\r)(?:\r\n|\n|\r(?!\Z))")
_LINE = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class Splitter:
    """Cuts a stream into frames. A CR at the end of a chunk waits for the next byte: it may be half of a CRLF."""

    __slots__ = ("_limit", "_pending", "_seen")

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self._limit = limit
        self._pending = bytearray()
        self._seen = 0

    @property
    def waits(self) -> bool:
        """Whether a frame has begun that is not whole yet."""
        return bool(self._pending)

    def whole(self, chunk: bytes) -> bool:
        """Say whether a chunk, fed now, would be exactly one or more frames (or may hold CR: then say no)."""
        return not self._pending and chunk[-2:] == b"\n\n" and b"\r" not in chunk

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the frames that this chunk completes. Raises WireError when a frame is longer than the limit."""
        if self.whole(chunk):
            if chunk.find(b"\n\n") == len(chunk) - 2:
                return [chunk]
            *bodies, left = chunk.split(b"\n\n")  # left is a third LF, where there is one
            self._pending += left
            self._seen = len(left)
            return [body + b"\n\n" for body in bodies]
        pending = self._pending
        pending += chunk
        frames: list[bytes] = []
        start = 0
        # A line end of up to two bytes may have arrived before: look at it again together with what follows it.
        for found in _END.finditer(pending, max(self._seen - 3, 0)):
            frames.append(bytes(pending[start : found.end()]))
            start = found.end()
        del pending[:start]
        self._seen = len(pending)
        if len(pending) > self._limit:
            raise WireError(f"the stream holds an event of more than {self._limit} bytes")
        return frames

    def rest(self) -> bytes:
        """Return what is left when the stream has ended: a last frame without its blank line, or nothing."""
        rest = bytes(self._pending)
        self._pending.clear()
        self._seen = 0
        return rest


def plain(chunk: bytes, takes: Callable[[bytes], object]) -> int:
    """Return the length of the frames at the start of a chunk that mean no more than content; 0 where it holds CR.

    Those are lines of data that ``takes``, a decoder, does not refuse, and ``event`` lines before them.
    """
    if b"\r" in chunk:
        return 0
    at = whole = 0
    try:
        start = chunk.find(b"\n") + 7 if chunk[:7] == b"event: " else 6
        if chunk[start - 6 : start] == b"data: " and chunk.find(b"\n", start) == len(chunk) - 2 and chunk[-1:] == b"\n":
            takes(chunk[start:-2])  # one frame, as most chunks are
            return len(chunk)
        for line in chunk.split(b"\n"):
            at += len(line) + 1
            if line[:6] == b"data: ":
                takes(line[6:])
            elif not line:
                if at - whole > 1 and at <= len(chunk):  # no second blank line, and not what is behind the last line end
                    whole = at
            elif line[:7] != b"event: ":
                break
    except BROKEN:
        pass
    return whole


def data(frame: bytes) -> bytes | None:
    """Return the data of a frame, its ``data`` lines joined by LF; None where it has none (a comment, a ping).

    Nearly every frame is one line of data, behind an ``event`` line or not. A BOM may stand before a stream's first line.
    """
    start = frame.find(b"\n") + 1 if frame[:7] == b"event: " else 0
    if frame[start : start + 6] == b"data: " and frame[-2:] == b"\n\n":
        said = frame[start + 6 : -2]
        if b"\n" not in said and b"\r" not in frame:
            return said
    found: list[bytes] = []
    for line in _LINE.split(frame.removeprefix(_BOM)):
        name, _, value = line.partition(b":")
        if name == b"data":
            found.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(found) if found else None
