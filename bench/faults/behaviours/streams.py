"""Misbehaviour in a stream."""

import asyncio

from faults import providers
from faults.behaviours.line import Behaviours, Line

STREAMS = Behaviours()


@STREAMS.add
async def whole_for_a_stream(line: Line) -> None:
    line.told()
    await line.reply(200, providers.whole(line.asked))


@STREAMS.add
async def stream_for_a_whole(line: Line) -> None:
    line.told()
    to = line.asked
    await line.begin(*providers.opening(to), *providers.content(to), *providers.closing(to))
    await line.send(b"0\r\n\r\n")


@STREAMS.add
async def no_usage(line: Line) -> None:
    line.worked()
    to = line.asked
    if to.stream:
        frames = (*providers.opening(to, usage=False), *providers.content(to), *providers.closing(to, usage=False))
        await line.begin(*frames)
        await line.send(b"0\r\n\r\n")
    else:
        await line.reply(200, providers.whole(to, usage=False))


@STREAMS.add
async def cut_before_content(line: Line) -> None:
    await line.begin(*providers.opening(line.asked))
    line.reset()


@STREAMS.add
async def cut_after_content(line: Line) -> None:
    line.worked(0.5)
    frames = providers.content(line.asked)
    await line.begin(*providers.opening(line.asked), *frames[: line.generated])
    await asyncio.sleep(0.02)
    line.reset()


@STREAMS.add
async def cut_within_a_frame(line: Line) -> None:
    line.worked(0.5)
    frames = providers.content(line.asked)
    await line.begin(*providers.opening(line.asked), *frames[: line.generated], frames[-1][:20])
    await asyncio.sleep(0.02)
    line.hang_up()


@STREAMS.add
async def error_before_content(line: Line) -> None:
    await line.begin(*providers.opening(line.asked), providers.complaint(line.asked, framed=True))
    await line.send(b"0\r\n\r\n")


@STREAMS.add
async def error_after_content(line: Line) -> None:
    line.worked(0.5)
    frames = providers.content(line.asked)
    complaint = providers.complaint(line.asked, framed=True)
    await line.begin(*providers.opening(line.asked), *frames[: line.generated], complaint)
    await line.send(b"0\r\n\r\n")


@STREAMS.add
async def ends_without_finishing(line: Line) -> None:
    line.worked()
    await line.begin(*providers.opening(line.asked), *providers.content(line.asked))
    await line.send(b"0\r\n\r\n")


@STREAMS.add
async def stalls_in_the_middle(line: Line) -> None:
    line.worked(0.5)
    frames = providers.content(line.asked)
    await line.begin(*providers.opening(line.asked), *frames[: line.generated])
    await asyncio.sleep(8)
    line.hang_up()


@STREAMS.add
async def pings_for_ever(line: Line) -> None:
    await line.begin(*providers.opening(line.asked))
    for _ in range(100):
        await line.chunks(b": ping\n\n")
        await asyncio.sleep(0.1)
    line.hang_up()


@STREAMS.add
async def endless_content(line: Line) -> None:
    to = line.asked
    await line.begin(*providers.opening(to), *providers.content(to))
    line.worked()
    for _ in range(400):
        line.generated += 1
        await line.chunks(providers.content(to)[0])
        await asyncio.sleep(0.02)
    line.hang_up()


@STREAMS.add
async def endless_line(line: Line) -> None:
    await line.begin(*providers.opening(line.asked), b"data: ")
    for _ in range(400):
        await line.chunks(b"x" * 100_000)
    line.hang_up()


@STREAMS.add
async def nonsense_frames(line: Line) -> None:
    await line.begin(b"data: <html>\x00\n\n", b"data: {\n\n", b"event\n\n", b"data: null\n\n", b"data: [1]\n\n")
    await line.send(b"0\r\n\r\n")


@STREAMS.add
async def drips_frames(line: Line) -> None:
    line.told()
    to = line.asked
    data = b"".join((*providers.opening(to), *providers.content(to), *providers.closing(to)))
    await line.begin()
    await line.chunks(*[data[start : start + 97] for start in range(0, len(data), 97)], pause_s=0.005)
    await line.send(b"0\r\n\r\n")
