"""Money for trying others: never more a day than the owner said, whoever of the workers spends it."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.gateway.conftest import Rig, Start, a_snapshot, answer_whole

from pointsman.core.price import Price, Rates
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.routing import Decision, Deployment, Explore, Needs, Objective, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.allowance import Allowance, counter, leased, leases
from pointsman.policy import explore
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import open_store

DAY_MS = 86_400_000
HOME, TRIED = "p1/model-1", "p2/model-2"
NEEDS = Needs(input_tokens=100, max_output_tokens=100)
PRICE = Price(Rates(Decimal(1), Decimal(2)))


def a_plan(day_nano: int, share: float = 0.5) -> Plan:
    return Plan(
        "*",
        "auto",
        HOME,
        accepted=(),
        acting_share=0.9,
        explore=Explore(share, day_nano, "auto"),
        explorable={TRIED: 1.0},
    )


def snapshot_of(plan: Plan) -> Snapshot:
    deployments = {name: Deployment(name, name[:2], name[3:], name[3:], PRICE) for name in (HOME, TRIED)}
    return Snapshot(deployments=deployments, routes={"auto": Route("auto", HOME, (TRIED,), Objective(), 0.1, {"*": plan})})


DECISION = Decision(TRIED, (HOME,), (HOME, TRIED), (0.5, 0.5), "auto", "explore", "tried")


def renew(worker: Allowance, store: Store, snapshot: Snapshot, now_ms: int) -> None:
    for lease in worker.wanted(snapshot, now_ms):
        day = now_ms // DAY_MS
        worker.add(lease.allowed.purse, day, leased(store.counters, lease, day))


def ended(exchange: str, cost: int | None, status: int = 200) -> ExchangeRecord:
    attempts = (Attempt(TRIED, "first", 0, status, cost_nano=cost),)
    return ExchangeRecord(exchange, 0, "auto", "f", "ok", 200, DECISION, attempts, "auto")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_all_workers_together_never_spend_more_than_a_day_has(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    store = open_store(tmp_path_factory.mktemp("store"), vector_key=None)
    try:
        day_nano = data.draw(st.integers(1, 10**8))
        plan = a_plan(day_nano)
        snapshot, workers = snapshot_of(plan), [Allowance() for _ in range(3)]
        most = explore.dearest(snapshot.deployments[TRIED], NEEDS)
        assert most is not None
        spent, under_way = 0, list[tuple[Allowance, str]]()
        for step in range(data.draw(st.integers(1, 40))):
            worker = data.draw(st.sampled_from(workers))
            renew(worker, store, snapshot, 5)
            done = data.draw(st.booleans())
            if under_way and done:
                owner, exchange = under_way.pop()
                cost = data.draw(st.integers(0, most) | st.none())
                owner.settle(ended(exchange, cost))
                spent += most if cost is None else cost
            elif worker.left(plan, 5) >= most:
                worker.promise(str(step), DECISION, plan, snapshot, NEEDS)
                under_way.append((worker, str(step)))
            assert spent + most * len(under_way) <= store.counters.get(counter("auto", 0)) <= day_nano
    finally:
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path, vector_key=None)


def test_a_new_day_begins_anew_and_brings_nothing_of_the_old(store: Store) -> None:
    plan = a_plan(1_600_000)
    snapshot, worker = snapshot_of(plan), Allowance()
    assert worker.left(plan, 5) == 0, "nothing is leased before the store was asked"
    renew(worker, store, snapshot, 5)
    held = worker.left(plan, 5)
    assert held > 0
    worker.promise("x", DECISION, plan, snapshot, NEEDS)
    assert worker.left(plan, DAY_MS + 5) == 0
    renew(worker, store, snapshot, DAY_MS + 5)
    fresh = worker.left(plan, DAY_MS + 5)
    worker.settle(ended("x", 0))
    assert worker.left(plan, DAY_MS + 5) == fresh, "what yesterday did not cost is yesterday's"
    worker.add("auto", 0, 10**9)
    assert worker.left(plan, DAY_MS + 5) == fresh, "a lease that comes too late is not spent"


@pytest.mark.parametrize(
    ("cost", "status", "back"), [(30, 200, 30), (None, 503, 0), (None, 200, 2_200_000), (None, 0, 2_200_000)]
)
def test_what_is_given_back_is_what_was_not_paid(store: Store, cost: int | None, status: int, back: int) -> None:
    plan = a_plan(10**9)
    snapshot, worker = snapshot_of(plan), Allowance()
    renew(worker, store, snapshot, 5)
    before = worker.left(plan, 5)
    worker.promise("x", DECISION, plan, snapshot, NEEDS)
    assert before - worker.left(plan, 5) == explore.dearest(snapshot.deployments[TRIED], NEEDS) == 1_800_000
    worker.settle(ended("x", cost, status))
    assert before - worker.left(plan, 5) == min(back, 1_800_000)


def test_a_lease_covers_the_dearest_usual_call_but_never_more_than_a_day(store: Store) -> None:
    (large,) = leases(snapshot_of(a_plan(10**12)))
    assert large.portion == 10**12 // 16 + 1
    (small,) = leases(snapshot_of(a_plan(10**8)))
    assert small.portion == explore.dearest(snapshot_of(a_plan(1)).deployments[TRIED], Needs(input_tokens=2000))
    (tiny,) = leases(snapshot_of(a_plan(1000)))
    assert tiny.portion == 1000
    assert [leased(store.counters, tiny, 3), leased(store.counters, tiny, 3)] == [1000, 0]
    assert leases(snapshot_of(replace(a_plan(5), explorable={}))) == ()


async def test_over_http_others_are_tried_while_there_is_money_and_leave(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    cost = 60 * 2500 + 40 * 1250 + 10 * 10_000
    plan = a_plan(12 * cost)
    snapshot = a_snapshot(upstream.port, upstream.port, plan=plan)
    other = replace(snapshot.deployments[TRIED], model_key="another")
    rig.publish(replace(snapshot, deployments={**snapshot.deployments, TRIED: other}))
    rig.world.chances = iter([0.0] * 100)
    following = asyncio.create_task(
        rig.equipment.allowance.follow(rig.store.counters, rig.live.snapshot, rig.equipment.now_ms)
    )
    body = json.dumps({"model": "auto", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}).encode()
    async with asyncio.timeout(10):
        while rig.equipment.allowance.left(plan, rig.equipment.now_ms()) == 0:  # noqa: ASYNC110 - another thread leases
            await asyncio.sleep(0.01)
    following.cancel()
    _, marked, _ = await rig.post(body, x_pointsman_no_explore="1")
    said = json.loads(body) | {"metadata": {"no_explore": "true"}}
    _, stated, _ = await rig.post(json.dumps(said).encode())
    assert marked["x-pointsman-arm"] == stated["x-pointsman-arm"] == "policy"
    arms = []
    for _ in range(20):
        status, head, _ = await rig.post(body, x_pointsman_no_explore="false")
        assert status == 200
        arms.append(head["x-pointsman-arm"])
    assert arms[0] == "explore"
    tried = arms.count("explore")
    assert arms == ["explore"] * tried + ["policy"] * (20 - tried), "until the money is out"
    assert tried * cost <= rig.store.counters.get(counter("auto", rig.equipment.now_ms() // DAY_MS)) <= plan_money(plan)
    first = next(one for one in await rig.records(22) if one.decision is not None and one.decision.arm == "explore")
    assert first.decision is not None
    assert dict(zip(first.decision.eligible, first.decision.probabilities, strict=True)) == pytest.approx(
        {HOME: 0.55, TRIED: 0.45}
    )


def plan_money(plan: Plan) -> int:
    assert plan.explore is not None
    return plan.explore.day_nano


async def test_over_http_nobody_is_tried_whose_choices_would_pass_what_is_left(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    snapshot = a_snapshot(upstream.port, upstream.port, plan=a_plan(10**9))
    other = replace(snapshot.deployments[TRIED], model_key="another")
    rig.publish(replace(snapshot, deployments={**snapshot.deployments, TRIED: other}))
    rig.world.chances = iter([0.0] * 100)
    rig.equipment.allowance.wanted(snapshot, rig.equipment.now_ms())
    rig.equipment.allowance.add("auto", rig.equipment.now_ms() // DAY_MS, 10**8)
    said = {"model": "auto", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}
    for choices, arm in ((1, "explore"), (100, "policy")):
        _, head, _ = await rig.post(json.dumps(said | {"n": choices}).encode())
        assert head["x-pointsman-arm"] == arm
