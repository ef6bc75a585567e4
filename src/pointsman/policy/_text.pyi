"""What is compiled from ``_text.c``; a checkout has none of it."""

def sketch(data: bytes, width: int, letters: bytes, entries: bytes, /) -> bytes:
    """Return the signed sketch of UTF-8 text, two of ``width`` entries in a byte; ``entries`` by largest and own count."""

def shares(
    data: bytes, size: int, class_of: bytes, kinds: int, capitals: int, lines: int, wide: int, /
) -> tuple[bytes, int, int]:
    """Return the roots of the shares of classes in a text of ``size`` characters, and how many there are of two of them."""

def levels(numbers: tuple[float, ...], /) -> bytes:
    """Return numbers as bytes: 255 for 1, and for what is above."""

def bare(
    text: str, kinds: bytes, ordinary: frozenset[str], signs: frozenset[str], known: float, reach: int, sentences: int, /
) -> str:
    """Return a text in ASCII without the polite sentences around it; ``kinds`` says of each byte what it is."""
