"""Keys and the log of acts, in every store."""

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.store.records import opened

from pointsman.core import snapshot as snapshots
from pointsman.core.audit import Act
from pointsman.core.errors import StoreError
from pointsman.core.keys import Earlier, Key, Scope
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import FILE, audit, open_store

SHOP = Key(
    "shop", "ab" * 32, "support", "acme", "sue", "eu",
    Scope(("auto",), ("openai/*",), ("gemini",), ("support",), ("10.0.0.0/8",)),
    expires_ms=9, id="0a", salt="cd" * 16, before=(Earlier("ef" * 32, 7),), made_ms=5,
)  # fmt: skip
OPS = Key("ops", "12" * 32, admin=True, id="0b", salt="34" * 16)


def test_a_key_comes_back_as_it_went_in(store: Store) -> None:
    assert (store.keys.all(), store.keys.version()) == ([], 0)
    store.keys.add(SHOP, at_ms=5)
    store.keys.add(OPS, at_ms=6)
    assert store.keys.all() == [SHOP, OPS]


def test_every_change_has_a_greater_version(store: Store) -> None:
    seen = [store.keys.version()]
    store.keys.add(SHOP, at_ms=5)
    seen.append(store.keys.version())
    store.keys.add(OPS, at_ms=6)
    seen.append(store.keys.version())
    for number in (7, 8):
        wanted = replace(SHOP, revoked_ms=number)
        assert store.keys.change("0a", lambda _, made=wanted: made, at_ms=number, act="key revoke") == wanted  # type: ignore[misc]
        seen.append(store.keys.version())
    assert seen == sorted(set(seen))
    assert store.keys.all() == [replace(SHOP, revoked_ms=8), OPS]


def test_names_are_of_one_living_key_and_ids_of_one_ever(store: Store) -> None:
    store.keys.add(SHOP, at_ms=5)
    with pytest.raises(StoreError, match="the name 'shop' belongs to the key 0a"):
        store.keys.add(replace(SHOP, id="0c"), at_ms=6)
    with pytest.raises(StoreError, match="there is a key 0a already"):
        store.keys.add(replace(SHOP, name="other"), at_ms=6)
    store.keys.change("0a", lambda key: replace(key, revoked_ms=7), at_ms=7, act="key revoke")
    store.keys.add(replace(SHOP, id="0c"), at_ms=8)
    with pytest.raises(StoreError, match="there is no key ff"):
        store.keys.change("ff", lambda key: key, at_ms=9, act="key revoke")
    assert [act.act for act in store.audit.acts(limit=9)] == ["key create", "key revoke", "key create"]


def test_acts_are_listed_newest_first_and_found_by_any_word(store: Store) -> None:
    store.keys.add(OPS, at_ms=1)
    store.audit.note("review forget", "support", "12 questions", at_ms=2)
    store.audit.note("control API", "/control/v1/replay", at_ms=3, actor="key:ops")
    acts = store.audit.acts(limit=9)
    assert acts == [
        Act(3, 3, "key:ops", "control API", "/control/v1/replay", ""),
        Act(2, 2, "gateway", "review forget", "support", "12 questions"),
        Act(1, 1, "gateway", "key create", "admin key 0b", "ops"),
    ]
    assert store.audit.acts(limit=1) == acts[:1]
    assert store.audit.acts(limit=9, since_ms=2) == acts[:2]
    assert [act.n for act in store.audit.acts(limit=9, about="OPS")] == [3, 1]
    assert store.audit.acts(limit=9, about="%") == []


def test_a_publication_is_an_act(store: Store) -> None:
    published = store.snapshots.publish(snapshots.encode(Snapshot()), made_by="pointsman accept support", at_ms=4)
    [act] = store.audit.acts(limit=9)
    assert (act.act, act.object, act.detail) == ("publish", f"snapshot 1 {published.hash}", "pointsman accept support")


@pytest.mark.parametrize("count", [0, 1, 5, 1500])
def test_a_whole_chain_holds(store: Store, count: int) -> None:
    for number in range(min(count, 5)):
        store.audit.note("act", str(number), at_ms=number)
    if count > 5:  # more than a page, in one transaction
        with store._connections.write() as connection:  # type: ignore[attr-defined]
            for number in range(5, count):
                audit.append(connection, "act", str(number), "", at_ms=number, actor="gateway")
    found, last, broken = store.audit.checked()
    assert (found, broken, bool(last)) == (count, None, count > 0)


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE audit SET detail = 'y' WHERE n = 3", 3),
        ("UPDATE audit SET actor = 'z' WHERE n = 1", 1),
        ("DELETE FROM audit WHERE n = 2", 3),
        ("INSERT INTO audit VALUES (6, 9, 'a', 'b', 'c', 'd', x'00')", 6),
        ("UPDATE audit SET link = x'00' WHERE n = 5", 5),
    ],
)
def test_the_log_cannot_be_changed_and_where_it_was_it_shows(tmp_path: Path, tampering: str, found: int) -> None:
    store = open_store(tmp_path, vector_key=None)
    for number in range(5):
        store.audit.note("act", str(number), "x", at_ms=number)
    connection = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    if not tampering.startswith("INSERT"):
        with pytest.raises(sqlite3.IntegrityError, match="only appended to"):
            connection.execute(tampering)
    assert store.audit.checked()[2] is None
    for trigger in ("audit_is_not_changed", "audit_is_not_deleted"):  # as whoever has the file can
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(tampering)
    connection.close()
    assert store.audit.checked()[2] == found
    store.close()


def test_the_actor_is_whoever_opened_the_store(tmp_path: Path) -> None:
    for actor in ("cli:sue", "cli:bob"):
        store = open_store(tmp_path, vector_key=None, actor=actor)
        store.audit.note("act", at_ms=1)
        store.close()
    last = opened("pointsman.store.sqlite:open_store", tmp_path, None)
    assert [act.actor for act in last.audit.acts(limit=9)] == ["cli:bob", "cli:sue"]
    last.close()
