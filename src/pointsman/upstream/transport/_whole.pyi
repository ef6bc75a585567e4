"""What is compiled from ``_whole.c``; a checkout has none of it."""

def read(data: bytes, /) -> tuple[int, tuple[tuple[bytes, bytes], ...], bytes] | None:
    """Return status, headers (names in lower case) and body of the one whole reply that these bytes are; None where the
    parser must see them.
    """
