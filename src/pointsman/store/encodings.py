"""What encoders made of texts, kept by content, so that no text of a table is encoded twice.

Strategy: a SQLite file of its own beside the store: it can be deleted at any time, and then everything is encoded again.

Laws: texts are not kept, only digests of them; every batch is on disk when ``keep`` returns, so that an interruption loses
at most one; the file is readable by its owner alone, because an encoding tells much of its text (Morris et al. 2023,
arXiv:2310.06816).
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pointsman.core.errors import StoreError

FILE: Final = "encodings.sqlite"
_TOGETHER: Final = 500


class KeptEncodings:
    """Encodings in a data directory, by key. Raises StoreError, which says what to do."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        with self._explained():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._path.exists():
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(self._path, isolation_level=None)
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS encodings (key BLOB PRIMARY KEY, encoding BLOB NOT NULL) WITHOUT ROWID"
            )

    def found(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return what is kept under some keys."""
        known: dict[bytes, bytes] = {}
        with self._explained():
            for start in range(0, len(keys), _TOGETHER):
                some = keys[start : start + _TOGETHER]
                marks = ", ".join("?" * len(some))
                known.update(
                    self._connection.execute(f"SELECT key, encoding FROM encodings WHERE key IN ({marks})", some)  # noqa: S608
                )
        return known

    def keep(self, encodings: Mapping[bytes, bytes]) -> None:
        """Keep more, in one transaction."""
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO encodings VALUES (?, ?)", encodings.items())
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{self._path} cannot be used ({error}): delete it, and texts are encoded again; or name another data "
                "directory with --data"
            ) from error
