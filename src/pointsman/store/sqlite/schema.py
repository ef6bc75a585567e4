"""The schema, as numbered migrations that are part of the package.

Strategy: ``migrations/NNNN_name.sql`` is applied once, in order, each in a transaction of its own together with the new
``user_version``; a process that comes second finds it done. ``application_id`` marks the file as ours.

Laws: a migration is never edited after a release, only followed by another; it keeps every column, and what it adds has a
default, so that a process of the version before, which may be finishing its requests, reads and writes on; a file of a newer
version, or of another program, is refused before anything in it is changed.
"""

import sqlite3
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from pointsman.core.errors import ForeignStoreError

APPLICATION_ID: Final = 0x504D414E  # "PMAN"


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date. Raises ForeignStoreError for a file that must not be touched, and sqlite3.Error."""
    scripts = _scripts()
    if version(connection, path) == len(scripts):
        return
    for number, script in enumerate(scripts, start=1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if version(connection, path) < number:
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the number of the last migration applied, 0 in a new file. Raises ForeignStoreError as ``migrate`` does."""
    number, owner, tables = connection.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)"
        " FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    if owner != APPLICATION_ID and (owner or number or tables):
        raise ForeignStoreError(f"{path} belongs to another program; nothing was changed. Choose another data directory")
    if number > len(_scripts()):
        raise ForeignStoreError(
            f"{path} was written by a newer version of Pointsman (schema {number}, this one knows {len(_scripts())}); "
            "nothing was changed. Upgrade, or choose another data directory"
        )
    return int(number)


@cache
def _scripts() -> tuple[str, ...]:
    found = sorted((one for one in files(__package__).joinpath("migrations").iterdir()), key=lambda one: one.name)
    return tuple(one.read_text("utf-8") for one in found if one.name.endswith(".sql"))


def _statements(script: str) -> Iterator[str]:
    """Split a script, which ``executescript`` would run outside of our transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
