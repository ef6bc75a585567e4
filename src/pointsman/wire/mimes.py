"""The type of inline media that did not say theirs, from their first bytes."""

from typing import Final

from pointsman.core.chat import Media

_BEGINNINGS: Final = (  # of base64
    ("iVBOR", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lG", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBER", "application/pdf"),
    ("SUQz", "audio/mp3"),
)


def sniffed(media: Media) -> str:
    """Return a type, empty where the bytes do not tell. RIFF holds sound as well as pictures."""
    mime = next((mime for start, mime in _BEGINNINGS if media.data.startswith(start)), "")
    return "audio/wav" if mime == "image/webp" and media.kind == "audio" else mime


def mime_of(media: Media) -> str:
    """Return the type that was said, in lower case and without parameters; where none was, the one that its bytes tell."""
    said = media.mime.partition(";")[0].strip().lower()
    if said and said != "application/octet-stream":
        return "image/jpeg" if said == "image/jpg" else said
    return sniffed(media) or said
