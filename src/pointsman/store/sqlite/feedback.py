"""Feedback as rows, from its arrival until it is joined to its exchanges.

Strategy: a row is ``waiting`` until the control plane has found its exchanges; then it is ``joined``, in one transaction
with the judgements that it becomes. Of what one signal says of one subject the latest is in force, which an index upholds;
what it took the place of is ``replaced``, and its judgements are superseded by those of its successor. A name of the
client's may be of several requests, so its row has the exchange that it stands for as its ``target``: as far as it is known
when the row is taken, and for good when it is joined.

Laws: what ``take`` returned from is on disk; a sender's id counts once; a row is joined once, whoever tries.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pointsman.core.feedback import Feedback, Taken
from pointsman.core.record import ExchangeRecord
from pointsman.store.interfaces import CONVERSATION_ANSWERS, Joined, KeptFeedback, Signal
from pointsman.store.seal import VectorSeal
from pointsman.store.sqlite import exchanges, judgements
from pointsman.store.sqlite.connections import Connections

SETTLE_MS: Final = 5_000
"""How long feedback on a conversation waits: the journal is written behind the reply, and its last exchange counts too."""

SKEW_MS: Final = 300_000
"""How far a client's clock may be behind ours: a request by its own name may seem to follow what is said of it."""

_COLUMNS: Final = (
    "id", "source", "kind", "about", "subject", "score", "at_ms", "taken_ms", "event", "value_nano", "client_key",
)  # fmt: skip
_SELECTED: Final = ", ".join(_COLUMNS)
_ANSWERED: Final = "outcome IN ('ok', 'cut') AND (client_key = :client_key OR :client_key = '')"
_NEWEST: Final = f"SELECT n FROM exchanges WHERE client_id = :subject AND client_id <> '' AND {_ANSWERED}"  # noqa: S608
_ABOUT: Final = {
    "exchange": "id = :subject AND (client_key IN (:client_key, '') OR :client_key = '')",
    "client_id": (
        f"n = coalesce(({_NEWEST} AND at_ms <= :at_ms + {SKEW_MS} ORDER BY at_ms DESC, n DESC LIMIT 1),"
        f" ({_NEWEST} ORDER BY at_ms DESC, n DESC LIMIT 1))"
    ),
    "conversation": (
        "n IN (SELECT n FROM exchanges WHERE conversation = :subject AND conversation <> ''"  # noqa: S608 - our own conditions
        f" AND {_ANSWERED} AND at_ms <= :at_ms ORDER BY at_ms DESC, n DESC LIMIT {CONVERSATION_ANSWERS})"
    ),
}
_IN_FORCE: Final = (
    "SELECT n, at_ms FROM feedback WHERE source = :source AND about = :about AND subject = :subject AND kind = :kind"
    " AND event = :event AND client_key = :client_key AND target IS :target AND state <> 'replaced'"
)
_INSERT: Final = (
    f"INSERT INTO feedback ({_SELECTED}, target, state, look_ms)"  # noqa: S608 - our own names, values are bound
    f" VALUES ({', '.join(f':{name}' for name in _COLUMNS)}, :target, :state, :look_ms)"
)
_SIGNALS: Final = """
SELECT source, kind, event, about = 'conversation' AS whole, count(*), sum(state = 'joined'), sum(state = 'waiting'),
    sum(state = 'waiting' AND taken_ms < ?), sum(state = 'replaced'), avg(score) FILTER (WHERE state <> 'replaced'),
    coalesce(sum(value_nano / 1000000000) FILTER (WHERE state <> 'replaced'), 0),
    coalesce(sum(value_nano % 1000000000) FILTER (WHERE state <> 'replaced'), 0), min(at_ms), max(at_ms)
FROM feedback GROUP BY source, kind, event, whole ORDER BY source, kind, event, whole
"""


