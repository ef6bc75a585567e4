"""Types of media, as they were said or as their bytes tell."""

import pytest

from pointsman.core.chat import Media
from pointsman.wire.mimes import mime_of, sniffed


@pytest.mark.parametrize(
    ("kind", "data", "mime"),
    [
        ("image", "iVBORw0KGgo=", "image/png"),
        ("image", "/9j/4AAQ", "image/jpeg"),
        ("image", "R0lGODlh", "image/gif"),
        ("image", "UklGRgAA", "image/webp"),
        ("audio", "UklGRgAA", "audio/wav"),
        ("file", "JVBERi0x", "application/pdf"),
        ("audio", "SUQzBAAA", "audio/mp3"),
        ("file", "aGVsbG8=", ""),
    ],
)
def test_bytes_tell_their_type(kind: str, data: str, mime: str) -> None:
    assert sniffed(Media(kind, data=data)) == mime


@pytest.mark.parametrize(
    ("said", "mime"),
    [
        ("image/PNG; x=1", "image/png"),
        ("image/jpg", "image/jpeg"),
        ("application/octet-stream", "image/gif"),
        ("", "image/gif"),
        ("text/x", "text/x"),
    ],
)
def test_what_was_said_counts_first(said: str, mime: str) -> None:
    assert mime_of(Media("image", data="R0lGODlh", mime=said)) == mime
