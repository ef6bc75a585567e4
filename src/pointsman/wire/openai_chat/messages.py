"""Messages of a request, read.

Laws: an assistant's parts are its reasoning, its content, its calls, in this order; a ``tool`` (or ``function``) message is
one ``ToolResult``; a part of a kind or form that is not known is an ``Opaque`` with its whole JSON (in a request of which
only a glance was taken, without).
"""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import (
    CacheMark,
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
from pointsman.wire.openai_chat.fields import ABSENT, NULL, Shape, encode, given, objects, raw_of, words
from pointsman.wire.openai_chat.shapes import FunctionCall, Google, Mark, WireMessage, WirePart, WireToolCall

NOTHING: Final[Own] = {}
_PLAIN: Final = frozenset(("user", "system", "developer"))
"""Roles whose content is most often one text and nothing else."""


_mark, _google, _call = Shape(Mark), Shape(Google), Shape(FunctionCall)


def messages(wires: Iterable[WireMessage]) -> tuple[Message, ...]:
    """Return the turns of a request."""
    custom: set[str] = set()
    return tuple([_message(wire, custom) for wire in wires])


def _message(wire: WireMessage, custom: set[str]) -> Message:
    content = wire.content
    if wire.role in _PLAIN and type(content) is str and not wire.tool_calls:
        return Message(wire.role, (Text(content),), wire.name if isinstance(wire.name, str) else "", wire.own)
    if wire.role in ("tool", "function"):
        return _returned(wire, custom)
    if isinstance(content, str):
        parts: tuple[Part, ...] = (Text(content),)
    else:
        parts = tuple([_part(part) for part in content]) if content else ()
    own = wire.own
    if wire.role == "assistant" or wire.tool_calls:
        parts, own = _acted(wire, parts, custom)
    return Message(wire.role, parts, wire.name if isinstance(wire.name, str) else "", own)


def _acted(wire: WireMessage, parts: tuple[Part, ...], custom: set[str]) -> tuple[tuple[Part, ...], Own]:
    """Add to the content of an assistant's turn what stands beside it."""
    own = dict(wire.own)
    thoughts = thinking.read(wire, own) if _reasoned(wire) else ()
    refusal = words(wire.refusal)
    refused = (Refusal(refusal, {"refusal": NULL}),) if refusal else ()
    calls = [tool_call(call, place) for place, call in enumerate(wire.tool_calls or ())]
    custom.update([call.id for call in calls if call.kind == "custom"])
    if given(wire.function_call):
        legacy = _call.read(wire.function_call)
        if legacy is None or not legacy[0].name:
            own["function_call"] = wire.function_call
        else:
            mark = raw_of(legacy[1]) if legacy[1] else NULL
            calls.append(ToolCall(legacy[0].name, legacy[0].arguments, own={"function_call": mark}))
    return (*thoughts, *parts, *refused, *calls), own or NOTHING


def _reasoned(wire: WireMessage) -> bool:
    said = wire.reasoning_content is not None or wire.reasoning is not None
    return said or wire.reasoning_details is not ABSENT


def _returned(wire: WireMessage, custom: set[str]) -> Message:
    content = wire.content
    parts = (Text(content),) if isinstance(content, str) else tuple([_inner(part) for part in content or ()])
    own = {**wire.own, "function": NULL} if wire.role == "function" else wire.own
    id_ = words(wire.tool_call_id)
    result = ToolResult(id_, parts, name=words(wire.name), kind="custom" if id_ in custom else "function", own=own)
    return Message("tool", (result,))


def _inner(wire: WirePart) -> Text | Media | Opaque:
    part = _part(wire)
    return part if isinstance(part, Text | Media | Opaque) else Opaque(wire.type, wire.raw)


def _part(wire: WirePart) -> Part:
    kind = wire.type
    if kind == "text" or (not kind and wire.text is not None):
        if wire.raw is ABSENT and wire.cache_control is ABSENT:
            return Text(wire.text or "")
        return _marked(Text(wire.text or ""), wire, ("type", "text"))
    if kind in media.KINDS:
        return _marked(media.read(kind, getattr(wire, kind)), wire, ("type", kind))
    if kind == "refusal" and wire.refusal is not None:
        return Refusal(wire.refusal, _beside(wire, ("type", "refusal")))
    if kind == "thinking" and given(wire.thinking):
        text = thinking.in_content(wire.thinking)
        if text is not None:
            return Thinking(text, own={**_beside(wire, ("type", "thinking")), "content": NULL})
    return Opaque(kind, wire.raw)


def _marked(part: Text | Media, wire: WirePart, used: tuple[str, ...]) -> Part:
    """Put cache mark and other fields of a part where they belong."""
    cache = mark_of(wire.cache_control) if wire.cache_control is not ABSENT else None
    own = _beside(wire, used if cache is None else (*used, "cache_control"))
    if cache is None and not own:
        return part
    return replace(part, cache=cache, own={**part.own, **own})


def mark_of(raw: Raw) -> CacheMark | None:
    """Return a ``cache_control`` as a mark; None where it is not a plain one."""
    found = _mark.read(raw)
    if found is None or found[0].type != "ephemeral" or found[1]:
        return None
    return CacheMark(found[0].ttl or "")


def _beside(wire: WirePart, used: tuple[str, ...]) -> Own:
    """Return what a part holds beside the fields that were used."""
    if wire.raw is ABSENT:
        return NOTHING
    found = objects.decode(wire.raw)
    if len(found) == len(used):
        return NOTHING
    return {name: raw for name, raw in found.items() if name not in used and raw != NULL}


def tool_call(wire: WireToolCall, place: int) -> ToolCall:
    """Return a call; ``place`` is where it stands in its list, which is what ``index`` says again."""
    if wire.raw is ABSENT and wire.function is not None and wire.extra_content is ABSENT:  # a glance, and the common case
        return ToolCall(wire.function.name or "", arguments_of(wire.function.arguments), wire.id or "")
    own = dict(wire.own)
    if wire.index is not None and wire.index != place:
        own["index"] = raw_of(wire.index)
    signature = signature_of(wire.extra_content) if given(wire.extra_content) else ""
    if signature is None:
        own["extra_content"] = wire.extra_content
    id_, function, called = wire.id or "", wire.function, wire.custom
    if function is None:
        if called is None:
            return ToolCall("", "", id_, signature=signature or "", own=own)
        _keep(own, "custom", called.own)
        return ToolCall(words(called.name), words(called.input), id_, "custom", signature or "", own=own)
    _keep(own, "function", function.own)
    if called is not None and bytes(called.raw):
        own["custom"] = called.raw
    return ToolCall(function.name or "", arguments_of(function.arguments), id_, signature=signature or "", own=own)


def signature_of(raw: Raw) -> str | None:
    """Return Google's thought signature out of ``extra_content``; None where that holds something else."""
    found = _google.read(raw)
    return None if found is None or found[1] else found[0].google.thought_signature


def arguments_of(value: Any) -> str:
    """Return arguments as text. Some clients write the object that the text should hold."""
    if isinstance(value, str):
        return value
    return "" if value is None else encode(value).decode()


def _keep(own: Own, name: str, rest: Own) -> None:
    if rest:
        own[name] = raw_of(rest)
