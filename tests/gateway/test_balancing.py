"""Deployments of one model share its requests, over real sockets: who is limited, full or busy is asked less.

Time stands still but where a test moves it, so that every call takes equally long.
"""

import asyncio
import itertools
import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests.gateway.conftest import (
    PATIENCE_S,
    Received,
    Rig,
    Script,
    Start,
    World,
    a_snapshot,
    answer_whole,
    frame,
    streaming,
)
from tests.gateway.conftest import WHOLE as ANSWER

from pointsman.core.routing import Pool
from pointsman.core.snapshot import Snapshot

ONE, TWO = "p1/model-1", "p2/model-2"
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}).encode()
EVEN = Pool(((ONE, TWO),))
FIRST = Pool(((ONE,), (TWO,)))


class Changing:
    """A provider whose script a test changes on the way."""

    def __init__(self, script: Script = answer_whole) -> None:
        self.script = script

    async def __call__(self, received: Received) -> None:
        await self.script(received)


@pytest.fixture(autouse=True)
def time_stands_still(rig: Rig) -> None:
    rig.world.still = 1000.0


def answering(**headers: str) -> Script:
    async def script(received: Received) -> None:
        await received.reply(200, ANSWER, **headers)

    return script


def limited(**headers: str) -> Script:
    async def script(received: Received) -> None:
        await received.reply(429, b'{"error":{"message":"slow down"}}', **headers)

    return script


def chances(world: World, *values: float) -> None:
    """Let chance be these values in turn, again and again."""
    world.chances = itertools.cycle(values)


def pooled(pool: Pool, *ports: int) -> Snapshot:
    return replace(a_snapshot(*ports), pools=(pool,))


async def served(rig: Rig, count: int, **headers: str) -> list[str]:
    """Ask so often, and return who answered."""
    found = []
    for _ in range(count):
        status, fields, body = await rig.post(BODY, **headers)
        assert status == 200, body
        found.append(fields["x-pointsman-deployment"])
    return found


async def told(known: Callable[[], bool]) -> None:
    """Wait until something is known that comes over a socket."""
    async with asyncio.timeout(PATIENCE_S):
        while not known():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)


async def test_a_limited_deployment_is_left_alone_and_comes_back(rig: Rig, upstream_at: Start) -> None:
    changing = Changing()
    first, second = await upstream_at(changing), await upstream_at(answer_whole)
    rig.publish(pooled(EVEN, first.port, second.port))
    chances(rig.world, 0.1, 0.9)
    assert await served(rig, 4) == [ONE, TWO, ONE, TWO]

    changing.script = limited(retry_after="30")
    assert await served(rig, 4) == [TWO] * 4
    assert len(first.requests) == 3, "it was asked once more, refused, and then left alone"

    changing.script = answer_whole
    rig.world.ahead_s += 29
    assert await served(rig, 2) == [TWO] * 2
    rig.world.ahead_s += 1.5
    assert await served(rig, 2) == [ONE, TWO], "it is asked again"
    record = (await rig.records(12))[-1]
    assert record.decision is not None
    probabilities = dict(zip(record.decision.eligible, record.decision.probabilities, strict=True))
    assert probabilities[ONE] + probabilities[TWO] == 1
    assert 0 < probabilities[ONE] < 0.5, "it begins with less than its half"


async def test_a_quota_that_runs_out_moves_the_requests_before_any_is_refused(rig: Rig, upstream_at: Start) -> None:
    fields = {"x_ratelimit_limit_requests": "100", "x_ratelimit_reset_requests": "1m0s"}
    first = await upstream_at(answering(x_ratelimit_remaining_requests="0", **fields))
    second = await upstream_at(answering(x_ratelimit_remaining_requests="90", **fields))
    rig.publish(pooled(FIRST, first.port, second.port))
    assert await served(rig, 3) == [ONE, TWO, TWO]
    rig.world.ahead_s += 61
    assert await served(rig, 2) == [ONE, TWO]


