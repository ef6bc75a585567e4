"""What a gateway begins with when its store is locked, half migrated, of another version, or gone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from pointsman.control.config import Config
from pointsman.core.errors import ForeignStoreError, StoreError
from pointsman.core.snapshot import Limits
from pointsman.serve.up import Installation, begin
from pointsman.store.interfaces import Store
from pointsman.store.last_good import LastGood
from pointsman.store.sqlite import FILE, connections, open_store, schema

pytestmark = pytest.mark.interpreted  # how long a store waits is changed inside of it

CHANGED = replace(Config(), limits=Limits(concurrent=7))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory whose gateway has served once."""
    with closing(open_store(tmp_path, vector_key=None)) as store:
        assert begin(Installation(Config(), None, tmp_path, store), "me") == ()
        current = store.snapshots.current()
        assert current is not None
        LastGood(tmp_path, keeps=True).keep(current)
    return tmp_path


@pytest.fixture
def store(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(connections.Connections.__init__, "__kwdefaults__", {"wait_s": 0.05, "patient": False})  # not 10 s
    with closing(open_store(data, vector_key=None, patient=True)) as made:
        yield made


def begun(data: Path, store: Store) -> tuple[str, ...]:
    return begin(Installation(CHANGED, None, data, store), "me")


def test_a_locked_store_is_served_from_and_the_configuration_waits(data: Path, store: Store) -> None:
    with closing(sqlite3.connect(data / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        notes = begun(data, store)
        assert "is locked" in notes[0]
        assert "served is the last good snapshot" in notes[1]
        other.execute("ROLLBACK")
    assert begun(data, store) == ()
    assert store.snapshots.current_number() == 2


def test_a_migration_that_fails_leaves_the_last_good_snapshot(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = schema._scripts()
    with monkeypatch.context() as patch:
        patch.setattr(
            schema, "_scripts", lambda: (*scripts, "CREATE TABLE more (n INTEGER);\nINSERT INTO nowhere VALUES (1);")
        )
        notes = begun(data, store)
    assert "nowhere" in notes[0]
    assert "served is the last good snapshot" in notes[1]
    assert begun(data, store) == ()


def test_a_newer_store_is_refused_whatever_was_copied(data: Path, store: Store) -> None:
    with closing(sqlite3.connect(data / FILE)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(ForeignStoreError, match="newer version"):
        begun(data, store)


def test_without_a_copy_a_store_that_does_not_work_is_an_error(data: Path, store: Store) -> None:
    (data / FILE).write_bytes(b"notes" * 1000)
    (data / "snapshot.last").unlink()
    with pytest.raises(StoreError, match="not a SQLite file"):
        begun(data, store)


def test_a_store_that_was_moved_away_goes_on_from_the_copy(data: Path, store: Store) -> None:
    (data / FILE).unlink()
    notes = begun(data, store)
    assert notes[0].startswith("the last good snapshot was put back: the store had none")
    assert store.snapshots.current_number() == 2  # the copy, and the configuration on it
