"""Images and documents as Messages' blocks: what the API reads, and how it is written.

It reads JPEG, PNG, GIF and WebP images, PDF documents, and plain text, each inline, and images and PDF from a URL.
(https://platform.claude.com/docs/en/build-with-claude/vision, pdf-support)
"""

import binascii
from base64 import b64decode
from typing import Final

from pointsman.core.chat import Media
from pointsman.wire.mimes import mime_of

IMAGES: Final = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
PDF: Final = "application/pdf"


def unreadable(media: Media) -> str | None:
    """Say what the API cannot read about this, None where it can."""
    if media.kind not in ("image", "file"):
        return f"{media.kind} input"
    if not media.data:
        return None
    mime = mime_of(media)
    if media.kind == "image":
        return None if mime in IMAGES else f"images of type {mime or 'unknown'}"
    return None if mime == PDF or mime.startswith("text/") else f"files of type {mime or 'unknown'}"


def block_of(media: Media, *, ours: bool) -> dict[str, object] | None:
    """Return a block; None where the API has none for it (see ``unreadable``)."""
    source = _source(media, ours=ours)
    if source is None:
        return None
    if media.kind == "image":
        return {"type": "image", "source": source}
    titled = {"title": media.name} if media.name else {}
    return {"type": "document", "source": source, **titled}


def _source(media: Media, *, ours: bool) -> dict[str, object] | None:
    if media.url:
        return {"type": "url", "url": media.url}
    if media.file_id:
        return {"type": "file", "file_id": media.file_id}
    if media.text:
        return {"type": "text", "media_type": media.mime if ours and media.mime else "text/plain", "data": media.text}
    if ours:
        return {"type": "base64", "media_type": media.mime, "data": media.data}
    if unreadable(media) is not None:
        return None
    mime = mime_of(media)
    if not mime.startswith("text/"):
        return {"type": "base64", "media_type": mime, "data": media.data}
    try:
        return {"type": "text", "media_type": "text/plain", "data": b64decode(media.data).decode()}
    except (binascii.Error, ValueError):
        return None
