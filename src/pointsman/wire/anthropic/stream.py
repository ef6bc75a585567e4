"""A streamed reply, read (the way back is in ``frames``).

Strategy: nearly every frame is a delta of a known form: those are one decode. Everything else is taken apart step by step,
and what is not known is named in ``unread``. Blocks of kinds that only this dialect knows are added up and come whole.

Laws: the same reply, whole or streamed, is the same events but for the cuts of its deltas; a frame that is not JSON is
named, never an error; what is added up is bounded.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    End,
    Failed,
    Opaque,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    Used,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire import sse
from pointsman.wire.anthropic.blocks import part_of
from pointsman.wire.anthropic.errors import status_of
from pointsman.wire.anthropic.frames import Encoder
from pointsman.wire.anthropic.reply import deltas_of, finish_of, start_of
from pointsman.wire.anthropic.words import error_of, usage_of, word_in
from pointsman.wire.dialect import Stamp
from pointsman.wire.fields import is_text
from pointsman.wire.names import Names
from pointsman.wire.shapes import Misread, encode, kind_of, objects, said

NOT_JSON: Final = "data that is not JSON"


class _Delta(Struct, tag_field="type", forbid_unknown_fields=True):
    pass


class _TextDelta(_Delta, tag="text_delta"):
    text: str


class _InputDelta(_Delta, tag="input_json_delta"):
    partial_json: str


class _ThinkingDelta(_Delta, tag="thinking_delta"):
    thinking: str


class _SignatureDelta(_Delta, tag="signature_delta"):
    signature: str


class _CitationsDelta(_Delta, tag="citations_delta"):
    citation: Raw


class _BlockDelta(Struct, tag="content_block_delta", tag_field="type", forbid_unknown_fields=True):
    index: int
    delta: _TextDelta | _InputDelta | _ThinkingDelta | _SignatureDelta | _CitationsDelta


class _Indexed(Struct):
    index: int = 0
    delta: Raw = Raw(b"{}")
    content_block: Raw = Raw()


class _Block:
    """A block that is under way. ``said``: it has given an event; ``fields`` and ``more`` are of one that comes whole."""

    __slots__ = ("fields", "input", "kind", "more", "said", "size")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.said = False
        self.input = ""
        self.fields: dict[str, Raw] | None = None
        self.more: dict[str, list[str]] = {}
        self.size = 0


_block_delta: Final = msgspec.json.Decoder(_BlockDelta)
_indexed: Final = msgspec.json.Decoder(_Indexed)
_string: Final = msgspec.json.Decoder(str)
_BROKEN: Final = (Misread, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NULL: Final = Raw(b"null")
_KNOWN: Final = {
    "message_start": {"type", "message"},
    "content_block_start": {"type", "index", "content_block"},
    "content_block_delta": {"type", "index", "delta"},
    "content_block_stop": {"type", "index"},
    "message_stop": {"type"},
}


class Decoder:
    """Reads one streamed reply. ``unread`` names fields and events that were not understood."""

    __slots__ = ("_blocks", "_splitter", "_usage", "unread")

    def __init__(self) -> None:
        self._splitter = sse.Splitter()
        self._blocks: dict[int, _Block] = {}
        self._usage: dict[str, Raw] = {}
        self.unread: set[str] = Names()

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that a chunk completes. Raises WireError when the stream is beyond all bounds."""
        return [event for frame in self._splitter.feed(chunk) for event in self.read(frame)]

    def end(self) -> list[StreamEvent]:
        """Return what the ended stream left."""
        rest = self._splitter.rest()
        return self.read(rest) if rest.strip() else []

    def read(self, frame: bytes) -> list[StreamEvent]:
        """Return the events of one frame. Raises WireError when a block is beyond all bounds."""
        data = sse.data(frame)
        if data is None or data.strip() == b"[DONE]":
            return []
        try:
            wire = _block_delta.decode(data)
        except _BROKEN:
            wire = None
        block = self._blocks.get(wire.index) if wire is not None else None
        if wire is not None and block is not None and block.fields is None:
            return self._more(wire.index, block, wire.delta)
        if not is_text(data):
            self.unread.add(NOT_JSON)
            return []
        try:
            return list(self._event(data, objects.decode(data)))
        except _BROKEN:
            self.unread.add(NOT_JSON)
            return []

    def _event(self, data: bytes, fields: dict[str, Raw]) -> Iterator[StreamEvent]:
        kind = word_in(fields.get("type"))
        self.unread.update(f"{kind}.{name}" for name in fields.keys() - _KNOWN.get(kind, fields.keys()))
        match kind:
            case "message_start":
                yield from self._started(objects.decode(fields["message"]) if "message" in fields else {})
            case "content_block_start":
                yield from self._opened(_indexed.decode(data))
            case "content_block_delta":
                yield from self._changed(_indexed.decode(data))
            case "content_block_stop":
                yield from self._closed(_indexed.decode(data).index)
            case "message_delta":
                yield from self._ended(fields)
            case "message_stop":
                yield End()
            case "error":
                code, message = error_of(fields.get("error", _NULL))
                yield Failed(message or "the provider reported an error", status_of(code), code)
            case "ping":
                pass
            case _:
                self.unread.add(kind or "an event without type")

    def _started(self, message: dict[str, Raw]) -> Iterator[StreamEvent]:
        if "usage" in message:
            self._usage.update(said(objects.decode(message["usage"])))
        usage, tier, own = usage_of(self._usage)
        plain = ("type", "role", "content", "id", "model", "usage", "stop_reason", "stop_sequence")
        rest = {name: raw for name, raw in message.items() if name not in plain}
        yield start_of(word_in(message.get("id")), word_in(message.get("model")), tier, rest)
        if self._usage:
            yield Used(usage, own=own)

    def _opened(self, wire: _Indexed) -> Iterator[StreamEvent]:
        kind = kind_of(wire.content_block)
        part = part_of(wire.content_block)
        block = self._blocks[wire.index] = _Block(kind)
        match part:
            case Text(text=text, citations=citations) | Thinking(text=text, signature=citations):
                block.said = bool(text or citations or said(part.own)) or kind == "redacted_thinking"
                if block.said:
                    yield from deltas_of(part, wire.index)
            case ToolCall(id=id_, name=name, arguments=arguments, own=own):
                block.input = arguments
                yield ToolCallDelta(wire.index, id_, name, own=said(own))
            case _:
                block.fields = objects.decode(wire.content_block)

    def _more(self, part: int, block: _Block, delta: _Delta) -> list[StreamEvent]:
        """Return a delta of a known form; one that says nothing is nothing."""
        event: StreamEvent
        match delta:
            case _TextDelta(text=text):
                event, value = TextDelta(part, text), text
            case _InputDelta(partial_json=fragment):
                event, value = ToolCallDelta(part, arguments=fragment), fragment
            case _ThinkingDelta(thinking=text):
                event, value = ThinkingDelta(part, text), text
            case _SignatureDelta(signature=signature):
                event, value = ThinkingDelta(part, signature=signature), signature
            case _CitationsDelta(citation=citation):
                event, value = CitationDelta(part, citation), "there"
            case _:
                return []
        block.said = block.said or bool(value)
        return [event] if value else []

    def _changed(self, wire: _Indexed) -> Iterator[StreamEvent]:
        """Take a delta that is of no known form, or of a block that comes whole."""
        block = self._blocks.get(wire.index)
        delta = objects.decode(wire.delta)
        kind = word_in(delta.pop("type", None))
        if block is None or block.fields is None:
            yield from self._strange(wire, block, kind, delta)
            return
        for name, raw in delta.items():
            field = "input" if kind == "input_json_delta" else name
            try:
                text = _string.decode(raw)
            except msgspec.ValidationError:
                block.fields[field] = raw
                continue
            block.size += len(text)
            if block.size > sse.FRAME_LIMIT:
                raise WireError(f"the stream holds a block of more than {sse.FRAME_LIMIT} characters")
            block.more.setdefault(field, []).append(text)

    def _strange(self, wire: _Indexed, block: _Block | None, kind: str, delta: dict[str, Raw]) -> Iterator[StreamEvent]:
        """Take a delta with fields that are not known, or of a block that never began; another kind of delta is named."""
        names = {"text_delta": "text", "input_json_delta": "partial_json", "thinking_delta": "thinking"}
        name = names.get(kind, "signature" if kind == "signature_delta" else "citation")
        if kind not in (*names, "signature_delta", "citations_delta") or name not in delta:
            self.unread.add(kind or "a delta without type")
            return
        self.unread.update(f"{kind}.{other}" for other in delta.keys() - {name})
        plain = _block_delta.decode(
            encode({"type": "content_block_delta", "index": wire.index, "delta": {"type": kind, name: delta[name]}})
        )
        yield from self._more(wire.index, block or self._blocks.setdefault(wire.index, _Block("")), plain.delta)

    def _closed(self, index: int) -> Iterator[StreamEvent]:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.fields is not None:
            yield WholePart(index, Opaque(block.kind, _whole(block.fields, block.more)))
        elif block.said:
            return
        elif block.kind == "tool_use":
            yield ToolCallDelta(index, arguments=block.input)
        elif block.kind == "text":
            yield TextDelta(index, "")
        elif block.kind == "thinking":
            yield ThinkingDelta(index)

    def _ended(self, fields: dict[str, Raw]) -> Iterator[StreamEvent]:
        delta = objects.decode(fields.get("delta", Raw(b"{}")))
        word, sequence = word_in(delta.pop("stop_reason", None)), word_in(delta.pop("stop_sequence", None))
        own = delta | {name: raw for name, raw in fields.items() if name not in ("type", "delta", "usage")}
        if word:
            yield finish_of(word, sequence, own)
        if "usage" in fields:
            self._usage.update(said(objects.decode(fields["usage"])))
        if "usage" in fields and self._usage:  # an empty one says nothing, and is no usage of nothing
            usage, _, rest = usage_of(self._usage)
            yield Used(usage, own=rest)


def decoder() -> Decoder:
    """Return a reader of one streamed reply."""
    return Decoder()


def encoder(request: ChatRequest, stamp: Stamp) -> Encoder:  # noqa: ARG001 - what was asked does not change the form
    """Return a writer of one streamed reply to that request."""
    return Encoder(stamp)


def _whole(fields: dict[str, Raw], more: dict[str, list[str]]) -> Raw:
    """Return a block with what its deltas added: to texts, more text; to an ``input``, its JSON."""
    made = dict(fields)
    for name, texts in more.items():
        text = "".join(texts)
        if name == "input":
            made[name] = Raw(text.encode()) if _is_json(text) else made.get(name, _NULL)
        else:
            made[name] = Raw(encode(word_in(made.get(name)) + text))
    return Raw(encode(made))


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except _BROKEN:
        return False
    return True
