"""Messages as ``system`` and ``messages``.

Laws: a request that came in this dialect goes back as it was, its turns one by one and in order. From any other, turns of
one role in a row become one, results of tools stand first in it, calls have ids that fit, and what instructs in the middle
of a conversation is said by the user, and named. Empty texts, which the API refuses, are left out.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Raw

from pointsman.core.chat import (
    CacheMark,
    ChatRequest,
    Media,
    Message,
    Opaque,
    Own,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pointsman.wire.anthropic import media
from pointsman.wire.anthropic.fields import NAME, control_of
from pointsman.wire.claude.calls import Ids, input_of
from pointsman.wire.shapes import said

Fields = dict[str, object]
Block = Fields | Raw

_TTLS: Final = ("", "5m", "1h")
_SIGNATURE: Final = "thinking.signature"


class Turns:
    """The turns of one request as they are written. ``lost`` names what could not be."""

    def __init__(self, request: ChatRequest) -> None:
        self._ours = request.dialect == NAME
        self._ids = Ids()
        self.lost: set[str] = set()
        messages = request.messages
        first = next((place for place, message in enumerate(messages) if not message.instructs), len(messages))
        if first == len(messages) and not self._ours:
            first -= 1  # instructions alone are no conversation: the last of them is the question
        system = [block for message in messages[:first] for block in self._system(message)]
        self.system = plain(system)
        self.messages = (
            [self._same(message) for message in messages[first:]] if self._ours else self._merged(messages[first:])
        )

    def mark(self, cache: CacheMark | None) -> Fields:
        """Return the field that a cache mark is, no field where there is none."""
        if cache is None:
            return {}
        if cache.ttl not in _TTLS and not self._ours:
            self.lost.add("cache_control.ttl")
            cache = CacheMark()
        return {"cache_control": control_of(cache)}

    def _system(self, message: Message) -> Iterator[Block]:
        self._named(message)
        return self._blocks(message.parts, "system")

    def _same(self, message: Message) -> Fields:
        return {"role": message.role, "content": plain(list(self._blocks(message.parts, message.role))), **message.own}

    def _merged(self, messages: Iterable[Message]) -> list[Fields]:
        turns: list[tuple[str, list[Block]]] = []
        for message in messages:
            self._named(message)
            if message.instructs:
                self.lost.add("system position")
            role = "assistant" if message.role == "assistant" else "user"
            blocks = list(self._blocks(message.parts, role))
            if turns and turns[-1][0] == role:
                turns[-1][1].extend(blocks)
            elif blocks:
                turns.append((role, blocks))
        return [{"role": role, "content": plain(sorted(blocks, key=_after_results))} for role, blocks in turns]

    def _named(self, message: Message) -> None:
        if message.name:
            self.lost.add("name")
        self._gone(message.own)

    def _gone(self, own: Own) -> None:
        self.lost.update(said(own))

    def _blocks(self, parts: Iterable[Part], role: str) -> Iterator[Block]:
        for part in parts:
            block: Block | None
            if not isinstance(part, Opaque):
                block = self._block(part, role)
                if self._ours and isinstance(block, dict):
                    block |= part.own
                elif not self._ours:
                    self._gone(part.own)
            elif self._ours:
                block = part.raw
            else:
                self.lost.add(part.kind)
                block = None
            if block is not None:
                yield block

    def _block(self, part: Text | Refusal | Media | Thinking | ToolCall | ToolResult, role: str) -> Fields | None:
        match part:
            case Text():
                return self._text(part)
            case Refusal(text=text):
                self.lost.add("refusal")
                return {"type": "text", "text": text} if text else None
            case Media():
                return self._media(part, role)
            case Thinking():
                return self._thinking(part)
            case ToolCall():
                return self._call(part)
            case ToolResult():
                return self._result(part)

    def _text(self, text: Text) -> Fields | None:
        if text.signature:
            self.lost.add(_SIGNATURE)
        cited = text.citations
        if cited and not self._ours:
            self.lost.add("citations")
            cited = ()
        if not text.text or (text.text.isspace() and not self._ours):
            return None
        return {"type": "text", "text": text.text} | ({"citations": cited} if cited else {}) | self.mark(text.cache)

    def _media(self, part: Media, role: str) -> Fields | None:
        block = media.block_of(part, ours=self._ours) if self._ours or role == "user" else None
        if block is None:
            self.lost.add(part.kind)
            return None
        if part.detail not in ("", "auto"):
            self.lost.add("detail")
        if part.name and part.kind == "image":
            self.lost.add("image.name")
        return block | self.mark(part.cache)

    def _thinking(self, part: Thinking) -> Fields | None:
        if self._ours and part.encrypted:
            return {"type": "redacted_thinking", "data": part.encrypted}
        if self._ours and part.signature:
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}
        self.lost.add("thinking")  # the API refuses what it did not sign
        return None

    def _call(self, call: ToolCall) -> Fields:
        if call.signature:
            self.lost.add(_SIGNATURE)
        if call.kind == "custom":
            self.lost.add("tool_calls.custom")
        value, as_written = input_of(call.arguments)
        if not as_written:
            self.lost.add("tool_calls.arguments")
        id_ = call.id if self._ours else self._ids.call(call)
        return {"type": "tool_use", "id": id_, "name": call.name, "input": value} | self.mark(call.cache)

    def _result(self, result: ToolResult) -> Fields:
        id_ = result.id if self._ours else self._ids.result(result)
        block: Fields = {"type": "tool_result", "tool_use_id": id_, "is_error": result.error}
        if content := list(self._blocks(result.parts, "user")):
            block["content"] = plain(content)
        return block | self.mark(result.cache)


def plain(blocks: list[Block]) -> str | list[Block]:
    """Return a content in its short form where it is one text and nothing else."""
    if len(blocks) == 1 and isinstance(blocks[0], dict) and blocks[0].keys() == {"type", "text"}:
        return str(blocks[0]["text"])
    return blocks


def _after_results(block: Block) -> bool:
    return not (isinstance(block, dict) and block["type"] == "tool_result")
