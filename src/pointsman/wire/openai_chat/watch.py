"""A streamed reply that is passed on as it is: its frames as they came, each with what it means.

Strategy: that of ``watching``; what is read, and what tells plain content, is in ``glimpse``.

Laws: the frames joined are the stream; a frame that is not JSON is passed on, never an error; a frame counts as content when
its delta holds anything but a role and empty values, so that new kinds of content count too.
"""

import msgspec
from msgspec import Raw

from pointsman.core.chat import ToolCall, Usage
from pointsman.wire import sse
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.openai_chat import glimpse
from pointsman.wire.openai_chat.count import finish_of, tier_in, usage_of, words
from pointsman.wire.openai_chat.glimpse import Chunk
from pointsman.wire.watching import Watching

_EMPTY = frozenset((b"null", b'""', b"[]", b"{}"))
_SILENT = Seen()
_DONE = Seen(done=True)


class StreamReader(Watching):
    """Reads one streamed reply. With ``texts`` every frame is parsed and ``answer`` adds up, up to ``limit`` characters.

    ``ended`` holds the choices that have come to their end. The answer is that of the first choice, as in a whole reply.
    """

    __slots__ = (
        "_calls",
        "_finish",
        "_limit",
        "_size",
        "_tier",
        "_usage",
        "_words",
        "ended",
        "overflowed",
    )

    def __init__(self, *, texts: bool = False, limit: int = 1024 * 1024) -> None:
        super().__init__(glimpse.plain, texts=texts)
        self._limit = limit
        self._size = 0
        self._words: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._tier = ""
        self.overflowed = False
        self.ended: set[int] = set()

    def answer(self) -> Answer:
        """Return what was read so far: finish and usage always, text and tool calls only with ``texts``."""
        calls = tuple(ToolCall(name, "".join(parts), id_) for id_, name, *parts in self._calls.values())
        return Answer("".join(self._words), calls, self._finish, self._usage, "", self._tier)

    def _read(self, frame: bytes) -> Seen:
        data = sse.data(frame)
        if data is None:
            return _SILENT
        if data.strip() == b"[DONE]":
            return _DONE
        try:
            chunk = glimpse.chunk.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _SILENT
        if bytes(chunk.error) not in (b"", b"null"):
            return Seen(error=glimpse.reason(chunk.error))
        return self._meaning(chunk)

    def _meaning(self, chunk: Chunk) -> Seen:
        content, text, tool_text = False, "", ""
        finish: str | None = None
        for choice in chunk.choices or ():
            ended = finish_of(choice.finish_reason)
            if ended is not None:
                self.ended.add(choice.index)
                finish = finish if choice.index else ended
            for name, raw in (choice.delta or {}).items():
                value = bytes(raw)
                if name == "role" or value in _EMPTY:
                    continue
                content = True
                if not self._texts or choice.index:
                    continue
                if name in ("content", "refusal"):
                    text += self._said(raw)
                elif name == "tool_calls":
                    tool_text += self._called(raw)
        usage = usage_of(chunk.usage)
        self._began = self._began or content
        self._finish = finish or self._finish
        self._usage = usage or self._usage
        self._tier = tier_in(chunk.service_tier) or self._tier
        extra = chunk.choices == [] and bytes(chunk.usage) not in (b"", b"null")
        return Seen(content, text, tool_text, finish, usage, usage_only=extra)

    def _said(self, raw: Raw) -> str:
        try:
            text = words(glimpse.content.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        if self._fits(text):
            self._words.append(text)
        return text

    def _called(self, raw: Raw) -> str:
        """Add fragments to their calls by index: id and name come first, arguments in pieces."""
        said = ""
        try:
            fragments = glimpse.calls.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return said
        for fragment in fragments:
            call = self._calls.setdefault(fragment.index, ["", ""])
            call[0] = fragment.id or call[0]
            if fragment.function is not None:
                call[1] = fragment.function.name or call[1]
                arguments = fragment.function.arguments or ""
                if self._fits(arguments):
                    call.append(arguments)
                said += arguments
        return said

    def _fits(self, text: str) -> bool:
        self._size += len(text)
        self.overflowed = self.overflowed or self._size > self._limit
        return not self.overflowed


def watch(*, texts: bool = False, limit: int = 1024 * 1024) -> StreamReader:
    """Return an observer of one streamed reply; with ``texts`` its answer adds up, up to ``limit`` characters."""
    return StreamReader(texts=texts, limit=limit)
