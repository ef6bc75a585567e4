"""The log of what was done, as rows that triggers keep from being changed."""

import sqlite3

from pointsman.core.audit import BEGINNING, Act, link
from pointsman.store.sqlite.connections import Connections

_PAGE = 1000


def append(connection: sqlite3.Connection, act: str, subject: str, detail: str, *, at_ms: int, actor: str) -> None:
    """Append an act inside the caller's transaction."""
    last = connection.execute("SELECT n, link FROM audit ORDER BY n DESC LIMIT 1").fetchone() or (0, BEGINNING)
    made = Act(last[0] + 1, at_ms, actor, act, subject, detail)
    connection.execute(
        "INSERT INTO audit (n, at_ms, actor, act, object, detail, link) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (made.n, at_ms, actor, act, subject, detail, link(last[1], made)),
    )


class SqliteAudit:
    """Implements ``keys.Audit``."""

    def __init__(self, connections: Connections, actor: str) -> None:
        self._connections = connections
        self._actor = actor

    def note(self, act: str, subject: str = "", detail: str = "", *, at_ms: int, actor: str = "") -> None:
        """Append one act."""
        with self._connections.write() as connection:
            append(connection, act, subject, detail, at_ms=at_ms, actor=actor or self._actor)

    def acts(self, *, limit: int, since_ms: int | None = None, about: str = "") -> list[Act]:
        """Return acts, newest first."""
        rows = self._connections.read(
            "SELECT n, at_ms, actor, act, object, detail FROM audit WHERE at_ms >= ?"
            " AND instr(lower(actor || char(10) || act || char(10) || object || char(10) || detail), lower(?)) > 0"
            " ORDER BY n DESC LIMIT ?",
            (since_ms or 0, about, limit),
        )
        return [Act(*row) for row in rows]

    def checked(self) -> tuple[int, str, int | None]:
        """Return how many acts there are, the last link, and the first act whose link is wrong, if any."""
        count, last, after, broken = 0, BEGINNING, -1, None
        while True:
            rows = self._connections.read(
                "SELECT n, at_ms, actor, act, object, detail, link FROM audit WHERE n > ? ORDER BY n LIMIT ?", (after, _PAGE)
            )
            for *fields, kept in rows:
                count += 1
                act = Act(*fields)
                if broken is None and (act.n != count or kept != link(last, act)):
                    broken = act.n
                last, after = kept, act.n
            if len(rows) < _PAGE:
                return count, last.hex() if count else "", broken
