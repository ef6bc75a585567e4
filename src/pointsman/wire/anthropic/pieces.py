"""Events as pieces of content blocks, and what stands around them: the common part of a whole and of a streamed reply.

Laws: only the first choice is written, where there are several they are named; what only this dialect has a word for is
written where the reply was Anthropic's own; a refusal is a text that ends with ``refusal``; sealed reasoning is a block of
its own, so that a client brings it back to who made it.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Raw, Struct

from pointsman.core.chat import (
    CitationDelta,
    Finish,
    Logprobs,
    Media,
    Own,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    Used,
    WholePart,
)
from pointsman.wire.anthropic.fields import NAME
from pointsman.wire.anthropic.words import tier_of, usage_fields, word_of
from pointsman.wire.dialect import Stamp
from pointsman.wire.names import Names
from pointsman.wire.shapes import said

Fields = dict[str, object]

_SIGNATURE: Final = "thinking.signature"
_NOTHING: Final[Fields] = {}
EMPTY: Final[Fields] = {"type": "text", "text": ""}
"""A block that says nothing."""


class Piece(Struct, frozen=True):
    """More of a block: which one (``part`` and ``kind``), how it begins, and the delta, where there is one.

    ``kind`` is ``text``, ``thinking``, ``tool``, or ``whole`` for what has no deltas. A whole block of a kind that only this
    dialect knows is ``raw``.
    """

    part: int
    kind: str
    begins: Fields
    delta: Fields = _NOTHING
    raw: Raw = Raw()

    @property
    def key(self) -> tuple[int, str]:
        """What pieces of one block have in common."""
        return self.part, self.kind


class Pieces:
    """Takes one reply's events. ``lost`` names what they hold that Messages has no word for."""

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._start = Start()
        self._finish = Finish("stop")
        self._usage = Usage()
        self._usage_own: Own = {}
        self._called = self._refused = False
        self._sections: dict[int, int] = {}
        self.lost: set[str] = Names()

    def take(self, event: StreamEvent) -> list[Piece]:
        """Return what an event adds to the content."""
        if getattr(event, "choice", 0):
            self.lost.add("choices")
            return []
        match event:
            case Start():
                self._start = event
            case Finish():
                self._finish = event
            case Used(usage=usage, own=own):
                self._usage, self._usage_own = usage, own
            case Logprobs():
                self.lost.add("logprobs")
            case _:
                return list(self._content(event))
        return []

    def _content(self, event: StreamEvent) -> Iterator[Piece]:
        match event:
            case TextDelta():
                if event.signature:
                    self.lost.add(_SIGNATURE)
                yield self._text(event)
            case RefusalDelta():
                self._refused = True
                yield self._text(event)
            case ThinkingDelta():
                yield from self._thinking(event)
            case ToolCallDelta():
                yield self._call(event)
            case CitationDelta(part=part, citation=citation) if self._ours:
                yield Piece(part, "text", EMPTY, {"type": "citations_delta", "citation": citation})
            case CitationDelta():
                self.lost.add("citations")
            case WholePart(part=part, content=content) if self._ours and not isinstance(content, Media):
                yield Piece(part, "whole", {}, raw=content.raw)
            case WholePart(content=content):
                self.lost.add(content.kind)
            case _:
                pass

    def _text(self, event: TextDelta | RefusalDelta) -> Piece:
        delta: Fields = {"type": "text_delta", "text": event.text} if event.text else _NOTHING
        return Piece(event.part, "text", {**EMPTY, **self._mine(event.own)}, delta)

    def _thinking(self, event: ThinkingDelta) -> Iterator[Piece]:
        own = self._mine(event.own)
        begins: Fields = {"type": "thinking", "thinking": "", "signature": "", **own}
        if event.id:
            self.lost.add("thinking.id")
        text, before = event.text, self._sections.get(event.part)
        if event.section is not None:
            self._sections[event.part] = event.section
            if before is not None and before != event.section:
                text = f"\n\n{text}"
        if text or not (event.signature or event.encrypted):
            yield Piece(event.part, "thinking", begins, {"type": "thinking_delta", "thinking": text} if text else _NOTHING)
        if event.signature:
            yield Piece(event.part, "thinking", begins, {"type": "signature_delta", "signature": event.signature})
        if event.encrypted:
            yield Piece(event.part, "whole", {"type": "redacted_thinking", "data": event.encrypted, **own})

    def _call(self, event: ToolCallDelta) -> Piece:
        self._called = True
        if event.signature:
            self.lost.add(_SIGNATURE)
        if event.kind == "custom":
            self.lost.add("tool_calls.custom")
        own = self._mine(event.own)
        id_ = event.id or f"toolu_{self._stamp.id}_{event.part}"
        begins: Fields = {"type": "tool_use", "id": id_, "name": event.name, "input": {}, **own}
        delta: Fields = {"type": "input_json_delta", "partial_json": event.arguments} if event.arguments else _NOTHING
        return Piece(event.part, "tool", begins, delta)

    @property
    def _ours(self) -> bool:
        return self._start.dialect == NAME

    def head(self) -> Fields:
        """Return the message without its content, as it stands at the beginning of a stream."""
        tier = tier_of(self._start.service_tier, ours=self._ours)
        if self._start.service_tier and not tier:
            self.lost.add("service_tier")
        return {
            "id": self._start.id or self._stamp.id,
            "type": "message",
            "role": "assistant",
            "model": self._start.model or self._stamp.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self.usage() | ({"service_tier": tier} if tier else {}),
            **self._mine(self._start.own),
        }

    def ending(self) -> Fields:
        """Return why the reply ended, with what else is said there."""
        word, lost = word_of(self._finish, ours=self._ours, called=self._called, refused=self._refused)
        self.lost.update(lost)
        own = self._mine(self._finish.own)
        return {"stop_reason": word, "stop_sequence": self._finish.stop_sequence or None, **own}

    def usage(self) -> Fields:
        """Return what the reply took so far."""
        return usage_fields(self._usage) | self._mine(self._usage_own)

    def _mine(self, own: Own) -> Own:
        if self._ours:
            return own
        self.lost.update(said(own))
        return {}
