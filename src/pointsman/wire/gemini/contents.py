"""Turns, written: the canonical messages as ``systemInstruction`` and ``contents``.

What this dialect wants (https://ai.google.dev/gemini-api/docs/function-calling): two roles, ``user`` and ``model``; the
results of all calls of one turn in one content; a name with each result. Since Gemini 3 the first call of a turn of the
model must be signed (``signatures``): where it is not, or where that was taken off on a switch of deployments, the value
that switches the check off is written. The signature of a call or a text is always Gemini's, whatever dialect brings it back
(Chat Completions has a place for it); that of a thought may be anybody's.

Laws: the order of what was said never changes: instructions before the first turn are the system instruction, later ones
stay in their place as the user's words, and that is named. Whatever else cannot be written is named.
"""

import msgspec
from msgspec import Raw

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from pointsman.wire.gemini.config import before_levels
from pointsman.wire.gemini.fields import NAME, restore
from pointsman.wire.gemini.media import written
from pointsman.wire.gemini.parts import UNNAMED, response
from pointsman.wire.gemini.signatures import FIELD, SKIP_VALIDATION

_object = msgspec.json.Decoder(dict[str, Raw])

Wire = dict[str, object]


class Contents:
    """Writes the messages of one request. ``lost`` names what has no word in this dialect."""

    __slots__ = ("_bound", "_names", "_native", "lost")

    def __init__(self, request: ChatRequest, lost: set[str]) -> None:
        self._native = request.dialect == NAME
        self._bound = not before_levels(request.model)
        self._names = {call.id: call.name for message in request.messages for call in message.tool_calls}
        self.lost = lost

    def written(self, messages: tuple[Message, ...]) -> tuple[Wire | None, list[Wire]]:
        """Return the system instruction, where there is one, and the contents."""
        system: list[Wire | Raw] = []
        around: Wire = {}
        contents: list[Wire] = []
        last, before = "", system
        for message in messages:
            if message.instructs and not contents:
                system += self._parts(message)
                self._restore(around, message)
                continue
            if message.instructs:
                self.lost.add("messages.role")
            if message.name:
                self.lost.add("messages.name")
            if not self._native:
                self.lost.update(message.own)
            parts = self._parts(message)
            if not parts and not self._native:
                continue
            if message.role == last and last in ("assistant", "tool") and not self._native:
                before += parts
            else:
                contents.append(self._content(message, parts))
                before = parts
            last = message.role
        return ({"role": "user", "parts": system, **around} if system else None), contents

    def _content(self, message: Message, parts: list[Wire | Raw]) -> Wire:
        role = "model" if message.role == "assistant" else "user"
        if self._native and message.role == "tool":
            role = "function"
        content: Wire = {"role": role, "parts": parts}
        self._restore(content, message)
        return content

    def _parts(self, message: Message) -> list[Wire | Raw]:
        parts = [wire for part in message.parts for wire in self._part(part)]
        if self._bound and message.role == "assistant":
            calls = [part for part in parts if isinstance(part, dict) and "functionCall" in part]
            if calls:
                calls[0].setdefault(FIELD, SKIP_VALIDATION)
        return parts

    def _part(self, part: Part) -> list[Wire | Raw]:
        match part:
            case Text():
                wire: Wire = {"text": part.text, **_signed(part.signature)}
                self._name(citations=part.citations)
            case Thinking():
                return self._thinking(part)
            case ToolCall():
                wire = self._call(part)
            case ToolResult():
                return self._result(part)
            case Media():
                wire = self._media(part)
            case Refusal():
                self.lost.add("refusal")
                wire = {"text": part.text}
            case Opaque():
                if self._native:
                    return [part.raw]
                self.lost.add(part.kind)
                return []
        if not wire:
            return []
        self._restore(wire, part)
        return [wire]

    def _thinking(self, part: Thinking) -> list[Wire | Raw]:
        """Write a thought; of another dialect's, only the text (Gemini refuses signatures that it did not make)."""
        self._name(**{"thinking.encrypted": part.encrypted, "thinking.summary": part.summary, "thinking.id": part.id})
        text = part.text or "\n\n".join(part.summary)
        if not self._native and not text:
            self._name(**{"thinking.signature": part.signature})
            return []
        wire: Wire = {"text": text, "thought": True, **(_signed(part.signature) if self._native else {})}
        self._name(**{"thinking.signature": part.signature and not self._native})
        self._restore(wire, part)
        return [wire]

    def _call(self, part: ToolCall) -> Wire:
        call: Wire = {"name": part.name, "args": arguments(part.arguments, part.kind, self.lost)}
        if part.id and not part.id.startswith(UNNAMED):
            call["id"] = part.id
        return {"functionCall": call, **_signed(part.signature)}

    def _result(self, part: ToolResult) -> list[Wire | Raw]:
        texts = [piece.text for piece in part.parts if isinstance(piece, Text)]
        inner: list[Wire | Raw] = []
        for piece in part.parts:
            if isinstance(piece, Text):
                self._restore({}, piece)
            else:
                inner += self._part(piece)
        result: Wire = {
            "name": part.name or self._names.get(part.id) or part.id or "function",
            "response": _response("\n".join(texts) if texts else None, error=part.error),
        }
        if part.id and not part.id.startswith(UNNAMED):
            result["id"] = part.id
        beside: list[Wire | Raw] = []
        if inner and (self._bound or self._native):
            result["parts"] = inner
        elif inner:  # models before Gemini 3 read media only beside a result
            self.lost.add("tool_result.media")
            beside = inner
        wire: Wire = {"functionResponse": result}
        self._restore(wire, part)
        return [wire, *beside]

    def _media(self, part: Media) -> Wire:
        if part.file_id and not self._native:
            self.lost.add("media.file_id")
            return {}
        self._name(**{"media.detail": part.detail})
        self._name(**{"media.name": part.name and not self._native})
        return written(part, named=self._native)

    def _restore(self, wire: "Wire | Raw", part: "Message | Part") -> None:
        if isinstance(part, Opaque) or not isinstance(wire, dict):
            return
        if getattr(part, "cache", None) is not None:
            self.lost.add("cache")
        own = getattr(part, "own", {})
        if self._native:
            restore(wire, own)
        else:
            self.lost.update(own)

    def _name(self, **values: object) -> None:
        self.lost.update(name for name, value in values.items() if value)


def _signed(signature: str) -> Wire:
    return {FIELD: signature} if signature else {}


def arguments(text: str, kind: str, lost: set[str]) -> object:
    """Return a call's arguments as the object that the API wants: as they were written where they are one."""
    if kind == "custom":
        lost.add("tools.custom")
        return {"input": text}
    if not text.strip():
        return {}
    try:
        raw = text.encode()
        _object.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        lost.add("tool_calls.arguments")
        return {"input": text}
    return Raw(raw)


def _response(text: str | None, *, error: bool) -> object:
    """Write a result so that it is read as the same again: an object as it is where it can be, otherwise within one."""
    if text is None and not error:
        return {}
    text = text or ""
    if text.lstrip()[:1] == "{":
        try:
            raw = Raw(text.encode())
            if _object.decode(raw) and response(raw) == (text, error):
                return raw
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass
    return {"error" if error else "result": text}
