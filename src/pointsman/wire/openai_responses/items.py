"""Messages -> input items.

Laws: order is never changed, because a prompt's prefix is cached by its bytes; every field without a word here is named in
``lost``; ``own`` is written back only where it came from this dialect (``ours``).
"""

from collections import deque
from itertools import groupby

from msgspec import Raw

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Own, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from pointsman.wire.openai_responses.content import written
from pointsman.wire.openai_responses.fields import NAME
from pointsman.wire.openai_responses.turns import AROUND, SystemItem

Item = dict[str, object] | Raw


def instructions(request: ChatRequest) -> str | None:
    """Return the text of a leading system message where it was, or can be, ``instructions``.

    One that stood among the items in this dialect is a ``SystemItem``.
    """
    if not request.messages:
        return None
    first = request.messages[0]
    if first.role != "system" or isinstance(first, SystemItem) or first.own or first.name or len(first.parts) != 1:
        return None
    part = first.parts[0]
    return part.text if isinstance(part, Text) and not part.own else None


def items(request: ChatRequest, lost: set[str]) -> list[Item]:
    """Return the input items of a request, without its instructions. Adds to ``lost`` what they do not say."""
    messages = request.messages
    if instructions(request) is not None:
        _lose_text(messages[0].parts[0], lost)
        messages = messages[1:]
    writer = _Writer(request, lost)
    for message in messages:
        writer.message(message)
    return writer.made


