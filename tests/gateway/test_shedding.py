"""Refusing before queues grow: a queue with known rates, and the reply that a client gets."""

import asyncio
import random
from itertools import repeat

import msgspec
import openai
import pytest
from tests.gateway.conftest import Rig, Start, a_snapshot, answer_whole

from pointsman.gateway.shedding import INTERVAL, LEAST, STANDING_S, TICK_S, Shedding

ANSWER_S, REFUSAL_S = 0.001, 0.0001
BODY = msgspec.json.encode({"model": "auto", "messages": [{"role": "user", "content": "2+2?"}]})


def simulated(load: float, seconds: float, seed: int) -> tuple[list[float], float]:
    """Return the queue's delay at each tick, and the part of one second's work that was of use.

    One server takes ``ANSWER_S`` for an answer and ``REFUSAL_S`` for a refusal; ``load`` times what it can answer arrives.
    """
    chance, shed = random.Random(seed), Shedding()
    queued_s, delays, answered = 0.0, [], 0
    for _ in range(round(seconds / TICK_S)):
        for _ in range(round(load * TICK_S / ANSWER_S)):
            served = shed.share >= 1.0 or shed.admits(chance.random())
            queued_s += ANSWER_S if served else REFUSAL_S
            answered += served
        queued_s = max(queued_s - TICK_S, 0.0)
        delays.append(queued_s)
        shed.note(queued_s)
    return delays, answered * ANSWER_S / seconds


@pytest.mark.parametrize("load", [1.5, 2.0, 4.0])
def test_under_overload_the_queue_stays_short_and_the_work_useful(load: float) -> None:
    delays, useful = simulated(load, 60.0, seed=1)
    settled = sorted(delays[len(delays) // 2 :])
    assert settled[len(settled) // 2] < 2 * STANDING_S
    assert settled[-1] < 1.0
    assert useful > 0.5


def test_without_overload_nobody_is_refused() -> None:
    delays, useful = simulated(0.8, 20.0, seed=1)
    assert max(delays) == 0.0
    assert useful == pytest.approx(0.8)


def test_one_long_turn_is_no_queue() -> None:
    shed = Shedding()
    for tick in range(10 * INTERVAL):
        shed.note(1.0 if tick % INTERVAL == 0 else 0.0)
    assert shed.share == 1.0


def test_a_share_is_always_served_and_grows_back() -> None:
    shed = Shedding()
    for _ in range(100 * INTERVAL):
        shed.note(9.0)
    assert shed.share == LEAST
    for _ in range(100 * INTERVAL):
        shed.note(0.0)
    assert shed.share == 1.0


async def test_the_event_loop_is_what_is_watched() -> None:
    shed, now = Shedding(), [0.0]

    def late() -> float:
        now[0] += 1.0
        return now[0]

    following = asyncio.create_task(shed.follow(late))
    async with asyncio.timeout(10):
        while shed.share == 1.0:  # noqa: ASYNC110 - until the loop has been late for an interval
            await asyncio.sleep(0)
    following.cancel()


async def test_who_is_refused_learns_when_to_come_back(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    rig.equipment.shedding.share = 0.4
    rig.world.chances = repeat(0.5)
    with pytest.raises(openai.InternalServerError) as caught:
        await rig.client().chat.completions.create(model="auto", messages=[{"role": "user", "content": "?"}])
    assert (caught.value.status_code, caught.value.code) == (503, "overloaded")
    assert caught.value.response.headers["retry-after"] == "1"
    assert (await rig.get("/healthz"))[0] == 200
    assert rig.equipment.shedding.refused == 1
    rig.world.chances = repeat(0.3)
    assert (await rig.post(BODY))[0] == 200