async def test_the_quota_of_a_stream_counts_from_its_head_on(rig: Rig, upstream_at: Start) -> None:
    """What Anthropic says, and while its stream still runs."""
    ending = asyncio.Event()
    began = asyncio.Event()

    async def script(received: Received) -> None:
        head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
            b"anthropic-ratelimit-tokens-limit: 1000\r\nanthropic-ratelimit-tokens-remaining: 0\r\n"
            b"anthropic-ratelimit-tokens-reset: 2999-01-01T00:00:00Z\r\n\r\n"
        )
        received.writer.write(head)
        await received.send(frame({"role": "assistant", "content": "a"}))
        began.set()
        await ending.wait()
        await received.send(frame({}, "stop"), b"data: [DONE]\n\n")
        await received.end()

    first = await upstream_at(script)
    second = await upstream_at(streaming(frame({"content": "b"}), frame({}, "stop"), b"data: [DONE]\n\n"))
    rig.publish(pooled(FIRST, first.port, second.port))

    async def stream() -> str:
        data = json.dumps({**json.loads(BODY), "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
        _, headers, _ = await rig.all(head.encode() + data)
        return headers["x-pointsman-deployment"]

    running = asyncio.create_task(stream())
    await began.wait()
    await told(lambda: rig.equipment.loads.now(1000.0)[ONE].quota < 0.5)
    assert await stream() == TWO
    ending.set()
    assert await running == ONE


async def test_what_is_paid_for_is_used_until_it_is_full(rig: Rig, upstream_at: Start) -> None:
    changing = Changing()
    first, second = await upstream_at(changing), await upstream_at(answer_whole)
    rig.publish(pooled(FIRST, first.port, second.port))
    chances(rig.world, 0.1, 0.9)
    assert await served(rig, 4) == [ONE] * 4
    changing.script = limited()
    assert await served(rig, 1) == [TWO], "who was refused is answered by the next"
    changing.script = answer_whole
    assert await served(rig, 4) == [TWO, ONE, TWO, ONE], "half of the requests overflow"
    rig.world.ahead_s += 4
    chances(rig.world, 0.71, 0.69)
    assert await served(rig, 4) == [TWO, ONE, TWO, ONE], "seven tenths have room"
    rig.world.ahead_s += 6
    assert await served(rig, 4) == [ONE] * 4


async def test_who_is_busy_is_asked_less(rig: Rig, upstream_at: Start) -> None:
    gate = asyncio.Event()

    async def slow(received: Received) -> None:
        await gate.wait()
        await received.reply(200, ANSWER)

    first, second = await upstream_at(slow), await upstream_at(answer_whole)
    rig.publish(pooled(EVEN, first.port, second.port))
    chances(rig.world, 0.4)
    waiting = asyncio.create_task(served(rig, 1))
    await told(lambda: bool(first.requests))
    assert await served(rig, 3) == [TWO] * 3, "with one call under way its share is a third"
    gate.set()
    assert await waiting == [ONE]


async def test_a_conversation_stays_where_it_is(rig: Rig, upstream_at: Start) -> None:
    changing = Changing()
    first, second = await upstream_at(answer_whole), await upstream_at(changing)
    rig.publish(pooled(EVEN, first.port, second.port))
    chances(rig.world, 0.9)
    assert await served(rig, 1, x_pointsman_conversation="c") == [TWO]
    chances(rig.world, 0.1)
    assert await served(rig, 2, x_pointsman_conversation="c") == [TWO] * 2
    assert await served(rig, 1, x_pointsman_conversation="d") == [ONE]
    changing.script = limited(retry_after="30")
    assert await served(rig, 2, x_pointsman_conversation="c") == [ONE] * 2


async def test_without_a_pool_nothing_is_learned_and_the_first_answers(rig: Rig, upstream_at: Start) -> None:
    first, second = await upstream_at(answer_whole), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port))
    chances(rig.world, 0.9)
    assert await served(rig, 3) == [ONE] * 3
    assert rig.equipment.loads.now(rig.world.clock()) == {}
