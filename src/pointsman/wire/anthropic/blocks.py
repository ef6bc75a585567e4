"""Content blocks as parts: the same in requests, in replies, and at the start of a block in a stream.

Laws: a block of a kind that is not known here is an ``Opaque`` with its whole JSON; so is a known kind in a form that no
other dialect has a word for (a document without any text). A field that is not known stays
in the part's ``own``; ``signature`` and ``data`` are the characters that came.
"""

from typing import Any, Final, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from pointsman.core.chat import Media, Opaque, Own, Part, Text, Thinking, ToolCall, ToolResult
from pointsman.wire.anthropic.fields import mark_of
from pointsman.wire.shapes import Misread, Shape, kind_of


class _Known(Struct, forbid_unknown_fields=True, tag_field="type"):
    pass


class _Text(_Known, tag="text"):
    text: str
    citations: list[Raw] | None = None
    cache_control: Raw = Raw()


class _Thinking(_Known, tag="thinking"):
    thinking: str
    signature: str = ""


class _Redacted(_Known, tag="redacted_thinking"):
    data: str


class _ToolUse(_Known, tag="tool_use"):
    id: str
    name: str
    input: Raw = Raw(b"{}")
    cache_control: Raw = Raw()


class _ToolResult(_Known, tag="tool_result"):
    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None
    cache_control: Raw = Raw()


class _Image(_Known, tag="image"):
    source: Raw
    cache_control: Raw = Raw()


class _Document(_Known, tag="document"):
    source: Raw
    title: str | None = None
    cache_control: Raw = Raw()


class _Base64(_Known, tag="base64"):
    data: str
    media_type: str = ""


class _Url(_Known, tag="url"):
    url: str


class _File(_Known, tag="file"):
    file_id: str


class _Plain(_Known, tag="text"):
    data: str
    media_type: str = ""


class _Content(_Known, tag="content"):
    content: str | list[Raw]


class _Words(Struct):
    text: str = ""


_Block = _Text | _Thinking | _Redacted | _ToolUse | _ToolResult | _Image | _Document
_blocks: Final = msgspec.json.Decoder(_Block)
_sources: Final = msgspec.json.Decoder(_Base64 | _Url | _File | _Plain | _Content)
_words: Final = msgspec.json.Decoder(_Words)
_SHAPES: Final[dict[str, Shape[Any]]] = {
    "text": Shape(_Text),
    "thinking": Shape(_Thinking),
    "redacted_thinking": Shape(_Redacted),
    "tool_use": Shape(_ToolUse),
    "tool_result": Shape(_ToolResult),
    "image": Shape(_Image),
    "document": Shape(_Document),
}


def part_of(raw: Raw) -> Part:
    """Return a content block as a part. Raises Misread."""
    try:
        return _part(_blocks.decode(raw), {}, raw)
    except msgspec.ValidationError:
        kind = kind_of(raw)
    if not kind:
        raise Misread("is missing", "type")
    shape = _SHAPES.get(kind)
    if shape is None:
        return Opaque(kind, raw)
    wire, own = shape.read(raw)
    return _part(wire, own, raw)


def parts_of(content: str | list[Raw] | None) -> tuple[Part, ...]:
    """Return a content, which is a text or a list of blocks, as parts. Raises Misread."""
    if isinstance(content, str):
        return (Text(content),)
    parts: list[Part] = []
    for place, raw in enumerate(content or ()):
        try:
            parts.append(part_of(raw))
        except Misread as error:
            raise error.under(f"[{place}]") from error
    return tuple(parts)


def _part(wire: _Block, own: Own, raw: Raw) -> Part:
    if isinstance(wire, _Thinking):
        return Thinking(wire.thinking, wire.signature, own=own)
    if isinstance(wire, _Redacted):
        return Thinking(encrypted=wire.data, own=own)
    mark = mark_of(wire.cache_control, own)
    if isinstance(wire, _Text):
        return Text(wire.text, mark, tuple(wire.citations or ()), own=own)
    if isinstance(wire, _ToolUse):
        return ToolCall(wire.name, bytes(wire.input).decode(), wire.id, cache=mark, own=own)
    if isinstance(wire, _ToolResult):
        return ToolResult(wire.tool_use_id, _returned(wire.content), bool(wire.is_error), cache=mark, own=own)
    media = _image(wire.source) if isinstance(wire, _Image) else _document(wire.source, wire.title or "")
    return Opaque(kind_of(raw), raw) if media is None else replace(media, cache=mark, own={**media.own, **own})


def _returned(content: str | list[Raw] | None) -> tuple[Text | Media | Opaque, ...]:
    """Return what a tool returned; blocks that do not belong there stay as they are."""
    try:
        parts = parts_of(content or None)
    except Misread as error:
        raise error.under("content") from error
    if isinstance(content, list):
        parts = tuple([_inner(part, raw) for part, raw in zip(parts, content, strict=True)])
    return cast("tuple[Text | Media | Opaque, ...]", parts)


def _inner(part: Part, raw: Raw) -> Text | Media | Opaque:
    return part if isinstance(part, (Text, Media, Opaque)) else Opaque(kind_of(raw), raw)


def _image(raw: Raw) -> Media | None:
    match _source(raw):
        case _Base64(data=data, media_type=mime) if data:
            return Media("image", data=data, mime=mime)
        case _Url(url=url) if url:
            return Media("image", url=url)
        case _File(file_id=file_id) if file_id:
            return Media("image", file_id=file_id)
        case _:
            return None


def _document(raw: Raw, name: str) -> Media | None:
    match _source(raw):
        case _Base64(data=data, media_type=mime) if data:
            return Media("file", data=data, mime=mime, name=name)
        case _Url(url=url) if url:
            return Media("file", url=url, name=name)
        case _File(file_id=file_id) if file_id:
            return Media("file", file_id=file_id, name=name)
        case _Plain(data=text, media_type=mime) if text:
            return Media("file", text=text, mime=mime, name=name)
        case _Content(content=content) if text := _text_in(content):
            # The blocks as they stand, and their text for those who know no blocks.
            return Media("file", text=text, name=name, own={"source": raw})
        case _:
            return None


def _source(raw: Raw) -> Struct | None:
    """Return a source, None where it is of a form that is not known here."""
    try:
        found: Struct = _sources.decode(raw)
    except msgspec.ValidationError:
        return None
    return found


def _text_in(content: str | list[Raw]) -> str:
    if isinstance(content, str):
        return content
    try:
        return "\n".join([text for raw in content if (text := _words.decode(raw).text)])
    except msgspec.ValidationError:
        return ""
