"""Many rows into one table: many a statement, so that SQLite is entered, and Python's lock given away, once for them.

Numbers, texts and bytearrays are bound as they are. For each value of another type (bytes, bool, None) sqlite3 first looks
for an adapter, which takes as long as five values: what is written for every request has none of them.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

TOGETHER: Final = 50
_AS_THEY_ARE: Final[Mapping[str, str]] = MappingProxyType({})


class Insertion:
    """How rows of some columns go into a table. ``values`` maps a column to what stands for it in SQL, ``?`` being its
    value; ``otherwise`` is what happens where a row is there already.
    """

    def __init__(
        self, table: str, columns: Sequence[str], *, values: Mapping[str, str] = _AS_THEY_ARE, otherwise: str = ""
    ) -> None:
        row = f"({', '.join(values.get(column, '?') for column in columns)})"
        one = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {row}"  # noqa: S608 - our own names, values are bound
        self._one, self._together = one + otherwise, one + f", {row}" * (TOGETHER - 1) + otherwise

    def rows(self, connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert rows, and return how many of them came to be."""
        written, whole = 0, len(rows) - len(rows) % TOGETHER
        for start in range(0, whole, TOGETHER):
            values = tuple(chain.from_iterable(rows[start : start + TOGETHER]))
            written += connection.execute(self._together, values).rowcount
        if whole < len(rows):
            written += connection.executemany(self._one, rows[whole:]).rowcount
        return written
