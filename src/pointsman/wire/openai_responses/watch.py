"""A streamed reply that is passed on as it is: its frames as they came, each with what it means.

Strategy: that of ``watching``; where someone wants the text, ``stream``'s decoder reads every frame, and its events add up.

Laws: the frames joined are the stream; a frame that is not JSON is passed on, never an error; an event counts as content
unless it is known to carry none, so that new kinds of content count too.
"""

from typing import Final

import msgspec

from pointsman.core.chat import RefusalDelta, StreamEvent, TextDelta, ToolCallDelta
from pointsman.core.errors import WireError
from pointsman.wire import sse
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.fold import Fold
from pointsman.wire.openai_responses import errors, glimpse
from pointsman.wire.openai_responses.count import count
from pointsman.wire.openai_responses.glimpse import Frame
from pointsman.wire.openai_responses.stream import Decoder
from pointsman.wire.watching import Watching

_ENDS: Final = frozenset(("response.completed", "response.incomplete", "response.cancelled"))
_EMPTY: Final = frozenset((
    "response.created", "response.queued", "response.in_progress", "response.content_part.added",
    "response.reasoning_summary_part.added", "keepalive",
))  # fmt: skip
_ADDED_EMPTY: Final = frozenset(("message", "reasoning"))  # such an item says nothing by being added
_PLAIN: Final = Seen(content=True)
_SILENT: Final = Seen()
_DONE: Final = Seen(done=True)


class StreamReader(Watching):
    """Reads one streamed reply. With ``texts`` every frame is read and ``answer`` adds up, up to ``limit`` characters."""

    __slots__ = ("_counted", "_decoder", "_fold", "ended")

    def __init__(self, *, texts: bool = False, limit: int = 1024 * 1024) -> None:
        super().__init__(glimpse.plain, texts=texts)
        self._decoder = Decoder() if texts else None
        self._fold = Fold(limit)
        self._counted = Answer()
        self.ended: set[int] = set()

    @property
    def overflowed(self) -> bool:
        """Whether texts beyond the limit were left out."""
        return self._fold.overflowed

    @overflowed.setter
    def overflowed(self, value: bool) -> None:
        self._fold.overflowed = value

    def answer(self) -> Answer:
        """Return what was read so far: finish and usage always, text and tool calls only with ``texts``."""
        return self._counted if self._decoder is None else self._fold.answer()

    def _read(self, frame: bytes) -> Seen:
        data = sse.data(frame)
        if data is None:
            return _SILENT
        if data.strip() == b"[DONE]":
            return _DONE
        try:
            wire = glimpse.frame.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _SILENT
        seen = self._meaning(wire, data)
        self._began = self._began or seen.content
        return seen if self._decoder is None else self._said(seen, self._decoder.read(frame))

    def _meaning(self, wire: Frame, data: bytes) -> Seen:
        kind = wire.type or ""
        if kind in _ENDS:
            self.ended.add(0)
            try:
                self._counted = count(wire.response)
            except WireError:
                return _DONE
            return Seen(finish=self._counted.finish, usage=self._counted.usage, done=True)
        if kind in ("response.failed", "error", ""):
            failed = errors.failure(data)
            return _SILENT if failed is None else Seen(error=failed.message)
        if kind in _EMPTY:
            return _SILENT
        if kind == "response.output_item.added" and wire.item is not None and wire.item.type in _ADDED_EMPTY:
            return _SILENT
        return _PLAIN

    def _said(self, seen: Seen, events: list[StreamEvent]) -> Seen:
        """Add a frame's events up, and return what it means together with its text."""
        text = tool_text = ""
        for event in events:
            self._fold.add(event)
            if isinstance(event, (TextDelta, RefusalDelta)):
                text += event.text
            elif isinstance(event, ToolCallDelta):
                tool_text += event.arguments
        return Seen(seen.content, text, tool_text, seen.finish, seen.usage, seen.error, seen.done)


def watch(*, texts: bool = False, limit: int = 1024 * 1024) -> StreamReader:
    """Return an observer of one streamed reply; with ``texts`` its answer adds up, up to ``limit`` characters."""
    return StreamReader(texts=texts, limit=limit)
