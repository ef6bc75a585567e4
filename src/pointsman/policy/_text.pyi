"""What is compiled from ``_text.c``; a checkout has none of it."""

def sketch(data: bytes, width: int, letters: bytes, entries: bytes, /) -> bytes:
    """Return the signed sketch of UTF-8 text, two of ``width`` entries in a byte; ``entries`` by largest and own count."""

def shares(data: bytes, size: int, class_of: bytes, kinds: int, capitals: int, /) -> tuple[bytes, *tuple[int, ...]]:
    """Return the roots of the shares that classes have in a text of ``size`` characters, and how many of each there are."""
