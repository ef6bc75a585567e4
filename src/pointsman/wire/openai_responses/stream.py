"""A streamed reply: frames with a ``type`` in their JSON, whatever their ``event:`` line says.

Strategy: deltas become events at once, ends of contents and items only say what no delta had said (``reading``). The way
back is ``writing``; here its frames get their numbers and become bytes.

Laws: an event of an unknown type is named in ``unread``, never an error; a frame that is not JSON likewise; after the end of
the response nothing is read.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import ChatRequest, End, Start, StreamEvent, TextDelta
from pointsman.core.errors import WireError
from pointsman.wire import sse
from pointsman.wire.dialect import Stamp
from pointsman.wire.fields import checked
from pointsman.wire.openai_responses import errors, response
from pointsman.wire.openai_responses.fields import listed
from pointsman.wire.openai_responses.reading import Items
from pointsman.wire.openai_responses.writing import Writer

NOT_JSON: Final = "data that is not JSON"


class _Frame(Struct):
    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str = ""
    text: str = ""
    refusal: str = ""
    logprobs: Raw = Raw()
    item: Raw = Raw(b"{}")
    part: Raw = Raw(b"{}")
    annotation: Raw = Raw()
    response: Raw = Raw(b"{}")


class _More(Struct, tag_field="type", tag="response.output_text.delta", forbid_unknown_fields=True):
    """More of a text, and nothing else."""

    delta: str
    output_index: int = 0
    content_index: int = 0
    logprobs: tuple[()] = ()
    sequence_number: int = 0
    item_id: str = ""
    obfuscation: str = ""


_more = msgspec.json.Decoder(_More)
_frame = msgspec.json.Decoder(_Frame)
_objects = msgspec.json.Decoder(dict[str, Raw])
_KNOWN: Final = frozenset(_Frame.__struct_encode_fields__) | {  # and what only repeats, or pads
    "sequence_number", "item_id", "annotation_index", "obfuscation", "arguments", "input", "name", "status",
}  # fmt: skip
_encode = msgspec.json.Encoder().encode
_TEXTS: Final = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.reasoning_text": "reasoning",
    "response.reasoning_summary_text": "summary",
}
_ARGUMENTS: Final = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_ENDS: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
# Events that say nothing that is not said elsewhere: lifecycle, and the progress of tools that the provider runs.
_SILENT: Final = frozenset((
    "response.content_part.added", "response.reasoning_summary_part.added",
    "response.function_call_arguments.done", "response.custom_tool_call_input.done",
    "keepalive",
))  # fmt: skip
_PROGRESS: Final = (
    "response.web_search_call.", "response.file_search_call.", "response.code_interpreter_call.", "response.mcp_call.",
    "response.code_interpreter_call_code.", "response.image_generation_call.", "response.mcp_list_tools.",
    "response.mcp_call_arguments.", "response.tool_search_call.", "response.compaction.", "response.shell_call",
)  # fmt: skip


class Decoder:
    """Reads one streamed reply. ``unread`` names fields and events that were not understood."""

    __slots__ = ("_ended", "_items", "_splitter", "_start", "unread")

    def __init__(self) -> None:
        self._splitter = sse.Splitter()
        self._items = Items()
        self._start: Start | None = None
        self._ended = False
        self.unread: set[str] = self._items.unread

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that a chunk completes. Raises WireError when the stream is beyond all bounds."""
        return [event for frame in self._splitter.feed(chunk) for event in self.read(frame)]

    def end(self) -> list[StreamEvent]:
        """Return what the ended stream left."""
        rest = self._splitter.rest()
        return self.read(rest) if rest.strip() else []

    def read(self, frame: bytes) -> list[StreamEvent]:
        """Return the events of one frame."""
        data = sse.data(frame)
        if data is None or self._ended or data.strip() == b"[DONE]":
            return []
        try:
            more = _more.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            more = None
        part = self._items.more(more.output_index, more.content_index) if more is not None else None
        if more is not None and part is not None:  # nearly every frame there is
            return [TextDelta(part, more.delta)] if more.delta else []
        try:
            return self._understood(_frame.decode(data), checked(data))
        except (WireError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unread.add(NOT_JSON)
            return []

    def _understood(self, wire: _Frame, data: bytes) -> list[StreamEvent]:
        """Return the events of a frame, and name the fields of it that were not understood."""
        events = list(self._read(wire, data))
        kind = wire.type
        if (
            kind.startswith("response.")
            and kind not in _SILENT
            and not kind.startswith(_PROGRESS)
            and kind not in self.unread
        ):
            self.unread.update(f"{kind}.{name}" for name in _objects.decode(data).keys() - _KNOWN)
        return events

    def _read(self, wire: _Frame, data: bytes) -> Iterator[StreamEvent]:
        kind = wire.type
        base, _, phase = kind.rpartition(".")
        if base in _TEXTS and phase in ("delta", "done"):
            yield from self._text(wire, _TEXTS[base], done=phase == "done")
        elif kind in _ARGUMENTS:
            yield from self._items.arguments(wire.output_index, wire.delta)
        elif kind == "response.output_item.added":
            yield from self._items.added(wire.output_index, wire.item)
        elif kind == "response.output_item.done":
            yield from self._items.done(wire.output_index, wire.item)
        elif kind in ("response.content_part.done", "response.reasoning_summary_part.done"):
            at = wire.summary_index if kind == "response.reasoning_summary_part.done" else wire.content_index
            yield from self._items.content_done(wire.output_index, at, wire.part)
        elif kind == "response.output_text.annotation.added":
            yield from self._items.annotation(wire.output_index, wire.content_index, wire.annotation)
        elif kind in ("response.created", "response.queued", "response.in_progress"):
            yield from self._started(wire.response)
        elif kind in _ENDS:
            yield from self._finished(wire.response)
        elif kind == "error" or not kind:
            yield from self._broken(data)
        elif kind not in _SILENT and not kind.startswith(_PROGRESS):
            self.unread.add(kind)

    def _text(self, wire: _Frame, kind: str, *, done: bool) -> Iterator[StreamEvent]:
        at = wire.summary_index if kind == "summary" else wire.content_index
        if done:
            said = wire.refusal if kind == "refusal" else wire.text
            if not self._items.has_said(wire.output_index, at, kind):
                yield from self._items.text(wire.output_index, at, said, kind)
            return
        if wire.delta:
            yield from self._items.text(wire.output_index, at, wire.delta, kind)
        if bytes(wire.logprobs):
            yield from self._items.logprobs(wire.output_index, at, wire.logprobs)

    def _started(self, source: Raw) -> Iterator[StreamEvent]:
        if self._start is None:
            self._start = response.begun(source)
            yield self._start

    def _finished(self, source: Raw) -> Iterator[StreamEvent]:
        fields = response.check(source)
        yield from self._started(source)
        for index, (item, where) in enumerate(listed(fields.left["output"], "output")):
            yield from self._items.done(index, item, where)
        yield from self._items.finished()
        self._ended = True
        yield from response.ended(source, self._start, called=self._items.called)
        yield End()

    def _broken(self, data: bytes) -> Iterator[StreamEvent]:
        failed = errors.failure(data)
        if failed is None:
            self.unread.add("an event without type")
        else:
            self._ended = True
            yield failed


class Encoder:
    """Writes one streamed reply. ``lost`` names what it could not write so far."""

    __slots__ = ("_frames", "_number", "_writer", "lost")

    def __init__(self, request: ChatRequest, stamp: Stamp) -> None:
        self._frames = bytearray()
        self._number = 0
        self._writer = Writer(request, stamp, self._take)
        self.lost: set[str] = self._writer.lost

    def feed(self, event: StreamEvent) -> bytes:
        """Return the frames that an event makes: none, one or several, always whole."""
        self._writer.feed(event)
        return self._given()

    def end(self) -> bytes:
        """Return the frames that close the reply in due form."""
        self._writer.end()
        return self._given()

    def _take(self, kind: str, fields: dict[str, object]) -> None:
        data = _encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        self._frames += b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    def _given(self) -> bytes:
        given = bytes(self._frames)
        self._frames.clear()
        return given


def decoder() -> Decoder:
    """Return a reader of one streamed reply."""
    return Decoder()


def encoder(request: ChatRequest, stamp: Stamp) -> Encoder:
    """Return a writer of one streamed reply to that request."""
    return Encoder(request, stamp)
