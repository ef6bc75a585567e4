"""A server on a real socket: whose turn it is, how long anybody may take, and how a connection ends."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from email.utils import parsedate_to_datetime

import pytest

from pointsman.core.snapshot import Limits
from pointsman.gateway.server import connection as module
from pointsman.gateway.server.listener import Server
from pointsman.gateway.server.message import Application, Client, Incoming, line

PATIENCE_S = 5.0
GET = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"


async def echo(incoming: Incoming, client: Client) -> None:
    """Answer with the path and the body."""
    client.answer(200, [line(b"x-path", incoming.head.path.encode())], incoming.body)


class Caller:
    """A raw client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        async with asyncio.timeout(PATIENCE_S):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        fields = [line.split(b": ", 1) for line in lines[1:] if line]
        return int(lines[0].split()[1]), {name: value for name, value in fields}  # noqa: C416 - a pair each

    async def whole(self) -> tuple[int, dict[bytes, bytes], bytes]:
        status, headers = await self.head()
        return status, headers, await self.reader.readexactly(int(headers[b"content-length"]))

    async def rest(self) -> bytes:
        """Everything until the server closes; a reset counts as that."""
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
            return b""


class Host:
    """Starts servers and clients, and ends them all."""

    def __init__(self) -> None:
        self._ports: dict[Server, int] = {}
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(
        self,
        application: Application,
        limits: Limits | None = None,
        *,
        connections: int = 100,
        bodies: int = 10**9,
        keep_alive_s: float = 60.0,
    ) -> Server:
        server = Server(
            application, lambda: limits or Limits(), connections=connections, bodies=bodies, keep_alive_s=keep_alive_s
        )
        listener = socket.create_server(("127.0.0.1", 0))
        self._ports[server] = listener.getsockname()[1]
        await server.start(listener)
        return server

    async def call(self, server: Server, source: str = "127.0.0.1") -> Caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._ports[server], local_addr=(source, 0))
        self._writers.append(writer)
        return Caller(reader, writer)

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        for server in self._ports:
            await server.stop(0)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    yield host
    await host.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - plain counters
            await asyncio.sleep(0.002)


async def test_one_connection_serves_many_requests(host: Host) -> None:
    server = await host.serve(echo)
    caller = await host.call(server)
    for number in range(5):
        caller.send(b"POST /%d HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi" % number)
        status, headers, body = await caller.whole()
        assert (status, headers[b"x-path"], body) == (200, b"/%d" % number, b"hi")
        assert b"connection" not in headers
        assert parsedate_to_datetime(headers[b"date"].decode()).tzinfo is not None
    assert server.connections == 1


async def test_one_task_serves_a_connection_and_ends_with_it(host: Host) -> None:
    tasks: set[asyncio.Task[None] | None] = set()

    async def noted(incoming: Incoming, client: Client) -> None:
        tasks.add(asyncio.current_task())
        await echo(incoming, client)

    caller = await host.call(await host.serve(noted))
    for _ in range(3):
        caller.send(GET % 1)
        await caller.whole()
    [task] = tasks
    assert task is not None
    assert not task.done()
    caller.writer.close()
    await until(task.done)
    assert not task.cancelled()


async def test_a_task_that_is_cancelled_between_requests_closes_its_connection(host: Host) -> None:
    tasks: set[asyncio.Task[None] | None] = set()

    async def noted(incoming: Incoming, client: Client) -> None:
        tasks.add(asyncio.current_task())
        await echo(incoming, client)

    server = await host.serve(noted)
    caller = await host.call(server)
    caller.send(GET % 1)
    await caller.whole()
    [task] = tasks
    assert task is not None
    task.cancel()
    assert await caller.rest() == b""
    await until(lambda: server.connections == 0)


async def test_who_sends_many_requests_at_once_does_not_keep_others_waiting(host: Host) -> None:
    loop, turns = asyncio.get_running_loop(), 0
    seen: list[int] = []

    def turn() -> None:
        nonlocal turns
        turns += 1
        if len(seen) < 100:
            loop.call_soon(turn)

    async def noted(incoming: Incoming, client: Client) -> None:
        seen.append(turns)
        await echo(incoming, client)

    caller = await host.call(await host.serve(noted))
    turn()
    caller.send(b"".join([GET % number for number in range(100)]))
    assert [(await caller.whole())[1][b"x-path"] for _ in range(100)] == [b"/%d" % number for number in range(100)]
    assert len(set(seen)) == 100, "each in a turn of its own"


