import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.store.records import START_MS, record

from pointsman.core.errors import ForeignStoreError, StoreError
from pointsman.core.feedback import Feedback, Taken
from pointsman.core.record import Judgement
from pointsman.store.interfaces import Filter
from pointsman.store.sqlite import FILE, open_store, schema


def versions(path: Path) -> tuple[int, int]:
    connection = sqlite3.connect(path / FILE)
    found = connection.execute(
        "SELECT user_version, application_id FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    connection.close()
    return found[0], found[1]


def test_a_new_store_has_every_migration_and_our_mark(tmp_path: Path) -> None:
    open_store(tmp_path / "data", vector_key=None).close()
    assert versions(tmp_path / "data") == (len(schema._scripts()), schema.APPLICATION_ID)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / FILE).stat().st_mode) == 0o600


def test_the_log_is_on_disk_before_a_commit_returns(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=None)
    assert store._connections.read("PRAGMA journal_mode") == [("wal",)]
    assert store._connections.read("PRAGMA synchronous") == [(2,)]
    store.close()


def test_migrations_are_numbered_without_gaps() -> None:
    names = sorted(one.name for one in Path(schema.__file__).parent.joinpath("migrations").iterdir())
    assert [name[:5] for name in names] == [f"{number:04}_" for number in range(1, len(names) + 1)]
    assert len(schema._scripts()) == len(names)


def test_a_later_migration_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path, vector_key=None)
    store.journal.append([record(1)])
    store.close()
    scripts = schema._scripts()
    monkeypatch.setattr(schema, "_scripts", lambda: (*scripts, "CREATE TABLE more (\n  n INTEGER -- a; b\n);\n-- the end\n"))
    later = open_store(tmp_path, vector_key=None)
    assert list(later.journal.exchanges(Filter())) == [record(1)]
    later.close()
    assert versions(tmp_path)[0] == len(scripts) + 1


def test_judgements_from_before_they_were_keyed_by_grader_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = schema._scripts()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_scripts", lambda: scripts[:2])
        store = open_store(tmp_path, vector_key=None)
        with store._connections.write() as connection:
            connection.execute(
                "INSERT INTO judgements VALUES"
                " (7, 'x', 1, 'support', 'z/small', 'candidate', .5, 'exact', 't', NULL, 3, 0, NULL, '')"
            )
            connection.execute(
                "INSERT INTO exchanges VALUES (1, 'x', 1, 'auto', 'support', 'ok', 200, '', 0, '', '', 1.0, NULL,"
                " 'gateway', '', '', '', 'z/small', 0, 0, 0, 0, 0, NULL, '')"
            )
            connection.execute("INSERT INTO bodies VALUES (1, x'9290c0', NULL, NULL)")
        store.close()
    later = open_store(tmp_path, vector_key=None)
    kept = Judgement("x", 1, "support", "z/small", "candidate", 0.5, "exact", "t", cost_nano=3)
    assert list(later.journal.judgements(Filter())) == [kept]
    assert list(later.journal.judged(Filter())) == [(7, kept)]
    assert [(one.id, one.client_id) for one in later.journal.exchanges(Filter())] == [("x", "")]
    later.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(tmp_path, vector_key=None).close()
    scripts = schema._scripts()
    with monkeypatch.context() as patch:
        patch.setattr(
            schema, "_scripts", lambda: (*scripts, "CREATE TABLE more (n INTEGER);\nCREATE TABLE more (n INTEGER);\n")
        )
        with pytest.raises(StoreError, match="more"):
            open_store(tmp_path, vector_key=None)
    open_store(tmp_path, vector_key=None).close()
    assert versions(tmp_path)[0] == len(scripts)


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_store(tmp_path, vector_key=None).close()
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match=r"newer version of Pointsman \(schema 99, this one knows \d+\)"):
        open_store(tmp_path, vector_key=None)
    assert versions(tmp_path)[0] == 99


@pytest.mark.parametrize("made", ["CREATE TABLE notes (n)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"])
def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path, made: str) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute(made)
    connection.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match="another program"):
        open_store(tmp_path, vector_key=None)
    assert (tmp_path / FILE).read_bytes() == before


def test_connections_of_ended_threads_are_closed(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=None)
    for _ in range(5):
        thread = threading.Thread(target=lambda: store.counters.get("a"))
        thread.start()
        thread.join()
    assert len(store._connections._opened) <= 2
    store.close()


