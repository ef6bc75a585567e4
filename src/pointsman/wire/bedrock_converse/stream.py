"""A streamed reply, read (API_runtime_ConverseStream): AWS's event stream, whose events are named by a header.

Laws: ``contentBlockStart`` may be missing (it is, for text and reasoning), a block is known by its number; an exception is a
``Failed``; ``metadata`` is the last event. What the service did itself (``server_tool_use``, its result) is one whole part.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from pointsman.core.chat import (
    CitationDelta,
    End,
    Opaque,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    WholePart,
)
from pointsman.wire.bedrock_converse.errors import failed
from pointsman.wire.bedrock_converse.reply import AT_END
from pointsman.wire.bedrock_converse.words import NAME, finish_of, object_of, used_of
from pointsman.wire.event_stream import Message, Splitter
from pointsman.wire.fields import is_text
from pointsman.wire.names import Names
from pointsman.wire.shapes import encode

_PADDING: Final = "p"


class _ToolUse(Struct):
    toolUseId: str = ""  # noqa: N815 - the field's own name
    name: str = ""
    input: str = ""
    type: str = "tool_use"


class _Reasoning(Struct):
    text: str = ""
    signature: str = ""
    redactedContent: str = ""  # noqa: N815


class _Delta(Struct, frozen=True, forbid_unknown_fields=True):
    text: str = ""
    toolUse: _ToolUse | None = None  # noqa: N815
    reasoningContent: _Reasoning | None = None  # noqa: N815
    citation: Raw = Raw()
    toolResult: list[Raw] = []  # noqa: N815


class _BlockStart(Struct, frozen=True, forbid_unknown_fields=True):
    toolUse: _ToolUse | None = None  # noqa: N815
    toolResult: Raw = Raw()  # noqa: N815


class _Block(Struct):
    contentBlockIndex: int = 0  # noqa: N815
    delta: _Delta = _Delta()
    start: _BlockStart = _BlockStart()


class _Stop(Struct):
    stopReason: str = ""  # noqa: N815


_block: Final = msgspec.json.Decoder(_Block)
_stop: Final = msgspec.json.Decoder(_Stop)


class _Served:
    """A block of what the service did itself, as it adds up: a call of its tool, or that tool's result."""

    __slots__ = ("call", "content", "fields", "input")

    def __init__(self, call: _ToolUse | None, fields: dict[str, object]) -> None:
        self.call = call
        self.fields = fields
        self.input: list[str] = []
        self.content: list[Raw] = []

    def part(self) -> Opaque:
        """Return the part that it is, in the form that whole replies have."""
        if self.call is None:
            return Opaque("toolResult", Raw(encode({"toolResult": {**self.fields, "content": self.content}})))
        written = "".join(self.input) or "{}"
        try:
            value: object = msgspec.json.decode(written, type=Raw)
        except (msgspec.DecodeError, RecursionError):
            value = written
        call = {"toolUseId": self.call.toolUseId, "name": self.call.name, "input": value, "type": self.call.type}
        return Opaque("toolUse", Raw(encode({"toolUse": call})))


class Decoder:
    """Reads one streamed reply."""

    __slots__ = ("_served", "_splitter", "unread")

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._served: dict[int, _Served] = {}
        self.unread: set[str] = Names()

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that a chunk completes. Raises WireError when the stream is damaged."""
        return [event for message in self._splitter.feed(chunk) for event in self._read(message)]

    def end(self) -> list[StreamEvent]:
        """Return what the ended stream left: nothing, a message is whole or was not sent. Raises WireError as ``feed``."""
        self._splitter.end()
        if self._splitter.cut:
            self.unread.add("a message that was cut")
        return []

    def _read(self, message: Message) -> list[StreamEvent]:
        if message.kind != "event":
            return [failed(message)]
        if not is_text(message.payload):
            message = replace(message, payload=b"")
        try:
            return self._event(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unread.add(message.name)
            return []

    def _event(self, message: Message) -> list[StreamEvent]:
        match message.name:
            case "contentBlockDelta":
                return self._delta(_block.decode(message.payload))
            case "contentBlockStart":
                return self._start(_block.decode(message.payload))
            case "contentBlockStop":
                served = self._served.pop(block := _block.decode(message.payload).contentBlockIndex, None)
                return [WholePart(block, served.part())] if served is not None else []
            case "messageStart":
                return [Start(dialect=NAME)]
            case "messageStop":
                own = {
                    name: raw
                    for name, raw in object_of(Raw(message.payload)).items()
                    if name not in ("stopReason", _PADDING) and bytes(raw) != b"null"
                }
                return [finish_of(_stop.decode(message.payload).stopReason, own)]
            case "metadata":
                fields = object_of(Raw(message.payload))
                own = {name: fields[name] for name in (*AT_END, "serviceTier") if name in fields}
                return [used_of(fields.get("usage", Raw()), own), End()]
            case name:
                self.unread.add(name)
                return []

    def _start(self, block: _Block) -> list[StreamEvent]:
        index, call = block.contentBlockIndex, block.start.toolUse
        if call is not None and call.type == "tool_use":
            return [ToolCallDelta(index, call.toolUseId, call.name)]
        if call is not None:
            self._served[index] = _Served(call, {})
        elif bytes(block.start.toolResult):
            self._served[index] = _Served(None, dict(object_of(block.start.toolResult)))
        return []

    def _delta(self, block: _Block) -> list[StreamEvent]:
        index, delta = block.contentBlockIndex, block.delta
        served = self._served.get(index)
        if served is not None:
            served.content += delta.toolResult
            served.input.append(delta.toolUse.input if delta.toolUse is not None else "")
            return []
        if delta.text:
            return [TextDelta(index, delta.text)]
        if delta.toolUse is not None:
            return [ToolCallDelta(index, arguments=delta.toolUse.input)] if delta.toolUse.input else []
        if (thought := delta.reasoningContent) is not None:
            return [ThinkingDelta(index, thought.text, thought.signature, thought.redactedContent)]
        return [CitationDelta(index, delta.citation)] if bytes(delta.citation) else []


def decoder() -> Decoder:
    """Return a reader of one streamed reply."""
    return Decoder()
