"""The observe report, from a real journal, against sums done by hand."""

from decimal import Decimal
from typing import Literal

import pytest

from pointsman.control.report import SHOWN, UNKNOWN, Alternative, Report, report
from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.routing import Decision, Deployment, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from pointsman.store.interfaces import Filter, Store

AT = 1_764_000_000_000
USAGE = Usage(input=1000, output=100, cached=300, cache_written=50)


def exchange(
    number: int,
    feature: str = "support",
    name: str = "z/big",
    *,
    cost: int | None = 10_000_000,
    usage: Usage | None = USAGE,
    outcome: Literal["ok", "error"] = "ok",
    latency: float = 100.0,
    arm: Literal["policy", "control", "reference"] = "reference",
) -> ExchangeRecord:
    attempt = Attempt(name, "first", AT, 200, usage=usage, cost_nano=cost)
    decision = Decision(name, (), (name,), (1.0,), "auto", arm, "a test")
    return ExchangeRecord(
        f"{number:024x}", AT + number, "auto", feature, outcome, 200, decision, (attempt,), route="auto", latency_ms=latency
    )


def price(rate_in: str, rate_out: str, **more: object) -> Price:
    return Price(Rates(Decimal(rate_in), Decimal(rate_out), Decimal(rate_in) / 2), **more)  # type: ignore[arg-type]


def snapshot(
    prices: dict[str, Price | None], plans: dict[str, Plan] | None = None, *, candidates: tuple[str, ...] = ()
) -> Snapshot:
    deployments = {name: Deployment(name, "z", name[2:], name[2:], found) for name, found in prices.items()}
    route = Route("auto", "z/big", candidates, Objective(), 0.05, {"*": Plan("*", reference="z/big"), **(plans or {})})
    return Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")}, deployments, {"auto": route} if candidates or plans else {}
    )


def made(store: Store, snap: Snapshot | None = None, **wanted: object) -> Report:
    return report(store.journal, snap, Filter(**wanted))  # type: ignore[arg-type]


def test_nothing_recorded_is_an_empty_report(store: Store) -> None:
    assert made(store, snapshot({"z/big": price("1", "2")})) == Report(None, None, (), None, (), ())


def test_lines_by_feature_and_model_whatever_the_arm(store: Store) -> None:
    store.journal.append(
        [
            exchange(1, latency=10.0, arm="policy"),
            exchange(2, latency=20.0, arm="control"),
            exchange(3, latency=30.0),
            exchange(4, name="z/small", cost=1),
            exchange(5, "coding", cost=None, usage=None, outcome="error"),
        ]
    )
    found = made(store)
    assert [(line.feature, line.deployment, line.requests) for line in found.lines] == [
        ("coding", "z/big", 1), ("support", "z/big", 3), ("support", "z/small", 1),
    ]  # fmt: skip
    coding, big, _ = found.lines
    assert (big.input_tokens, big.cached_share, big.output_tokens, big.cost_nano) == (3000, 0.3, 300, 30_000_000)
    assert (big.latency_p50_ms, big.latency_p95_ms, big.errors, big.unpriced) == (20.0, 30.0, 0, 0)
    assert (coding.errors, coding.error_share, coding.latency_p50_ms, coding.cached_share) == (1, 1.0, None, None)
    assert found.total is not None
    assert (found.total.requests, found.total.cost_nano, found.total.errors) == (5, 30_000_001, 1)
    assert (found.total.first_ms, found.total.last_ms) == (AT + 1, AT + 5)


def test_time_and_feature_narrow_everything(store: Store) -> None:
    store.journal.append([exchange(number, "support" if number % 2 else "coding") for number in range(10)])
    found = made(
        store, snapshot({"z/big": price("1", "2"), "z/small": price("0.1", "0.2")}), since_ms=AT + 4, feature="support"
    )
    assert [(line.feature, line.requests) for line in found.lines] == [("support", 3)]
    assert [(one.feature, one.today_nano) for one in found.elsewhere] == [("support", 30_000_000)]
    assert (found.since_ms, found.until_ms) == (AT + 4, None)


def test_the_same_tokens_elsewhere_cost_what_each_call_would(store: Store) -> None:
    store.journal.append([exchange(number) for number in range(7)])
    prices: dict[str, Price | None] = {
        "z/big": price("9", "9"),
        "z/mid": price("1.1", "2.3"),
        "z/small": price("0.1", "0.7"),
    }
    snap = snapshot(prices, candidates=("z/mid", "z/small"))
    (one,) = made(store, snap).elsewhere
    small, mid = prices["z/small"], prices["z/mid"]
    assert small is not None
    assert mid is not None
    costs = [7 * amount(USAGE, small), 7 * amount(USAGE, mid)]
    assert one.named
    assert one.alternatives == (
        Alternative("z/small", costs[0], costs[0] / 70_000_000 - 1, "config", UNKNOWN),
        Alternative("z/mid", costs[1], costs[1] / 70_000_000 - 1, "config", UNKNOWN),
    )


