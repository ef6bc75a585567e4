"""A stream through the gateway, and a client that stops reading it for a while."""

import asyncio
import re

import msgspec
from tests.gateway.conftest import DONE, Received, Rig, Start, a_snapshot, frame

PIECE = 16_000
EVENTS = 1500  # 24 MB: more than every socket on the way holds


async def test_a_client_that_reads_on_after_a_pause_gets_everything(rig: Rig, upstream_at: Start) -> None:
    sent = 0

    async def script(received: Received) -> None:
        nonlocal sent
        await received.begin()
        for number in range(EVENTS):
            await received.send(frame({"content": f"{number:05}" * (PIECE // 5)}))
            sent += 1
        await received.send(frame({}, "stop"), DONE)
        await received.end()

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port, limit=1024)
    body = msgspec.json.encode({"model": "auto", "messages": [{"role": "user", "content": "x"}], "stream": True})
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    got = bytearray(await reader.read(1))
    before = -1
    while before != sent:  # until the buffers of every socket on the way are full
        before = sent
        await asyncio.sleep(0.1)
    assert sent < EVENTS
    while not got.endswith(b"0\r\n\r\n"):
        got += await reader.read(1 << 20)
    said = re.findall(rb'"content":"(\d{5})((?:\1)*)"', got)
    assert [(int(number), len(rest)) for number, rest in said] == [(number, PIECE - 5) for number in range(EVENTS)]
    writer.close()
    [record] = await rig.records()
    assert record.outcome == "ok"
