"""The snapshot in use: a good one takes over, a bad one never does."""

import contextlib
import hashlib
import sqlite3
from pathlib import Path

import msgspec
import pytest
from tests.gateway.conftest import a_snapshot

from pointsman.core import snapshot as snapshots
from pointsman.core.errors import GatewayError
from pointsman.core.keys import Key
from pointsman.core.routing import Context, Needs, Plan
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.admission import Keyring
from pointsman.gateway.live import Live
from pointsman.gateway.server.message import Head
from pointsman.policy.decide import State, decide
from pointsman.store.interfaces import Store
from pointsman.store.last_good import LastGood
from pointsman.store.sqlite import FILE, open_store
from pointsman.upstream.credentials import credential_for


def publish(store: Store, data: bytes) -> None:
    store.snapshots.publish(data, made_by="test", at_ms=1)


def damage(path: Path, data: bytes) -> None:
    """Overwrite the newest snapshot in the store's file, as a failing disk or a careless hand might."""
    [file] = path.glob("*.sqlite3")
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE snapshots SET data = ? WHERE number = (SELECT max(number) FROM snapshots)", (data,))


def test_a_new_snapshot_takes_over_and_old_holders_keep_theirs(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=None)
    live = Live(store.snapshots, credential_for)
    assert not live.refresh()
    assert not live.problem
    publish(store, snapshots.encode(a_snapshot(1)))
    assert live.refresh()
    held = live.current
    assert not live.refresh()
    assert live.current is held
    publish(store, snapshots.encode(a_snapshot(1, 2)))
    assert live.refresh()
    assert live.current is not held
    assert held is not None
    assert list(held.snapshot.providers) == ["p1"]
    assert held.deployment("p1/anything").model == "anything"
    store.close()


BAD_CREDENTIAL = msgspec.structs.replace(
    a_snapshot(1), providers={"p1": msgspec.structs.replace(a_snapshot(1).providers["p1"], credential="sk-secret")}
)

NOBODY = msgspec.structs.replace(
    a_snapshot(1),
    providers={"p1": msgspec.structs.replace(a_snapshot(1).providers["p1"], credential="file:~no-such-user/key")},
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        snapshots.encode(a_snapshot(1))[:-5],
        snapshots.encode(a_snapshot(1))[:-1] + b"x",
        snapshots.encode(BAD_CREDENTIAL),
        snapshots.encode(NOBODY),
    ],
)
def test_a_bad_snapshot_never_displaces_a_good_one(tmp_path: Path, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(tmp_path, vector_key=None)
    live = Live(store.snapshots, credential_for)
    publish(store, snapshots.encode(a_snapshot(1)))
    live.refresh()
    good = live.current
    publish(store, snapshots.encode(a_snapshot(1, 2, 3)))
    damage(tmp_path, data)
    assert not live.refresh()
    assert not live.refresh()
    assert live.current is good
    assert "was not taken up" in live.problem
    assert len(caplog.records) == 1  # said once, not five times a second
    assert "sk-secret" not in caplog.text
    publish(store, snapshots.encode(a_snapshot(1, 2)))
    assert live.refresh()
    assert live.problem == ""
    store.close()


def test_a_policy_that_cannot_be_read_leaves_its_plans_on_the_reference(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = Plan("*", mode="auto", reference="p1/model-1", accepted=("p2/model-2",), acting_share=1.0)
    store = open_store(tmp_path, vector_key=None)
    live = Live(store.snapshots, credential_for)
    publish(store, snapshots.encode(a_snapshot(1, 2, plan=plan, policies={"auto": b"of another version"})))
    assert live.refresh()
    assert not live.refresh()
    assert (live.problem, len(caplog.records)) == ("", 1)
    assert "what was learned for auto decides nothing" in caplog.text
    assert live.current is not None
    assert live.current.policies == {}
    target, state = live.current.target("auto")[0], State(snapshot=live.current.hash)
    made = decide(live.current.snapshot, target, None, Context("x", Needs()), state, 0.0)
    assert made.chosen == "p1/model-1"
    store.close()


def test_only_known_names_are_remembered(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=None)
    live = Live(store.snapshots, credential_for)
    publish(store, snapshots.encode(a_snapshot(1)))
    live.refresh()
    current = live.current
    assert current is not None
    assert current.target("auto")[0] is current.target("auto")[0]
    for number in range(100):
        current.target(f"p1/unknown-{number}")
        current.target(f"unknown-{number}")  # with one provider, it goes there
    assert len(current._targets) == 1
    publish(store, snapshots.encode(a_snapshot(1, 2)))
    live.refresh()
    assert live.current is not None
    with pytest.raises(GatewayError):
        live.current.target("unknown")
    store.close()


def test_an_empty_snapshot_serves_nothing_and_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=None)
    live = Live(store.snapshots, credential_for)
    publish(store, snapshots.encode(Snapshot()))
    assert live.refresh()
    assert live.current is not None
    with pytest.raises(GatewayError, match="none configured"):
        live.current.target("auto")
    store.close()


def asking(key: bytes) -> Head:
    return Head("POST", "/v1/chat/completions", "", {b"authorization": b"Bearer " + key} if key else {})


def test_a_store_that_cannot_be_read_at_the_start_is_stood_in_for(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=None)
    publish(store, snapshots.encode(a_snapshot(1, keys=(Key("app", hashlib.sha256(b"right").hexdigest()),))))
    copy = LastGood(tmp_path, keeps=True)
    Live(store.snapshots, credential_for, keyring=Keyring(copy.of_keys(store.keys)), copy=copy).refresh()
    store.close()
    [file] = tmp_path.glob("*.sqlite3")
    whole = file.read_bytes()
    file.write_bytes(b"notes" * 1000)
    patient = open_store(tmp_path, vector_key=None, patient=True)
    copy = LastGood(tmp_path, keeps=False)
    live = Live(patient.snapshots, credential_for, keyring=Keyring(copy.of_keys(patient.keys)), copy=copy)
    assert not live.refresh()
    assert live.current is not None
    for key, status in ((b"wrong", 401), (b"", 401)):
        with pytest.raises(GatewayError) as refused:
            live.keyring.admit(asking(key))
        assert refused.value.status == status
    assert live.keyring.admit(asking(b"right")) is not None
    held = live.current
    assert (list(held.snapshot.providers), live.from_copy) == (["p1"], True)
    assert "not a SQLite file" in live.problem
    assert not live.refresh()
    assert live.current is held
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "whole").replace(file)
    live.refresh()
    assert (live.current is held, live.from_copy, live.problem) == (True, False, "")
    publish(patient, snapshots.encode(a_snapshot(1, 2)))
    assert live.refresh()
    patient.close()


