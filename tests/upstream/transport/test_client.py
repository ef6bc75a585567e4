"""Whole exchanges over real sockets: reuse, the one retry, cancellation, early replies, closing."""

import asyncio
from typing import Any

import pytest
from tests.upstream.transport.conftest import Certificates, Peer, Serve

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Reply, Request, Timeouts
from pointsman.upstream.transport import HttpTransport
from pointsman.upstream.transport.connection import STALE_S

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def answers(peer: Peer) -> None:
    """The well-behaved script: every request is answered with ``ok``."""
    while True:
        await peer.request()
        await peer.send(OK)


async def fetch(transport: HttpTransport, request: Request) -> tuple[int, bytes]:
    reply = await transport.send(request, Timeouts())
    return reply.status, await reply.read(1000)


# What the server sees.


async def test_the_bytes_of_a_request(serve: Serve, transport: HttpTransport) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            seen.append(await peer.request())
            await peer.send(OK)

    server = await serve(script)
    await fetch(transport, server.post(b'{"a":1}', (b"authorization", b"Bearer x"), (b"x-empty", b"")))
    await fetch(transport, server.post(b"", (b"accept-encoding", b"gzip")))
    await fetch(transport, server.get())
    line, host = b" /v1/chat/completions HTTP/1.1\r\n", b"host: localhost:%d\r\n" % server.port
    assert seen == [
        b"POST" + line + host + b"accept-encoding: identity\r\nauthorization: Bearer x\r\nx-empty: \r\n"
        b'content-length: 7\r\n\r\n{"a":1}',
        b"POST" + line + host + b"accept-encoding: gzip\r\ncontent-length: 0\r\n\r\n",
        b"GET" + line + host + b"accept-encoding: identity\r\n\r\n",
    ]


async def test_headers_come_in_lower_case_and_compressed_bodies_come_as_they_are(
    serve: Serve, transport: HttpTransport
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            b"HTTP/1.1 429 Slow\r\nRetry-After:  7 \r\nContent-Encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08"
        )
        await peer.gone()

    server = await serve(script)
    reply = await transport.send(server.post(), Timeouts())
    assert reply.status == 429
    assert reply.headers == ((b"retry-after", b"7"), (b"content-encoding", b"gzip"), (b"content-length", b"3"))
    assert await reply.read(3) == b"\x1f\x8b\x08"


async def test_redirects_are_not_followed(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 307 Elsewhere\r\nlocation: http://localhost:1/\r\ncontent-length: 0\r\n\r\n")
        await peer.gone()

    server = await serve(script)
    assert await fetch(transport, server.post()) == (307, b"")


# Kept connections.


async def test_a_connection_serves_many_requests(serve: Serve, transport: HttpTransport) -> None:
    server = await serve(answers)
    for _ in range(3):
        assert await fetch(transport, server.post()) == (200, b"ok")
    assert server.connections == 1


async def test_a_reply_that_was_not_read_keeps_its_connection_once_it_is_whole(
    serve: Serve, transport: HttpTransport
) -> None:
    server = await serve(answers)
    first = await transport.send(server.post(), Timeouts())
    assert await fetch(transport, server.post()) == (200, b"ok")
    first.close()
    assert await first.read(10) == b"ok"
    assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmine",
        OK + b"surplus",
        OK + b"H",
    ],
    ids=["close", "1.0", "second reply", "garbage", "one byte"],
)
async def test_a_connection_that_is_not_clean_is_not_used_again(
    serve: Serve, transport: HttpTransport, reply: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply)
        await peer.gone()

    server = await serve(script)
    assert await fetch(transport, server.post()) == (200, b"ok")
    await server.until(lambda all_of: all_of.open == 0)
    assert await fetch(transport, server.post()) == (200, b"ok")
    assert server.connections == 2


async def test_bytes_that_nobody_asked_for_close_an_unused_connection(serve: Serve, transport: HttpTransport) -> None:
    unused = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await unused.wait()
        await peer.send(OK)
        await peer.gone()

    server = await serve(script)
    assert await fetch(transport, server.post()) == (200, b"ok")
    unused.set()
    await server.until(lambda all_of: all_of.open == 0)


async def test_an_unused_connection_is_closed_in_time(serve: Serve) -> None:
    server = await serve(answers)
    transport = HttpTransport(idle_s=0.05)
    assert await fetch(transport, server.post()) == (200, b"ok")
    await server.until(lambda all_of: all_of.open == 0)
    assert await fetch(transport, server.post()) == (200, b"ok")
    await transport.close()


# The one retry.


async def test_a_kept_connection_closed_without_a_byte_is_retried_once(serve: Serve, transport: HttpTransport) -> None:
    """Both ways in which a server closes under a request: FIN after reading it, and RST."""
    requests: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        requests.append(peer.number)
        await peer.send(OK)
        await peer.request()
        requests.append(peer.number)
        if peer.number:
            peer.reset()

    server = await serve(script)
    for _ in range(3):
        assert await fetch(transport, server.post(b"x" * 1000)) == (200, b"ok")
    assert requests == [0, 0, 1, 1, 2]


