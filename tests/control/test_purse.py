"""A purse under contention: whatever the order of calls, the cap holds and nothing is left waiting."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.control.purse import Account, CapReachedError, Purse, account
from pointsman.core.errors import StoreError
from pointsman.core.routing import Trial
from pointsman.store.interfaces import Counters, Store


class InMemory:
    """Counters as the contract has them, without a disk."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    def add(self, name: str, amount: int, *, limit: int | None = None) -> int | None:
        value = self.get(name) + amount
        if limit is not None and value > limit:
            return None
        self.values[name] = value
        return value

    def get(self, name: str) -> int:
        return self.values.get(name, 0)


class Failing:
    """Counters that can be broken."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.broken = False

    def add(self, name: str, amount: int, *, limit: int | None = None) -> int | None:
        if self.broken:
            raise StoreError("the disk is full")
        return self._counters.add(name, amount, limit=limit)

    def get(self, name: str) -> int:
        return self._counters.get(name)


def trial(cap_nano: int) -> Trial:
    return Trial("t", ("a",), 1.0, cap_nano)


async def test_a_reservation_that_does_not_fit_waits_for_what_is_put_back(store: Store) -> None:
    purse = Purse(store.counters, trial(100))
    await purse.reserve(80)
    second = asyncio.create_task(purse.reserve(80))
    await asyncio.sleep(0)
    assert not second.done()
    purse.settle(80, 5)
    await second
    assert account(store.counters, trial(100)).spent_nano == 85
    assert not purse.capped


async def test_when_nothing_will_be_put_back_the_cap_is_reached_for_all_who_wait(store: Store) -> None:
    purse = Purse(store.counters, trial(100))
    await purse.reserve(80)
    waiting = [asyncio.create_task(purse.reserve(80)) for _ in range(3)]
    await asyncio.sleep(0)
    purse.settle(80, 80)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, CapReachedError) for result in results)
    assert account(store.counters, trial(100)).capped


async def test_a_higher_cap_opens_it_again_and_a_restart_does_not(store: Store) -> None:
    purse = Purse(store.counters, trial(10))
    with pytest.raises(CapReachedError, match="cap"):
        await purse.reserve(11)
    with pytest.raises(CapReachedError):
        await Purse(store.counters, trial(10)).reserve(1)
    await Purse(store.counters, trial(20)).reserve(11)
    assert account(store.counters, trial(20)).spent_nano == 11
    with pytest.raises(CapReachedError):
        await Purse(store.counters, trial(20)).reserve(11)
    await Purse(store.counters, trial(25)).reserve(11)
    assert account(store.counters, trial(25)) == Account(22, 25, capped=False)


async def test_a_store_that_fails_leaves_nobody_waiting(store: Store) -> None:
    """A full disk, say. What is reserved stays so; those who wait hear that the cap is reached, instead of nothing ever."""
    failing = Failing(store.counters)
    purse = Purse(failing, trial(100))
    await purse.reserve(80)
    waiting = asyncio.create_task(purse.reserve(80))
    await asyncio.sleep(0)
    failing.broken = True
    with pytest.raises(StoreError):
        purse.settle(80, 5)
    failing.broken = False
    async with asyncio.timeout(10):
        with pytest.raises(CapReachedError):
            await waiting
    assert account(store.counters, trial(100)).spent_nano == 80


async def test_what_costs_nothing_may_be_called_at_the_cap_and_what_cost_too_much_ends_it(store: Store) -> None:
    purse = Purse(store.counters, trial(100))
    await purse.reserve(100)
    purse.settle(100, 100)
    await purse.reserve(0)
    purse.settle(0, 7)  # a provider that charged more than it should have been able to
    assert account(store.counters, trial(100)).spent_nano == 107
    with pytest.raises(CapReachedError):
        await purse.reserve(0)


@pytest.mark.parametrize(("cost", "capped"), [(60, False), (100, False), (101, True), (500, True)])
async def test_a_call_dearer_than_its_worst_case_ends_the_trial_where_it_passes_the_cap(
    store: Store, cost: int, *, capped: bool
) -> None:
    purse = Purse(store.counters, trial(100))
    await purse.reserve(50)
    purse.settle(50, cost)
    assert account(store.counters, trial(100)) == Account(cost, 100, capped=capped)
    assert not account(store.counters, trial(cost + 1)).capped, "a higher cap opens it again"


async def test_an_overdraft_while_others_are_under_way_is_remembered_too(store: Store) -> None:
    purse = Purse(store.counters, trial(1000))
    await purse.reserve(10)
    await purse.reserve(10)
    purse.settle(10, 2000)
    assert purse.capped
    purse.settle(10, 0)
    assert account(store.counters, trial(1000)) == Account(2000, 1000, capped=True)


async def test_a_cancelled_wait_takes_nothing(store: Store) -> None:
    purse = Purse(store.counters, trial(100))
    await purse.reserve(80)
    waiting = asyncio.create_task(purse.reserve(80))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    purse.settle(80, 0)
    assert account(store.counters, trial(100)) == Account(0, 100, capped=False)
    await purse.reserve(100)


@given(costs=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=25), cap=st.integers(1, 120))
async def test_whatever_the_order_the_cap_holds_and_every_call_is_counted(costs: list[tuple[int, int]], cap: int) -> None:
    counters = InMemory()
    purse, paid, highest = Purse(counters, trial(cap)), [], []

    async def call(most: int, cost: int) -> None:
        try:
            await purse.reserve(most)
        except CapReachedError:
            return
        highest.append(account(counters, trial(cap)).spent_nano)
        for _ in range(cost % 4):
            await asyncio.sleep(0)
        paid.append(min(cost, most))
        purse.settle(most, min(cost, most))

    async with asyncio.timeout(20):
        await asyncio.gather(*(call(most, cost) for most, cost in costs))
    assert max(highest, default=0) <= cap
    assert account(counters, trial(cap)).spent_nano == sum(paid)
    assert purse.capped == (len(paid) < len(costs))


async def test_the_store_is_asked_for_a_portion_and_not_for_each_call() -> None:
    counters = InMemory()
    changes = 0
    add = counters.add

    def counted(name: str, amount: int, *, limit: int | None = None) -> int | None:
        nonlocal changes
        changes += 1
        return add(name, amount, limit=limit)

    counters.add = counted  # type: ignore[method-assign]
    purse = Purse(counters, trial(1_000_000))
    await purse.reserve(10)  # one is always under way
    for _ in range(500):
        await purse.reserve(20)
        purse.settle(20, 10)
    purse.settle(10, 0)
    assert account(counters, trial(1_000_000)).spent_nano == 5_000
    assert changes < 5


async def test_many_calls_at_once_never_pass_the_cap(store: Store) -> None:
    purse, seen = Purse(store.counters, trial(1_000)), []

    async def call(most: int) -> None:
        try:
            await purse.reserve(most)
        except CapReachedError:
            return
        seen.append(account(store.counters, trial(1_000)).spent_nano)
        await asyncio.sleep(0)
        purse.settle(most, most // 3)

    async with asyncio.timeout(20):
        await asyncio.gather(*(call(100 + place % 7 * 30) for place in range(60)))
    assert max(seen) <= 1_000
    assert purse.capped
    assert 1_000 - 280 < account(store.counters, trial(1_000)).spent_nano <= 1_000
