"""A streamed reply, read and written: server-sent events (``alt=sse``), or one JSON array of the same objects.

Strategy: texts go out as they come; calls of this dialect are whole, so their fragments wait until the part is
complete; the reason of the end waits for the counts, because both stand in the last chunk. There is no terminator but
the end of the body.

Laws: the order of parts is kept, but for a call whose arguments are not complete when a text follows; a frame never
holds a line end within its JSON.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    End,
    Failed,
    Finish,
    Logprobs,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Used,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Stamp
from pointsman.wire.gemini import errors
from pointsman.wire.gemini.candidates import Candidates, failure
from pointsman.wire.gemini.fields import NAME
from pointsman.wire.gemini.frames import Frames
from pointsman.wire.gemini.pieces import Piece, Wire, candidate, counted, envelope, put, refused
from pointsman.wire.names import Names

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw])


class Decoder:
    """Reads one streamed reply of either form."""

    __slots__ = ("_candidates", "_frames", "unread")

    def __init__(self) -> None:
        self._frames = Frames()
        self._candidates = Candidates()
        self.unread: set[str] = self._candidates.unread

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that a chunk completes. Raises WireError when the stream is beyond all bounds."""
        return [event for frame in self._frames.feed(chunk) for event in self._read(frame)]

    def end(self) -> list[StreamEvent]:
        """Return what the ended stream left."""
        rest = self._frames.rest()
        return self._read(rest) if rest else []

    def _read(self, frame: bytes) -> list[StreamEvent]:
        payload = self._frames.payload(frame)
        if payload is None:
            return []
        if payload.strip() == b"[DONE]":  # Google sends none; some who speak its dialect do
            return [End()]
        try:
            return self._candidates.read(payload)
        except WireError as error:
            self.unread.add(failure(error))
            return []


class Encoder:
    """Writes one streamed reply as server-sent events."""

    __slots__ = ("_calls", "_finishes", "_odds", "_refused", "_stamp", "_start", "_used", "lost")

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._start = Start()
        self._calls: dict[tuple[int, int], Piece] = {}
        self._finishes: dict[int, Finish] = {}
        self._odds: set[int] = set()
        self._refused: set[int] = set()
        self._used: Used | None = None
        self.lost: set[str] = Names()

    def feed(self, event: StreamEvent) -> bytes:
        """Return the frames that an event makes: none, one or several, always whole."""
        match event:
            case TextDelta() | RefusalDelta() | ThinkingDelta() | WholePart():
                if isinstance(event, RefusalDelta):
                    self._refused.add(event.choice)
                piece = self._piece()
                piece.add(event)
                return self._called(event.choice, whole=False) + self._part(event.choice, piece)
            case ToolCallDelta():
                self._calls.setdefault((event.choice, event.part), self._piece()).add(event)
            case Finish():
                self._finishes[event.choice] = self._ending(event)
                return self._called(event.choice, whole=True)
            case Used():
                self._used = event
            case Start():
                self._start = event
            case Logprobs():
                self._odds.add(event.choice)
                return self._frame(self._chunk([self._candidate(event.choice, [], odds=[event])]))
            case Failed():
                return self._frame(errors.written(event))
            case CitationDelta():
                self.lost.add("citations")
            case _:
                pass
        return b""

    def end(self) -> bytes:
        """Return the frames that close the reply: calls that are left, the reasons of the ends, and the counts."""
        out = b"".join([self._called(index, whole=True) for index in sorted({choice for choice, _ in self._calls})])
        last: Wire = {}
        candidates = []
        for index, finish in sorted(self._finishes.items()):
            if "promptFeedback" in finish.own:
                put(last, finish.own, self.lost, native=self._native)
            else:
                candidates.append(self._candidate(index, [{"text": ""}], finish))
        if not candidates and not last and self._used is None:
            return out
        last = self._chunk(candidates, last)
        if self._used is not None:
            last["usageMetadata"] = counted(self._used, self._start, self.lost)
        return out + self._frame(last)

    @property
    def _native(self) -> bool:
        return self._start.dialect == NAME

    def _piece(self) -> Piece:
        return Piece(self.lost, native=self._native)

    def _called(self, choice: int, *, whole: bool) -> bytes:
        """Write the calls of a choice that are complete; where ``whole``, nothing more can come."""
        out = b""
        for key in [key for key in self._calls if key[0] == choice]:
            if whole or _complete(self._calls[key].arguments):
                out += self._part(choice, self._calls.pop(key))
        return out

    def _ending(self, finish: Finish) -> Finish:
        """Return an end as a stream needs it: with a word, and without the probabilities that were written from events."""
        if finish.choice in self._refused:
            finish = refused(finish)
        if not finish.word and finish.reason == "other":
            finish = replace(finish, word="OTHER")
        if finish.choice not in self._odds or "logprobsResult" not in finish.own:
            return finish
        self.lost.add("logprobsResult")
        return replace(finish, own={name: raw for name, raw in finish.own.items() if name != "logprobsResult"})

    def _part(self, choice: int, piece: Piece) -> bytes:
        part = piece.written()
        return b"" if part is None else self._frame(self._chunk([self._candidate(choice, [part])]))

    def _candidate(
        self, index: int, parts: list[Wire | Raw], finish: Finish | None = None, odds: Sequence[Logprobs] = ()
    ) -> Wire:
        return candidate(index, parts, finish, odds, self.lost, native=self._native)

    def _chunk(self, candidates: list[Wire], wire: Wire | None = None) -> Wire:
        chunk: Wire = {} if wire is None else wire
        if candidates:
            chunk["candidates"] = candidates
        chunk.update(envelope(self._start, self._stamp))
        put(chunk, self._start.own, self.lost, native=self._native)
        return chunk

    def _frame(self, wire: Wire) -> bytes:
        return b"data: " + _line(wire) + b"\r\n\r\n"


class ArrayEncoder(Encoder):
    """Writes one streamed reply as one JSON array, for clients that ask without ``alt=sse``."""

    __slots__ = ("_begun",)

    def __init__(self, stamp: Stamp) -> None:
        super().__init__(stamp)
        self._begun = False

    def end(self) -> bytes:
        """Return the last items and the end of the array."""
        last = super().end()
        return last + (b"]" if self._begun else b"[]")

    def _frame(self, wire: Wire) -> bytes:
        begun, self._begun = self._begun, True
        return (b",\r\n" if begun else b"[") + _line(wire)


def decoder() -> Decoder:
    """Return a reader of one streamed reply."""
    return Decoder()


def encoder(request: ChatRequest, stamp: Stamp) -> Encoder:  # noqa: ARG001  (nothing depends on the request here)
    """Return a writer of one streamed reply to that request, as server-sent events."""
    return Encoder(stamp)


def array_encoder(request: ChatRequest, stamp: Stamp) -> ArrayEncoder:  # noqa: ARG001
    """Return a writer of one streamed reply to that request, as one JSON array."""
    return ArrayEncoder(stamp)


def _line(wire: Wire) -> bytes:
    """Write an object in one line: what came verbatim from a pretty reply may hold line ends between its values."""
    line = _encode(wire)
    return msgspec.json.format(line, indent=-1) if b"\n" in line or b"\r" in line else line


def _complete(arguments: str) -> bool:
    try:
        _object.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
