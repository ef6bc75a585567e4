"""What expires is fetched in time, once, and never at the cost of who has a good one."""

import asyncio

import pytest
from msgspec import Struct
from tests.upstream.credentials.conftest import Clock

from pointsman.upstream.credentials.kept import EARLY_S, LAST_S, PAUSE_S, Kept

LIFE_S = 3600.0


class Thing(Struct, frozen=True):
    number: int
    expires_at: float | None


class Source:
    """Hands out things, each when its turn is let through; ``broken`` makes the next ones fail."""

    def __init__(self, clock: Clock, life_s: float | None = LIFE_S) -> None:
        self.clock = clock
        self.life_s = life_s
        self.count = 0
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False

    async def __call__(self) -> Thing:
        self.count += 1
        number = self.count
        await self.open.wait()
        if self.broken:
            raise LookupError(number)
        return Thing(number, None if self.life_s is None else self.clock.now + self.life_s)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_good_is_not_fetched_again(clock: Clock) -> None:
    source = Source(clock)
    kept = Kept(source, clock)
    assert (await kept.get()).number == 1
    clock.now += LIFE_S - EARLY_S - 1
    assert (await kept.get()).number == 1
    assert source.count == 1


async def test_what_has_no_end_is_fetched_once(clock: Clock) -> None:
    source = Source(clock, None)
    kept = Kept(source, clock)
    await kept.get()
    clock.now += 1e9
    assert (await kept.get()).number == source.count == 1


async def test_before_the_end_one_is_fetched_and_nobody_waits(clock: Clock) -> None:
    source = Source(clock)
    kept = Kept(source, clock)
    await kept.get()
    clock.now += LIFE_S - EARLY_S + 1
    source.open.clear()
    assert [(await kept.get()).number for _ in range(3)] == [1, 1, 1]
    await settled()
    assert source.count == 2
    source.open.set()
    await settled()
    assert (await kept.get()).number == 2


async def test_after_the_end_all_wait_for_one_fetch(clock: Clock) -> None:
    source = Source(clock)
    kept = Kept(source, clock)
    await kept.get()
    clock.now += LIFE_S - LAST_S
    found = await asyncio.gather(*(kept.get() for _ in range(50)))
    assert {one.number for one in found} == {2}
    assert source.count == 2


async def test_who_gives_up_stops_nobody_else(clock: Clock) -> None:
    source = Source(clock)
    source.open.clear()
    kept = Kept(source, clock)
    first, second = asyncio.create_task(kept.get()), asyncio.create_task(kept.get())
    await settled()
    first.cancel()
    await settled()
    assert first.cancelled()
    source.open.set()
    assert (await second).number == 1


async def test_a_failed_fetch_harms_nobody_while_there_is_a_good_one(clock: Clock) -> None:
    source = Source(clock)
    kept = Kept(source, clock)
    await kept.get()
    source.broken = True
    clock.now += LIFE_S - EARLY_S + 1
    for _ in range(3):
        assert (await kept.get()).number == 1
        await settled()
    assert source.count == 2, "not at every request"
    clock.now += PAUSE_S
    assert (await kept.get()).number == 1
    await settled()
    assert source.count == 3
    clock.now += EARLY_S
    with pytest.raises(LookupError):
        await kept.get()
    source.broken = False
    assert (await kept.get()).number == 5


async def test_a_first_fetch_that_fails_is_tried_again_by_the_next(clock: Clock) -> None:
    source = Source(clock)
    source.broken = True
    kept = Kept(source, clock)
    results = await asyncio.gather(kept.get(), kept.get(), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError, LookupError]
    assert source.count == 1
    source.broken = False
    assert (await kept.get()).number == 2


@pytest.mark.parametrize("life_s", [0.0, 10.0, 100.0])
async def test_a_short_life_is_used_for_half_of_it(clock: Clock, life_s: float) -> None:
    source = Source(clock, life_s)
    kept = Kept(source, clock)
    await kept.get()
    clock.now += life_s / 2 - 0.5
    expected = 1 if life_s / 2 + 0.5 > LAST_S else 2
    assert (await kept.get()).number == expected


def test_another_loop_starts_anew(clock: Clock) -> None:
    async def stuck() -> None:
        source.open = asyncio.Event()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(kept.get(), 0.01)

    async def again() -> int:
        source.open = asyncio.Event()
        source.open.set()
        return (await kept.get()).number

    source = Source.__new__(Source)
    source.clock, source.life_s, source.count, source.broken = clock, LIFE_S, 0, False
    kept = Kept(source, clock)
    asyncio.run(stuck())
    assert asyncio.run(again()) == 2
