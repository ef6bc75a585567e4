"""Publishing on a real store: gates, conflicts, and nothing published for nothing."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from pointsman.control.publish import faults, publish
from pointsman.core import snapshot as snapshots
from pointsman.core.errors import SnapshotError, StoreError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Explore, Objective, Plan, Pool, Provider, Route, Trial
from pointsman.core.snapshot import Limits, Snapshot
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import open_store

DEPLOYMENTS = {
    name: Deployment(name, "house", name, name, Price(Rates(Decimal(1), Decimal(2))))
    for name in ("house/big", "house/small")
}
PLAN = Plan("*", reference="house/big")
GOOD = Snapshot(
    providers={"house": Provider("house", "http://127.0.0.1:1/v1")},
    deployments=DEPLOYMENTS,
    routes={"auto": Route("auto", "house/big", ("house/small",), Objective(), 0.05, {"*": PLAN})},
)


def with_plan(**changes: object) -> Snapshot:
    route = replace(GOOD.routes["auto"], plans={"*": replace(PLAN, **changes)})
    return replace(GOOD, routes={"auto": route})


def with_route(**changes: object) -> Snapshot:
    return replace(GOOD, routes={"auto": replace(GOOD.routes["auto"], **changes)})


BAD = {
    "a pool names house/nobody, which is not a deployment": replace(GOOD, pools=(Pool((("house/small", "house/nobody"),)),)),
    "house/small is in two pools": replace(GOOD, pools=(Pool((("house/small",),)), Pool((("house/small",),)))),
    "is not a deployment": with_route(reference="house/none"),
    "names house/no, which is not a deployment": with_route(candidates=("house/no",)),
    "the control share 1.5 is not in [0, 1]": with_route(control_share=1.5),
    'has no plan for "*"': with_route(plans={}),
    "feature * on route auto names house/gone": with_plan(accepted=("house/gone",)),
    "feature * on route auto names house/lost": with_plan(reference="house/lost"),
    "names house/hoped": with_plan(candidates=("house/hoped",)),
    "chooses by the policy auto/x, which does not exist": with_plan(policy="auto/x"),
    "names house/tried": with_plan(trial=Trial("t", ("house/tried",), 0.1, 1)),
    "the trial's share must be in (0, 1]": with_plan(trial=Trial("t", ("house/small",), 0.0, 1)),
    "its cap above zero": with_plan(trial=Trial("t", ("house/small",), 0.5, 0)),
    "the acting share -0.1 is not in [0, 1]": with_plan(acting_share=-0.1),
    "house/small is to serve all requests and was not accepted": with_plan(one_model="house/small"),
    "is in auto without a reference": with_plan(mode="auto", reference=None, accepted=("house/small",)),
    "is in canary without a reference or without an accepted": with_plan(mode="canary"),
    "names house/odd, which is not a deployment": with_plan(explorable={"house/odd": 1.0}),
    "the parts of those who may be tried": with_plan(explorable={"house/small": 0.7, "house/big": 0.4}),
    "nor above 1 together": with_plan(explorable={"house/small": -0.1}),
    "the share to be tried must be in (0, 0.5]": with_plan(explore=Explore(0.6, 1, "auto")),
    "its money above zero": with_plan(explore=Explore(0.1, 0, "auto")),
    "the policy auto cannot be read": replace(GOOD, policies={"auto": b"\x00cut"}),
    "chooses by the policy other, which does not exist": with_plan(policy="other"),
    "names the provider house, which does not exist": replace(GOOD, providers={}),
}


def test_a_good_snapshot_has_no_faults() -> None:
    assert list(faults(GOOD)) == []


@pytest.mark.parametrize(("words", "bad"), BAD.items(), ids=BAD.keys())
def test_a_bad_snapshot_never_displaces_a_good_one(store: Store, words: str, bad: Snapshot) -> None:
    good = publish(store, lambda _: GOOD, made_by="good", now_ms=1)
    with pytest.raises(SnapshotError) as raised:
        publish(store, lambda _: bad, made_by="bad", now_ms=2)
    assert words in str(raised.value)
    assert "the current one stays" in str(raised.value)
    assert store.snapshots.current() == good
    assert store.snapshots.current_number() == good.number


def test_a_new_store_starts_from_an_empty_snapshot(store: Store) -> None:
    seen: list[Snapshot] = []

    def change(before: Snapshot) -> Snapshot:
        seen.append(before)
        return GOOD

    published = publish(store, change, made_by="configuration", now_ms=5)
    assert seen == [Snapshot()]
    assert (published.number, published.at_ms, published.made_by) == (1, 5, "configuration")
    decoded = snapshots.decode(published.data)
    assert decoded == replace(GOOD, made_by="configuration")
    assert published.hash == snapshots.snapshot_hash(published.data)


def test_a_change_that_says_itself_what_it_did_is_taken_at_its_word(store: Store) -> None:
    published = publish(store, lambda _: replace(GOOD, made_by="accepted for reasons"), made_by="cli", now_ms=5)
    assert published.made_by == "accepted for reasons"
    assert snapshots.decode(published.data).made_by == "accepted for reasons"


def test_a_change_that_changes_nothing_publishes_nothing(store: Store) -> None:
    first = publish(store, lambda _: GOOD, made_by="one", now_ms=1)
    again = publish(store, lambda _: replace(GOOD, made_by="two"), made_by="three", now_ms=2)
    assert again == first
    assert len(store.snapshots.history()) == 1


def test_policies_of_another_version_that_are_in_force_stop_no_other_change(store: Store) -> None:
    old = replace(GOOD, policies={"auto": b"old", "auto/support": b"older"})
    store.snapshots.publish(snapshots.encode(old), made_by="an earlier version", at_ms=1)
    less = publish(store, lambda now: replace(now, policies={"auto": now.policies["auto"]}), made_by="rollback", now_ms=2)
    assert snapshots.decode(less.data).policies == {"auto": b"old"}
    with pytest.raises(SnapshotError, match="the policy auto cannot be read"):
        publish(store, lambda now: replace(now, policies={"auto": b"new and damaged"}), made_by="x", now_ms=3)


def test_another_order_is_a_change(store: Store) -> None:
    """Of two deployments that can serve, the owner's first one does: so the order in the file counts."""
    publish(store, lambda _: GOOD, made_by="one", now_ms=1)
    turned = replace(GOOD, deployments=dict(reversed(GOOD.deployments.items())))
    assert turned == GOOD
    published = publish(store, lambda _: turned, made_by="two", now_ms=2)
    assert published.number == 2
    assert list(snapshots.decode(published.data).deployments) == ["house/small", "house/big"]


