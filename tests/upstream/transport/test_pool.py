"""Who gets which connection, and who waits: limits, order, cancellation, failures."""

import asyncio

import pytest
from tests.upstream.transport.conftest import Peer, Scripted, Serve

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Timeouts
from pointsman.upstream.transport import HttpTransport
from pointsman.upstream.transport.connection import Phase
from pointsman.upstream.transport.pool import Pool


async def answers(peer: Peer) -> None:
    """Answer every request with the number of its connection."""
    while True:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n%03d" % peer.number)


async def fetch(transport: HttpTransport, server: Scripted, limits: Timeouts | None = None) -> bytes:
    return await (await transport.send(server.post(), limits or Timeouts())).read(10)


def pool_of(transport: HttpTransport) -> Pool:
    (pool,) = transport._pools.values()
    return pool


async def settled(pool: Pool, waiting: int) -> None:
    """Let the loop turn until so many stand in line."""
    while len(pool._line) != waiting:  # noqa: ASYNC110 - a pool has no event for it
        await asyncio.sleep(0)


async def test_200_requests_share_10_connections(serve: Serve) -> None:
    server = await serve(answers)
    transport = HttpTransport(connections_per_origin=10)
    served = await asyncio.gather(*(fetch(transport, server) for _ in range(200)))
    assert len(served) == 200
    assert (server.connections, server.most_open) == (10, 10)
    assert len(pool_of(transport)._idle) == 10
    await transport.close()
    await server.until(lambda all_of: all_of.open == 0)
    assert pool_of(transport)._slots == 0


async def test_the_connection_used_last_is_used_first(serve: Serve, transport: HttpTransport) -> None:
    both = asyncio.Barrier(2)

    async def script(peer: Peer) -> None:
        await peer.request()
        await both.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await answers(peer)

    server = await serve(script)
    await asyncio.gather(fetch(transport, server), fetch(transport, server))
    first = await fetch(transport, server)
    assert [await fetch(transport, server) for _ in range(5)] == [first] * 5


async def test_origins_do_not_share(serve: Serve, transport: HttpTransport) -> None:
    one, two = await serve(answers), await serve(answers)
    for server in (one, two, one, two):
        await fetch(transport, server)
    assert (one.connections, two.connections) == (1, 1)


async def hold(serve: Serve) -> tuple[Scripted, asyncio.Event]:
    """A server whose first request on its first connection is held until the event is set."""
    free = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await free.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n%03d" % peer.number)
        await answers(peer)

    return await serve(script), free


async def test_who_waits_is_served_in_order(serve: Serve) -> None:
    server, free = await hold(serve)
    transport = HttpTransport(connections_per_origin=1)
    done: list[int] = []

    async def ask(number: int) -> None:
        await fetch(transport, server)
        done.append(number)

    tasks = []
    for number in range(5):
        tasks.append(asyncio.create_task(ask(number)))
        if number:
            await settled(pool_of(transport), number)
        else:
            await server.until(lambda all_of: all_of.open == 1)
    free.set()
    await asyncio.gather(*tasks)
    assert done == [0, 1, 2, 3, 4]
    assert server.connections == 1
    await transport.close()


async def test_waiting_for_a_connection_has_the_limit_of_connecting(serve: Serve) -> None:
    server, free = await hold(serve)
    transport = HttpTransport(connections_per_origin=1)
    task = asyncio.create_task(fetch(transport, server))
    await server.until(lambda all_of: all_of.open == 1)
    with pytest.raises(UpstreamError, match="all 1 connections are in use") as caught:
        await fetch(transport, server, Timeouts(connect_s=0.05))
    assert (caught.value.kind, caught.value.sent) == ("timeout", False)
    free.set()
    assert await task == b"000"
    assert not pool_of(transport)._line
    await transport.close()


async def test_cancelled_in_line(serve: Serve) -> None:
    server, free = await hold(serve)
    transport = HttpTransport(connections_per_origin=1)
    first = asyncio.create_task(fetch(transport, server))
    await server.until(lambda all_of: all_of.open == 1)
    second, third = (asyncio.create_task(fetch(transport, server)) for _ in range(2))
    await settled(pool_of(transport), 2)
    second.cancel()
    await settled(pool_of(transport), 1)
    free.set()
    assert (await first, await third) == (b"000", b"000")
    assert second.cancelled()
    await transport.close()


