"""A whole reply, read (API_runtime_Converse, "Response Syntax")."""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import (
    CitationDelta,
    Media,
    Opaque,
    Part,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire.bedrock_converse.blocks import parts_of
from pointsman.wire.bedrock_converse.words import NAME, finish_of, used_of
from pointsman.wire.fields import checked
from pointsman.wire.shapes import Misread, Shape

AT_END: Final[tuple[str, ...]] = ("trace", "performanceConfig")
_MEASURED: Final = "metrics"
"""How long the provider took by its own clock: no part of the answer, and measured here too. It is not kept."""


class _Tier(Struct, forbid_unknown_fields=True):
    type: str = ""


class _Message(Struct, forbid_unknown_fields=True):
    content: list[Raw]
    role: str = ""


class _Output(Struct, forbid_unknown_fields=True):
    message: Raw


class _Reply(Struct, forbid_unknown_fields=True):
    output: Raw
    stopReason: str  # noqa: N815 - the field's own name
    usage: Raw = Raw()
    serviceTier: Raw = Raw(b"{}")  # noqa: N815


class _Cited(Struct):
    """A text with where it comes from, piece by piece."""

    content: list[dict[str, Raw]] = []
    citations: list[Raw] = []


class _CitedBlock(Struct):
    citationsContent: _Cited  # noqa: N815


_reply, _output, _message, _tier = Shape(_Reply), Shape(_Output), Shape(_Message), Shape(_Tier)
_cited: Final = msgspec.json.Decoder(_CitedBlock)
_string: Final = msgspec.json.Decoder(str)


def decode(body: bytes) -> tuple[StreamEvent, ...]:
    """Return a whole reply as events, one delta to a part, ending with Finish and Used. Raises WireError."""
    try:
        wire, own = _reply.read(checked(body, "the reply"))
        output, beside = _output.read(wire.output)
        message, within = _message.read(output.message)
        tier, more = _tier.read(wire.serviceTier)
        parts = parts_of(message.content)
    except Misread as error:
        raise error.public() from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("the reply is not JSON") from error
    events: list[StreamEvent] = [Start(service_tier=tier.type, own={**beside, **within, **more}, dialect=NAME)]
    for place, part in enumerate(parts):
        events += events_of(part, place)
    own.pop(_MEASURED, None)
    late = {name: own.pop(name) for name in AT_END if name in own}
    return (*events, finish_of(wire.stopReason, own), used_of(wire.usage, late))


def events_of(part: Part, place: int) -> Iterator[StreamEvent]:
    """Return the events that a part of a reply is."""
    match part:
        case Text(text=text):
            yield TextDelta(place, text)
        case Thinking():
            yield ThinkingDelta(place, part.text, part.signature, part.encrypted)
        case ToolCall():
            yield ToolCallDelta(place, part.id, part.name, part.arguments, own=part.own)
        case Opaque(kind="citationsContent", raw=raw):
            yield from _with_citations(raw, place)
        case Media() | Opaque():
            yield WholePart(place, part)
        case _:  # a client's tool result, which no model's turn holds
            raise WireError("the reply holds a block that does not belong there", param="output.message.content")


def _with_citations(raw: Raw, place: int) -> Iterator[StreamEvent]:
    try:
        cited = _cited.decode(raw).citationsContent
        texts = [_string.decode(piece["text"]) for piece in cited.content if "text" in piece]
    except (msgspec.DecodeError, UnicodeDecodeError):
        yield WholePart(place, Opaque("citationsContent", raw))
        return
    yield TextDelta(place, "".join(texts))
    yield from (CitationDelta(place, citation) for citation in cited.citations)