async def test_pipelined_requests_are_answered_in_order_one_at_a_time(host: Host) -> None:
    under_way, most = 0, 0

    async def slow(incoming: Incoming, client: Client) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        await echo(incoming, client)

    caller = await host.call(await host.serve(slow))
    caller.send(b"".join(GET % number for number in range(40)))
    assert [(await caller.whole())[1][b"x-path"] for _ in range(40)] == [b"/%d" % number for number in range(40)]
    assert most == 1


async def test_who_sends_more_than_can_wait_is_not_read(host: Host) -> None:
    go = asyncio.Event()

    async def waiting(incoming: Incoming, client: Client) -> None:
        await go.wait()
        await echo(incoming, client)

    caller = await host.call(await host.serve(waiting))
    request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1_000_000
    sending = asyncio.create_task(_drained(caller, request * 64))
    done, _ = await asyncio.wait((sending,), timeout=0.5)
    assert not done  # 64 MB are neither read nor kept
    go.set()
    for _ in range(64):
        assert (await caller.whole())[0] == 200
    await sending


async def _drained(caller: Caller, data: bytes) -> None:
    caller.send(data)
    await caller.writer.drain()


async def test_a_bad_request_after_a_good_one_is_answered_in_its_turn_and_ends_the_connection(host: Host) -> None:
    caller = await host.call(await host.serve(echo))
    caller.send(GET % 1 + b"nonsense\r\n\r\n")
    assert (await caller.whole())[0] == 200
    status, headers, body = await caller.whole()
    assert (status, headers[b"connection"]) == (400, b"close")
    assert b"invalid_request_error" in body
    assert await caller.rest() == b""


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_stream_is_chunked_unless_the_client_cannot_read_that(host: Host, version: bytes) -> None:
    async def stream(_incoming: Incoming, client: Client) -> None:
        client.start(200, [line(b"content-type", b"text/event-stream")])
        client.send(b"one")
        client.send(b"")
        client.finish(b"two")

    caller = await host.call(await host.serve(stream))
    caller.send(b"GET / HTTP/" + version + b"\r\nhost: a\r\n\r\n")
    _, headers = await caller.head()
    if version == b"1.1":
        assert headers[b"transfer-encoding"] == b"chunked"
        assert await caller.reader.readexactly(21) == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    else:
        assert b"transfer-encoding" not in headers
        assert headers[b"connection"] == b"close"
        assert await caller.rest() == b"onetwo"


