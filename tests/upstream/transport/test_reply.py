"""What a consumer sees of a body: who calls its sink, and what becomes of a sink that has had enough, or that fails."""

import asyncio
from collections.abc import Callable

import pytest
from tests.upstream.transport.conftest import Peer, Serve

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Timeouts
from pointsman.upstream.transport import HttpTransport

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Steps:
    """A server that sends one piece, and the next when it is told to."""

    def __init__(self, *pieces: bytes) -> None:
        self.go = [asyncio.Event() for _ in pieces]
        self._pieces = pieces

    async def __call__(self, peer: Peer) -> None:
        await peer.request()
        for go, piece in zip(self.go, self._pieces, strict=True):
            await go.wait()
            await peer.send(piece)
        await peer.gone()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_what_arrives_while_the_consumer_waits_wakes_no_task(serve: Serve, transport: HttpTransport) -> None:
    """But what comes together with the end is the consumer's own step."""
    steps = Steps(CHUNKED, chunk(b"a"), chunk(b"b"), chunk(b"c") + b"0\r\n\r\n")
    steps.go[0].set()
    server = await serve(steps)
    reply = await transport.send(server.post(), Timeouts())
    taken: list[tuple[bytes, bool]] = []

    def take(piece: bytes) -> bool:
        taken.append((piece, asyncio.current_task() is consumer))
        for step in steps.go[: len(taken) + 2]:
            step.set()
        return True

    async def consume() -> bool:
        steps.go[1].set()
        return await reply.pour(take)

    consumer = asyncio.create_task(consume())
    assert await consumer
    assert taken == [(b"a", False), (b"b", False), (b"c", True)]


async def test_a_sink_that_has_had_enough_gets_the_rest_when_it_is_poured_again(
    serve: Serve, transport: HttpTransport
) -> None:
    steps = Steps(CHUNKED + chunk(b"a"), chunk(b"b"), chunk(b"c"), b"0\r\n\r\n")
    steps.go[0].set()
    server = await serve(steps)
    reply = await transport.send(server.post(), Timeouts())
    taken: list[bytes] = []

    def one(piece: bytes) -> bool:
        taken.append(piece)
        return False

    assert not await reply.pour(one)
    pouring = asyncio.create_task(reply.pour(one))
    steps.go[1].set()
    assert not await pouring
    for step in steps.go:
        step.set()
    while not reply._ended:  # type: ignore[attr-defined]  # noqa: ASYNC110 - its connection stays open, so nothing tells
        await asyncio.sleep(0.001)
    assert taken == [b"a", b"b"]
    assert not await reply.pour(one)
    assert await reply.pour(one)
    assert taken == [b"a", b"b", b"c"]


@pytest.mark.parametrize("pushed", [False, True], ids=["was there", "arrives"])
async def test_what_a_sink_raises_is_raised_where_it_is_poured(serve: Serve, transport: HttpTransport, pushed: bool) -> None:
    steps = Steps(CHUNKED + (b"" if pushed else chunk(b"a")), chunk(b"a"))
    steps.go[0].set()
    server = await serve(steps)
    reply = await transport.send(server.post(), Timeouts())

    def refuse(_: bytes) -> bool:
        raise ValueError("no")

    async def consume(sink: Callable[[bytes], bool]) -> None:
        steps.go[1].set()
        await reply.pour(sink)

    if not pushed:
        await server.until(lambda _: bool(reply._pieces))  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="no"):
        await consume(refuse)
    assert next(iter(next(iter(transport._pools.values()))._members)).phase.name == "BODY"
    reply.close()
    await server.until(lambda all_of: all_of.open == 0)


async def test_a_cut_is_raised_behind_what_was_pushed(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + chunk(b"a"))
        await poured.wait()
        await peer.send(chunk(b"b"))
        await peer.close()

    poured = asyncio.Event()
    server = await serve(script)
    reply = await transport.send(server.post(), Timeouts())
    taken: list[bytes] = []

    def take(piece: bytes) -> bool:
        taken.append(piece)
        poured.set()
        return True

    for _ in range(2):
        with pytest.raises(UpstreamError, match="in the middle"):
            await reply.pour(take)
    assert taken == [b"a", b"b"]
