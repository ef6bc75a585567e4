"""A streamed reply as bytes: where one chunk of it ends, whether it comes as events or as one JSON array.

Strategy: with ``alt=sse`` a stream is server-sent events (``wire/sse``); without it, one array of the same objects. The
first byte that is no blank tells which. In an array (or a bare object, as errors come) a scan over strings and braces
finds where an object ends: it looks at every byte once, whatever the cuts.

Laws: frames joined are the stream, byte for byte; how it was cut into chunks moves no frame's end; a frame that is
longer than the limit is an error.
"""

import re

from pointsman.core.errors import WireError
from pointsman.wire import sse

_BLANKS = b" \t\r\n"
_OUTSIDE = re.compile(rb'["{}]')
_INSIDE = re.compile(rb'["\\]')


class Frames:
    """Cuts one stream into frames. ``array`` is None until its form is known."""

    __slots__ = ("_left", "_limit", "_objects", "_sse", "_start", "array")

    def __init__(self, limit: int = sse.FRAME_LIMIT) -> None:
        self._limit = limit
        self._sse = sse.Splitter(limit)
        self._objects = _Objects(limit)
        self._start = bytearray()
        self._left = 0  # bytes of events that are not complete yet
        self.array: bool | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the frames that a chunk completes. Raises WireError when one is longer than the limit."""
        if self.array is None:
            self._start += chunk
            seen = bytes(self._start).lstrip(_BLANKS)
            if not seen:
                return []
            chunk = bytes(self._start)
            self._start.clear()
            self.array = seen[:1] in (b"[", b"{")
        if self.array:
            return self._objects.feed(chunk)
        if not self._left and _is_one_line(chunk):
            return [chunk]
        frames = self._sse.feed(chunk)
        self._left += len(chunk) - sum([len(frame) for frame in frames])
        return frames

    def rest(self) -> bytes:
        """Return what is left when the stream has ended: the end of the array, a last frame that was cut, or nothing."""
        if self.array is None:
            return bytes(self._start)
        return self._objects.rest() if self.array else self._sse.rest()

    def payload(self, frame: bytes) -> bytes | None:
        """Return the JSON in a frame, None where it has none (a comment, the end of the array)."""
        if not self.array:
            if _is_one_line(frame):
                return frame[6:-4]
            return sse.data(frame)
        start = frame.find(b"{")
        return None if start < 0 else frame[start:]


def _is_one_line(frame: bytes) -> bool:
    """Whether bytes are exactly one event of one line, as Google writes them: four searches instead of two scans."""
    end = len(frame) - 4
    return (
        frame.startswith(b"data: ")
        and frame.find(b"\r") == end
        and frame.find(b"\n") == end + 1
        and frame[end:] == b"\r\n\r\n"
    )


class _Objects:
    """Finds the ends of objects that stand one after another, in an array or bare."""

    __slots__ = ("_depth", "_limit", "_pending", "_quoted", "_seen")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending = bytearray()
        self._seen = 0
        self._depth = 0
        self._quoted = False

    def feed(self, chunk: bytes) -> list[bytes]:
        pending = self._pending
        pending += chunk
        frames: list[bytes] = []
        start, at = 0, self._seen
        while found := (_INSIDE if self._quoted else _OUTSIDE).search(pending, at):
            at = found.end()
            sign = found.group()
            if sign == b"\\":
                at += 1  # what follows is escaped; where it has not come yet, the next search begins behind it
            elif sign == b'"':
                self._quoted = not self._quoted
            elif sign == b"{":
                self._depth += 1
            else:
                self._depth = max(self._depth - 1, 0)
                if self._depth == 0:
                    frames.append(bytes(pending[start:at]))
                    start = at
        self._seen = max(len(pending), at) - start
        del pending[:start]
        if len(pending) > self._limit:
            raise WireError(f"the stream holds an object of more than {self._limit} bytes")
        return frames

    def rest(self) -> bytes:
        rest = bytes(self._pending)
        self._pending.clear()
        self._seen = 0
        return rest
