"""A streamed reply that is passed on as it is: its frames as they came, each with what it means.

Strategy: that of ``watching``; what is read is read by the dialect's own decoder.

Laws: the frames joined are the stream; a frame that is not JSON is passed on, never an error.
"""

from typing import Final

from pointsman.core.chat import (
    CitationDelta,
    End,
    Failed,
    Finish,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    Used,
)
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.anthropic import glimpse
from pointsman.wire.anthropic.stream import Decoder
from pointsman.wire.fold import Fold
from pointsman.wire.watching import Watching

_SILENT: Final = Seen()


class StreamReader(Watching):
    """Reads one streamed reply. With ``texts`` every frame is read and ``answer`` adds up, up to ``limit`` characters."""

    __slots__ = ("_decoder", "_fold")

    def __init__(self, *, texts: bool = False, limit: int = 1024 * 1024) -> None:
        super().__init__(glimpse.plain, texts=texts)
        self._decoder = Decoder()
        self._fold = Fold(limit)

    @property
    def ended(self) -> set[int]:
        """The choices that have come to their end."""
        return self._fold.ended

    @property
    def overflowed(self) -> bool:
        """Whether texts grew beyond the limit."""
        return self._fold.overflowed

    def answer(self) -> Answer:
        """Return what was read so far: finish and usage always, text and tool calls only with ``texts``."""
        answer = self._fold.answer()
        return answer if self._texts else answer.bare

    def _read(self, frame: bytes) -> Seen:
        events = self._decoder.read(frame)
        if not events:
            return _SILENT
        content, text, tool_text = False, "", ""
        finish: str | None = None
        usage: Usage | None = None
        error: str | None = None
        for event in events:
            self._fold.add(event)
            content = content or _shows(event)
            match event:
                case TextDelta():
                    text += event.text
                case ToolCallDelta():
                    tool_text += event.arguments
                case Finish():
                    finish = event.word
                case Used():
                    usage = event.usage
                case Failed():
                    error = event.message
                case _:
                    pass
        self._began = self._began or content
        words = (text, tool_text) if self._texts else ("", "")
        return Seen(content, *words, finish, usage, error, any(isinstance(event, End) for event in events))


def watch(*, texts: bool = False, limit: int = 1024 * 1024) -> StreamReader:
    """Return an observer of one streamed reply; with ``texts`` its answer adds up, up to ``limit`` characters."""
    return StreamReader(texts=texts, limit=limit)


def _shows(event: StreamEvent) -> bool:
    """Whether a user would see this: not the beginning or the end, and not an empty block."""
    match event:
        case TextDelta(text=text):
            return bool(text)
        case ThinkingDelta():
            return bool(event.text or event.signature or event.encrypted)
        case CitationDelta() | ToolCallDelta():
            return True
        case Start() | Finish() | Used() | Failed() | End():
            return False
        case _:
            return True
