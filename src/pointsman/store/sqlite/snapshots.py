"""Published snapshots: rows that only grow in number; the largest number is current."""

from pointsman.core import snapshot as snapshots
from pointsman.core.errors import StoreError
from pointsman.store.interfaces import Published
from pointsman.store.sqlite import audit
from pointsman.store.sqlite.connections import Connections

_NUMBER = "SELECT coalesce(max(number), 0) FROM snapshots"


class SqliteSnapshots:
    """Implements ``interfaces.Snapshots``."""

    def __init__(self, connections: Connections, actor: str) -> None:
        self._connections = connections
        self._actor = actor

    def publish(self, data: bytes, *, made_by: str, at_ms: int, replaces: int | None = None) -> Published:
        """Store encoded bytes and make them current. Raises SnapshotError for bytes that are no snapshot."""
        snapshots.decode(data)
        with self._connections.write() as connection:
            current = int(connection.execute(_NUMBER).fetchone()[0])
            if replaces is not None and replaces != current:
                raise StoreError(
                    f"snapshot {current} was published after this change began (from snapshot {replaces}); "
                    "nothing was changed, try again"
                )
            published = Published(current + 1, snapshots.snapshot_hash(data), at_ms, made_by, data)
            connection.execute(
                "INSERT INTO snapshots (number, hash, at_ms, made_by, data) VALUES (?, ?, ?, ?, ?)",
                (published.number, published.hash, at_ms, made_by, data),
            )
            subject = f"snapshot {published.number} {published.hash}"
            audit.append(connection, "publish", subject, made_by, at_ms=at_ms, actor=self._actor)
        return published

    def current(self) -> Published | None:
        """Return the current snapshot, None in a new store."""
        return next(iter(self.history(1)), None)

    def current_number(self) -> int:
        """Return the number of the current snapshot, 0 in a new store."""
        return int(self._connections.read(_NUMBER)[0][0])

    def history(self, limit: int = 50) -> list[Published]:
        """Return the newest snapshots first."""
        return self._newest("TRUE", limit=limit)

    def numbered(self, number: int) -> Published | None:
        """Return the snapshot with a number, None where there is none."""
        return next(iter(self._newest("number = ?", number, limit=1)), None)

    def in_force(self, at_ms: int) -> Published | None:
        """Return the snapshot that was current at a time, None before the first."""
        return next(iter(self._newest("at_ms <= ?", at_ms, limit=1)), None)

    def _newest(self, condition: str, *values: int, limit: int) -> list[Published]:
        named = "SELECT number, hash, at_ms, made_by, data FROM snapshots"
        rows = self._connections.read(f"{named} WHERE {condition} ORDER BY number DESC LIMIT ?", (*values, limit))
        return [Published(*row) for row in rows]
