"""A whole reply, both ways.

Laws: one delta to a part, parts numbered as the blocks are; the same reply streamed adds up to the same. What stands at the
end of a streamed message (``stop_details``, ``container``) is kept with ``Finish``, everything else with ``Start``.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    Finish,
    Opaque,
    Own,
    Part,
    Start,
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
from pointsman.wire.anthropic.blocks import part_of
from pointsman.wire.anthropic.fields import NAME
from pointsman.wire.anthropic.pieces import EMPTY, Fields, Piece, Pieces
from pointsman.wire.anthropic.words import null, reason_of, usage_of
from pointsman.wire.claude.calls import input_of
from pointsman.wire.dialect import Encoded, Stamp
from pointsman.wire.fields import checked
from pointsman.wire.shapes import Misread, Shape, kind_of, objects, said
from pointsman.wire.shapes import encode as written

AT_END: Final = frozenset(("stop_details", "container", "context_management"))
"""Fields of a message that a stream says at its end."""

_SAID: Final = (Text, Thinking, ToolCall)


class _Body(Struct, forbid_unknown_fields=True):
    type: Literal["message"]
    content: list[Raw]
    id: str = ""
    model: str = ""
    role: str = "assistant"
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Raw = Raw()


_body: Final = Shape(_Body)


def decode(body: bytes) -> tuple[StreamEvent, ...]:
    """Return a whole reply as events, one delta to a part, ending with Finish and Used. Raises WireError."""
    try:
        return tuple(_events(checked(body, "the reply")))
    except Misread as error:
        raise WireError(f"the reply is not a message: {error.where or error.reason}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"the reply is not a message: {error}") from error


def encode(events: Sequence[StreamEvent], request: ChatRequest, stamp: Stamp) -> Encoded:  # noqa: ARG001
    """Return a whole reply: deltas of one part are joined, whatever their number."""
    pieces = Pieces(stamp)
    blocks: dict[tuple[int, str], list[Piece]] = {}
    for event in events:
        for piece in pieces.take(event):
            blocks.setdefault(piece.key, []).append(piece)
    in_order = sorted(blocks.values(), key=lambda block: block[0].part)
    content = [block for made in in_order if (block := _block(made, pieces.lost)) is not None]
    message = pieces.head() | {"content": content} | pieces.ending()
    return Encoded(written(message), tuple(sorted(pieces.lost)))


def _block(pieces: Sequence[Piece], lost: set[str]) -> Fields | Raw | None:
    """Return the block that its pieces add up to; None where that is a text of nothing."""
    first = pieces[0]
    if first.kind == "whole":
        return first.raw if bytes(first.raw) else first.begins

    def joined(name: str) -> str:
        return "".join([str(piece.delta[name]) for piece in pieces if name in piece.delta])

    if first.kind == "tool":
        value, as_written = input_of(joined("partial_json"))
        if not as_written:
            lost.add("tool_calls.arguments")
        return first.begins | {"input": value}
    if first.kind == "thinking":
        return first.begins | {"thinking": joined("thinking"), "signature": joined("signature")}
    citations = [piece.delta["citation"] for piece in pieces if "citation" in piece.delta]
    block = first.begins | {"text": joined("text")} | ({"citations": citations} if citations else {})
    return block if block != EMPTY else None


def start_of(id_: str, model: str, tier: str, own: Own) -> Start:
    """Return the beginning of a reply."""
    return Start(id_, model, service_tier=tier, own=said(own), dialect=NAME)


def finish_of(word: str, sequence: str | None, own: Own) -> Finish:
    """Return the end of a reply."""
    return Finish(reason_of(word), word, sequence or "", own=said(own))


def deltas_of(part: Part, number: int) -> Iterator[StreamEvent]:
    """Return a block that came in one piece as events."""
    match part:
        case Text(text=text, citations=citations, own=own):
            yield TextDelta(number, text, own=said(own))
            for citation in citations:
                yield CitationDelta(number, citation)
        case Thinking(text=text, signature=signature, encrypted=encrypted, own=own):
            yield ThinkingDelta(number, text, signature, encrypted, own=said(own))
        case ToolCall(name=name, arguments=arguments, id=id_, own=own):
            yield ToolCallDelta(number, id_, name, arguments, own=said(own))
        case Opaque():
            yield WholePart(number, part)
        case _:
            pass


def _events(body: bytes) -> Iterator[StreamEvent]:
    wire, own = _body.read(body)
    usage, tier, more = usage_of({} if null(wire.usage) else objects.decode(wire.usage))
    yield start_of(wire.id, wire.model, tier, {name: raw for name, raw in own.items() if name not in AT_END})
    for number, raw in enumerate(wire.content):
        part = part_of(raw)
        yield from deltas_of(part if isinstance(part, _SAID) else Opaque(kind_of(raw), raw), number)
    if wire.stop_reason is not None:
        at_end = {name: raw for name, raw in own.items() if name in AT_END}
        yield finish_of(wire.stop_reason, wire.stop_sequence, at_end)
    if not null(wire.usage):
        yield Used(usage, own=more)
