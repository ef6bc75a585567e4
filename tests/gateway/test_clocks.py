"""Somebody sets the clock on the wall while requests are under way: durations, cooldowns and time-outs do not notice."""

import asyncio

import msgspec
import pytest
from tests.gateway.conftest import WHOLE, Received, Rig, Start, a_snapshot, answer_whole

from pointsman.core.snapshot import Limits

BODY = msgspec.json.encode({"model": "auto", "messages": [{"role": "user", "content": "2+2?"}]})
JUMPS = [-86_400.0, -1.0, 3_600.0, 10 * 365 * 86_400.0]


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_a_cooldown_lasts_as_long_as_it_was_asked_for(rig: Rig, upstream_at: Start, jump_s: float) -> None:
    async def busy(received: Received) -> None:
        await received.reply(429, b"{}", retry_after="60")

    first, second = await upstream_at(busy), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port))
    assert (await rig.post(BODY))[0] == 200
    rig.world.wall_ahead_s = jump_s
    assert (await rig.post(BODY))[0] == 200
    assert len(first.requests) == 1
    rig.world.ahead_s = 61.0
    assert (await rig.post(BODY))[0] == 200
    assert len(first.requests) == 2


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_a_request_under_way_has_its_time_and_a_true_latency(rig: Rig, upstream_at: Start, jump_s: float) -> None:
    async def jumps(received: Received) -> None:
        rig.world.wall_ahead_s = jump_s
        if len(upstream.requests) == 1:
            await received.reply(500, b"{}")
        else:
            await received.reply(200, WHOLE)

    upstream = await upstream_at(jumps)
    rig.publish(a_snapshot(upstream.port, limits=Limits(total_s=5.0)))
    assert (await rig.post(BODY))[0] == 200
    [record] = await rig.records()
    assert 0 <= record.latency_ms < 5_000
    assert [a.status for a in record.attempts] == [500, 200]
    assert 0 <= record.attempts[1].started_ms - record.at_ms < 5_000


async def test_records_stay_apart_where_a_second_happens_twice(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    for _ in range(5):
        assert (await rig.post(BODY))[0] == 200
        rig.world.wall_ahead_s -= 1.0
        await asyncio.sleep(0)
    records = await rig.records(5)
    assert len({record.id for record in records}) == 5


async def test_a_date_to_come_back_at_is_bounded_where_a_clock_is_wrong(rig: Rig, upstream_at: Start) -> None:
    async def dated(received: Received) -> None:
        await received.reply(429, b"{}", retry_after="Fri, 31 Dec 2094 23:59:59 GMT")

    first, second = await upstream_at(dated), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port))
    assert (await rig.post(BODY))[0] == 200
    assert rig.equipment.breakers.wait_s(rig.equipment.clock()) <= 300
