"""Connections to one file: one a thread, write transactions, and errors in plain words.

Strategy: SQLite serialises writers by a lock on the file, whichever process they are in; so a write begins with
``BEGIN IMMEDIATE``, which waits for the lock before anything was read that could become stale.

Laws: a transaction is committed whole or rolled back; every sqlite3 error leaves here as a StoreError, and a value that
SQLite cannot hold as a ValueError; connections never cross a fork (SQLite forbids it), they are refused there; after a
fault of the file, and when another file stands in its place, the next call opens it anew, so that what was mended or put
back is used without a restart; a file that this process has opened may be migrated by a newer version meanwhile.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pointsman.core.errors import StoreError
from pointsman.store.sqlite.faults import explain, of_value
from pointsman.store.sqlite.schema import migrate, version

WAIT_S: Final = 10.0
_PAUSE_S: Final = 0.01
_OF_THE_FILE: Final = frozenset((
    sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
))  # fmt: skip


class Connections:
    """The connections of one process to one file. ``wait_s`` bounds the wait for another writer, in seconds.

    ``patient``: a file that cannot be opened now is tried again with every call, instead of being an error at once.
    """

    def __init__(self, path: Path, *, wait_s: float = WAIT_S, patient: bool = False) -> None:
        self._path = path
        self._wait_s = wait_s
        self._process = os.getpid()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._opened: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._closed = False
        self._ours: tuple[int, int] | None = None  # the file that was found to be a store, and brought up to date
        self._faults = 0
        if not patient:
            with self._explained():
                self._of_this_thread()

    def read(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Return all rows of a query. Raises StoreError."""
        with self._explained():
            return self._of_this_thread().execute(query, parameters).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a connection inside a write transaction, committed at the end or rolled back whole. Raises StoreError."""
        with self._explained():
            connection = self._of_this_thread()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def empty_log(self) -> bool:
        """Move the log into the file and cut it to nothing; False where a reader still needs it. Raises StoreError."""
        return not self.read("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]

    def close(self) -> None:
        """Close all connections. Idempotent."""
        with self._lock:
            self._closed = True
            for _, connection in self._opened:
                connection.close()
            self._opened.clear()

    def _of_this_thread(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"{self._path} was closed")
        if os.getpid() != self._process:
            raise StoreError(f"{self._path} was opened before this process was forked: open it again")
        now = (self._place(), self._faults)
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None and self._local.since != now:
            self._local.connection = None
            self._ours = None  # another file may have the number of the one that is gone
            self._forget(connection)
            connection = None
        if connection is None:
            connection = self._connect()
            self._local.since = (self._place(), self._faults)
            self._local.connection = connection
        return connection

    def _place(self) -> tuple[int, int] | None:
        """Return which file stands at the path."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _connect(self) -> sqlite3.Connection:
        path = self._path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreError(f"{path} cannot be made: {error.strerror}; name another data directory with --data") from error
        place = self._place()
        connection = sqlite3.connect(path, timeout=self._wait_s, isolation_level=None, check_same_thread=False)
        try:
            if place != self._ours:
                version(connection, path)  # before the file is touched
            self._use_log(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
            if place != self._ours:
                migrate(connection, path)
                self._ours = place
        except BaseException:
            connection.close()
            raise
        with self._lock:
            for thread, old in self._opened:
                if not thread.is_alive():
                    old.close()
            self._opened = [entry for entry in self._opened if entry[0].is_alive()]
            self._opened.append((threading.current_thread(), connection))
        return connection

    def _forget(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._opened = [entry for entry in self._opened if entry[1] is not connection]
        connection.close()

    def _use_log(self, connection: sqlite3.Connection) -> None:
        """Switch a new file to write-ahead logging. SQLite does not wait here while another process does the same."""
        patience = time.monotonic() + self._wait_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if not of_value(error):
                if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_FILE:
                    self._faults += 1
                raise explain(error, self._path, self._wait_s) from error
            raise ValueError(f"a value cannot be stored: {error}; nothing was changed") from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise ValueError(f"a value cannot be stored: {error}; nothing was changed") from error
