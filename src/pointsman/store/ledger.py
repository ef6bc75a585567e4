"""The ledger as everybody above the store sees it.

Laws: lines are only ever added; ``journal.append`` adds those of its new exchanges in its own transaction; however many
processes write, there is one chain, without a gap; the first line, the opening, is made with the first write.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from pointsman.core.ledger import Entry, Head, Line


class Ledger(Protocol):
    """Lines of calls, chained by their hashes."""

    def append(self, lines: Sequence[Line]) -> None:
        """Add lines in one transaction, durable on return. Raises StoreError, ValueError for a line that cannot be kept."""

    def entries(self, *, after: int = 0) -> Iterator[Entry]:
        """Return the lines as they are kept, in their order, from the first above ``after``."""

    def head(self) -> Head:
        """Return the end of the chain; count 0 before the first line."""
