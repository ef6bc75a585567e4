"""Integers that processes share: each change is one write transaction, so a limit is never passed."""

import sqlite3

from pointsman.store.sqlite.connections import Connections

_VALUE = "SELECT coalesce((SELECT value FROM counters WHERE name = ?), 0)"


class SqliteCounters:
    """Implements ``interfaces.Counters``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(self, name: str, amount: int, *, limit: int | None = None) -> int | None:
        """Add and return the new value; None and no change when it would pass ``limit``."""
        with self._connections.write() as connection:
            value = _value(connection, name) + amount
            if limit is not None and value > limit:
                return None
            connection.execute(
                "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )
        return value

    def get(self, name: str) -> int:
        """Return the value, 0 where nothing was ever added."""
        return int(self._connections.read(_VALUE, (name,))[0][0])


def _value(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(_VALUE, (name,)).fetchone()[0])
