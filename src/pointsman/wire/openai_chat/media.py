"""Media in content parts, both ways: ``image_url``, ``input_audio``, ``file``, and ``video_url`` (OpenRouter, vLLM).

Inline media stand in data URLs; they are split into type and base64, so that other dialects find them as they want them.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import Media, Own
from pointsman.wire.fields import BROKEN
from pointsman.wire.mimes import sniffed
from pointsman.wire.openai_chat.fields import NULL, Shape, Wire, given, put, raw_of

KINDS: Final = {"image_url": "image", "input_audio": "audio", "file": "file", "video_url": "video"}

_DATA_URL: Final = re.compile(r"data:([^,]*);base64,(.+)\Z", re.DOTALL)
_ADDRESS: Final = re.compile(r"https?://")
_USUAL: Final = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "file": "application/pdf"}
_FORMATS: Final = {"mpeg": "mp3", "x-mp3": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}


class _Url(Struct, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class _Audio(Struct, forbid_unknown_fields=True):
    data: str
    format: str | None = None


class _File(Struct, forbid_unknown_fields=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


_url, _audio, _file = Shape(_Url), Shape(_Audio), Shape(_File)
_text = msgspec.json.Decoder(str)


def read(kind: str, raw: Raw) -> Media:
    """Return what the field ``kind`` (one of ``KINDS``) of a part holds. What is of no known form stays in ``own``."""
    known = _sound(raw) if kind == "input_audio" else _document(raw) if kind == "file" else _addressed(kind, raw)
    return known or Media(KINDS[kind], own={kind: raw} if given(raw) else {})


def _addressed(kind: str, raw: Raw) -> Media | None:
    try:
        plain = _text.decode(raw)  # Mistral, and older clients: the address itself
    except BROKEN:
        found = _url.read(raw)
        return from_url(KINDS[kind], found[0].url, found[0].detail or "", _left(kind, found[1])) if found else None
    return from_url(KINDS[kind], plain, "", {kind: NULL})


def from_url(kind: str, url: str, detail: str, own: Own) -> Media | None:
    """Return media that an address gives, which may hold them itself; None where it is empty."""
    data = _DATA_URL.match(url)
    if data:
        return Media(kind, data=data.group(2), mime=data.group(1), detail=detail, own=own)
    return Media(kind, url=url, detail=detail, own=own) if url else None


def _sound(raw: Raw) -> Media | None:
    found = _audio.read(raw)
    if found is None or not found[0].data:
        return None
    wire, own = found
    return Media("audio", data=wire.data, mime=f"audio/{wire.format}" if wire.format else "", own=_left("input_audio", own))


def _document(raw: Raw) -> Media | None:
    found = _file.read(raw)
    if found is None:
        return None
    wire, own = found[0], _left("file", found[1])
    name = wire.filename or ""
    if wire.file_id and not wire.file_data:
        return Media("file", file_id=wire.file_id, name=name, own=own)
    if not wire.file_data or wire.file_id:
        return None
    data = _DATA_URL.match(wire.file_data)
    if data:
        return Media("file", data=data.group(2), mime=data.group(1), name=name, own=own)
    if _ADDRESS.match(wire.file_data):
        return Media("file", url=wire.file_data, name=name, own=own)
    return Media("file", data=wire.file_data, name=name, own=own)


def _left(kind: str, own: Own) -> Own:
    return {kind: raw_of(own)} if own else {}


def unreadable(media: Media) -> str | None:
    """Say what the API cannot read about media from another dialect, None where it can."""
    if media.kind == "video":
        return "videos"
    if media.kind == "audio" and not media.data:
        return "sound that is not in the request itself"
    if not (media.data or media.url or media.file_id or media.text):
        return f"an empty {media.kind}"
    if media.kind == "file" and media.url:
        return "files by their address"
    return f"an uploaded {media.kind}" if media.file_id else None


def part(media: Media, *, ours: bool) -> Wire:
    """Return the content part that holds media. ``ours``: they came in this dialect, and are written as they were."""
    if media.text:
        return {"type": "text", "text": media.text}
    if not (media.data or media.url or media.file_id):
        kind = next(name for name, known in KINDS.items() if known == media.kind)
        return {"type": kind, kind: media.own.get(kind)}
    if media.kind == "audio" and media.data:
        return _written("input_audio", {"data": media.data, **_format(media, ours=ours)}, media)
    if media.kind == "file":
        return _written("file", _fields(media, ours=ours), media)
    kind = "image_url" if media.kind == "image" else f"{media.kind}_url"
    url = address(media, ours=ours)
    if ours and media.own.get(kind) == NULL:
        return {"type": kind, kind: url}
    return _written(kind, {"url": url, **({"detail": media.detail} if media.detail else {})}, media)


def address(media: Media, *, ours: bool) -> str:
    """Return media as an address, which holds them where they are inline."""
    return f"data:{media.mime or ('' if ours else guess(media))};base64,{media.data}" if media.data else media.url


def guess(media: Media) -> str:
    """Return the type of media that did not say theirs, from their first bytes."""
    return sniffed(media) or _USUAL[media.kind]


def _format(media: Media, *, ours: bool) -> dict[str, str]:
    name = media.mime.partition(";")[0].rpartition("/")[2]
    if ours:
        return {"format": media.mime.removeprefix("audio/")} if media.mime else {}
    return {"format": _FORMATS.get(name, name) or "wav"}


def _fields(media: Media, *, ours: bool) -> dict[str, str]:
    name = media.name
    if media.file_id:
        fields = {"file_id": media.file_id}
    elif media.url or (ours and not media.mime):
        fields = {"file_data": media.url or media.data}
    else:
        fields = {"file_data": address(media, ours=ours)}
        name = name or ("" if ours else f"file.{(media.mime or guess(media)).rpartition('/')[2]}")  # OpenAI wants one
    return {**fields, **({"filename": name} if name else {})}


def _written(kind: str, fields: dict[str, Any], media: Media) -> Wire:
    """Return a part; what stood beside the known fields of its object goes back into that."""
    wire: Wire = {"type": kind, kind: fields}
    if kind in media.own:
        put(wire, {kind: media.own[kind]})
    return wire
