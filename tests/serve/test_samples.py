"""Samples cross a real pipe in order; a full queue drops and counts; a cut frame is dropped."""

import asyncio
import os

import pytest

from pointsman.core.record import Sample
from pointsman.serve.samples import SampleQueue, samples


def sample(number: int, size: int = 10) -> Sample:
    return Sample(
        exchange=f"x{number}",
        feature="support",
        route="auto",
        deployment="zoo/a",
        arm="reference",
        body=b"{}" * size,
        answer="é" * size,
        expected="42" if number % 2 else None,
    )


async def pipe() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb"))
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(write_end, "wb")
    )
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def test_samples_arrive_whole_and_in_order() -> None:
    reader, writer = await pipe()
    queue = SampleQueue()
    sent = [sample(number, size=1 + number * 997) for number in range(60)]
    for one in sent:
        assert queue.offer(one)
    pump = asyncio.create_task(queue.pump(writer))
    arrived = []
    async for one in samples(reader):
        arrived.append(one)
        if len(arrived) == len(sent):
            pump.cancel()
            writer.close()
    assert arrived == sent
    assert queue.sent == len(sent)
    assert queue.dropped == 0


async def test_a_full_queue_drops_and_counts_and_recovers() -> None:
    reader, writer = await pipe()
    queue = SampleQueue(capacity_bytes=3_000)
    accepted = [queue.offer(sample(number, size=200)) for number in range(8)]
    assert accepted.count(True) in (2, 3)
    assert queue.dropped == accepted.count(False)
    pump = asyncio.create_task(queue.pump(writer))
    stream = samples(reader)
    for _ in range(accepted.count(True)):
        await anext(stream)
    assert queue.offer(sample(9, size=200))
    assert (await anext(stream)).exchange == "x9"
    pump.cancel()
    writer.close()


async def test_the_pump_ends_when_the_other_side_is_gone() -> None:
    _, writer = await pipe()
    queue = SampleQueue()
    for number in range(50):
        queue.offer(sample(number, size=100_000))
    writer.transport.abort()
    with pytest.raises(ConnectionError):
        await queue.pump(writer)


async def test_a_frame_cut_short_ends_the_stream() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data((100).to_bytes(4, "big") + b"half")
    reader.feed_eof()
    assert [one async for one in samples(reader)] == []