async def test_who_asks_to_go_on_is_told(host: Host) -> None:
    caller = await host.call(await host.serve(echo))
    caller.send(b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    assert await caller.reader.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    caller.send(b"hi")
    assert (await caller.whole())[2] == b"hi"


async def test_a_client_that_leaves_cancels_its_task_and_no_other(host: Host) -> None:
    began, cancelled, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(incoming: Incoming, client: Client) -> None:
        if incoming.head.path == "/2":
            await go.wait()
            return await echo(incoming, client)
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert client.gone
            cancelled.set()
            raise

    server = await host.serve(wait)
    leaving, staying = await host.call(server), await host.call(server)
    leaving.send(GET % 1)
    staying.send(GET % 2)
    await began.wait()
    leaving.writer.close()
    async with asyncio.timeout(0.1):
        await cancelled.wait()
    go.set()
    assert (await staying.whole())[0] == 200
    await until(lambda: server.connections == 1)


async def test_a_client_that_leaves_before_its_task_began_is_forgotten(host: Host) -> None:
    server = await host.serve(echo)
    made = server._connection()
    near, far = socket.socketpair()
    _, connection = await asyncio.get_running_loop().connect_accepted_socket(lambda: made, near)
    connection.data_received(GET % 1)
    connection.connection_lost(None)  # in the same turn of the loop
    assert server.connections == 0
    far.close()
    await server.stop(PATIENCE_S)


async def test_a_mistake_of_the_application_is_a_500_without_its_words(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_incoming: Incoming, _client: Client) -> None:
        raise ZeroDivisionError("private")

    caller = await host.call(await host.serve(broken))
    with caplog.at_level(logging.ERROR, "pointsman.gateway"):
        caller.send(GET % 1 + GET % 2)
        for _ in range(2):  # the connection goes on
            status, _, body = await caller.whole()
            assert status == 500
            assert b"private" not in body
    assert "'GET' '/1' was not answered" in caplog.text


@pytest.mark.parametrize("raises", [True, False])
async def test_half_an_answer_never_passes_for_a_whole_one(host: Host, raises: bool) -> None:
    async def half(_incoming: Incoming, client: Client) -> None:
        client.start(200, [])
        client.send(b"half")
        if raises:
            raise ZeroDivisionError

    caller = await host.call(await host.serve(half))
    caller.send(GET % 1)
    assert b"0\r\n\r\n" not in await caller.rest()


async def test_no_answer_at_all_closes_the_connection(host: Host) -> None:
    async def silent(_incoming: Incoming, _client: Client) -> None:
        return

    caller = await host.call(await host.serve(silent))
    caller.send(GET % 1)
    assert await caller.rest() == b""


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", None),
        (b"GET / HT", 408),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n", 408),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf", 408),
    ],
)
async def test_who_is_too_slow_is_told_and_who_says_nothing_is_not(
    host: Host, monkeypatch: pytest.MonkeyPatch, sent: bytes, status: int | None
) -> None:
    monkeypatch.setattr(module, "HEAD_S", 0.05)
    caller = await host.call(await host.serve(echo, Limits(idle_s=0.05), keep_alive_s=0.05))
    caller.send(sent)
    if status is not None:
        assert (await caller.whole())[0] == status
    assert await caller.rest() == b""


async def test_a_body_that_drips_ends_with_its_total_time(host: Host) -> None:
    caller = await host.call(await host.serve(echo, Limits(idle_s=10, total_s=0.2)))
    caller.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")

    async def drip() -> None:
        while True:
            caller.send(b"x")
            await asyncio.sleep(0.01)

    dripping = asyncio.create_task(drip())
    assert (await caller.whole())[0] == 408
    dripping.cancel()


async def test_each_request_has_its_own_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_S", 1.0)
    caller = await host.call(await host.serve(echo))
    caller.send((GET % 1)[:9])
    await asyncio.sleep(0.6)
    caller.send((GET % 1)[9:] + (GET % 2)[:9])
    assert (await caller.whole())[0] == 200
    await asyncio.sleep(0.6)
    caller.send((GET % 2)[9:])
    assert (await caller.whole())[0] == 200


async def test_too_many_connections_are_told_so(host: Host) -> None:
    server = await host.serve(echo, connections=1)
    first, second = await host.call(server), await host.call(server)
    status, headers, _ = await second.whole()
    assert (status, headers[b"retry-after"], headers[b"connection"]) == (503, b"1", b"close")
    first.send(GET % 1)
    assert (await first.whole())[0] == 200


async def test_one_address_cannot_hold_all_connections(host: Host) -> None:
    server = await host.serve(echo, Limits(connections_per_address=2), connections=3)
    first, second = await host.call(server), await host.call(server)
    for _ in range(5):  # refused ones, which linger, take no place of anybody's
        status, headers, said = await (await host.call(server)).whole()
        assert (status, headers[b"retry-after"], headers[b"connection"]) == (503, b"1", b"close")
        assert b"too many connections are open from this address: 2" in said
    other = await host.call(server, "127.0.0.2")
    for caller in (first, second, other):
        caller.send(GET % 1)
        assert (await caller.whole())[0] == 200
    _, _, said = await (await host.call(server, "127.0.0.3")).whole()
    assert b'too many connections are open"' in said, "all are taken"
    first.writer.close()
    other.writer.close()
    await until(lambda: server._addresses._held == 1)
    again = await host.call(server)
    again.send(GET % 1)
    assert (await again.whole())[0] == 200


