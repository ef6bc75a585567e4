"""What goes wrong with a file on a disk: the error says what and what to do, and nothing that was there is lost."""

import contextlib
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from tests.disks import small_disk
from tests.store.records import record, snapshot_bytes

from pointsman.core.errors import StoreError
from pointsman.store.interfaces import Filter
from pointsman.store.sqlite import FILE, SqliteStore, open_store
from pointsman.store.sqlite.connections import Connections
from pointsman.store.sqlite.journal import SqliteJournal

ALL = Filter()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = open_store(tmp_path, vector_key=None)
    yield store
    store.close()


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    with small_disk(tmp_path / "disk", 2) as there:
        yield there


def fill(store: SqliteStore) -> int:
    """Append until the disk is full; return how many batches of ten were taken."""
    for taken in count():
        try:
            store.journal.append([record(10 * taken + place, prompt="x" * 5000) for place in range(10)])
        except StoreError as error:
            assert "is full; nothing of this write was kept" in str(error)  # noqa: PT017 - at a moment nobody knows
            return taken
    raise AssertionError


def test_a_full_disk_keeps_what_was_there_and_takes_more_once_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1024 * 1024))
    with closing(open_store(small_disk / "data", vector_key=None)) as store:
        published = store.snapshots.publish(snapshot_bytes("one"), made_by="a", at_ms=1)
        taken = fill(store)
        with pytest.raises(StoreError, match="is full"):
            store.snapshots.publish(snapshot_bytes("x" * 1024 * 1024), made_by="b", at_ms=2)
        assert taken > 0
        assert len(list(store.journal.exchanges(ALL))) == 10 * taken
        assert store.snapshots.current() == published

        ballast.unlink()
        store.journal.append([record(10 * taken + place) for place in range(10)])
    with closing(open_store(small_disk / "data", vector_key=None)) as again:
        assert len(list(again.journal.exchanges(ALL))) == 10 * (taken + 1)
        assert again.snapshots.current() == published


def test_a_file_that_may_not_grow_is_a_full_disk(store: SqliteStore) -> None:
    connection = store._connections._of_this_thread()
    connection.execute("PRAGMA max_page_count = 60")
    taken = fill(store)
    assert len(list(store.journal.exchanges(ALL))) == 10 * taken
    connection.execute("PRAGMA max_page_count = 600")
    store.journal.append([record(10**6)])
    assert len(list(store.journal.exchanges(ALL))) == 10 * taken + 1


def test_a_store_that_may_not_be_written_can_still_be_read(store: SqliteStore) -> None:
    store.journal.append([record(1)])
    store._connections._of_this_thread().execute("PRAGMA query_only = TRUE")
    with pytest.raises(StoreError, match="cannot be written to"):
        store.journal.append([record(2)])
    assert list(store.journal.exchanges(ALL)) == [record(1)]


def test_a_writer_waits_only_so_long_and_a_reader_not_at_all(tmp_path: Path) -> None:
    connections = Connections(tmp_path / FILE, wait_s=0.05)
    journal = SqliteJournal(connections, None)
    journal.append([record(1)])
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM bodies")
    with pytest.raises(StoreError, match=r"locked: another process has been writing for more than 0\.05 s"):
        journal.append([record(2)])
    assert list(journal.exchanges(ALL)) == [record(1)]
    other.execute("ROLLBACK")
    other.close()
    journal.append([record(2)])
    assert list(journal.exchanges(ALL)) == [record(1), record(2)]
    connections.close()


def filled(path: Path) -> bytes:
    """Return the bytes of a store with a few hundred records, closed and complete in its one file."""
    store = open_store(path, vector_key=None)
    store.journal.append([record(number) for number in range(400)])
    store.close()
    return (path / FILE).read_bytes()


