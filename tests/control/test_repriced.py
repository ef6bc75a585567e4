"""A price changed: what leaned on it is decided again, in a real store."""

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.control.conftest import current

from pointsman.control.plans import trial_id
from pointsman.control.publish import publish
from pointsman.control.repriced import PriceWatch, again
from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Decision, Deployment, Grader, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from pointsman.store.interfaces import Store

NAMES = ("z/big", "z/small", "z/mid")
PLAN = Plan(
    "support", "auto", "z/big", accepted=("z/small",), acting_share=0.95, one_model="z/small", grader=Grader("exact"),
    since_ms=10,
)  # fmt: skip
TRIAL = trial_id("auto", "support", "z/big", Grader("exact"))


def at(**rates: str) -> dict[str, Price | None]:
    return {f"z/{name}": Price(Rates(Decimal(rate), 2 * Decimal(rate))) for name, rate in rates.items()}


def snapshot(plan: Plan = PLAN, **rates: str) -> Snapshot:
    prices = at(big="1", small="0.25", mid="0.5") | at(**rates)
    return Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "z", name[2:], name[2:], price=prices[name]) for name in NAMES},
        {"auto": Route("auto", "z/big", (), Objective(), 0.05, {"*": Plan("*"), plan.feature: plan})},
    )


def paid(name: str, usage: Usage, **rates: str) -> int:
    price = snapshot(PLAN, **rates).deployments[name].price
    assert price
    return amount(usage, price)


def judge(store: Store, n: int = 60, candidate: str = "z/small", **rates: str) -> None:
    rows = []
    for place in range(n):
        usage = Usage(100 + place, 10)
        for name, arm in (("z/big", "reference"), (candidate, "candidate")):
            told = (1.0, "exact", TRIAL, usage, paid(name, usage, **rates))
            rows.append(Judgement(f"{place:06}", place, "support", name, arm, *told))  # type: ignore[arg-type]
    store.journal.judge(rows)


def serve(store: Store, n: int = 150, candidate: str = "z/small", **rates: str) -> None:
    for arm, name in (("policy", candidate), ("control", "z/big")):
        decision = Decision(name, (), NAMES, (0.5, 0.5, 0.0), "auto", arm, "why")  # type: ignore[arg-type]
        records = []
        for place in range(n):
            usage = Usage(100 + place % 7, 10)
            attempts = (Attempt(name, "first", 20, 200, usage=usage, cost_nano=paid(name, usage, **rates)),)
            told = ("auto", "support", "ok", 200, decision, attempts)
            records.append(ExchangeRecord(f"{arm}{place:06}", 20, *told, route="auto"))  # type: ignore[arg-type]
        store.journal.append(records)


class Scene:
    def __init__(self, store: Store) -> None:
        self.store, self.said = store, list[str]()
        self.watch = PriceWatch(store, now_ms=lambda: 99, say=self.said.append)

    def look(self, now: Snapshot) -> Plan:
        publish(self.store, lambda _: now, made_by="a test", now_ms=1)
        self.watch.look(current(self.store))
        return current(self.store).routes["auto"].plans["support"]


def test_what_is_no_longer_cheaper_goes_back_and_why_is_on_record(store: Store) -> None:
    judge(store)
    scene = Scene(store)
    assert scene.look(snapshot()) == PLAN
    assert not scene.said
    assert scene.look(snapshot(small="1.5")).mode == "observe"
    assert scene.said[0] == "the price of z/small changed from $0.25 in, $0.50 out to $1.5 in, $3.0 out"
    assert "z/small is no longer cheaper than z/big (-75 % before, +50 % at today's prices, 60 requests)" in scene.said[1]
    published = store.snapshots.current()
    assert published
    assert published.made_by.startswith("support rolled back from auto by itself: z/small is no longer cheaper")


def test_what_is_still_cheaper_stays_and_that_is_said(store: Store) -> None:
    judge(store)
    scene = Scene(store)
    scene.look(snapshot())
    assert scene.look(snapshot(small="0.5")) == PLAN
    assert "support on route auto: z/small is still cheaper than z/big (-75 % before, -50 %" in scene.said[1]
    assert scene.look(snapshot(small="0.5")) == PLAN
    assert len(scene.said) == 2


def test_a_reference_that_became_cheap_counts_too(store: Store) -> None:
    judge(store)
    assert Scene(store).look(snapshot(big="0.1")).mode == "observe"


def test_a_price_that_rose_while_nobody_looked_is_found_at_the_start(store: Store) -> None:
    judge(store)
    scene = Scene(store)
    assert scene.look(snapshot(small="1.5")).mode == "observe"
    assert len(scene.said) == 1


def test_what_was_taken_despite_its_verdict_is_left_alone_while_prices_stay(store: Store) -> None:
    dear = replace(PLAN, accepted=("z/mid",), one_model="z/mid")
    judge(store)
    scene = Scene(store)
    assert scene.look(snapshot(dear)) == dear
    assert not scene.said


@pytest.mark.parametrize(("small", "mode"), [("0.5", "auto"), ("1.5", "observe")])
def test_what_is_chosen_per_request_goes_by_what_both_arms_used(store: Store, small: str, mode: str) -> None:
    serve(store)
    chosen = replace(PLAN, one_model=None)
    assert [*again(store.journal, snapshot(chosen))] == []
    scene = Scene(store)
    scene.look(snapshot(chosen))
    assert scene.look(snapshot(chosen, small=small)).mode == mode
    assert "150 requests" in scene.said[1]


@pytest.mark.parametrize(("n", "price", "mode"), [(20, "1.5", "auto"), (150, "1.001", "auto"), (150, "1.5", "observe")])
def test_what_is_chosen_per_request_goes_back_only_where_it_is_certainly_dearer(
    store: Store, n: int, price: str, mode: str
) -> None:
    serve(store, n)
    chosen = replace(PLAN, one_model=None)
    scene = Scene(store)
    scene.look(snapshot(chosen))
    assert scene.look(snapshot(chosen, small=price)).mode == mode
    assert ("per request is not certainly dearer than z/big" in scene.said[1]) == (mode == "auto")


@pytest.mark.parametrize("one_model", [None, "z/mid"])
def test_nothing_goes_back_because_its_price_was_cut(store: Store, one_model: str | None) -> None:
    dear = replace(PLAN, accepted=("z/mid",), one_model=one_model)
    serve(store, candidate="z/mid", mid="1.5")
    judge(store, candidate="z/mid", mid="1.5")
    scene = Scene(store)
    assert scene.look(snapshot(dear, mid="1.5")) == dear
    assert not scene.said
    assert scene.look(snapshot(dear, mid="1.2")) == dear
    assert "costs no more than it did beside z/big" in scene.said[-1]


def test_without_anything_to_go_by_nothing_is_decided(store: Store) -> None:
    assert Scene(store).look(snapshot(small="9")) == PLAN