async def test_one_address_cannot_hold_all_the_room_for_bodies(host: Host) -> None:
    server = await host.serve(echo, Limits(body_bytes=500), bodies=1000)
    post = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 400\r\n\r\n"
    half, more = await host.call(server), await host.call(server)
    half.send(post + b"x" * 399)
    await until(lambda: server._room.left == 601)
    more.send(post + b"x" * 399)
    status, _, said = await more.whole()
    assert (status, b"too many large requests" in said) == (503, True)
    other = await host.call(server, "127.0.0.2")
    other.send(post + b"x" * 400)
    assert (await other.whole())[2] == b"x" * 400
    half.send(b"x")
    assert (await half.whole())[0] == 200
    more = await host.call(server)
    more.send(post + b"x" * 400)
    assert (await more.whole())[0] == 200
    assert server._room.left == 1000


async def test_all_bodies_together_are_bounded_and_the_room_is_given_back(host: Host) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def wait(incoming: Incoming, client: Client) -> None:
        began.set()
        await go.wait()
        await echo(incoming, client)

    server = await host.serve(wait, bodies=1000)
    post = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 600\r\n\r\n" + b"x" * 600
    first, second, leaving = await host.call(server), await host.call(server), await host.call(server)
    first.send(post)
    await began.wait()
    second.send(post)
    status, headers, _ = await second.whole()
    assert (status, headers[b"retry-after"]) == (503, b"1")
    leaving.send(post[:-300])
    await until(lambda: server._room.left == 100)
    leaving.writer.close()
    await until(lambda: server._room.left == 400)
    go.set()
    assert (await first.whole())[0] == 200
    await until(lambda: server._room.left == 1000)
    first.send(post)
    assert (await first.whole())[0] == 200


async def test_stopping_closes_what_is_unused_and_waits_for_what_is_under_way(host: Host) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def wait(incoming: Incoming, client: Client) -> None:
        began.set()
        await go.wait()
        await echo(incoming, client)

    server = await host.serve(wait)
    unused, busy, half = await host.call(server), await host.call(server), await host.call(server)
    busy.send(GET % 1 + GET % 2)
    half.send(b"GET / HT")
    await began.wait()
    await until(lambda: server.connections == 3)
    stopping = asyncio.create_task(server.stop(PATIENCE_S))
    assert await unused.rest() == b""
    assert await half.rest() == b""
    assert not stopping.done()
    go.set()
    status, headers, _ = await busy.whole()
    assert (status, headers[b"connection"]) == (200, b"close")
    assert await busy.rest() == b""  # the second request is not begun
    await stopping
    assert server.connections == 0


async def test_stopping_cuts_what_does_not_end_in_time(host: Host) -> None:
    began = asyncio.Event()

    async def forever(_incoming: Incoming, _client: Client) -> None:
        began.set()
        await asyncio.Event().wait()

    server = await host.serve(forever)
    caller = await host.call(server)
    caller.send(GET % 1)
    await began.wait()
    await server.stop(0.05)
    assert server.connections == 0
    assert await caller.rest() == b""


async def test_who_reads_nothing_more_of_a_stream_is_cut_off(host: Host) -> None:
    cancelled = asyncio.Event()

    async def endless(_incoming: Incoming, client: Client) -> None:
        client.start(200, [])
        try:
            while True:
                client.send(b"x" * 100_000)
                await client.room()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    server = await host.serve(endless, Limits(idle_s=0.1))
    caller = await host.call(server)
    caller.send(GET % 1)
    async with asyncio.timeout(PATIENCE_S):
        await cancelled.wait()
    await until(lambda: server.connections == 0)


async def test_who_reads_slowly_is_not(host: Host) -> None:
    sent = 0

    async def long(_incoming: Incoming, client: Client) -> None:
        nonlocal sent
        client.start(200, [])
        for _ in range(100):
            client.send(b"x" * 100_000)
            await client.room()
            sent += 1
        client.finish()

    caller = await host.call(await host.serve(long, Limits(idle_s=1.0)))
    caller.send(GET % 1)
    await caller.head()
    read = 0
    async with asyncio.timeout(PATIENCE_S * 4):
        while read < 100 * 100_000:
            piece = await caller.reader.read(500_000)
            assert piece, "it was taken to be gone"
            read += len(piece)
            await asyncio.sleep(0.04)  # more than idle_s in all
    assert sent == 100


