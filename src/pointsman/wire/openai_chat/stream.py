"""A streamed reply, read and written.

Strategy: a chunk is one decode (``chunks``); each choice has a ``Progress``, which knows the parts that have begun. What
comes in fragments but has no delta of its own (sound) waits until its choice ends. The way back is in ``frames``.

Laws: how a stream is cut never changes its events; a part keeps its number, however its deltas are mixed with those of
others; id and name of a call come once, with its first delta; a choice that had no reason to end when the stream said that
it is over ends without one; a frame that is not JSON is named, never an error; after ``[DONE]`` nothing counts.
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import ChatRequest, End, Failed, Own, StreamEvent, Used
from pointsman.wire import sse
from pointsman.wire.dialect import Stamp
from pointsman.wire.fields import BROKEN, is_text
from pointsman.wire.names import Names
from pointsman.wire.openai_chat import chunks
from pointsman.wire.openai_chat.ends import finish_of, odds_of, used_of
from pointsman.wire.openai_chat.fields import ABSENT, Shape, given, raw_of
from pointsman.wire.openai_chat.frames import Encoder
from pointsman.wire.openai_chat.progress import Progress
from pointsman.wire.openai_chat.reply import start_of

NOT_A_CHUNK: Final = "data that is no chunk"

_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "requests": 429,
    "tokens": 429,
    "insufficient_quota": 429,
    "server_error": 500,
}
_aside = attrgetter(*chunks.ASIDE)
_SILENT: Final = _aside(chunks.Choice())


class _Error(Struct):
    message: Any = None
    code: Any = None
    type: Any = None
    status_code: Any = None


class _Groq(Struct, forbid_unknown_fields=True):
    id: Any = None
    usage: Raw = ABSENT
    error: Raw = ABSENT


_error, _groq = Shape(_Error), Shape(_Groq)
_text = msgspec.json.Decoder(str)


class Decoder:
    """Reads one streamed reply. ``unread`` names fields and events that were not understood."""

    __slots__ = ("_around", "_begun", "_choices", "_failed", "_over", "_splitter", "unread")

    def __init__(self) -> None:
        self._splitter = sse.Splitter()
        self._choices: dict[int, Progress] = {}
        self._around: Own = {}
        self._begun = self._failed = self._over = False
        self.unread: set[str] = Names()

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that a chunk completes. Raises WireError when the stream is beyond all bounds."""
        return [event for frame in self._splitter.feed(chunk) for event in self._read(frame)]

    def end(self) -> list[StreamEvent]:
        """Return what the ended stream left."""
        rest = self._splitter.rest()
        events = self._read(rest) if rest.strip() else []
        return events + [event for progress in self._choices.values() for event in progress.left()]

    def _read(self, frame: bytes) -> list[StreamEvent]:
        data = sse.data(frame)
        if data is None or self._over:
            return []
        if self._begun:
            plain = chunks.text(data)
            progress = self._choices.get(plain[0]) if plain is not None else None
            if plain is not None and progress is not None:
                return [progress.said(plain[1])] if plain[1] else []
        if data.strip() == b"[DONE]":
            return self._done()
        chunk, strange = chunks.read(data)
        if chunk is None or not is_text(data):
            self.unread.add(NOT_A_CHUNK)
            return []
        try:
            return list(self._events(chunk, strange))
        except BROKEN:  # nested so deeply that it was read, but cannot be written again
            self.unread.add(NOT_A_CHUNK)
            return []

    def _done(self) -> list[StreamEvent]:
        self._over = True
        events: list[StreamEvent] = []
        for index, progress in self._choices.items():
            events += progress.left()
            if not progress.finished and not self._failed:
                events.append(finish_of(None, index, {}))
        return [*events, End()]

    def _events(self, chunk: chunks.Chunk, strange: dict[str, Any]) -> Iterator[StreamEvent]:
        groq = _groq.read(chunk.x_groq) if chunk.x_groq is not ABSENT else None
        error = chunk.error if groq is None or chunk.error is not ABSENT else groq[0].error
        if error is not ABSENT and given(error):
            self._failed = True
            yield failed(error)
            return
        if not self._begun:
            yield from self._begin(chunk, strange)
        elif groq is not None:
            self.unread.update(f"x_groq.{name}" for name in groq[1])
        if strange and self._begun:
            self._note(strange, ending=any(choice.finish_reason for choice in chunk.choices or ()))
        for choice in chunk.choices or ():
            progress = self._choices.get(choice.index) or self._new(choice.index)
            if choice.delta is not None:
                yield from progress.take(choice.delta)
            if choice.logprobs is not ABSENT and given(choice.logprobs):
                odds = odds_of(choice.logprobs, choice.index)
                if odds is None:
                    self.unread.add("choices.logprobs")
                yield from odds or ()
            if choice.finish_reason and not progress.finished:
                progress.finished = True
                yield from progress.left()
                yield finish_of(choice.finish_reason, choice.index, self._beside(choice, strange, chunk))
        yield from self._used(chunk.usage, groq[0].usage if groq is not None else ABSENT)

    def _new(self, index: int) -> Progress:
        progress = self._choices[index] = Progress(index, self.unread)
        return progress

    def _begin(self, chunk: chunks.Chunk, strange: dict[str, Any]) -> Iterator[StreamEvent]:
        """Take what is said of the reply; a first chunk may say only that, and nothing of who answers (Azure)."""
        for name in chunks.AROUND:
            raw = getattr(chunk, name)
            if raw is not ABSENT and given(raw):
                self._around[name] = raw
        self._around.update({name: raw_of(value) for name, value in strange.items() if not name.startswith("choices.")})
        if chunk.choices or chunk.id or given(chunk.usage):
            self._begun = True
            yield start_of(chunk.id, chunk.model, chunk.created, chunk.service_tier, self._around)

    def _note(self, strange: dict[str, Any], *, ending: bool) -> None:
        """Name what was not understood; a field of the first chunk may come again as it was, one of a choice at its end."""
        self.unread.update(
            name
            for name, value in strange.items()
            if not (ending and _of_choice(name)) and self._around.get(name) != raw_of(value)
        )

    def _beside(self, choice: chunks.Choice, strange: dict[str, Any], chunk: chunks.Chunk) -> Own:
        """Return what a choice that ends says beside its reason."""
        own: Own = {}
        if _aside(choice) != _SILENT:
            own = {name: raw for name in chunks.ASIDE if given(raw := getattr(choice, name))}
        if strange and len(chunk.choices or ()) == 1:
            own.update({name.partition(".")[2]: raw_of(value) for name, value in strange.items() if _of_choice(name)})
        return own

    def _used(self, raw: Raw, groq: Raw) -> Iterator[Used]:
        for each in (raw, groq):
            used = used_of(each) if each is not ABSENT and given(each) else None
            if used is not None:
                yield used
                return
            if given(each):
                self.unread.add("usage")


def _of_choice(name: str) -> bool:
    return name.startswith("choices.") and name.count(".") == 1


def failed(raw: Raw) -> Failed:
    """Return an error that a provider reported in mid-stream, as an object or as a text."""
    try:
        return Failed(_text.decode(raw) or "the provider reported an error")
    except BROKEN:
        found = _error.read(raw)
    error = found[0] if found is not None else _Error()
    message = error.message if isinstance(error.message, str) and error.message else "the provider reported an error"
    code = error.code if error.code is not None else error.type
    code = code if isinstance(code, str) else ""
    for status in (error.status_code, error.code):
        if isinstance(status, int) and 400 <= status < 600:
            return Failed(message, status, code)
    said = [value for value in (error.type, error.code) if isinstance(value, str)]
    return Failed(message, next((_STATUSES[word] for word in said if word in _STATUSES), 502), code)


def decoder() -> Decoder:
    """Return a reader of one streamed reply."""
    return Decoder()


def encoder(request: ChatRequest, stamp: Stamp) -> Encoder:
    """Return a writer of one streamed reply to that request."""
    return Encoder(request, stamp)