def test_a_file_cut_short_is_damaged(tmp_path: Path) -> None:
    whole = filled(tmp_path)
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match="damaged"):
        _read_all(tmp_path)
    assert (tmp_path / FILE).read_bytes() == whole[: len(whole) // 2]


def test_a_file_with_overwritten_pages_is_damaged(tmp_path: Path) -> None:
    whole = bytearray(filled(tmp_path))
    whole[4096:] = random.Random(1).randbytes(len(whole) - 4096)
    (tmp_path / FILE).write_bytes(whole)
    with pytest.raises(StoreError, match="damaged"):
        _read_all(tmp_path)
    assert (tmp_path / FILE).read_bytes() == whole


def _read_all(path: Path) -> None:
    store = open_store(path, vector_key=None)
    try:
        list(store.journal.exchanges(ALL))
    finally:
        store.close()


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"these are notes, and by no means a database " * 100)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match="not a SQLite file"):
        open_store(tmp_path, vector_key=None)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_body_of_an_incompatible_version_names_its_record(store: SqliteStore) -> None:
    store.journal.append([record(1)])
    with store._connections.write() as connection:
        connection.execute("UPDATE bodies SET rest = x'c0'")
    with pytest.raises(StoreError, match=f"{1:024x} was written by an incompatible version"):
        list(store.journal.exchanges(ALL))


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="another data directory"):
        open_store(tmp_path / "file" / "data", vector_key=None)


def test_a_directory_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(tmp_path, vector_key=None)


def test_a_forked_child_must_open_the_store_again(tmp_path: Path) -> None:
    program = """
import os, pathlib, sys
from pointsman.core.errors import StoreError
from pointsman.store.sqlite import open_store
store = open_store(pathlib.Path(sys.argv[1]), vector_key=None)
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
try:
    store.counters.get("a")
except StoreError as error:
    os._exit(0 if "fork" in str(error) else 2)
os._exit(3)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == 0


def test_a_file_that_was_put_back_is_used_without_opening_the_store_again(tmp_path: Path) -> None:
    """As its owner is told to do it: the damaged one is moved away together with its log, and a copy takes its place."""
    good = filled(tmp_path)
    with closing(open_store(tmp_path, vector_key=None)) as store:
        assert len(list(store.journal.exchanges(ALL))) == 400
        (tmp_path / FILE).write_bytes(random.Random(1).randbytes(len(good)))
        with pytest.raises(StoreError, match=r"damaged|not a SQLite file"):
            store.journal.append([record(1000)])
        for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
            (tmp_path / name).replace(tmp_path / f"{name}.damaged")
        (tmp_path / "copy").write_bytes(good)
        (tmp_path / "copy").replace(tmp_path / FILE)
        store.journal.append([record(1000)])
        assert len(list(store.journal.exchanges(ALL))) == 401
        assert store._connections.read("PRAGMA journal_mode") == [("wal",)]


def test_a_file_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(open_store(tmp_path, vector_key=None)) as store:
        store.journal.append([record(1000)])
        for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
            (tmp_path / name).unlink()
        store.journal.append([record(1001)])
        assert list(store.journal.exchanges(ALL)) == [record(1001)]


def test_a_patient_store_works_once_it_can(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"these are notes, and by no means a database " * 100)
    with closing(open_store(tmp_path, vector_key=None, patient=True)) as store:
        for _ in range(2):
            with pytest.raises(StoreError, match="not a SQLite file"):
                store.snapshots.current_number()
        (tmp_path / FILE).unlink()
        assert store.snapshots.current_number() == 0
        store.journal.append([record(1)])
    with closing(open_store(tmp_path, vector_key=None)) as again:
        assert list(again.journal.exchanges(ALL)) == [record(1)]


def test_a_full_disk_at_the_start_is_no_end(small_disk: Path) -> None:
    with closing(open_store(small_disk / "data", vector_key=None)) as store:
        store.journal.append([record(1)])
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with closing(open_store(small_disk / "data", vector_key=None, patient=True)) as store:
        with pytest.raises(StoreError, match=r"Look at the disk|is full|cannot be opened"):
            store.journal.append([record(2)])
        ballast.unlink()
        store.journal.append([record(2)])
        assert list(store.journal.exchanges(ALL)) == [record(1), record(2)]