def test_without_store_and_copy_there_is_no_snapshot(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"notes" * 1000)
    store = open_store(tmp_path, vector_key=None, patient=True)
    live = Live(store.snapshots, credential_for, copy=LastGood(tmp_path, keeps=True))
    assert not live.refresh()
    assert live.current is None
    assert "not a SQLite file" in live.problem
    store.close()


@pytest.mark.parametrize("keeps", [True, False])
def test_a_publication_that_was_torn_is_put_right_by_who_keeps_the_copy(tmp_path: Path, *, keeps: bool) -> None:
    store = open_store(tmp_path, vector_key=None)
    publish(store, snapshots.encode(a_snapshot(1)))
    keeper = Live(store.snapshots, credential_for, copy=LastGood(tmp_path, keeps=True))
    keeper.refresh()
    live = Live(store.snapshots, credential_for, copy=LastGood(tmp_path, keeps=keeps))
    live.refresh()
    publish(store, snapshots.encode(a_snapshot(1, 2)))
    damage(tmp_path, snapshots.encode(a_snapshot(1, 2))[:-5])
    assert live.refresh() is keeps
    assert bool(live.problem) is not keeps
    keeper.refresh()
    live.refresh()
    assert live.problem == ""
    assert live.current is not None
    assert (live.current.number, list(live.current.snapshot.providers)) == (3, ["p1"])
    store.close()


def test_a_store_that_was_taken_away_is_followed_by_one_with_the_same_snapshot(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=None)
    live = Live(store.snapshots, credential_for, copy=LastGood(tmp_path, keeps=True))
    for number in (1, 2):
        publish(store, snapshots.encode(a_snapshot(*range(number))))
        live.refresh()
    for file in tmp_path.glob(f"{FILE}*"):
        file.unlink()
    live.refresh()
    assert live.current is not None
    assert (live.current.number, list(live.current.snapshot.providers), live.problem) == (1, ["p1", "p2"], "")
    found = store.snapshots.current()
    assert found is not None
    assert found.data == snapshots.encode(a_snapshot(0, 1))
    store.close()
