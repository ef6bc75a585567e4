"""What is compiled from ``_scan.c``; a checkout has none of it. ``unescape`` decodes a JSON string that holds escapes."""

from collections.abc import Callable

def request(
    body: bytes, unescape: Callable[[bytes], str], /
) -> tuple[str, list[tuple[str, str]], bool, bool, int | None] | None:
    """Return what a Chat request of texts alone asks for: see ``scan.request``."""

def reply(
    body: bytes, unescape: Callable[[bytes], str], /
) -> tuple[str | None, str | None, tuple[int, int, int, int, int] | None] | None:
    """Return how a whole Chat reply ended, and what it took: see ``scan.reply``."""

def plain(chunk: bytes, /) -> int:
    """Return the length of the frames at the start of a chunk of a Chat stream that mean no more than content."""

def model_span(body: bytes, /) -> tuple[int, int] | None:
    """Return where the model's value stands, None where that takes a scan."""
