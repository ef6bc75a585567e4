"""What several tests of the control plane begin with: an empty store, and what is in force there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.core import snapshot as snapshots
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import SqliteStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A new store, with a key for feature vectors."""
    opened = open_store(tmp_path, vector_key=bytes(32))
    yield opened
    opened.close()


def current(store: Store) -> Snapshot:
    """Return the snapshot in force."""
    published = store.snapshots.current()
    assert published
    return snapshots.decode(published.data)