class SqliteFeedback:
    """Implements ``interfaces.FeedbackInbox``."""

    def __init__(self, connections: Connections, seal: VectorSeal | None) -> None:
        self._connections = connections
        self._seal = seal

    def take(self, said: Sequence[Feedback]) -> list[Taken]:
        """Keep what is new, in one transaction, and say how each was taken."""
        known = [self._known(one) for one in said]  # before the transaction: others write meanwhile
        with self._connections.write() as connection:
            return [_take(connection, *each) for each in zip(said, known, strict=True)]

    def due(self, now_ms: int, limit: int) -> list[Feedback]:
        """Return what waits and should be looked for now, the longest overdue first."""
        query = f"SELECT {_SELECTED} FROM feedback WHERE state = 'waiting' AND look_ms <= ? ORDER BY look_ms, n LIMIT ?"  # noqa: S608
        return [Feedback(*row) for row in self._connections.read(query, (now_ms, limit))]

    def about(self, said: Feedback) -> list[ExchangeRecord]:
        """Return the exchanges that feedback is about, in order of time."""
        query = (
            f"SELECT {exchanges.SELECTED} FROM exchanges JOIN bodies USING (n)"  # noqa: S608 - our own names
            f" WHERE {_ABOUT[said.about]} ORDER BY at_ms, n"
        )
        return [exchanges.record(row, self._seal) for row in self._connections.read(query, _named(said))]

    def join(self, made: Sequence[Joined]) -> int:
        """Write the judgements of what still waits, and mark it as joined, in one transaction; return how many did."""
        with self._connections.write() as connection:
            return sum(_join(connection, one, self._seal) for one in made)

    def postpone(self, said: Sequence[Feedback], look_ms: Sequence[int]) -> None:
        """Look for the exchanges of what waits again at these times."""
        with self._connections.write() as connection:
            connection.executemany(
                "UPDATE feedback SET look_ms = ? WHERE source = ? AND id = ? AND state = 'waiting'",
                [(at, one.source, one.id) for one, at in zip(said, look_ms, strict=True)],
            )

    def kept(
        self,
        *,
        source: str | None = None,
        waiting_since_ms: int | None = None,
        since_ms: int | None = None,
        limit: int = 100,
    ) -> Iterator[KeptFeedback]:
        """Return what was taken, newest first."""
        conditions = {
            "source = ?": source,
            "state = 'waiting' AND taken_ms < ?": waiting_since_ms,
            "at_ms >= ?": since_ms,
        }
        named = {text: value for text, value in conditions.items() if value is not None}
        query = (
            f"SELECT {_SELECTED}, state, exchanges FROM feedback WHERE {' AND '.join(['TRUE', *named])}"  # noqa: S608
            " ORDER BY at_ms DESC, n DESC LIMIT ?"
        )
        rows = self._connections.read(query, (*named.values(), limit))
        return (KeptFeedback(Feedback(*row[:-2]), *row[-2:]) for row in rows)

    def signals(self, *, unknown_before_ms: int) -> list[Signal]:
        """Return sums by signal, in the order of their names."""
        rows = self._connections.read(_SIGNALS, (unknown_before_ms,))
        # Whole dollars and the rest are summed apart: the sum of large amounts in nano-dollars has more than 64 bits.
        values = [(*row[:3], bool(row[3]), *row[4:-4], row[-4] * 1_000_000_000 + row[-3], *row[-2:]) for row in rows]
        return [Signal(*each) for each in values]

    def _known(self, said: Feedback) -> tuple[int, str | None]:
        """Return of how many exchanges that are there feedback speaks, and its target."""
        query = f"SELECT count(*), max(id) FROM exchanges WHERE {_ABOUT[said.about]}"  # noqa: S608 - our own conditions
        ((count, found),) = self._connections.read(query, _named(said))
        return count, found if said.about == "client_id" else ""


def _named(said: Feedback) -> dict[str, Any]:
    return {name: getattr(said, name) for name in _COLUMNS}


def _take(connection: sqlite3.Connection, said: Feedback, found: tuple[int, str | None]) -> Taken:
    """Keep one where it is new, inside the caller's transaction."""
    known, target = found
    row = {**_named(said), "target": target}
    if connection.execute("SELECT 1 FROM feedback WHERE source = :source AND id = :id", row).fetchone():
        return Taken("repeated", known)
    before = connection.execute(f"{_IN_FORCE} ORDER BY at_ms DESC, n DESC LIMIT 1", row).fetchone()
    if before is not None and target is None:  # they may be about two: which of them counts is known when they are joined
        row["at_ms"] += before[1] == said.at_ms
        before = None
    late = before is not None and before[1] > said.at_ms
    if before is not None and not late:
        connection.execute("UPDATE feedback SET state = 'replaced' WHERE n = ?", (before[0],))
        row["at_ms"] = max(said.at_ms, before[1] + 1)  # of two within a millisecond the second one is the later one
    settled_ms = said.at_ms + SETTLE_MS if said.about == "conversation" else 0
    look_ms = max(said.taken_ms, settled_ms)
    connection.execute(_INSERT, {**row, "state": "replaced" if late else "waiting", "look_ms": look_ms})
    if before is not None:
        return Taken("outdated" if late else "corrected", known)
    return Taken("joined" if known else "waiting", known)


def _join(connection: sqlite3.Connection, made: Joined, seal: VectorSeal | None) -> bool:
    """Join one, inside the caller's transaction, where it still waits and nothing later was said of its exchange."""
    row = _named(made.feedback)
    waiting = "SELECT n, target FROM feedback WHERE source = :source AND id = :id AND state = 'waiting'"
    found = connection.execute(waiting, row).fetchone()
    if found is None:
        return False
    row |= {"n": found[0], "target": found[1], "exchanges": made.exchanges}
    if made.feedback.about == "client_id" and made.judgements:
        row["target"] = made.judgements[0].exchange
        for n, at_ms in connection.execute(f"{_IN_FORCE} AND n <> :n", row).fetchall():
            later = (at_ms, n) > (made.feedback.at_ms, row["n"])
            connection.execute("UPDATE feedback SET state = 'replaced' WHERE n = ?", (row["n"] if later else n,))
            if later:
                return False
    joined = "UPDATE feedback SET state = 'joined', exchanges = :exchanges, target = :target WHERE n = :n"
    connection.execute(joined, row)
    judgements.insert(connection, made.judgements, seal)
    return True
