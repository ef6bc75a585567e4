"""Every earlier schema, filled with rows and brought up to date: no row and no value of it is lost, and all of it is read.

The schema of a version is what its own scripts make, since a script is never edited after a release.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.store.records import snapshot_bytes

from pointsman.core.errors import StoreError
from pointsman.store.interfaces import Filter
from pointsman.store.sqlite import FILE, open_store, schema

ROWS = 5
VALUES: dict[str, Any] = {  # what is no mere number or text, by table and column, else by column
    "bodies.rest": b"\x92\x90\xc0",  # MessagePack: no attempts, no decision
    "bodies.vector": None,
    "judgements.vector": None,
    "judgements.usage": None,
    "snapshots.data": snapshot_bytes("before"),
    "exchanges.outcome": "ok",
    "feedback.state": "waiting",
    "feedback.about": "exchange",
    "feedback.kind": "thumb",
    "feedback.target": "",
    "opinions.said": "tie",
}


def value(table: str, column: str, kind: str, row: int) -> Any:
    named = f"{table}.{column}"
    if named in VALUES:
        return VALUES[named]
    return {"INTEGER": row, "REAL": row + 0.5, "TEXT": f"{column} {row}", "BLOB": bytes([row])}[kind]


def built(path: Path, number: int) -> dict[str, list[dict[str, Any]]]:
    """Make a store as version ``number`` did, with rows in every table; return them by table."""
    rows: dict[str, list[dict[str, Any]]] = {}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for script in schema._scripts()[:number]:
            connection.executescript(script)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number}")
        tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (table,) in connection.execute(tables).fetchall():
            columns = connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall()
            rows[table] = [{name: value(table, name, kind, row) for name, kind in columns} for row in range(1, ROWS + 1)]
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", [tuple(row.values()) for row in rows[table]])  # noqa: S608
    return rows


@pytest.mark.parametrize("number", range(1, len(schema._scripts()) + 1))
def test_a_store_of_every_version_is_brought_up_to_date_with_all_of_its_rows(tmp_path: Path, number: int) -> None:
    before = built(tmp_path / FILE, number)
    with closing(open_store(tmp_path, vector_key=None)) as store:
        assert len(list(store.journal.exchanges(Filter()))) == ROWS
        assert len(list(store.journal.judgements(Filter()))) == ROWS
        assert len(list(store.feedback.kept())) == len(before.get("feedback", ()))
        assert [one.data for one in store.snapshots.history()] == [snapshot_bytes("before")] * ROWS
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(schema._scripts()),)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for table, rows in before.items():
            names = ", ".join(rows[0])
            kept = connection.execute(f"SELECT {names} FROM {table} ORDER BY {next(iter(rows[0]))}").fetchall()  # noqa: S608
            assert kept == [tuple(row.values()) for row in rows], table


@pytest.mark.parametrize("number", range(1, len(schema._scripts())))
@pytest.mark.parametrize("at", ["its first statement", "its last statement"])
def test_a_migration_that_fails_half_way_leaves_the_store_of_before(
    tmp_path: Path, number: int, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once it works the rest is done, by the same process."""
    built(tmp_path / FILE, number)
    scripts = schema._scripts()
    wrong = "INSERT INTO nowhere VALUES (1);\n"
    script = scripts[number]
    broken = wrong + script if at == "its first statement" else script + wrong
    whole = dump(tmp_path / FILE)
    store = open_store(tmp_path, vector_key=None, patient=True)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_scripts", lambda: (*scripts[:number], broken, *scripts[number + 1 :]))
        with pytest.raises(StoreError, match="nowhere"):
            store.counters.get("a")
    assert dump(tmp_path / FILE) == whole
    assert store.counters.get("name 1") == 1
    store.close()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [*connection.iterdump(), str(connection.execute("PRAGMA user_version").fetchone())]
