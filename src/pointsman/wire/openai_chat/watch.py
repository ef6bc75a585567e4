"""A streamed reply that is passed on as it is: its frames as they came, each with what it means.

Strategy: before the first content every frame is parsed; after it, only frames that hold one of a few marks are, unless
someone wants the text. A chunk of plain content that is whole frames is passed on in one piece, unparsed and uncopied.

Laws: the frames joined are the stream; a frame that is not JSON is passed on, never an error; a frame counts as content when
its delta holds anything but a role and empty values, so that new kinds of content count too.
"""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import ToolCall, Usage
from pointsman.wire import sse
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.openai_chat.count import finish_of, usage_of, words
from pointsman.wire.openai_chat.counted import WireContent, WireToolCall


class _Choice(Struct):
    index: int = 0
    delta: dict[str, Raw] | None = None
    finish_reason: Any = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()  # empty where there is none


class _Error(Struct):
    message: str = ""


_chunk = msgspec.json.Decoder(_Chunk)
_error = msgspec.json.Decoder(_Error)
_content = msgspec.json.Decoder(WireContent)
_calls = msgspec.json.Decoder(list[WireToolCall])

_EMPTY = frozenset((b"null", b'""', b"[]", b"{}"))
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_PLAIN = Seen(content=True)
_SILENT = Seen()
_DONE = Seen(done=True)


class StreamReader:
    """Reads one streamed reply. With ``texts`` every frame is parsed and ``answer`` adds up, up to ``limit`` characters.

    ``ended`` holds the choices that have come to their end. The answer is that of the first choice, as in a whole reply.
    """

    __slots__ = (
        "_began",
        "_calls",
        "_finish",
        "_limit",
        "_size",
        "_splitter",
        "_texts",
        "_usage",
        "_words",
        "ended",
        "overflowed",
    )

    def __init__(self, *, texts: bool = False, limit: int = 1024 * 1024) -> None:
        self._splitter = sse.Splitter()
        self._texts = texts
        self._limit = limit
        self._began = False
        self._size = 0
        self._words: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._finish: str | None = None
        self._usage: Usage | None = None
        self.overflowed = False
        self.ended: set[int] = set()

    def feed(self, chunk: bytes) -> list[tuple[bytes, Seen]]:
        """Return the frames that a chunk completes, each with its event. Raises WireError when one is too long.

        Content frames without any mark may come joined as one.
        """
        if self._texts or not self._splitter.whole(chunk):
            return self._events(self._splitter.feed(chunk))
        found: list[tuple[bytes, Seen]] = []
        start = 0
        while not self._began:
            end = chunk.find(b"\n\n", start) + 2
            if end < 2:
                break
            found += self._events([chunk[start:end]])
            start = end
        rest = chunk[start:]
        mark = _first_mark(rest)
        plain = len(rest) if mark < 0 else rest.rfind(b"\n\n", 0, mark) + 2
        if plain > 1:
            found.append((rest[:plain], _PLAIN))
            rest = rest[plain:]
        return found + self._events(self._splitter.feed(rest)) if rest else found

    def _events(self, frames: list[bytes]) -> list[tuple[bytes, Seen]]:
        return [(frame, self._event(frame)) for frame in frames]

    def end(self) -> list[tuple[bytes, Seen]]:
        """Return what the ended stream left without a blank line: one frame, or nothing."""
        rest = self._splitter.rest()
        return [(rest, self._event(rest))] if rest.strip() else []

    def answer(self) -> Answer:
        """Return what was read so far: finish and usage always, text and tool calls only with ``texts``."""
        calls = tuple(ToolCall(name, "".join(parts), id_) for id_, name, *parts in self._calls.values())
        return Answer("".join(self._words), calls, self._finish, self._usage)

    def _event(self, frame: bytes) -> Seen:
        if self._began and not self._texts and _first_mark(frame) < 0:
            return _PLAIN
        data = sse.data(frame)
        if data is None:
            return _SILENT
        if data.strip() == b"[DONE]":
            return _DONE
        try:
            chunk = _chunk.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _SILENT
        if bytes(chunk.error) not in (b"", b"null"):
            return Seen(error=_reason(chunk.error))
        return self._read(chunk)

    def _read(self, chunk: _Chunk) -> Seen:
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
        return Seen(content, text, tool_text, finish, usage)

    def _said(self, raw: Raw) -> str:
        try:
            text = words(_content.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        if self._fits(text):
            self._words.append(text)
        return text

    def _called(self, raw: Raw) -> str:
        """Add fragments to their calls by index: id and name come first, arguments in pieces."""
        said = ""
        try:
            fragments = _calls.decode(raw)
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


def usage_only(frame: bytes) -> bool:
    """Say whether a frame is the one that ``include_usage`` adds: usage, and an empty list of choices."""
    data = sse.data(frame)
    try:
        chunk = _chunk.decode(data or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return bytes(chunk.usage) not in (b"", b"null") and chunk.choices == []


def _first_mark(data: bytes) -> int:
    """Return where the first thing that needs reading stands in plain content, -1 where nothing does.

    Each search is for fixed bytes first: a fraction of a parse.
    """
    finish = _FINISH.search(data)
    usage = _USAGE.search(data) if b'"usage"' in data else None
    places = (
        finish.start() if finish else -1,
        usage.start() if usage else -1,
        data.find(b"[DONE]"),
        data.find(b'"error"'),
    )
    return min([place for place in places if place >= 0], default=-1)


def _reason(raw: Raw) -> str:
    try:
        return _error.decode(raw).message or "the provider reported an error"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "the provider reported an error"