@pytest.mark.parametrize("cancelled_first", [False, True], ids=["handed, cancelled", "cancelled, handed"])
@pytest.mark.parametrize("handed", ["a connection", "a slot"])
async def test_cancelled_just_when_it_was_its_turn(serve: Serve, handed: str, cancelled_first: bool) -> None:
    """What was handed over goes on to the next in line, and is not lost: all in one turn of the loop, in either order."""
    server, free = await hold(serve)
    transport = HttpTransport(connections_per_origin=1)
    first = asyncio.create_task(transport.send(server.post(), Timeouts()))
    await server.until(lambda all_of: all_of.open == 1)
    second, third = (asyncio.create_task(fetch(transport, server)) for _ in range(2))
    pool = pool_of(transport)
    await settled(pool, 2)
    (connection,) = pool._members
    if cancelled_first:
        second.cancel()
    if handed == "a slot":
        connection.give_up("test")
    else:
        connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
    second.cancel()
    while handed == "a connection" and connection.phase is not Phase.HEAD:  # noqa: ASYNC110 - nor for this
        await asyncio.sleep(0)  # until the third has written its request on it
    free.set()
    assert await third == (b"001" if handed == "a slot" else b"000")
    await asyncio.wait([first, second])
    assert second.cancelled()
    assert (first.exception() is not None) == (handed == "a slot")
    assert len(await fetch(transport, server)) == 3
    assert pool._slots == 1
    await transport.close()


async def test_a_slot_passes_on_when_connecting_fails(serve: Serve) -> None:
    """Nobody listens: with one slot, ten requests fail one after the other, and none waits for ever."""
    server = await serve(answers)
    server.stop_listening()
    transport = HttpTransport(connections_per_origin=1)
    results = await asyncio.gather(*(fetch(transport, server) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(error, UpstreamError) and error.kind == "connect" and not error.sent for error in results)
    assert pool_of(transport)._slots == 0
    await transport.close()


async def test_a_connection_that_closed_on_its_way_to_who_waits_is_not_used(serve: Serve) -> None:
    server, free = await hold(serve)
    transport = HttpTransport(connections_per_origin=1)
    first = asyncio.create_task(transport.send(server.post(), Timeouts()))
    await server.until(lambda all_of: all_of.open == 1)
    second = asyncio.create_task(fetch(transport, server))
    pool = pool_of(transport)
    await settled(pool, 1)
    (connection,) = pool._members
    connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
    connection.eof_received()
    free.set()
    assert (await first).status == 204
    assert await second == b"001"
    assert pool._slots == 1
    await transport.close()


async def test_closing_while_somebody_connects(serve: Serve, transport: HttpTransport) -> None:
    server = await serve(answers)
    task = asyncio.create_task(fetch(transport, server))
    await asyncio.sleep(0)  # the task now waits for its connection
    await transport.close()
    with pytest.raises(UpstreamError, match="transport was closed") as caught:
        await task
    assert (caught.value.kind, caught.value.sent) == ("closed", False)
    await server.until(lambda all_of: all_of.open == 0)


async def test_close_waits_until_the_sockets_are_gone(serve: Serve, transport: HttpTransport) -> None:
    server = await serve(answers)
    await asyncio.gather(*(fetch(transport, server) for _ in range(3)))
    members = tuple(pool_of(transport)._members)
    await transport.close()
    assert [connection.lost.done() for connection in members] == [True] * 3


async def test_an_unknown_host_is_named(transport: HttpTransport, serve: Serve) -> None:
    server = await serve(answers)
    request = server.post()
    request = type(request)("POST", "http://nowhere.invalid/v1", (), b"")
    with pytest.raises(UpstreamError, match=r"cannot connect to http://nowhere.invalid .*base_url") as caught:
        await transport.send(request, Timeouts())
    assert (caught.value.kind, caught.value.sent) == ("connect", False)
