"""Many at once: streams without an error, snapshots swapped under load without a lost request."""

import asyncio

import msgspec
from tests.gateway.conftest import DONE, Received, Rig, Start, a_snapshot, answer_whole, frame

BODY = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"


async def test_500_streams_at_once(rig: Rig, upstream_at: Start) -> None:
    streams = 500
    everybody_is_here = asyncio.Event()
    words = [frame({"content": f"word {number} "}) for number in range(20)]

    async def script(received: Received) -> None:
        await received.begin()
        await received.send(words[0])
        if len(upstream.requests) == streams:
            everybody_is_here.set()
        await everybody_is_here.wait()
        await received.send(*words[1:], frame({}, "stop"), DONE)
        await received.end()

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    data = msgspec.json.encode({**BODY, "stream": True})

    async def one() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(HEAD % len(data) + data)
        reply = await reader.read()
        writer.close()
        return reply

    async with asyncio.timeout(60):
        replies = await asyncio.gather(*[one() for _ in range(streams)])
    for reply in replies:
        assert reply.startswith(b"HTTP/1.1 200")
        assert reply.count(b'"content":"word') == len(words)
        assert reply.endswith(DONE + b"\r\n0\r\n\r\n")
    records = await rig.records(streams)
    assert {record.outcome for record in records} == {"ok"}
    assert len({record.id for record in records}) == streams
    assert rig.gateway.under_way == 0


async def test_snapshots_swapped_under_load_drop_nothing(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port, made_by="0"))
    following = asyncio.create_task(rig.live.follow(0.005))
    data = msgspec.json.encode(BODY)
    done = asyncio.Event()
    seen: set[str] = set()
    statuses: list[int] = []

    async def keep_asking() -> None:
        while not done.is_set():
            status, headers, _ = await rig.post(data)
            statuses.append(status)
            seen.add(headers["x-pointsman-snapshot"])

    asking = [asyncio.create_task(keep_asking()) for _ in range(8)]
    for number in range(1, 11):
        published = rig.publish_only(a_snapshot(upstream.port, made_by=str(number)))
        async with asyncio.timeout(10):
            while published not in seen:  # noqa: ASYNC110 - a plain set
                await asyncio.sleep(0.005)
    done.set()
    await asyncio.gather(*asking)
    following.cancel()
    assert set(statuses) == {200}
    assert 10 <= len(seen) <= 11  # the first may have been replaced before anybody asked
    records = await rig.records(len(statuses))
    assert len(records) == len(statuses)