async def test_a_server_that_restarted_fails_as_sent(serve: Serve, transport: HttpTransport) -> None:
    """The retry finds nobody: the first try may have been read, so that the whole counts as sent."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()

    server = await serve(script)
    assert await fetch(transport, server.post()) == (200, b"ok")
    server.stop_listening()
    with pytest.raises(UpstreamError, match="cannot connect") as caught:
        await fetch(transport, server.post())
    assert (caught.value.kind, caught.value.sent) == ("connect", True)


async def test_a_new_connection_is_never_retried(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    server = await serve(script)
    with pytest.raises(UpstreamError, match="before its reply") as caught:
        await fetch(transport, server.post())
    assert (caught.value.kind, caught.value.sent) == ("closed", True)
    assert server.connections == 1


@pytest.mark.parametrize("late", [False, True], ids=["after one byte", "late"])
async def test_a_kept_connection_is_not_retried_once_the_model_may_have_worked(
    serve: Serve, transport: HttpTransport, late: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        if late:
            await asyncio.sleep(STALE_S + 0.1)
        else:
            await peer.send(b"H")

    server = await serve(script)
    assert await fetch(transport, server.post()) == (200, b"ok")
    with pytest.raises(UpstreamError) as caught:
        await fetch(transport, server.post())
    assert (caught.value.kind, caught.value.sent) == ("closed", True)
    assert server.connections == 1


async def test_one_stale_connection_condemns_those_that_waited_longer(serve: Serve, transport: HttpTransport) -> None:
    both = asyncio.Barrier(2)

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number < 2:
            await both.wait()
        await peer.send(OK)
        if peer.number < 2:
            await peer.request()
        else:
            await answers(peer)

    server = await serve(script)
    await asyncio.gather(fetch(transport, server.post()), fetch(transport, server.post()))
    assert await fetch(transport, server.post()) == (200, b"ok")
    await server.until(lambda all_of: all_of.open == 1)
    assert server.connections == 3


# Cancellation.


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("phase", ["nothing", "half a head", "interim"])
async def test_cancelled_while_waiting_for_the_head(serve: Serve, phase: str) -> None:
    transport = HttpTransport(connections_per_origin=1)
    reached = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number:
            await peer.send(OK)
        else:
            await peer.send({"nothing": b"", "half a head": OK[:20], "interim": b"HTTP/1.1 102 Wait\r\n\r\n"}[phase])
            reached.set()
        await peer.gone()

    server = await serve(script)
    task = asyncio.create_task(fetch(transport, server.post()))
    await reached.wait()
    await cancelled(task)
    await server.until(lambda all_of: all_of.open == 0)
    assert await fetch(transport, server.post()) == (200, b"ok")  # the slot came back
    await transport.close()


@pytest.mark.parametrize("whole", [False, True], ids=["pour", "read"])
async def test_cancelled_while_waiting_for_more_of_the_body(serve: Serve, transport: HttpTransport, whole: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nok\r\n")
        await peer.gone()

    server = await serve(script)
    reply = await transport.send(server.post(), Timeouts())
    arrived = asyncio.Event()

    def took(_: bytes) -> bool:
        arrived.set()
        return True

    async def consume() -> None:
        if whole:
            arrived.set()
            await reply.read(1000)
        await reply.pour(took)

    task = asyncio.create_task(consume())
    await arrived.wait()
    await cancelled(task)
    await server.until(lambda all_of: all_of.open == 0)
    with pytest.raises(UpstreamError, match="cancelled"):
        await reply.read(1000)


async def test_a_reply_closed_early_closes_its_connection(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nok\r\n")
        await peer.gone()

    server = await serve(script)
    reply = await transport.send(server.post(), Timeouts())
    reply.close()
    reply.close()
    await server.until(lambda all_of: all_of.open == 0)


async def test_cancelled_while_connecting(serve: Serve, certificates: Certificates) -> None:
    """The server accepts and never answers the TLS handshake."""
    server = await serve(Peer.gone)
    server.scheme = "https"
    transport = HttpTransport(connections_per_origin=1, tls=certificates.client)
    task = asyncio.create_task(fetch(transport, server.post()))
    await server.until(lambda all_of: all_of.open == 1)
    await cancelled(task)
    await server.until(lambda all_of: all_of.open == 0)
    assert next(iter(transport._pools.values()))._slots == 0
    await transport.close()


# Early replies, and closing.


async def test_a_reply_may_come_before_the_request_is_written(serve: Serve, transport: HttpTransport) -> None:
    """The server refuses after the head and never reads the 30 MB of body: the reply counts, the connection does not."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too large\r\ncontent-length: 2\r\n\r\nno")
        await peer.gone()

    server = await serve(script)
    assert await fetch(transport, server.post(b"x" * 30_000_000)) == (413, b"no")
    await server.until(lambda all_of: all_of.open == 0)


async def test_close_ends_what_is_under_way_and_refuses_what_comes_later(serve: Serve) -> None:
    reached = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(CHUNKED + b"2\r\nok\r\n")
        reached.set()
        await peer.gone()

    server = await serve(script)
    transport = HttpTransport()
    begun: Reply = await transport.send(server.post(), Timeouts())
    reached.clear()
    waiting = asyncio.create_task(fetch(transport, server.post()))
    await reached.wait()
    await transport.close()
    with pytest.raises(UpstreamError, match="transport was closed"):
        await begun.read(10)
    with pytest.raises(UpstreamError, match="transport was closed"):
        await waiting
    with pytest.raises(UpstreamError, match="closed") as caught:
        await fetch(transport, server.post())
    assert not caught.value.sent
    assert server.connections == 2