def test_long_inputs_and_requests_are_priced_as_the_price_says(store: Store) -> None:
    long = Usage(input=5000, output=10, cached=100)
    store.journal.append([*(exchange(number) for number in range(3)), exchange(7, usage=long), exchange(8, usage=long)])
    dear = price("1", "2", per_request=Decimal("0.001"), long_above=4000, long_rates=Rates(Decimal(3), Decimal(5)))
    (one,) = made(store, snapshot({"z/big": None, "z/dear": dear}, candidates=("z/dear",))).elsewhere
    assert [other.cost_nano for other in one.alternatives] == [3 * amount(USAGE, dear) + 2 * amount(long, dear)]


def test_failures_without_tokens_neither_cost_nor_hide_the_change(store: Store) -> None:
    store.journal.append([exchange(1), exchange(2, cost=None, usage=None, outcome="error")])
    each = price("1", "2", per_request=Decimal("0.001"))
    (one,) = made(store, snapshot({"z/big": None, "z/each": each}, candidates=("z/each",))).elsewhere
    assert (one.unpriced, one.alternatives[0].cost_nano) == (0, amount(USAGE, each))
    assert one.alternatives[0].change is not None


def test_without_all_of_today_s_money_no_change_is_claimed(store: Store) -> None:
    store.journal.append([exchange(1), exchange(2, cost=None)])
    (one,) = made(store, snapshot({"z/big": None, "z/small": price("1", "1")}, candidates=("z/small",))).elsewhere
    assert (one.today_nano, one.unpriced, one.alternatives[0].change) == (10_000_000, 1, None)


def test_candidates_without_a_price_are_left_out_and_today_s_own_is_none(store: Store) -> None:
    store.journal.append([exchange(1), exchange(2, "mixed"), exchange(3, "mixed", name="z/small")])
    snap = snapshot({"z/big": price("9", "9"), "z/small": price("1", "1"), "z/bare": None}, candidates=("z/small", "z/bare"))
    found = {one.feature: [other.deployment for other in one.alternatives] for one in made(store, snap).elsewhere}
    assert found == {"support": ["z/small"], "mixed": ["z/small", "z/big"]}


def test_a_feature_s_own_candidates_and_what_it_accepted_come_first(store: Store) -> None:
    store.journal.append([exchange(1), exchange(2, "coding")])
    prices: dict[str, Price | None] = {f"z/{name}": price("1", "1") for name in ("big", "a", "b", "c")}
    plan = Plan("coding", mode="canary", reference="z/big", candidates=("z/b",), accepted=("z/c",), acting_share=0.1)
    found = {
        one.feature: {other.deployment for other in one.alternatives}
        for one in made(store, snapshot(prices, {"coding": plan}, candidates=("z/a",))).elsewhere
    }
    assert found == {"support": {"z/a"}, "coding": {"z/b", "z/c"}}


def test_without_candidates_some_far_cheaper_ones_are_shown(store: Store) -> None:
    store.journal.append([exchange(number) for number in range(10)])
    prices: dict[str, Price | None] = {f"z/m{rate}": price(str(rate), str(rate)) for rate in range(1, 13)}
    (one,) = made(store, snapshot(prices)).elsewhere
    assert not one.named
    costs = [other.cost_nano for other in one.alternatives]
    assert len(costs) == SHOWN
    assert costs == sorted(costs)
    assert (
        costs[-1]
        <= 50_000_000
        < min(amount(USAGE, found) * 10 for name, found in prices.items() if found and name == "z/m6")
    )


def test_the_same_model_elsewhere_is_shown_once_and_at_its_cheapest(store: Store) -> None:
    store.journal.append([exchange(1, cost=10**9)])
    twins = {name: Deployment(name, name[0], "m", "m", price(rate, rate)) for name, rate in (("a/m", "2"), ("b/m", "1"))}
    (one,) = made(store, Snapshot(deployments=twins)).elsewhere
    assert [other.deployment for other in one.alternatives] == ["b/m"]


def test_what_was_accepted_is_reported_as_measured(store: Store) -> None:
    store.journal.append([exchange(number, cost=1000, arm="policy") for number in range(20)])
    store.journal.append([exchange(100 + number, cost=9000, arm="control") for number in range(10)])
    plan = Plan("support", mode="auto", reference="z/big", accepted=("z/small",), acting_share=0.9, since_ms=AT)
    snap = snapshot({"z/big": None, "z/small": None}, {"support": plan}, candidates=("z/small",))
    (saved,) = made(store, snap).savings
    assert saved.cost is not None
    assert (saved.feature, saved.policy.requests, saved.control.requests) == ("support", 20, 10)
    assert saved.cost.value == pytest.approx(-8e-6)
    assert made(store, snap, feature="coding").savings == ()
