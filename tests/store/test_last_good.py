"""The copy of the last good snapshot: whole or not there, put back where the store's own is damaged or gone."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.store.records import snapshot_bytes

from pointsman.core import snapshot as snapshots
from pointsman.core.errors import StoreError
from pointsman.core.keys import Key
from pointsman.store.interfaces import Published
from pointsman.store.last_good import FILE, KEYS_FILE, OF_THE_COPY, LastGood, write_whole
from pointsman.store.sqlite import FILE as STORE
from pointsman.store.sqlite import open_store

ONE = Published(3, "abc", 5, "me", snapshot_bytes("one"))


def test_what_was_kept_is_read_by_any_process_and_by_its_owner_only(tmp_path: Path) -> None:
    copy = LastGood(tmp_path, keeps=True)
    assert copy.read() is None
    copy.keep(ONE)
    copy.keep(msgspec.structs.replace(ONE, number=4))
    assert LastGood(tmp_path, keeps=False).read() == msgspec.structs.replace(ONE, number=4)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [FILE]
    assert copy.problem == ""


def test_who_does_not_keep_it_writes_nothing(tmp_path: Path) -> None:
    LastGood(tmp_path, keeps=False).keep(ONE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_a_copy_that_was_cut_is_none(tmp_path: Path, cut: int) -> None:
    LastGood(tmp_path, keeps=True).keep(ONE)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:cut])
    assert LastGood(tmp_path, keeps=True).read() is None


def test_a_copy_with_an_altered_byte_is_none(tmp_path: Path) -> None:
    LastGood(tmp_path, keeps=True).keep(ONE)
    whole = bytearray((tmp_path / FILE).read_bytes())
    whole[-1] ^= 1
    (tmp_path / FILE).write_bytes(whole)
    assert LastGood(tmp_path, keeps=True).read() is None


def test_a_place_without_room_leaves_the_old_copy_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = LastGood(tmp_path, keeps=True)
    copy.keep(ONE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        copy.keep(msgspec.structs.replace(ONE, number=4))
    assert "No space left on device" in copy.problem
    assert copy.read() == ONE
    assert [one.name for one in tmp_path.iterdir()] == [FILE]
    copy.keep(ONE)
    assert copy.problem == ""


def test_the_bytes_are_on_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power cut leaves is the old file or the new one: the draft, its name's change, the directory, in that order."""
    (tmp_path / "it").write_bytes(b"old")
    seen: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((tmp_path / "it").read_bytes()))
    write_whole(tmp_path / "it", b"new")
    assert seen == [b"old", b"new"]


def cut(data: Path, how: str) -> None:
    with closing(sqlite3.connect(data / STORE)) as raw, raw:
        raw.execute(f"UPDATE snapshots SET data = {how} WHERE number = (SELECT max(number) FROM snapshots)")  # noqa: S608


@pytest.mark.parametrize(
    "how", ["substr(data, 1, length(data) / 2)", "x''", "substr(data, 1, 5)", "CAST(data || x'00' AS BLOB)"]
)
def test_a_damaged_snapshot_is_followed_by_the_last_good_one(tmp_path: Path, how: str) -> None:
    copy = LastGood(tmp_path, keeps=True)
    with closing(open_store(tmp_path, vector_key=None)) as store:
        copy.keep(store.snapshots.publish(snapshot_bytes("one"), made_by="a", at_ms=1))
        cut(tmp_path, how)
        assert LastGood(tmp_path, keeps=False).put_back(store.snapshots, store.snapshots.current(), 2) is None
        back = copy.put_back(store.snapshots, store.snapshots.current(), 2)
        assert back is not None
        assert (back.number, back.data, back.made_by) == (2, snapshot_bytes("one"), "put back: snapshot 1 is damaged")
        assert store.snapshots.current() == back
        assert copy.put_back(store.snapshots, back, 3) is None


def test_a_store_that_was_moved_away_begins_with_the_last_good_one(tmp_path: Path) -> None:
    copy = LastGood(tmp_path, keeps=True)
    copy.keep(ONE)
    with closing(open_store(tmp_path, vector_key=None)) as store:
        back = copy.put_back(store.snapshots, None, 2)
        assert back is not None
        assert (back.number, back.data) == (1, ONE.data)


def test_what_another_version_wrote_is_left_alone(tmp_path: Path) -> None:
    """A newer process may have published while an older one finishes."""
    copy = LastGood(tmp_path, keeps=True)
    copy.keep(ONE)
    other = Published(4, "def", 6, "you", b"PMSNAP2\n" + bytes(40))
    with closing(open_store(tmp_path, vector_key=None)) as store:
        assert copy.put_back(store.snapshots, other, 2) is None
    assert not snapshots.damaged(other.data)


class Store:
    """Keys that may be read, or not."""

    def __init__(self, *keys: Key) -> None:
        self.keys, self.number, self.fails = list(keys), 1, False

    def version(self) -> int:
        if self.fails:
            raise StoreError("gone")
        return self.number

    def all(self) -> list[Key]:
        self.version()
        return self.keys


SHOP = Key("shop", "0" * 64, salt="00" * 16)


def test_keys_that_cannot_be_read_are_those_of_the_copy(tmp_path: Path) -> None:
    store = Store(SHOP)
    assert LastGood(tmp_path, keeps=True).of_keys(store).all() == [SHOP]
    store.fails = True
    copied = LastGood(tmp_path, keeps=False).of_keys(store)
    assert (copied.version(), copied.all()) == (OF_THE_COPY, [SHOP])
    store.fails, store.keys = False, []
    assert (copied.version(), copied.all()) == (1, [])
    store.fails = True
    for ask in (copied.version, copied.all):  # what was read from the store since counts more
        with pytest.raises(StoreError):
            ask()
    assert stat.S_IMODE((tmp_path / KEYS_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, b"", b"x" * 40])
def test_without_a_good_copy_nobody_is_let_in(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / KEYS_FILE).write_bytes(content)
    store = Store(SHOP)
    store.fails = True
    keys = LastGood(tmp_path, keeps=True).of_keys(store)
    for ask in (keys.version, keys.all):
        with pytest.raises(StoreError, match="gone"):
            ask()


def test_what_was_revoked_is_revoked_in_the_copy_too(tmp_path: Path) -> None:
    store = Store(SHOP)
    keys = LastGood(tmp_path, keeps=True).of_keys(store)
    keys.all()
    store.keys = [msgspec.structs.replace(SHOP, revoked_ms=7)]
    keys.all()
    store.fails = True
    (kept,) = LastGood(tmp_path, keeps=True).of_keys(store).all()
    assert kept.revoked_ms == 7


def test_what_a_killed_process_left_is_removed_and_what_another_one_is_writing_is_not(tmp_path: Path) -> None:
    left, writing, kept = (tmp_path / name for name in ("it.1.draft", "it.2.draft", "it.1"))
    for one in (left, writing, kept):
        one.write_bytes(b"half")
    for one in (left, kept):
        os.utime(one, (1, 1))
    write_whole(tmp_path / "it", b"whole")
    assert {one.name for one in tmp_path.iterdir()} == {"it", "it.2.draft", "it.1"}