def test_all_faults_are_told_at_once() -> None:
    bad = with_plan(acting_share=float("nan"), accepted=("house/x", "house/y"), mode="auto", reference=None)
    assert len(list(faults(bad))) == 4


def test_a_store_that_fails_is_not_tried_again_and_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only being overtaken is worth another try; a full disk is not."""
    tries = 0

    def full(*_: object, **__: object) -> None:
        nonlocal tries
        tries += 1
        raise StoreError("the disk is full")

    monkeypatch.setattr(store.snapshots, "publish", full)
    with pytest.raises(StoreError, match=r"^the disk is full$"):
        publish(store, lambda _: GOOD, made_by="x", now_ms=1)
    assert tries == 1


def test_two_acts_at_once_both_take_effect(store: Store, tmp_path: Path) -> None:
    publish(store, lambda _: GOOD, made_by="start", now_ms=1)
    other = open_store(tmp_path, vector_key=None)
    tries = 0

    def slow(before: Snapshot) -> Snapshot:
        nonlocal tries
        tries += 1
        if tries == 1:
            publish(other, lambda now: replace(now, store_prompts=True), made_by="the other", now_ms=2)
        return replace(before, limits=Limits(fallbacks=1))

    published = publish(store, slow, made_by="slow", now_ms=3)
    other.close()
    after = snapshots.decode(published.data)
    assert tries == 2
    assert (after.store_prompts, after.limits.fallbacks) == (True, 1)
    assert [one.made_by for one in store.snapshots.history()] == ["slow", "the other", "start"]


def test_one_who_is_always_overtaken_gives_up_and_says_so(store: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path, vector_key=None)
    tries = 0

    def unlucky(before: Snapshot) -> Snapshot:
        nonlocal tries
        tries += 1
        publish(other, lambda _: replace(GOOD, limits=Limits(fallbacks=tries)), made_by="the other", now_ms=tries)
        return replace(before, store_prompts=True)

    with pytest.raises(StoreError, match="others keep publishing, try again"):
        publish(store, unlucky, made_by="unlucky", now_ms=9)
    other.close()
    assert tries == 5


def test_an_error_of_the_change_itself_publishes_nothing(store: Store) -> None:
    def broken(_: Snapshot) -> Snapshot:
        raise SnapshotError("no")

    with pytest.raises(SnapshotError, match="no"):
        publish(store, broken, made_by="x", now_ms=1)
    assert store.snapshots.current() is None
