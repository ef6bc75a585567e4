"""Shares of requests as mathematics: what adds up, what may never happen, and what more of something does."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.price import Price, Rates
from pointsman.core.routing import Pool
from pointsman.policy.balance import Load, drawn, shares, tiers

NAMES = ("a", "b", "c", "d", "e")
PART = st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0]) | st.floats(0, 1)
LOADS = st.builds(
    Load, quota=PART, allowance=PART, latency_ms=st.none() | st.floats(1, 1e6), under_way=st.integers(0, 10_000)
)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    names = draw(st.permutations(NAMES))
    cuts = sorted(draw(st.sets(st.integers(1, len(NAMES) - 1))))
    ends = [*cuts, len(NAMES)]
    starts = [0, *cuts]
    return Pool(tuple(tuple(names[a:b]) for a, b in zip(starts, ends, strict=True)), draw(PART))


KNOWN = st.dictionaries(st.sampled_from(NAMES), LOADS)
ABLE = st.sets(st.sampled_from(NAMES), min_size=1)


def room(pool: Pool, load: Load) -> float:
    """What the module's head calls e."""
    if load.quota <= 0:
        return 0.0
    return load.allowance * (1.0 if pool.keep_free == 0 else min(1.0, load.quota / pool.keep_free))


@given(pools(), ABLE, KNOWN, st.sampled_from(("", *NAMES)))
def test_shares_add_up_and_are_only_of_the_able(pool: Pool, able: set[str], loads: dict[str, Load], holder: str) -> None:
    found = shares(pool, able, loads, holder)
    assert sum(found.values()) == pytest.approx(1.0)
    assert all(share > 0 for share in found.values())
    assert found.keys() <= able


@given(pools(), ABLE, KNOWN)
def test_who_has_no_room_gets_nothing_while_anybody_has(pool: Pool, able: set[str], loads: dict[str, Load]) -> None:
    rooms = {name: room(pool, loads.get(name, Load())) for name in able}
    assume(any(one > 1e-6 for one in rooms.values()))
    found = shares(pool, able, loads)
    assert all(rooms[name] > 0 for name in found)


@given(pools(), KNOWN, st.sampled_from(NAMES), PART, st.sampled_from(["quota", "allowance"]))
def test_more_room_never_means_a_smaller_share(
    pool: Pool, loads: dict[str, Load], name: str, value: float, what: str
) -> None:
    load = loads.get(name, Load())
    more = replace(load, **{what: max(getattr(load, what), value)})
    before, after = shares(pool, NAMES, loads), shares(pool, NAMES, loads | {name: more})
    assume(any(room(pool, loads.get(one, Load())) > 1e-6 for one in NAMES))
    assert after.get(name, 0.0) >= before.get(name, 0.0) - 1e-9


@given(pools(), KNOWN, st.sampled_from(NAMES), st.floats(1, 1e6), st.integers(0, 100))
def test_more_work_never_means_a_larger_share(
    pool: Pool, loads: dict[str, Load], name: str, latency_ms: float, under_way: int
) -> None:
    load = loads.get(name, Load(latency_ms=1.0))
    assume(load.latency_ms is not None)
    slower = replace(load, latency_ms=max(load.latency_ms or 0, latency_ms), under_way=load.under_way + under_way)
    before, after = shares(pool, NAMES, loads | {name: load}), shares(pool, NAMES, loads | {name: slower})
    assert after.get(name, 0.0) <= before.get(name, 0.0) + 1e-9


@given(pools(), KNOWN)
def test_with_room_in_the_first_tier_no_other_is_asked(pool: Pool, loads: dict[str, Load]) -> None:
    first = pool.tiers[0]
    assume(sum(room(pool, loads.get(name, Load())) for name in first) >= 1)
    assert shares(pool, NAMES, loads).keys() <= set(first)


@given(pools(), st.dictionaries(st.sampled_from(NAMES), LOADS), st.floats(0.5, 1000))
def test_the_unit_of_latency_does_not_matter(pool: Pool, loads: dict[str, Load], factor: float) -> None:
    other = {
        name: load if load.latency_ms is None else replace(load, latency_ms=load.latency_ms * factor)
        for name, load in loads.items()
    }
    assert shares(pool, NAMES, other) == pytest.approx(shares(pool, NAMES, loads), abs=1e-9)


