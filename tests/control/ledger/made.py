"""Ledgers made by hand, for the tests of what reads them."""

from collections.abc import Iterable, Iterator

from pointsman.core.ledger import GENESIS, Entry, Line, chained, encode

AT = 1_764_288_000_000
"""2025-11-28, 0:00 UTC."""
DAY_MS = 86_400_000
OPENING = Line("", AT, "opening")


def kept(lines: Iterable[Line]) -> Iterator[Entry]:
    """Return lines as a store keeps them, behind an opening."""
    last = GENESIS
    for n, line in enumerate((OPENING, *lines), start=1):
        text = encode(line)
        last = chained(last, text)
        yield Entry(n, text, last)