class _Writer:
    """Items so far. Calls without an id (Gemini's) get one, and their results get the same."""

    __slots__ = ("_custom", "_lost", "_nameless", "_ours", "_unnamed", "made")

    def __init__(self, request: ChatRequest, lost: set[str]) -> None:
        self.made: list[Item] = []
        self._ours = request.dialect == NAME
        self._lost = lost
        self._custom = {call.id for message in request.messages for call in message.tool_calls if call.kind == "custom"}
        self._unnamed: deque[tuple[str, str]] = deque()
        self._nameless = 0

    def message(self, message: Message) -> None:
        """Write the items of one message."""
        if message.name:
            self._lost.add("name")
        if message.role == "assistant":
            self._turn(message)
            return
        if message.role == "tool" or any(isinstance(part, ToolResult) for part in message.parts):
            self._mixed(message)
            return
        self._said(message.role, message.parts, message.own)

    def _mixed(self, message: Message) -> None:
        """Write tool results, and what a user said between them (as Anthropic has it)."""
        for is_result, group in groupby(message.parts, lambda part: isinstance(part, ToolResult)):
            parts = tuple(group)
            if is_result:
                self.made += [self._result(part) for part in parts if isinstance(part, ToolResult)]
            elif message.role == "tool":
                for part in parts:
                    self._whole(part)
            else:
                self._said(message.role, parts, {})
        if message.own:
            self._keep(message.own, {})

    def _said(self, role: str, parts: tuple[Part, ...], own: Own) -> None:
        item: dict[str, object] = {"type": "message", "role": role}
        if len(parts) == 1 and isinstance(parts[0], Text) and not parts[0].own:
            _lose_text(parts[0], self._lost)
            item["content"] = parts[0].text
        else:
            item["content"] = self._contents(parts)
        self.made.append(self._keep(own, item))

    def _contents(self, parts: tuple[Part, ...]) -> list[object]:
        return [made for part in parts if (made := self._content(part, by_model=False)) is not None]

    def _content(self, part: Part, *, by_model: bool) -> object | None:
        if isinstance(part, Opaque):
            if self._ours:
                return part.raw
            self._lost.add(part.kind)
            return None
        if not isinstance(part, (Text, Refusal, Media)):
            self._lost.add("thinking" if isinstance(part, Thinking) else "tool_calls")
            return None
        if isinstance(part, Media):
            if part.cache is not None:
                self._lost.add("cache")
            made = written(part, by_model=by_model, ours=self._ours, lost=self._lost)
            return None if made is None else self._keep(part.own, made)
        _lose_text(part, self._lost)
        if isinstance(part, Text) and part.citations and not (self._ours and by_model):
            self._lost.add("citations")
            part = Text(part.text, own=part.own)
        made = written(part, by_model=by_model, ours=self._ours, lost=self._lost)
        own = {name: value for name, value in part.own.items() if not (self._ours and name.startswith(AROUND))}
        return None if made is None else self._keep(own, made)

    def _turn(self, message: Message) -> None:
        """Write what the model did: runs of text and refusals are message items, all else is an item by itself."""
        if not message.parts:
            empty: dict[str, object] = {"type": "message", "role": "assistant", "content": []}
            self.made.append(self._keep(message.own, empty))
            return
        if message.own:
            self._keep(message.own, {})
        run: list[Part] = []
        for part in message.parts:
            speaks = isinstance(part, (Text, Refusal, Media))
            if run and (not speaks or _around(part)):
                self._speech(run)
                run = []
            if speaks:
                run.append(part)
            else:
                self._whole(part)
        if run:
            self._speech(run)

    def _speech(self, parts: list[Part]) -> None:
        item: dict[str, object] = {"type": "message", "role": "assistant"}
        around = _around(parts[0]) if self._ours else {}
        first = parts[0]
        plain = isinstance(first, Text) and not first.citations and len(first.own) == len(around)
        if len(parts) == 1 and isinstance(first, Text) and plain and "id" not in around:
            _lose_text(first, self._lost)
            item["content"] = first.text
        else:
            item["content"] = [made for part in parts if (made := self._content(part, by_model=True)) is not None]
        if item["content"] != []:
            self.made.append({**item, **around})

    def _whole(self, part: Part) -> None:
        """Write a part that is an item by itself."""
        if isinstance(part, ToolCall):
            self.made.append(self._call(part))
        elif isinstance(part, ToolResult):
            self.made.append(self._result(part))
        elif isinstance(part, Thinking):
            if self._ours:
                self.made.append(_reasoning(part))
            else:
                self._lost.add("thinking")
        elif isinstance(part, Opaque) and self._ours:
            self.made.append(part.raw)
        else:
            self._lost.add(part.kind if isinstance(part, (Opaque, Media)) else "tool")

    def _call(self, part: ToolCall) -> Item:
        if part.signature:
            self._lost.add("thinking.signature")
        if part.cache is not None:
            self._lost.add("cache")
        id_ = part.id or self._new_id(part.name)
        custom = part.kind == "custom"
        item: dict[str, object] = {
            "type": "custom_tool_call" if custom else "function_call",
            "call_id": id_,
            "name": part.name,
            "input" if custom else "arguments": part.arguments,
        }
        return self._keep(part.own, item)

    def _result(self, part: ToolResult) -> Item:
        if part.error:
            self._lost.add("tool_result.error")
        if part.cache is not None:
            self._lost.add("cache")
        custom = part.kind == "custom" or part.id in self._custom
        item: dict[str, object] = {
            "type": "custom_tool_call_output" if custom else "function_call_output",
            "call_id": part.id or self._known_id(part.name),
        }
        if part.name and self._ours:
            item["name"] = part.name
        match part.parts:
            case ():
                item["output"] = ""
            case (Text(own={}, cache=None) as text,) if not text.own:
                item["output"] = text.text
            case parts:
                item["output"] = self._contents(parts)
        return self._keep(part.own, item)

    def _new_id(self, name: str) -> str:
        self._nameless += 1
        id_ = f"call_{self._nameless}"
        self._unnamed.append((name, id_))
        return id_

    def _known_id(self, name: str) -> str:
        """Return the id that the call got which this result answers: the first of that name, or the first of all."""
        for known in self._unnamed:
            if known[0] == name:
                self._unnamed.remove(known)
                return known[1]
        return self._unnamed.popleft()[1] if self._unnamed else ""

    def _keep(self, own: Own, item: dict[str, object]) -> dict[str, object]:
        """Return an item with its ``own``, where this dialect has words for it."""
        if self._ours:
            return {**item, **own}
        self._lost.update(own)
        return item


def _around(part: Part) -> Own:
    own = part.own if isinstance(part, (Text, Refusal)) else {}
    return {name.removeprefix(AROUND): value for name, value in own.items() if name.startswith(AROUND)}


def _lose_text(part: Part, lost: set[str]) -> None:
    if isinstance(part, Text):
        if part.cache is not None:
            lost.add("cache")
        if part.signature:
            lost.add("thinking.signature")


def _reasoning(part: Thinking) -> Item:
    item: dict[str, object] = {"type": "reasoning"}
    if part.id:
        item["id"] = part.id
    item["summary"] = [{"type": "summary_text", "text": text} for text in part.summary]
    if part.text:
        item["content"] = [{"type": "reasoning_text", "text": part.text}]
    if part.encrypted:
        item["encrypted_content"] = part.encrypted
    return {**item, **part.own}