def test_feedback_from_before_it_had_a_target_stays_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = schema._scripts()
    mine = Feedback("0", "users", "thumb", "client_id", "mine", 1.0, START_MS + 3, START_MS)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_scripts", lambda: scripts[:4])
        store = open_store(tmp_path, vector_key=None)
        with store._connections.write() as connection:
            for number in (1, 2):  # as that version wrote them
                connection.execute(
                    "INSERT INTO exchanges VALUES (?, ?, ?, 'auto', 'support', 'ok', 200, 'auto', 0, '', '', 1.0, NULL,"
                    " 'gateway', '', '', '', 'z/small', 0, 0, 0, 0, 0, NULL, '', 'mine')",
                    (number, record(number).id, record(number).at_ms),
                )
            for id_, about, subject, state in (
                ("0", "client_id", "mine", "joined"), ("1", "client_id", "new", "waiting"), ("2", "exchange", "x", "joined"),
            ):  # fmt: skip
                connection.execute(
                    "INSERT INTO feedback (id, source, kind, event, about, subject, score, at_ms, taken_ms, client_key,"
                    " state, look_ms) VALUES (?, 'users', 'thumb', '', ?, ?, 1.0, ?, 0, '', ?, 0)",
                    (id_, about, subject, mine.at_ms, state),
                )
        store.close()
    later = open_store(tmp_path, vector_key=None)
    assert later._connections.read("SELECT id, target FROM feedback ORDER BY id") == [
        ("0", record(2).id), ("1", None), ("2", ""),
    ]  # fmt: skip
    assert later.feedback.take([replace(mine, id="4", score=0.0)]) == [Taken("corrected", 1)]
    assert later.feedback.take([replace(mine, id="5", about="exchange", subject="x")]) == [Taken("corrected", 0)]
    later.close()


def columns(connection: sqlite3.Connection) -> dict[str, dict[str, bool]]:
    """Return the columns of each table, and whether an INSERT may leave them out."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = {}
    for table in tables:
        rows = connection.execute('SELECT name, "notnull", dflt_value, pk FROM pragma_table_info(?)', (table,))
        found[table] = {name: (not notnull or default is not None or bool(key)) for name, notnull, default, key in rows}
    return found


@pytest.mark.parametrize("number", range(1, len(schema._scripts())))
def test_what_the_version_before_reads_and_writes_is_still_there(number: int) -> None:
    """While a new version takes over, the old one finishes on the schema of the new one."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for script in schema._scripts()[:number]:
            connection.executescript(script)
        before = columns(connection)
        connection.executescript(schema._scripts()[number])
        after = columns(connection)
    for table, names in before.items():
        assert names.keys() <= after[table].keys()
        assert all(after[table][name] for name in after[table].keys() - names.keys())


def test_a_process_goes_on_after_a_newer_one_has_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in threads that open the file only then; but a new process of the older version is refused."""
    store = open_store(tmp_path, vector_key=None)
    store.journal.append([record(1)])
    scripts = schema._scripts()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_scripts", lambda: (*scripts, "ALTER TABLE exchanges ADD COLUMN more TEXT DEFAULT '';"))
        open_store(tmp_path, vector_key=None).close()
    errors: list[Exception] = []

    def append() -> None:
        try:
            store.journal.append([record(2)])
        except Exception as error:  # noqa: BLE001 - shown below
            errors.append(error)

    thread = threading.Thread(target=append)
    thread.start()
    thread.join()
    assert errors == []
    assert list(store.journal.exchanges(Filter())) == [record(1), record(2)]
    store.close()
    with pytest.raises(ForeignStoreError, match="newer version"):
        open_store(tmp_path, vector_key=None)


def test_feedback_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    """As the system sees it: between the call and its return the log is written and synced (fsync(2))."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not there")
    program = """
import os, pathlib, sys
from pointsman.core.feedback import Feedback
from pointsman.store.sqlite import open_store
store = open_store(pathlib.Path(sys.argv[1]), vector_key=None)
for id_ in ("1", "2"):
    said = Feedback(id_, "users", "thumb", "exchange", "x", 1.0, 1, 1)
    os.write(1, b"taking")
    store.feedback.take([said])
    os.write(1, b"taken")
"""
    trace = tmp_path / "trace"
    tracing = [strace, "-f", "-y", "-o", str(trace), "-e", "trace=fsync,fdatasync,write"]
    command = [*tracing, sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    if b"ptrace" in done.stderr:
        pytest.skip(f"nothing can be traced here: {done.stderr.decode()}")
    assert done.stdout == b"takingtaken" * 2, done.stderr
    calls = trace.read_text().partition('"taking"')[2]
    for each in calls.split('"taking"'):
        assert re.search(r"f(data)?sync\(\d+<[^>]*-wal>\) += 0", each.partition('"taken"')[0])
