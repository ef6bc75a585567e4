"""Content blocks as parts: the same in requests and in replies.

Laws: a block is an object with one field, its kind; a kind that is not known here, or in a form that no other dialect has a
word for (a tool that the service ran itself), is an ``Opaque`` with its whole JSON; a field that is not known stays in the
part's ``own``. A cache point marks the part before it.
"""

from typing import Any, Final, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from pointsman.core.chat import CacheMark, Media, Opaque, Part, Text, Thinking, ToolCall, ToolResult
from pointsman.wire.bedrock_converse.media import mime_for
from pointsman.wire.shapes import Misread, Shape, fields_of


class _Known(Struct, forbid_unknown_fields=True):
    pass


class _Place(_Known):
    uri: str
    bucketOwner: str = ""  # noqa: N815 - the field's own name


class _Source(_Known):
    bytes: str = ""
    s3Location: _Place | None = None  # noqa: N815
    text: str = ""


class _Media(_Known):
    format: str
    source: _Source


class _Document(_Known):
    source: _Source
    format: str = "txt"
    name: str = ""


class _ToolUse(_Known):
    toolUseId: str  # noqa: N815
    name: str
    input: Raw = Raw(b"{}")
    type: str = "tool_use"


class _ToolResult(_Known):
    toolUseId: str  # noqa: N815
    content: list[Raw]
    status: str = ""
    type: str = ""


class _ReasoningText(_Known):
    text: str = ""
    signature: str = ""


class _Reasoning(_Known):
    reasoningText: _ReasoningText | None = None  # noqa: N815
    redactedContent: str = ""  # noqa: N815


class _CachePoint(_Known):
    type: str
    ttl: str = ""


_SHAPES: Final[dict[str, Shape[Any]]] = {
    "image": Shape(_Media),
    "video": Shape(_Media),
    "document": Shape(_Document),
    "toolUse": Shape(_ToolUse),
    "toolResult": Shape(_ToolResult),
    "reasoningContent": Shape(_Reasoning),
}
_point: Final = msgspec.json.Decoder(_CachePoint)
_lists: Final = msgspec.json.Decoder(list[Raw])
_strings: Final = msgspec.json.Decoder(str)
_Markable = (Text, Media, ToolCall, ToolResult)


def parts_of(content: list[Raw]) -> tuple[Part, ...]:
    """Return content blocks as parts. Raises Misread."""
    parts: list[Part] = []
    for place, raw in enumerate(content):
        try:
            kind, inner = single(raw)
            mark = mark_of(inner) if kind == "cachePoint" and parts else None
            last = parts[-1] if parts else None
            if mark is not None and isinstance(last, _Markable) and last.cache is None:
                parts[-1] = replace(last, cache=mark)
            else:
                parts.append(_part(kind, inner, raw))
        except Misread as error:
            raise error.under(f"[{place}]") from error
    return tuple(parts)


def single(raw: Raw) -> tuple[str, Raw]:
    """Return kind and content of an object that has one field; of another, the first kind and nothing. Raises Misread."""
    fields = fields_of(raw)
    if not fields:
        raise Misread("holds nothing")
    kind, inner = next(iter(fields.items()))
    return (kind, inner) if len(fields) == 1 else (kind, Raw())


def mark_of(raw: Raw) -> CacheMark | None:
    """Return a cache point as a mark, None where it is of a form that is not known."""
    try:
        point = _point.decode(raw)
    except msgspec.ValidationError:
        return None
    return CacheMark(point.ttl) if point.type == "default" else None


def _part(kind: str, inner: Raw, raw: Raw) -> Part:
    if not bytes(inner):
        return Opaque(kind, raw)
    if kind == "text":
        try:
            return Text(_strings.decode(inner))
        except msgspec.ValidationError as error:
            raise Misread("is no text", "text") from error
    shape = _SHAPES.get(kind)
    if shape is None:
        return Opaque(kind, raw)
    try:
        wire, own = shape.read(inner)
        part = _known(kind, wire)
    except Misread as error:
        raise error.under(kind) from error
    if part is None or (own and isinstance(part, Thinking)):
        return Opaque(kind, raw)
    return replace(part, own={**part.own, **own}) if own else part


def _known(kind: str, wire: Struct) -> Media | Thinking | ToolCall | ToolResult | None:
    match wire:
        case _Media(format=word, source=source):
            return _media(kind, word, source, "")
        case _Document(format=word, source=source, name=name):
            return _media("file", word, source, name)
        case _ToolUse(type="tool_use"):
            return ToolCall(wire.name, bytes(wire.input).decode(), wire.toolUseId)
        case _ToolResult(type=""):
            return ToolResult(wire.toolUseId, _returned(wire.content), wire.status == "error")
        case _Reasoning(reasoningText=_ReasoningText(text=text, signature=signature)):
            return Thinking(text, signature)
        case _Reasoning(redactedContent=sealed) if sealed:
            return Thinking(encrypted=sealed)
        case _:
            return None


def _returned(content: list[Raw]) -> tuple[Text | Media | Opaque, ...]:
    """Return what a tool returned; blocks that do not belong there stay as they are."""
    try:
        parts = [parts_of([raw])[0] for raw in content]
    except Misread as error:
        raise error.under("content") from error
    found = [
        part if isinstance(part, (Text, Media, Opaque)) else Opaque(single(raw)[0], raw)
        for part, raw in zip(parts, content, strict=True)
    ]
    return cast("tuple[Text | Media | Opaque, ...]", tuple(found))


def _media(kind: str, word: str, source: _Source, name: str) -> Media | None:
    mime = mime_for(kind, word) or word
    if source.s3Location is not None:
        place = source.s3Location
        own = {"bucketOwner": Raw(msgspec.json.encode(place.bucketOwner))} if place.bucketOwner else {}
        return Media(kind, url=place.uri, mime=mime, name=name, own=own)
    if source.text:
        return Media(kind, text=source.text, mime=mime, name=name)
    return Media(kind, data=source.bytes, mime=mime, name=name) if source.bytes else None
