"""A purse under contention: whatever the order of calls, the cap holds and nothing is left waiting."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.control.purse import CapReachedError, Purse, account
from pointsman.core.routing import Trial
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, vector_key=None)
    yield opened
    opened.close()


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
    assert account(store.counters, trial(100)) == account(store.counters, trial(100))
    assert account(store.counters, trial(100)).capped


async def test_a_higher_cap_opens_it_again_and_a_restart_does_not(store: Store) -> None:
    purse = Purse(store.counters, trial(10))
    with pytest.raises(CapReachedError, match="cap"):
        await purse.reserve(11)
    with pytest.raises(CapReachedError):
        await Purse(store.counters, trial(10)).reserve(1)
    await Purse(store.counters, trial(20)).reserve(11)
    assert account(store.counters, trial(20)).spent_nano == 11


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
