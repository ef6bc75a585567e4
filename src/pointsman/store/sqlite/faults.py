"""SQLite's errors as StoreErrors that say which file, what is wrong, what became of the data, and what to do."""

import sqlite3
from pathlib import Path
from typing import Final

from pointsman.core.errors import StoreError

_PRIMARY: Final = 0xFF  # an extended result code holds its primary code in the low byte (https://sqlite.org/rescode.html)

_WORDS: Final = {
    sqlite3.SQLITE_BUSY: (
        "{path} is locked: another process has been writing for more than {wait:g} s; nothing was changed. "
        "Wait for it to end, or find it with `fuser {path}`"
    ),
    sqlite3.SQLITE_FULL: (
        "the disk under {path} is full; nothing of this write was kept, everything written before is safe. Free some space"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "{path} is damaged; nothing was changed. Move it away together with its -wal and -shm files and put back a copy, "
        "or save what can be read with `sqlite3 {path} .recover`"
    ),
    sqlite3.SQLITE_NOTADB: (
        "{path} is not a SQLite file, or its beginning is damaged; nothing was changed. Move it away, or put back a copy"
    ),
    sqlite3.SQLITE_READONLY: "{path} cannot be written to; make the file and its directory writable for this user",
    sqlite3.SQLITE_PERM: "{path} cannot be written to; make the file and its directory writable for this user",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened: does its directory exist, and may this user write there?",
    sqlite3.SQLITE_IOERR: "{path} could not be read or written ({error}); nothing of this write was kept. Look at the disk",
}
_OF_VALUES: Final = frozenset((sqlite3.SQLITE_CONSTRAINT_NOTNULL, 3091))  # and SQLITE_CONSTRAINT_DATATYPE, unnamed in Python
_WORDS_LOCKED: Final = {sqlite3.SQLITE_LOCKED: sqlite3.SQLITE_BUSY}


def of_value(error: sqlite3.Error) -> bool:
    """Say whether a value is at fault that the file could never hold: no number (NaN), of another type, or too long."""
    return isinstance(error, sqlite3.DataError) or getattr(error, "sqlite_errorcode", 0) in _OF_VALUES


def explain(error: sqlite3.Error, path: Path, wait_s: float) -> StoreError:
    """Return the StoreError for what SQLite raised."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    words = _WORDS.get(_WORDS_LOCKED.get(code, code), "{path}: {error}; nothing was changed")
    return StoreError(words.format(path=path, error=error, wait=wait_s))
