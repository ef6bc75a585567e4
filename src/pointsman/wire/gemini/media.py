"""Media: bytes in the body (``inlineData``) or by address (``fileData``), and of which type they are.

Addresses in Google's own stores (the Files API, Cloud Storage) can be read by nobody else: they are a ``file_id``. Any
other is a ``url``; since January 2026 the API fetches public and signed ones
(https://ai.google.dev/gemini-api/docs/file-input-methods).
"""

import base64
import re

from msgspec import Raw

from pointsman.core.chat import Media, Own
from pointsman.wire.gemini.fields import Fields
from pointsman.wire.mimes import sniffed

_STORED = re.compile(r"gs://|https://(?:[a-z0-9-]+\.)?generativelanguage\.googleapis\.com/")
_KINDS = frozenset(("image", "audio", "video"))
_ENDINGS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
}
_USUAL = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "file": "application/pdf"}


def kind_of(mime: str) -> str:
    """Return the kind of media that a type is."""
    kind = mime.partition("/")[0]
    return kind if kind in _KINDS else "file"


def inline(raw: Raw, where: str, own: Own) -> Media:
    """Return media from ``inlineData``; what else it holds goes into ``own``. Raises WireError."""
    blob = Fields(raw, where)
    mime = blob.text("mimeType") or ""
    media = Media(kind_of(mime), data=blob.text("data") or "", mime=mime, name=blob.text("displayName") or "", own=own)
    blob.keep(own, "inlineData")
    return media


def stored(raw: Raw, where: str, own: Own) -> Media:
    """Return media from ``fileData``; what else it holds goes into ``own``. Raises WireError."""
    file = Fields(raw, where)
    mime, address, name = file.text("mimeType") or "", file.text("fileUri") or "", file.text("displayName") or ""
    kind = kind_of(mime) if mime else ("video" if "youtu" in address else "file")
    file.keep(own, "fileData")
    if _STORED.match(address):
        return Media(kind, file_id=address, mime=mime, name=name, own=own)
    return Media(kind, url=address, mime=mime, name=name, own=own)


def written(media: Media, *, named: bool) -> dict[str, object]:
    """Return the part that holds media, without its own fields; its name only where ``named`` (most models refuse one)."""
    name = {"displayName": media.name} if named and media.name else {}
    if media.text:
        data = base64.b64encode(media.text.encode()).decode()
        return {"inlineData": {"mimeType": media.mime or "text/plain", "data": data, **name}}
    address = media.url or media.file_id
    if address:
        mime = media.mime or _ENDINGS.get(address.partition("?")[0].rpartition(".")[2].lower(), "")
        return {"fileData": {**({"mimeType": mime} if mime else {}), "fileUri": address, **name}}
    return {"inlineData": {"mimeType": media.mime or _guessed(media), "data": media.data, **name}}


def _guessed(media: Media) -> str:
    """The API refuses data without a type."""
    return sniffed(media) or _USUAL.get(media.kind, "application/octet-stream")
