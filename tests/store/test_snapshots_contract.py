"""What every store of snapshots does."""

import pytest
from tests.store.records import snapshot_bytes

from pointsman.core.errors import SnapshotError, StoreError
from pointsman.core.snapshot import snapshot_hash
from pointsman.store.interfaces import Published, Store


def test_a_new_store_has_none(store: Store) -> None:
    assert store.snapshots.current() is None
    assert store.snapshots.current_number() == 0
    assert store.snapshots.history() == []


def test_the_last_one_published_is_current(store: Store) -> None:
    one, two = snapshot_bytes("one"), snapshot_bytes("two")
    first = store.snapshots.publish(one, made_by="a", at_ms=5)
    second = store.snapshots.publish(two, made_by="b", at_ms=6)
    assert first == Published(1, snapshot_hash(one), 5, "a", one)
    assert second == Published(2, snapshot_hash(two), 6, "b", two)
    assert store.snapshots.current() == second
    assert store.snapshots.current_number() == 2
    assert store.snapshots.history() == [second, first]
    assert store.snapshots.history(1) == [second]


def test_the_same_content_may_be_published_again(store: Store) -> None:
    data = snapshot_bytes("one")
    numbers = [store.snapshots.publish(data, made_by="a", at_ms=5).number for _ in range(3)]
    assert numbers == [1, 2, 3]


def test_a_change_of_what_is_no_longer_current_is_refused(store: Store) -> None:
    data = snapshot_bytes("one")
    store.snapshots.publish(data, made_by="a", at_ms=5, replaces=0)
    store.snapshots.publish(data, made_by="b", at_ms=6, replaces=1)
    for stale in (0, 1, 3):
        with pytest.raises(StoreError, match="try again"):
            store.snapshots.publish(data, made_by="c", at_ms=7, replaces=stale)
    assert [one.made_by for one in store.snapshots.history()] == ["b", "a"]


@pytest.mark.parametrize(
    "spoil", [lambda data: data[: len(data) // 2], lambda data: data[:0], lambda data: data[:-1] + b"\xff"]
)
def test_damaged_bytes_never_become_current(store: Store, spoil: object) -> None:
    assert callable(spoil)
    good = store.snapshots.publish(snapshot_bytes("one"), made_by="a", at_ms=5)
    with pytest.raises(SnapshotError):
        store.snapshots.publish(spoil(snapshot_bytes("two")), made_by="b", at_ms=6)
    assert store.snapshots.current() == good
