"""The snapshot in use: a good one takes over, a bad one never does."""

import contextlib
import sqlite3
from pathlib import Path

import msgspec
import pytest
from tests.gateway.conftest import a_snapshot

from pointsman.core import snapshot as snapshots
from pointsman.core.errors import GatewayError
from pointsman.core.routing import Context, Needs, Plan
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.live import Live
from pointsman.policy.decide import State, decide
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import open_store
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
