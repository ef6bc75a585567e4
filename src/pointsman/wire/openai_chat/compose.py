"""Messages of a request, written.

Strategy: what came in this dialect (``ours``) is written as it came, seals, marks and unknown fields included. What came in
another is written in the words that every provider of this dialect knows, and the rest is named in ``lost``.

Laws: each tool result is a message of its own, before what else its turn holds; media that a tool returned go into the
user's turn behind the results, because a ``tool`` message holds text only; a call always has an id.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

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
from pointsman.wire.openai_chat import media, thinking
from pointsman.wire.openai_chat.fields import NAME, Wire, put, said

SIGNATURE: Final = "thinking.signature"


class Turns:
    """Writes the messages of one request. ``lost`` names what has no word in this dialect."""

    __slots__ = ("_ids", "_ours", "lost")

    def __init__(self, request: ChatRequest, lost: set[str]) -> None:
        self._ours = request.dialect == NAME
        self._ids = _Ids()
        self.lost = lost

    def write(self, messages: Iterable[Message]) -> list[Wire]:
        """Return messages as they stand in ``messages``."""
        return [wire for message in messages for wire in self._turn(message)]

    def _turn(self, message: Message) -> list[Wire]:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        rest: list[Part] = [part for part in message.parts if not isinstance(part, ToolResult)]
        wires = [self._result(result) for result in results]
        if not self._ours:
            shown = [part for result in results for part in result.parts if isinstance(part, Media) and not part.text]
            if shown:
                self.lost.add("tool_result.media")
                rest = [*shown, *rest]
        if rest or not results:
            wires.append(self._message(message, rest))
        return wires

    def _result(self, result: ToolResult) -> Wire:
        parts = result.parts if self._ours else [part for part in result.parts if not isinstance(part, Media) or part.text]
        content = self._content(parts, "tool")
        if content is None and not self._ours:
            content = ""
        wire: Wire = {"role": "function" if self._ours and "function" in result.own else "tool", "content": content}
        id_ = result.id if self._ours else self._ids.result(result)
        if id_ or not self._ours:
            wire["tool_call_id"] = id_
        if result.name and self._ours:
            wire["name"] = result.name
        if result.error:
            self.lost.add("tool_result.error")
        self._mark({}, result.cache, inside=False)
        self._put(wire, result.own)
        return wire

    def _message(self, message: Message, parts: Sequence[Part]) -> Wire:
        role = "user" if message.role == "tool" else message.role
        calls = [part for part in parts if isinstance(part, ToolCall)]
        thoughts = [part for part in parts if isinstance(part, Thinking) and not (self._ours and "content" in part.own)]
        refused = [part for part in parts if isinstance(part, Refusal) and self._ours and "refusal" in part.own]
        beside: set[int] = {id(part) for part in (*calls, *thoughts, *refused)}
        content = [part for part in parts if id(part) not in beside]
        if _shuffled(parts):
            self.lost.add("order")
        wire: Wire = {"role": role, "content": self._content(content, role)}
        if message.name:
            wire["name"] = message.name
        if self._ours:
            thinking.write(wire, thoughts)
        elif thoughts:
            self.lost.add("thinking")
        if refused:
            wire["refusal"] = "".join([part.text for part in refused])
        if calls:
            self._calls(wire, calls)
        elif wire["content"] is None and not self._ours:
            wire["content"] = ""
        self._put(wire, message.own)
        return wire

    def _content(self, parts: Sequence[Part], role: str) -> str | list[Any] | None:
        """Return a content: a text where it is one, else a list; None where there is nothing."""
        written = [wire for part in parts if (wire := self._part(part, role)) is not None]
        if len(written) == 1 and isinstance(written[0], dict) and written[0].keys() == {"type", "text"}:
            text: str = written[0]["text"]
            return text
        return written or None

    def _part(self, part: Part, role: str) -> Wire | Raw | None:
        match part:
            case Text():
                return self._text(part)
            case Refusal(text=text):
                return self._with({"type": "refusal", "refusal": text}, None, part.own)
            case Media():
                return self._media(part, role)
            case Thinking(text=text):
                wire: Wire = {"type": "thinking", "thinking": [{"type": "text", "text": text}] if text else []}
                return self._with(wire, None, part.own)
            case Opaque(kind=kind, raw=raw):
                if self._ours and bytes(raw):
                    return raw
                self.lost.add(kind or "part")
        return None

    def _text(self, part: Text) -> Wire:
        if part.citations:
            self.lost.add("citations")
        if part.signature:
            self.lost.add(SIGNATURE)
        return self._with({"type": "text", "text": part.text}, part.cache, part.own)

    def _media(self, part: Media, role: str) -> Wire | None:
        if not self._ours:
            if media.unreadable(part) is not None or role == "assistant":
                self.lost.add(part.kind)
                return None
            if part.text:
                self.lost.add("media.text")
        return self._with(media.part(part, ours=self._ours), part.cache, part.own, but=media.KINDS)

    def _with(self, wire: Wire, cache: CacheMark | None, own: Own, but: Iterable[str] = ()) -> Wire:
        self._mark(wire, cache)
        self._put(wire, own, but=but)
        return wire

    def _mark(self, wire: Wire, cache: CacheMark | None, *, inside: bool = True) -> None:
        """Write a cache mark; where it came from another dialect, or has no place, it is lost."""
        if cache is None:
            return
        if self._ours and inside:
            wire["cache_control"] = {"type": "ephemeral", **({"ttl": cache.ttl} if cache.ttl else {})}
        else:
            self.lost.add("cache")

    def _put(self, wire: Wire, own: Own, but: Iterable[str] = ()) -> None:
        if self._ours:
            put(wire, own, but=but)
        else:
            self.lost.update(said(own))

    def _calls(self, wire: Wire, calls: Sequence[ToolCall]) -> None:
        tools = []
        for call in calls:
            if self._ours and "function_call" in call.own:
                wire["function_call"] = {"name": call.name, "arguments": call.arguments}
                put(wire, call.own)
            else:
                tools.append(self._call(call))
        if tools:
            wire["tool_calls"] = tools

    def _call(self, call: ToolCall) -> Wire:
        id_ = call.id if self._ours else self._ids.call(call)
        if call.kind == "custom":
            wire: Wire = {"id": id_, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        else:
            arguments = call.arguments if self._ours else call.arguments or "{}"
            wire = {"id": id_, "type": "function", "function": {"name": call.name, "arguments": arguments}}
        if call.signature and self._ours:
            wire["extra_content"] = signed(call.signature)
        elif call.signature:
            self.lost.add(SIGNATURE)
        self._mark(wire, call.cache, inside=False)
        self._put(wire, call.own)
        return wire


class _Ids:
    """Ids for calls that have none, and the same for their results: by name, in order."""

    __slots__ = ("_count", "_waiting")

    def __init__(self) -> None:
        self._count = 0
        self._waiting: dict[str, deque[str]] = {}

    def call(self, call: ToolCall) -> str:
        if call.id:
            return call.id
        self._count += 1
        made = f"call_{self._count}"
        self._waiting.setdefault(call.name, deque()).append(made)
        return made

    def result(self, result: ToolResult) -> str:
        if result.id:
            return result.id
        waiting = self._waiting.get(result.name)
        return waiting.popleft() if waiting else f"call_{self._count}"


def signed(signature: str) -> Wire:
    """Return Google's place for a thought signature beside a call (its OpenAI-compatible API reads and writes it)."""
    return {"google": {"thought_signature": signature}}


def _shuffled(parts: Sequence[Part]) -> bool:
    """Whether parts stand in another order than reasoning, content, calls, which is the only one that can be said."""
    places = [2 if isinstance(part, ToolCall) else 0 if _beside(part) else 1 for part in parts]
    return any(later < earlier for earlier, later in pairwise(places))


def _beside(part: Part) -> bool:
    return isinstance(part, Thinking) and "content" not in part.own
