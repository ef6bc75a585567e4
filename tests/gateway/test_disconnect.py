"""The client hangs up: the upstream call ends at once, in every phase, and the record is written all the same."""

import asyncio

import msgspec
import pytest
from tests.gateway.conftest import Received, Rig, Start, a_snapshot, frame

BODY = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
AT_ONCE_S = 0.1


async def hang_up_after(rig: Rig, body: dict[str, object], started: asyncio.Event, first_bytes: bool) -> None:
    """Send a request, wait until the provider has it (and, if wanted, for bytes of the reply), and close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    data = msgspec.json.encode(body)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
    await started.wait()
    if first_bytes:
        assert await reader.read(1)
    writer.close()


@pytest.mark.parametrize("phase", ["whole, before the head", "whole, in the body", "stream, before content", "mid-stream"])
async def test_the_upstream_call_is_cancelled_at_once(rig: Rig, upstream_at: Start, phase: str) -> None:
    started, gone = asyncio.Event(), asyncio.Event()

    async def script(received: Received) -> None:
        if phase == "whole, in the body":
            received.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
        elif "stream" in phase:
            await received.begin()
            await received.send(frame({"role": "assistant", "content": ""}))
        if phase == "mid-stream":
            await received.send(frame({"content": "a"}))
        started.set()
        await received.gone()
        gone.set()

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    await hang_up_after(rig, {**BODY, "stream": "stream" in phase}, started, first_bytes=phase == "mid-stream")
    async with asyncio.timeout(AT_ONCE_S):
        await gone.wait()
    [record] = await rig.records()
    assert (record.outcome, record.status) == ("client_gone", 200 if phase == "mid-stream" else 499)
    assert [attempt.error for attempt in record.attempts] == ["given up"]
    assert rig.gateway.under_way == 0
    assert len(upstream.requests) == 1


async def test_a_client_that_does_not_read_holds_the_upstream_back_until_it_leaves(rig: Rig, upstream_at: Start) -> None:
    sent = 0
    gone = asyncio.Event()

    async def script(received: Received) -> None:
        nonlocal sent
        await received.begin()
        try:
            while True:
                await received.send(frame({"content": "x" * 16_000}))
                sent += 16_000
        except ConnectionError:
            gone.set()
            raise

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port, limit=1024)
    data = msgspec.json.encode({**BODY, "stream": True})
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
    assert await reader.read(1)
    before = -1
    while before != sent:  # until the buffers of every socket on the way are full
        before = sent
        await asyncio.sleep(0.1)
    assert sent < 64 * 1024 * 1024
    writer.transport.abort()
    async with asyncio.timeout(AT_ONCE_S):
        await gone.wait()
    [record] = await rig.records()
    assert record.outcome == "client_gone"


async def test_a_client_that_leaves_while_it_sends_leaves_nothing_behind(rig: Rig, upstream_at: Start) -> None:
    async def script(_received: Received) -> None:
        pytest.fail("nothing is to be asked for half a request")

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(b'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"model":')
    await writer.drain()
    async with asyncio.timeout(5):
        while not rig.server.connections:  # noqa: ASYNC110 - a plain counter
            await asyncio.sleep(0.005)
        writer.close()
        while rig.server.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert rig.equipment.journal.state.written == 0
