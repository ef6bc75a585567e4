"""A streamed reply that is passed on as it is: its frames as they came, each with what it means.

Strategy: before the first content every frame is parsed; after it, only one with a reason for its end, or an error,
unless someone wants the text. Every chunk repeats the counts and the last ones hold, so those of the last frame are
read at the end.

Laws: the frames joined are the stream; a frame that cannot be read is passed on, never an error; there is no
terminator, so no frame is ``done``: ``ended`` says which choices are complete.
"""

from pointsman.core.chat import Failed, Finish, RefusalDelta, Start, StreamEvent, TextDelta, ToolCallDelta, Usage, Used
from pointsman.core.errors import WireError
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.fold import Fold
from pointsman.wire.gemini.candidates import Candidates
from pointsman.wire.gemini.frames import Frames

_PLAIN = Seen(content=True)
_SILENT = Seen()
_NO_CONTENT = (Start, Finish, Used, Failed)


class StreamReader:
    """Looks at one streamed reply of either form. The answer is that of the first choice, as in a whole reply."""

    __slots__ = ("_began", "_candidates", "_fold", "_frames", "_skipped", "_texts")

    def __init__(self, *, texts: bool = False, limit: int = 1024 * 1024) -> None:
        self._frames = Frames()
        self._candidates = Candidates()
        self._fold = Fold(limit)
        self._texts = texts
        self._began = False
        self._skipped: bytes | None = None

    @property
    def ended(self) -> set[int]:
        """The choices that have come to their end."""
        return self._fold.ended

    @property
    def overflowed(self) -> bool:
        """Whether the texts were more than the limit."""
        return self._fold.overflowed

    def passes(self, chunk: bytes) -> bool:  # noqa: ARG002 - the counts of every chunk are looked at
        """Whether a chunk may go on without being fed: never."""
        return False

    def feed(self, chunk: bytes) -> list[tuple[bytes, Seen]]:
        """Return the frames that a chunk completes, each with what it means. Raises WireError when one is too long."""
        return [(frame, self._seen(frame)) for frame in self._frames.feed(chunk)]

    def end(self) -> list[tuple[bytes, Seen]]:
        """Return what the ended stream left: the end of the array, a frame without its blank line, or nothing."""
        rest = self._frames.rest()
        return [(rest, self._seen(rest))] if rest else []

    def answer(self) -> Answer:
        """Return what was read so far: finish and usage always, text and tool calls only with ``texts``."""
        if self._skipped is not None:
            for event in self._events(self._skipped):
                if isinstance(event, Used):
                    self._fold.add(event)
            self._skipped = None
        answer = self._fold.answer()
        return answer if self._texts else answer.bare

    def _seen(self, frame: bytes) -> Seen:
        if self._began and not self._texts and b'"finishReason"' not in frame and b'"error"' not in frame:
            self._skipped = frame if b'"usageMetadata"' in frame else self._skipped
            return _PLAIN if frame.find(b"{") >= 0 else _SILENT
        self._skipped = None
        content, text, calls = False, "", ""
        finish: str | None = None
        usage: Usage | None = None
        for event in self._events(frame):
            self._fold.add(event)
            content = content or not isinstance(event, _NO_CONTENT)
            match event:
                case Failed():
                    return Seen(error=event.message)
                case TextDelta(choice=0) | RefusalDelta(choice=0):
                    text += event.text
                case ToolCallDelta(choice=0):
                    calls += event.arguments
                case Finish(choice=0):
                    finish = event.word or event.reason
                case Used():
                    usage = event.usage
                case _:
                    pass
        self._began = self._began or content
        return Seen(content, text if self._texts else "", calls if self._texts else "", finish, usage)

    def _events(self, frame: bytes) -> list[StreamEvent]:
        payload = self._frames.payload(frame)
        if payload is None:
            return []
        try:
            return self._candidates.read(payload)
        except WireError:
            return []


def watch(*, texts: bool = False, limit: int = 1024 * 1024) -> StreamReader:
    """Return an observer of one streamed reply; with ``texts`` its answer adds up, up to ``limit`` characters."""
    return StreamReader(texts=texts, limit=limit)
