"""Accounts and leases as rows: implements ``leases.Leases``."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pointsman.core.budget import Account, granted
from pointsman.core.errors import StoreError
from pointsman.store import tally
from pointsman.store.leases import Ask, Lease, Standing
from pointsman.store.sqlite.connections import Connections
from pointsman.store.tally import FileTally

KEPT_MS: Final = 2 * 86_400_000
"""For how long accounts are kept once their window is over."""

AHEAD_MS: Final = 10_000
"""Who came up short so long after the moment that is asked about did so before the clock was set back."""

_SUMS: Final = """
SELECT accounts.used + coalesce(sum(max(leases.granted, leases.used)), 0), accounts.used + coalesce(sum(leases.used), 0),
    coalesce(sum(max(leases.granted - leases.used, 0)) FILTER (WHERE leases.n <> ?), 0)
FROM accounts LEFT JOIN leases ON leases.account = accounts.n WHERE accounts.n = ?
"""
_STANDING: Final = """
SELECT budget, unit, scope, began_ms, ends_ms, accounts.used + coalesce(sum(leases.used), 0),
    coalesce(sum(max(leases.granted - leases.used, 0)), 0)
FROM accounts LEFT JOIN leases ON leases.account = accounts.n WHERE ends_ms > ?
GROUP BY accounts.n ORDER BY budget, unit, scope, began_ms
"""


class SqliteLeases:
    """All accounts of one store; tallies are in ``directory``."""

    def __init__(self, connections: Connections, directory: Path) -> None:
        self._connections = connections
        self._directory = directory

    def hold(self) -> "SqliteHolder":
        """Begin to hold leases. Raises StoreError."""
        return SqliteHolder(self._connections, FileTally(self._directory))

    def reconcile(self, now_ms: int) -> int:
        """End the leases of dead workers; what nobody knows to be unused counts as used."""
        rows = self._connections.read("SELECT DISTINCT holder FROM leases")
        ended = sum(self._bury(name) for name in {*tally.names(self._directory), *(row[0] for row in rows)})
        if self._connections.read("SELECT EXISTS (SELECT 1 FROM accounts WHERE ends_ms < ?)", (now_ms - KEPT_MS,))[0][0]:
            with self._connections.write() as connection:
                connection.execute(
                    "DELETE FROM accounts WHERE ends_ms < ? AND n NOT IN (SELECT account FROM leases)", (now_ms - KEPT_MS,)
                )
        return ended

    def standing(self, now_ms: int) -> list[Standing]:
        """Return how accounts stand."""
        return [Standing(Account(*row[:5]), *row[5:]) for row in self._connections.read(_STANDING, (now_ms,))]

    def _bury(self, holder: str) -> int:
        """End the leases of a worker if it is dead; return how many."""
        found = tally.dead(self._directory, holder)
        if found is None:
            return 0
        done = False
        try:
            with self._connections.write() as connection:
                rows = connection.execute("SELECT n, account, granted FROM leases WHERE holder = ?", (holder,)).fetchall()
                for number, account, whole in rows:
                    used = found.used_of(number)
                    _end(connection, number, account, whole if used is None else used)
            done = True
        finally:
            found.close(remove=done)
        return len(rows)


class SqliteHolder:
    """Implements ``leases.Holder``."""

    def __init__(self, connections: Connections, tally_: FileTally) -> None:
        self._connections = connections
        self._lock = threading.Lock()  # what was asked just before the end must not come after it
        self.tally = tally_

    def renew(self, asks: Sequence[Ask], now_ms: int) -> list[Lease]:
        """Tell and take, in one transaction."""
        with self._lock, self._connections.write() as connection:
            if self.tally.closed:
                raise StoreError("the leases of this worker were given back: begin to hold some again")
            return [self._renewed(connection, ask, now_ms) for ask in asks]

    def wanted_back(self, since_ms: int) -> list[int]:
        """Return own leases of accounts that ran short."""
        query = (
            "SELECT leases.n FROM leases JOIN accounts ON accounts.n = account WHERE holder = ? AND short_ms BETWEEN ? AND ?"
        )
        return [row[0] for row in self._connections.read(query, (self.tally.name, since_ms, since_ms + AHEAD_MS))]

    def close(self) -> None:
        """Give back what is not used, and remove the tally."""
        with self._lock:
            if self.tally.closed:
                return
            used = {number: self.tally.used[place] for place, number in enumerate(self.tally.leases) if number}
            with self._connections.write() as connection:
                rows = connection.execute("SELECT n, account FROM leases WHERE holder = ?", (self.tally.name,)).fetchall()
                for number, account in rows:
                    _end(connection, number, account, used.get(number, 0))
            self.tally.close()

    def _renewed(self, connection: sqlite3.Connection, ask: Ask, now_ms: int) -> Lease:
        account = _account(connection, ask.account)
        number, whole = self._held(connection, ask)
        if ask.end:
            _end(connection, number, account, ask.used)
            return Lease(0, 0, _sums(connection, account, 0)[1])
        connection.execute("UPDATE leases SET granted = ?, used = ? WHERE n = ?", (whole, ask.used, number))
        if number == 0:
            made = "INSERT INTO leases (account, holder, granted, used) VALUES (?, ?, ?, ?)"
            number = connection.execute(made, (account, self.tally.name, whole, ask.used)).lastrowid or 0
        taken, used, idle = _sums(connection, account, number)
        more = granted(ask.limit - taken, ask.least, ask.wanted)
        short = more < ask.least
        if ask.keep is not None and (short or not ask.wanted):
            more = min(ask.keep - whole, 0)
        if more:
            connection.execute("UPDATE leases SET granted = ? WHERE n = ?", (whole + more, number))
        if short:
            connection.execute("UPDATE accounts SET short_ms = ? WHERE n = ?", (now_ms, account))
        return Lease(number, whole + more, used, short=short, idle=idle)

    def _held(self, connection: sqlite3.Connection, ask: Ask) -> tuple[int, int]:
        """Return the number of a lease, 0 where it is new, and what was granted of it: at least what is used."""
        row = connection.execute("SELECT granted FROM leases WHERE n = ? AND holder = ?", (ask.lease, self.tally.name))
        found = row.fetchone()
        return (0, ask.used) if found is None else (ask.lease, max(int(found[0]), ask.used))


def _sums(connection: sqlite3.Connection, account: int, mine: int) -> tuple[int, int, int]:
    """Return what is taken of an account, what is used of it, and what others than lease ``mine`` hold unused."""
    taken, used, idle = connection.execute(_SUMS, (mine, account)).fetchone()
    return int(taken), int(used), int(idle)


def _end(connection: sqlite3.Connection, lease: int, account: int, used: int) -> None:
    """End a lease: what was used of it stays, the rest is there for others."""
    connection.execute("UPDATE accounts SET used = used + ? WHERE n = ?", (used, account))
    connection.execute("DELETE FROM leases WHERE n = ?", (lease,))


def _account(connection: sqlite3.Connection, account: Account) -> int:
    """Return the number of an account, which is made where it is not there."""
    key = (account.budget, account.unit, account.scope, account.began_ms, account.ends_ms)
    row = connection.execute(
        "SELECT n FROM accounts WHERE budget = ? AND unit = ? AND scope = ? AND began_ms = ? AND ends_ms = ?", key
    ).fetchone()
    if row is not None:
        return int(row[0])
    made = connection.execute("INSERT INTO accounts (budget, unit, scope, began_ms, ends_ms) VALUES (?, ?, ?, ?, ?)", key)
    return int(made.lastrowid or 0)
