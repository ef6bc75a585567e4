"""What feedback costs others in SQLite: exchanges are looked for before the write lock is taken, by index."""

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from pointsman.core.feedback import About, Feedback
from pointsman.store.sqlite import feedback, open_store

SAID = Feedback("f", "users", "event", "conversation", "c", 1.0, 1, 1)


def test_exchanges_are_counted_before_the_transaction(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=None)
    connection = store.feedback._connections._of_this_thread()
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    store.feedback.take([replace(SAID, id=f"{n}", event=f"e{n}") for n in range(3)])
    begun = statements.index("BEGIN IMMEDIATE")
    assert sum("FROM exchanges" in one for one in statements[:begun]) == 3
    assert not any("FROM exchanges" in one for one in statements[begun:])
    store.close()


@pytest.mark.parametrize("about", ["exchange", "client_id", "conversation"])
def test_exchanges_are_found_without_sorting_or_reading_all(tmp_path: Path, about: About) -> None:
    store = open_store(tmp_path, vector_key=None)
    connection: sqlite3.Connection = store.feedback._connections._of_this_thread()
    query = f"EXPLAIN QUERY PLAN SELECT count(*) FROM exchanges WHERE {feedback._ABOUT[about]}"  # noqa: S608
    plan = [row[-1] for row in connection.execute(query, feedback._named(SAID))]
    assert not [step for step in plan if "SCAN exchanges" in step or "TEMP B-TREE" in step], plan
    store.close()
