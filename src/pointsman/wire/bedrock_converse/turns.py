"""Messages as ``system`` and ``messages``.

Laws: a request that came in this dialect goes back as it was. From any other, turns of one role in a row become one, results
of tools stand first in it, calls have ids that fit, and what instructs in the middle of a conversation is said by the user,
and named. Empty texts, which the API refuses, are left out.
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
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pointsman.wire.bedrock_converse import media, models
from pointsman.wire.bedrock_converse.words import NAME
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
        self._signs = request.dialect in (NAME, "anthropic")
        self._caches = self._ours or models.caches(request.model)
        self._claude = models.is_claude(request.model)
        self._ids = Ids()
        self._names = media.Names()
        self.lost: set[str] = set()
        messages = request.messages
        first = next((place for place, message in enumerate(messages) if not message.instructs), len(messages))
        if first == len(messages) and not self._ours:
            first -= 1  # instructions alone are no conversation: the last of them is the question
        self.system = [block for message in messages[:first] for block in self._said(message, "system")]
        self.messages = [self._same(one) for one in messages[first:]] if self._ours else self._merged(messages[first:])

    def _same(self, message: Message) -> Fields:
        return {"role": message.role, "content": list(self._blocks(message.parts, message.role)), **message.own}

    def _merged(self, messages: Iterable[Message]) -> list[Fields]:
        turns: list[tuple[str, list[Block]]] = []
        for message in messages:
            if message.instructs:
                self.lost.add("system position")
            role = "assistant" if message.role == "assistant" else "user"
            blocks = list(self._said(message, role))
            if turns and turns[-1][0] == role:
                turns[-1][1].extend(blocks)
            elif blocks:
                turns.append((role, blocks))
        return [{"role": role, "content": _results_first(blocks)} for role, blocks in turns]

    def _said(self, message: Message, role: str) -> Iterator[Block]:
        if message.name:
            self.lost.add("name")
        if not self._ours:
            self.lost.update(said(message.own))
        return self._blocks(message.parts, role)

    def _blocks(self, parts: Iterable[Part], role: str) -> Iterator[Block]:
        for part in parts:
            if isinstance(part, Opaque):
                if self._ours:
                    yield part.raw
                else:
                    self.lost.add(part.kind)
                continue
            if not self._ours:
                self.lost.update(said(part.own))
            block = self._block(part, role)
            if block is None:
                continue
            yield block
            if isinstance(part, (Text, Media, ToolCall, ToolResult)) and part.cache is not None:
                yield from self._mark(part.cache)

    def _block(self, part: Text | Refusal | Media | Thinking | ToolCall | ToolResult, role: str) -> Fields | None:
        match part:
            case Text():
                return self._text(part)
            case Refusal(text=text):
                self.lost.add("refusal")
                return {"text": text} if text else None
            case Media():
                return self._media(part, role)
            case Thinking():
                return self._thinking(part)
            case ToolCall():
                return self._call(part)
            case ToolResult():
                return self._result(part)

    def _mark(self, cache: CacheMark) -> Iterator[Block]:
        if not self._caches:
            self.lost.add("cache_control")
            return
        ttl = cache.ttl if self._ours or cache.ttl in _TTLS else ""
        if ttl != cache.ttl:
            self.lost.add("cache_control.ttl")
        yield {"cachePoint": {"type": "default"} | ({"ttl": ttl} if ttl else {})}

    def _text(self, text: Text) -> Fields | None:
        if text.signature:
            self.lost.add(_SIGNATURE)
        if text.citations:
            self.lost.add("citations")
        if not self._ours and (not text.text or text.text.isspace()):
            return None
        return {"text": text.text}

    def _media(self, part: Media, role: str) -> Fields | None:
        block = media.block_of(part, self._names, ours=self._ours) if self._ours or role == "user" else None
        if block is None:
            self.lost.add(part.kind)
            return None
        if part.detail not in ("", "auto"):
            self.lost.add("detail")
        if part.name and part.kind != "file" and not self._ours:
            self.lost.add(f"{part.kind}.name")
        if self._ours and (own := {name: raw for name, raw in part.own.items() if name != "bucketOwner"}):
            ((kind, inner),) = block.items()
            return {kind: {**inner, **own}} if isinstance(inner, dict) else block
        return block

    def _thinking(self, part: Thinking) -> Fields | None:
        if part.encrypted and self._signs:
            return {"reasoningContent": {"redactedContent": part.encrypted}}
        if self._ours or (part.signature and self._signs):
            signed = {"signature": part.signature} if part.signature else {}
            return {"reasoningContent": {"reasoningText": {"text": part.text, **signed}}}
        self.lost.add("thinking")  # models refuse what they did not sign
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
        return {"toolUse": {"toolUseId": id_, "name": call.name, "input": value, **(call.own if self._ours else {})}}

    def _result(self, result: ToolResult) -> Fields:
        id_ = result.id if self._ours else self._ids.result(result)
        content = [block for block in self._blocks(result.parts, "user") if not _is_mark(block)]
        inner: Fields = {"toolUseId": id_, "content": content}
        if result.error:
            inner["status"] = "error"
        return {"toolResult": {**inner, **(result.own if self._ours else {})}}


def _is_mark(block: Block) -> bool:
    return isinstance(block, dict) and "cachePoint" in block


def _results_first(blocks: list[Block]) -> list[Block]:
    """Return blocks with results of tools first, each with the cache point behind it."""
    results: list[Block] = []
    others: list[Block] = []
    last = others
    for block in blocks:
        if not _is_mark(block):
            last = results if isinstance(block, dict) and "toolResult" in block else others
        last.append(block)
    return results + others