async def test_who_asks_on_without_reading_is_not_answered_on(host: Host) -> None:
    answered = 0

    async def large(_incoming: Incoming, client: Client) -> None:
        nonlocal answered
        answered += 1
        client.answer(200, [], b"x" * 200_000)

    server = await host.serve(large, Limits(idle_s=0.3))
    (await host.call(server)).send((GET % 1) * 2000)  # 400 MB of answers
    before = -1
    while before != answered:
        before = answered
        await asyncio.sleep(0.1)
    assert answered < 200
    await until(lambda: server.connections == 0)


@pytest.mark.parametrize("last", [b"HTTP/1.0\r\n\r\n", b"HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"])
async def test_a_last_answer_that_nobody_reads_does_not_hold_its_connection(host: Host, last: bytes) -> None:
    async def large(_incoming: Incoming, client: Client) -> None:
        client.answer(200, [], b"x" * 8_000_000)

    server = await host.serve(large, Limits(idle_s=0.1), keep_alive_s=0.1)
    caller = await host.call(server)
    caller.send(b"GET / " + last)
    await caller.head()
    await until(lambda: server.connections == 0)


async def test_who_stays_after_an_error_is_cut_off(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER_S", 0.05)
    server = await host.serve(echo)
    caller = await host.call(server)
    caller.send(b"nonsense\r\n\r\n")
    assert (await caller.whole())[0] == 400
    await until(lambda: server.connections == 0)  # the caller has not closed


async def test_head_has_the_head_of_get_and_no_body(host: Host) -> None:
    caller = await host.call(await host.serve(echo))
    caller.send(b"HEAD /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi" + GET % 2)
    assert (await caller.head())[1][b"content-length"] == b"2"
    assert (await caller.whole())[1][b"x-path"] == b"/2"


async def test_a_connection_of_the_last_moment_is_closed_too(host: Host) -> None:
    server = await host.serve(echo)
    made = server._connection()
    await server.stop(0.1)
    near, far = socket.socketpair()
    await asyncio.get_running_loop().connect_accepted_socket(lambda: made, near)
    await until(lambda: server.connections == 0)
    far.close()


async def test_one_that_retires_answers_what_still_comes_and_says_that_it_was_the_last(host: Host) -> None:
    """A request may be on its way to a connection that is unused here, and a stream has told nobody yet that it ends."""
    began, go = asyncio.Event(), asyncio.Event()

    async def half(incoming: Incoming, client: Client) -> None:
        if incoming.head.path != "/stream":
            await echo(incoming, client)
            return
        client.start(200, [])
        client.send(b"one")
        began.set()
        await go.wait()
        client.finish(b"two")

    server = await host.serve(half)
    unused, streaming, piped = await host.call(server), await host.call(server), await host.call(server)
    streaming.send(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
    assert b"connection" not in (await streaming.head())[1]
    await began.wait()
    await until(lambda: server.connections == 3)
    retiring = asyncio.create_task(server.retire(PATIENCE_S))
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="Connect call failed"):
        await host.call(server)
    unused.send(GET % 1)
    status, headers, _ = await unused.whole()
    assert (status, headers[b"connection"]) == (200, b"close")
    assert await unused.rest() == b""
    piped.send(GET % 1 + GET % 2)
    assert b"connection" not in (await piped.whole())[1]
    assert (await piped.whole())[1][b"connection"] == b"close"
    go.set()
    assert await streaming.reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert not retiring.done()
    streaming.send(GET % 2)  # who streamed has not been told
    assert (await streaming.whole())[1][b"connection"] == b"close"
    await retiring
    assert server.connections == 0


async def test_one_that_retires_does_not_wait_for_who_asks_nothing_more(host: Host) -> None:
    server = await host.serve(echo)
    caller = await host.call(server)
    caller.send(GET % 1)
    await caller.whole()
    await server.retire(0.01)
    assert server.connections == 1
    await server.stop(0)
    assert await caller.rest() == b""


async def test_a_connection_of_the_moment_in_which_it_retires_is_answered_once(host: Host) -> None:
    server = await host.serve(echo)
    made = server._connection()
    await server.retire(0.01)
    near, far = socket.socketpair()
    await asyncio.get_running_loop().connect_accepted_socket(lambda: made, near)
    far.setblocking(False)
    far.send(GET % 1)
    await until(lambda: server.connections == 0)
    assert b"connection: close" in far.recv(4096)
    far.close()
