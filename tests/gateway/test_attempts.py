"""What is asked after a call that failed: how often, whom, after which wait, and within which share of all requests."""

import asyncio
import itertools

import msgspec
import pytest
from tests.gateway.conftest import WHOLE, Received, Rig, Script, Start, a_snapshot

from pointsman.core.snapshot import Limits
from pointsman.gateway.retries import BURST

BODY = msgspec.json.encode({"model": "auto", "messages": [{"role": "user", "content": "2+2?"}]})


def in_turn(*statuses: int, **headers: str) -> Script:
    """Return a script that answers with these statuses, the last one for ever."""
    left = itertools.chain(statuses, itertools.repeat(statuses[-1]))

    async def script(received: Received) -> None:
        status = next(left)
        body = WHOLE if status == 200 else b'{"error":{"message":"no"}}'
        await received.reply(status, body, **(headers if status != 200 else {}))

    return script


@pytest.fixture(autouse=True)
def no_waits(rig: Rig) -> None:
    """Every wait is drawn as none."""
    rig.world.chances = itertools.repeat(0.0)


async def test_a_lone_deployment_is_asked_again_after_an_error_of_its_own(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(in_turn(500, 502, 200))
    rig.publish(a_snapshot(upstream.port))
    assert (await rig.post(BODY))[0] == 200
    [record] = await rig.records()
    assert [(a.cause, a.status) for a in record.attempts] == [("first", 500), ("retry", 502), ("retry", 200)]


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_no_more_calls_than_the_owner_allows(rig: Rig, upstream_at: Start, attempts: int) -> None:
    first, second = await upstream_at(in_turn(500)), await upstream_at(in_turn(503))
    rig.publish(a_snapshot(first.port, second.port, limits=Limits(attempts=attempts)))
    status, _, _ = await rig.post(BODY)
    assert status == (500 if attempts % 2 else 503)  # what the last one said
    assert len(first.requests) + len(second.requests) == attempts
    assert abs(len(first.requests) - len(second.requests)) <= 1


@pytest.mark.parametrize("code", [401, 402, 403, 429])
async def test_what_a_repeat_does_not_help_is_not_repeated(rig: Rig, upstream_at: Start, code: int) -> None:
    upstream = await upstream_at(in_turn(code))
    rig.publish(a_snapshot(upstream.port))
    assert (await rig.post(BODY))[0] == code
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("code", [429, 503, 529])
async def test_a_short_wait_that_was_asked_for_is_waited(rig: Rig, upstream_at: Start, code: int) -> None:
    upstream = await upstream_at(in_turn(code, 200, retry_after_ms="60"))
    rig.publish(a_snapshot(upstream.port))
    asked = asyncio.get_running_loop().time()
    assert (await rig.post(BODY))[0] == 200
    assert asyncio.get_running_loop().time() - asked >= 0.06
    assert len(upstream.requests) == 2


async def test_a_long_one_is_not(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(in_turn(503, 200, retry_after="30"))
    rig.publish(a_snapshot(upstream.port))
    status, headers, _ = await rig.post(BODY)
    assert (status, headers["retry-after"]) == (503, "30")


async def test_a_503_cools_only_who_sent_it(rig: Rig, upstream_at: Start) -> None:
    first, second = await upstream_at(in_turn(503, retry_after="30")), await upstream_at(in_turn(200))
    rig.publish(a_snapshot(first.port, second.port))
    for _ in range(3):
        assert (await rig.post(BODY))[0] == 200
    assert (len(first.requests), len(second.requests)) == (1, 3)


async def test_retries_stay_within_their_share(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(in_turn(408))
    rig.publish(a_snapshot(upstream.port, limits=Limits(attempts=9, retry_share=0.5)))
    for _ in range(8):
        assert (await rig.post(BODY.replace(b"auto", b"p1/model-1")))[0] == 408
    assert len(upstream.requests) <= 8 + BURST + 0.5 * 8


async def test_with_no_share_only_others_are_asked(rig: Rig, upstream_at: Start) -> None:
    first, second = await upstream_at(in_turn(500)), await upstream_at(in_turn(500))
    rig.publish(a_snapshot(first.port, second.port, limits=Limits(attempts=9, retry_share=0.0)))
    assert (await rig.post(BODY))[0] == 500
    assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_who_hangs_up_while_a_retry_waits_is_not_asked_for_again(rig: Rig, upstream_at: Start) -> None:
    rig.world.chances = itertools.repeat(0.999)
    upstream = await upstream_at(in_turn(500))
    rig.publish(a_snapshot(upstream.port))
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODY)
    writer.write(head + BODY)
    while not rig.equipment.breakers._lines:  # noqa: ASYNC110 - until the first call has failed
        await asyncio.sleep(0.001)
    writer.close()
    [record] = await rig.records()
    assert (record.outcome, len(record.attempts)) == ("client_gone", 1)
    assert await reader.read() == b""
