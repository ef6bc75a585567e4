"""Images, documents and films as Converse's blocks: which formats there are, and how they are written.

Data is inline, or an object in S3; the service fetches nothing from the web.
(API_runtime_ImageBlock, API_runtime_DocumentBlock, API_runtime_VideoBlock)
"""

import re
from typing import Final

from pointsman.core.chat import Media
from pointsman.wire.mimes import mime_of

IMAGES: Final = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
VIDEOS: Final = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_FORMATS: Final = {"image": IMAGES, "file": DOCUMENTS, "video": VIDEOS}
_MIMES: Final = {kind: {word: mime for mime, word in table.items()} for kind, table in _FORMATS.items()}
_S3: Final = "s3://"
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9\-()\[\]]+")
"""A document's name has letters, digits, single blanks, hyphens, parentheses and brackets, because models read it."""


def format_of(media: Media) -> str:
    """Return the format of inline data or an object in S3, from its type, else from its name; empty where unknown."""
    table = _FORMATS.get(media.kind, {})
    known = table.get(mime_of(media), "")
    ending = (media.url or media.name).rpartition(".")[2].lower()
    return known or next((word for word in table.values() if word in (ending, "jpeg" if ending == "jpg" else "")), "")


def mime_for(kind: str, word: str) -> str:
    """Return the type that a format stands for, empty where it is not known."""
    return _MIMES[kind].get(word, "")


def unreadable(media: Media) -> str | None:
    """Say what the API cannot read about this, None where it can."""
    if media.kind not in _FORMATS:
        return f"{media.kind} input"
    if media.text:
        return None
    what = {"image": "images", "file": "files", "video": "films"}[media.kind]
    if media.url and not media.url.startswith(_S3):
        return f"{what} at a URL"
    return None if format_of(media) else f"{what} of type {mime_of(media) or 'unknown'}"


class Names:
    """Names of a request's documents: made to fit, and each used once, as the API wants them."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used: set[str] = set()

    def name(self, wanted: str) -> str:
        """Return the name that a document is written with."""
        plain = _NOT_IN_NAMES.sub(" ", wanted).strip()[:180] or "Document"
        made, again = plain, 1
        while made in self._used:
            again += 1
            made = f"{plain} {again}"
        self._used.add(made)
        return made


def block_of(media: Media, names: Names, *, ours: bool) -> dict[str, object] | None:
    """Return a block; None where the API has none for it (see ``unreadable``)."""
    if (unreadable(media) is not None and not ours) or media.file_id:
        return None
    source: dict[str, object] = {"bytes": media.data}
    if media.url:
        owner = media.own.get("bucketOwner")
        source = {"s3Location": {"uri": media.url} | ({"bucketOwner": owner} if owner and ours else {})}
    elif media.text:
        source = {"text": media.text}
    word = format_of(media) or (media.mime if ours else "txt")
    if media.kind != "file":
        return {media.kind: {"format": word, "source": source}}
    name = media.name if ours else names.name(media.name.rpartition(".")[0] or media.name)
    return {"document": {"format": word, "name": name, "source": source}}