def test_a_tier_that_is_nearly_full_leaves_the_rest_to_the_next() -> None:
    """The arithmetic of the module's head, by hand."""
    pool = Pool((("a",), ("b", "c")), keep_free=0.2)
    loads = {"a": Load(quota=0.05), "b": Load(latency_ms=100), "c": Load(latency_ms=300)}
    assert shares(pool, NAMES, loads) == pytest.approx({"a": 0.25, "b": 0.75 * 0.75, "c": 0.75 * 0.25})
    loads["b"] = Load(latency_ms=100, under_way=2)
    assert shares(pool, NAMES, loads) == pytest.approx({"a": 0.25, "b": 0.75 / 2, "c": 0.75 / 2})
    loads["c"] = Load(allowance=0.5)
    assert shares(pool, ("a", "c"), loads) == pytest.approx({"a": 0.25 / 0.625, "c": 0.375 / 0.625})


def test_where_nobody_has_room_the_first_tier_is_asked() -> None:
    pool = Pool((("a", "b"), ("c",)))
    nothing = dict.fromkeys(NAMES, Load(quota=0.0))
    assert shares(pool, NAMES, nothing) == {"a": 0.5, "b": 0.5}
    assert shares(pool, ("c",), nothing) == {"c": 1.0}
    assert shares(pool, ("x",), nothing) == {}


def test_a_conversation_stays_while_there_is_room() -> None:
    pool = Pool((("a",), ("b",)))
    assert shares(pool, NAMES, {}, holder="b") == {"b": 1.0}
    assert shares(pool, ("a",), {}, holder="b") == {"a": 1.0}
    assert shares(pool, NAMES, {"b": Load(quota=0.0)}, holder="b") == {"a": 1.0}
    assert shares(pool, NAMES, {}, holder="elsewhere") == {"a": 1.0}


def test_a_draw_is_as_likely_as_its_share() -> None:
    parts = {"a": 0.2, "b": 0.5, "c": 0.3}
    count = 1000
    assert Counter(drawn(parts, (step + 0.5) / count) for step in range(count)) == {"a": 200, "b": 500, "c": 300}
    assert drawn({"a": 0.1}, 0.9999) == "a"


def price(dollars: str) -> Price:
    return Price(Rates(Decimal(dollars), Decimal(dollars)))


def test_tiers_are_what_is_paid_for_then_by_price() -> None:
    prices = {"dear": price("2"), "cheap": price("1"), "near": price("1.05"), "ours": price("9"), "unknown": None}
    assert tiers(prices, ("ours",), 0.05) == (("ours",), ("cheap", "near"), ("dear",), ("unknown",))
    assert tiers(prices, (), 0.0) == (("cheap",), ("near",), ("dear",), ("ours",), ("unknown",))
    assert tiers(prices, (), 10.0) == (("cheap", "near", "dear", "ours"), ("unknown",))
    assert tiers(dict.fromkeys("ab"), (), 0.05) == (("a", "b"),)
    assert tiers({"a": price("0"), "b": price("0"), "c": price("1")}, (), 0.05) == (("a", "b"), ("c",))


@given(st.dictionaries(st.sampled_from(NAMES), st.none() | st.integers(0, 50)), st.sets(st.sampled_from(NAMES)))
def test_every_deployment_is_in_one_tier_and_none_is_dearer_than_a_later_one(
    dollars: dict[str, int | None], committed: set[str]
) -> None:
    prices = {name: None if one is None else price(str(one)) for name, one in dollars.items()}
    found = tiers(prices, committed, 0.1)
    assert sorted(name for tier in found for name in tier) == sorted(prices)
    bought = [[dollars[name] for name in tier] for tier in found if not set(tier) & committed]
    known = [[one for one in tier if one is not None] for tier in bought]
    assert all(max(tier) <= 1.1 * min(tier) + 1e-9 for tier in known if tier)
    flat = [max(tier) for tier in known if tier]
    assert flat == sorted(flat)
