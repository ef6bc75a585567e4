"""The ledger as a table of texts and hashes; see ``core/ledger`` for what they are."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from pointsman.core.ledger import EMPTY, Entry, Head, Line, chained, encode
from pointsman.store.sqlite.connections import Connections
from pointsman.store.sqlite.insertion import Insertion

PAGE: Final = 2_000

_LAST: Final = "SELECT n, hash FROM ledger ORDER BY n DESC LIMIT 1"
_PAGE: Final = "SELECT n, CAST(line AS BLOB), hash FROM ledger WHERE n > ? ORDER BY n LIMIT ?"
_INSERT: Final = Insertion("ledger", ("n", "line", "hash"), values={"line": "CAST(? AS TEXT)"})  # no copy as a text here
_BEFORE: Final = "SELECT count(*) FROM exchanges WHERE source = 'gateway' AND n < ?"


class SqliteLedger:
    """Implements ``ledger.Ledger``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def append(self, lines: Sequence[Line]) -> None:
        """Add lines in one transaction."""
        with self._connections.write() as connection:
            insert(connection, lines)

    def entries(self, *, after: int = 0) -> Iterator[Entry]:
        """Stream the lines in their order, ``PAGE`` at a time."""
        while True:
            rows = self._connections.read(_PAGE, (after, PAGE))
            for row in rows:
                yield Entry(*row)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def head(self) -> Head:
        """Return the end of the chain."""
        return _head(self._connections.read(_LAST))


def insert(connection: sqlite3.Connection, lines: Sequence[Line], first: int | None = None) -> None:
    """Add lines to the end of the chain, inside the caller's transaction.

    ``first`` is the number of the first exchange that they belong to (None: of none): where nothing is in the ledger yet,
    the opening says how many exchanges came before it.
    """
    if not lines:
        return
    head = _head(connection.execute(_LAST).fetchall())
    if not head.count:
        lines = [_opening(connection, lines[0].at_ms, first), *lines]
    n, last, rows = head.count, head.hash, []
    for line in lines:
        text = encode(line)
        n, last = n + 1, chained(last, text)
        rows.append((n, bytearray(text), bytearray(last)))
    _INSERT.rows(connection, rows)


def _head(rows: Sequence[tuple[int, bytes]]) -> Head:
    return Head(*rows[0]) if rows else EMPTY


def _opening(connection: sqlite3.Connection, at_ms: int, first: int | None) -> Line:
    limit = (1 << 62) if first is None else first
    before = connection.execute(_BEFORE, (limit,)).fetchone()[0]
    return Line("", at_ms, "opening", note=f"{before} exchanges were recorded before this ledger began" if before else "")
