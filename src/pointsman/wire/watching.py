"""How streams of server-sent events are watched, whatever their dialect: see the ``watch`` of each.

Strategy: before the first content every frame is read; after it, unless someone wants the text, only those that may mean
more than content: ``plain`` tells how far a chunk is nothing else, at a fraction of the price. A chunk of plain content that
is whole frames is passed on in one piece, uncopied.

Laws: the frames joined are the stream; ``plain`` may be too strict, never too lax: what it leaves is read.
"""

from collections.abc import Callable

from pointsman.wire import sse
from pointsman.wire.answer import Seen

_PLAIN = Seen(content=True)


class Watching:
    """Reads one streamed reply. ``_read`` says what a frame means, and sets ``_began`` with the first content."""

    __slots__ = ("_began", "_plain", "_splitter", "_texts")

    def __init__(self, plain: Callable[[bytes], int], *, texts: bool) -> None:
        self._splitter = sse.Splitter()
        self._plain = plain
        self._texts = texts
        self._began = False

    def passes(self, chunk: bytes) -> bool:
        """Whether a chunk is whole frames that mean no more than content: it may go on, and need not be fed."""
        return self._began and not self._texts and not self._splitter.waits and self._plain(chunk) == len(chunk)

    def feed(self, chunk: bytes) -> list[tuple[bytes, Seen]]:
        """Return the frames that a chunk completes, each with what it means. Raises WireError when one is too long.

        Plain content may come joined as one.
        """
        if self._texts or not self._splitter.whole(chunk):
            return [(frame, self._seen(frame)) for frame in self._splitter.feed(chunk)]
        found: list[tuple[bytes, Seen]] = []
        start = 0
        while not self._began:
            end = chunk.find(b"\n\n", start) + 2
            if end < 2:
                break
            frame = chunk[start:end]
            found.append((frame, self._read(frame)))
            start = end
        rest = chunk[start:] if start else chunk  # compiled, a slice of all of it would be a copy
        plain = self._plain(rest) if self._began else 0
        if plain:
            found.append((rest[:plain] if plain < len(rest) else rest, _PLAIN))
            rest = rest[plain:]
        if rest:
            found += [(frame, self._read(frame)) for frame in self._splitter.feed(rest)]
        return found

    def end(self) -> list[tuple[bytes, Seen]]:
        """Return what the ended stream left without a blank line: one frame, or nothing."""
        rest = self._splitter.rest()
        return [(rest, self._read(rest))] if rest.strip() else []

    def _seen(self, frame: bytes) -> Seen:
        if self._began and not self._texts and self._plain(frame) == len(frame):
            return _PLAIN
        return self._read(frame)

    def _read(self, frame: bytes) -> Seen:
        raise NotImplementedError
