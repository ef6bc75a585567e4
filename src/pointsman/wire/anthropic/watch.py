"""A streamed reply that is passed on as it is: its frames as they came, each with what it means.

Strategy: before the first content every frame is read; after it, only what holds one of a few marks, unless someone wants
the text. A chunk of plain content that is whole frames is passed on in one piece, unparsed and uncopied. What is read is
read by the dialect's own decoder.

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
from pointsman.wire import sse
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.anthropic.stream import Decoder
from pointsman.wire.fold import Fold

_MARKS: Final = (b'"message_delta"', b'"message_stop"', b'"error"')  # inside a string their quotes would be escaped
_PLAIN: Final = Seen(content=True)
_SILENT: Final = Seen()


class StreamReader:
    """Reads one streamed reply. With ``texts`` every frame is read and ``answer`` adds up, up to ``limit`` characters."""

    __slots__ = ("_began", "_decoder", "_fold", "_splitter", "_texts")

    def __init__(self, *, texts: bool = False, limit: int = 1024 * 1024) -> None:
        self._splitter = sse.Splitter()
        self._decoder = Decoder()
        self._fold = Fold(limit)
        self._texts = texts
        self._began = False

    @property
    def ended(self) -> set[int]:
        """The choices that have come to their end."""
        return self._fold.ended

    @property
    def overflowed(self) -> bool:
        """Whether texts grew beyond the limit."""
        return self._fold.overflowed

    def feed(self, chunk: bytes) -> list[tuple[bytes, Seen]]:
        """Return the frames that a chunk completes, each with its event. Raises WireError when one is too long.

        Content frames without any mark may come joined as one.
        """
        if self._began and not self._texts and self._splitter.whole(chunk) and not _marked(chunk):
            return [(chunk, _PLAIN)]
        return [(frame, self._seen(frame)) for frame in self._splitter.feed(chunk)]

    def end(self) -> list[tuple[bytes, Seen]]:
        """Return what the ended stream left without a blank line: one frame, or nothing."""
        rest = self._splitter.rest()
        return [(rest, self._seen(rest))] if rest.strip() else []

    def answer(self) -> Answer:
        """Return what was read so far: finish and usage always, text and tool calls only with ``texts``."""
        answer = self._fold.answer()
        return answer if self._texts else Answer(finish=answer.finish, usage=answer.usage, id=answer.id)

    def _seen(self, frame: bytes) -> Seen:
        if self._began and not self._texts and not _marked(frame):
            return _PLAIN
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


def usage_only(frame: bytes) -> bool:  # noqa: ARG001 - a law of the dialects: here every stream says what it took
    """Say whether a frame is there only because usage was asked for."""
    return False


def _marked(data: bytes) -> bool:
    return any(mark in data for mark in _MARKS)


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
