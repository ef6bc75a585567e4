"""One connection: framing at every split, every way in which a reply can be wrong, the clock, back-pressure, TLS."""

import asyncio
import itertools
import socket
import ssl
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.upstream.transport.conftest import Certificates, Peer, Serve

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Timeouts
from pointsman.upstream.transport import HttpTransport
from pointsman.upstream.transport.connection import HEAD_LIMIT, HEADER_COUNT_LIMIT, Connection, Phase
from pointsman.upstream.transport.reply import HIGH_WATER

MIB = 2**20
READ_SIZE = 256 * 1024  # of one read of a socket: asyncio's max_size; uvloop reads 250 KiB
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

FRAMINGS: dict[str, tuple[str, bytes, int, bytes, bool]] = {
    # name: method, what the server sends, status, body, kept afterwards
    "length": ("POST", b"HTTP/1.1 200 OK\r\nA: b\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", True),
    "no body": ("POST", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b"", True),
    "chunks": ("POST", CHUNKED + b'2\r\nhe\r\n3;ext=1;q="x"\r\nllo\r\n0\r\n\r\n', 200, b"hello", True),
    "trailers": ("POST", CHUNKED + b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", 200, b"hello", True),
    "204": ("POST", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b"", True),
    "interim": (
        "POST",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        200,
        b"ok",
        True,
    ),
    "HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 200, b"", False),
    "HEAD, chunked": ("HEAD", CHUNKED, 200, b"", False),
    "until close": ("POST", b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello", False),
    "1.0 until close": ("POST", b"HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nhello", 200, b"hello", False),
    "keep-alive 1.0": (
        "POST",
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        200,
        b"ok",
        True,
    ),
}


@pytest.mark.parametrize("name", FRAMINGS)
async def test_framings(serve: Serve, transport: HttpTransport, name: str) -> None:
    method, data, status, body, kept = FRAMINGS[name]

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(data)
            if "until close" in name:
                return

    server = await serve(script)
    for _ in range(2):
        reply = await transport.send(server.get(method), Timeouts())
        assert (reply.status, await reply.read(100)) == (status, body)
        assert {name for name, _ in reply.headers} <= {b"a", b"content-length", b"transfer-encoding", b"connection"}
        if not kept:
            await server.until(lambda all_of: all_of.open == 0)
    assert server.connections == (1 if kept else 2)


@pytest.mark.parametrize("name", FRAMINGS)
async def test_framings_byte_by_byte(serve: Serve, transport: HttpTransport, name: str) -> None:
    """Every byte is written on its own, and the loop turns in between."""
    method, data, status, body, _ = FRAMINGS[name]

    async def script(peer: Peer) -> None:
        await peer.request()
        for place in range(len(data)):
            await peer.send(data[place : place + 1])
            await asyncio.sleep(0)
        if "until close" not in name:
            await peer.gone()

    server = await serve(script)
    reply = await transport.send(server.get(method), Timeouts())
    assert (reply.status, await reply.read(100)) == (status, body)


class Wire(asyncio.Transport):
    """The narrowest transport that a Connection can sit on, so that a test decides where each read ends."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def write(self, data: object) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


@given(name=st.sampled_from(sorted(FRAMINGS)), cuts=st.lists(st.integers(1, 400), max_size=12), surplus=st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_places_where_reads_end_change_nothing(name: str, cuts: list[int], surplus: bool) -> None:
    method, data, status, body, kept = FRAMINGS[name]
    surplus = surplus and kept
    data += b"HTTP/1.1 500 Not yours\r\n\r\n" if surplus else b""
    places = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]

    async def play() -> tuple[int, bytes, bool]:
        pooled: list[Connection] = []
        connection = Connection("http://test", 30.0, released=pooled.append, gone=lambda _: None)
        connection.connection_made(Wire())
        ends_at = asyncio.get_running_loop().time() + 60
        answer = connection.begin(b"", head_only=method == "HEAD", timeouts=Timeouts(), total_deadline=ends_at)
        for begin, end in itertools.pairwise(places):
            connection.data_received(data[begin:end])
        if "until close" in name:
            connection.connection_lost(None)
        reply = await answer
        content = await reply.read(100)
        clean = pooled == [connection] and connection.phase is Phase.IDLE
        connection.give_up("end of test")
        return reply.status, content, clean

    assert asyncio.run(play()) == (status, body, kept and not surplus)


async def test_what_arrives_after_the_end_is_ignored() -> None:
    """TLS may hand on what it had decrypted already; a closed connection neither parses it nor winds its timer up."""
    connection = Connection("http://test", 30.0, released=lambda _: None, gone=lambda _: None)
    connection.connection_made(Wire())
    answer = connection.begin(b"", head_only=False, timeouts=Timeouts(), total_deadline=float("inf"))
    connection.give_up("test")
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nx")
    connection.connection_lost(None)
    assert isinstance(answer.exception(), UpstreamError)
    assert connection._timer is not None
    assert connection._timer.cancelled()


async def test_the_reply_to_a_head_has_no_body_whatever_follows_it() -> None:
    connection = Connection("http://test", 30.0, released=lambda _: None, gone=lambda _: None)
    connection.connection_made(Wire())
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    bodies = []
    for head_only in (False, True):
        answer = connection.begin(b"", head_only, Timeouts(), float("inf"))
        connection.data_received(whole)
        bodies.append(await (await answer).read(100))
    assert bodies == [b"hello", b""]
    connection.connection_lost(None)


async def test_an_unused_connection_leaves_its_pool_with_the_end_of_the_stream() -> None:
    """Not later, when the loop calls ``connection_lost``: somebody could take it in between."""
    gone: list[Connection] = []
    connection = Connection("http://test", 30.0, released=lambda _: None, gone=gone.append)
    connection.connection_made(Wire())
    connection.eof_received()
    assert (connection.phase, gone) == (Phase.CLOSED, [connection])


def test_a_closed_connection_leaves_no_timer() -> None:
    async def play() -> list[asyncio.TimerHandle]:
        connection = Connection("http://test", 0.5, released=lambda _: None, gone=lambda _: None)
        connection.connection_made(Wire())
        for _ in range(3):
            connection.begin(b"", head_only=False, timeouts=Timeouts(), total_deadline=float("inf"))
            connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
        connection.give_up("test")
        return list(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]

    assert all(timer.cancelled() for timer in asyncio.run(play()))


# Replies that are wrong.

WRONG: dict[str, tuple[bytes, str, str]] = {
    # name: what the server sends before it closes, the error's kind, words of the error
    "nothing": (b"", "closed", "before its reply"),
    "half a status line": (b"HTTP/1.1 20", "closed", "in the middle"),
    "half a head": (b"HTTP/1.1 200 OK\r\ncontent-le", "closed", "in the middle"),
    "an interim reply alone": (b"HTTP/1.1 100 Continue\r\n\r\n", "closed", "in the middle"),
    "body too short": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "closed", "in the middle"),
    "chunk too short": (CHUNKED + b"5\r\nhell", "closed", "in the middle"),
    "no last chunk": (CHUNKED + b"5\r\nhello\r\n", "closed", "in the middle"),
    "half the trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nx-a: b\r\n", "closed", "in the middle"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol", "not usable HTTP"),
    "HTTP/2 preface": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", "protocol", "not usable HTTP"),
    "bad chunk size": (CHUNKED + b"zz\r\n", "protocol", "not usable HTTP"),
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "protocol",
        "not usable HTTP",
    ),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", "protocol", "not usable HTTP"),
    "negative length": (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", "protocol", "not usable HTTP"),
    "folded header": (b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", "protocol", "not usable HTTP"),
    "bare line feeds": (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", "protocol", "not usable HTTP"),
    "switch": (b"HTTP/1.1 101 Up\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "protocol", "101"),
    "bare switch": (b"HTTP/1.1 101 Up\r\n\r\n", "protocol", "101"),
    "other coding": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nx", "protocol", "transfer encoding"),
    "two codings": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "protocol",
        "transfer encoding",
    ),
    "one huge header": (b"HTTP/1.1 200 OK\r\na: " + b"b" * HEAD_LIMIT, "protocol", "more than"),
    "a huge head": (b"HTTP/1.1 200 OK\r\n" + b"a: %b\r\n" % (b"b" * 900) * 80 + b"\r\n", "protocol", "more than"),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * (HEADER_COUNT_LIMIT + 1) + b"\r\n", "protocol", "more than"),
    "endless interims": (b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" * 3000, "protocol", "more than"),
    "endless trailers": (CHUNKED + b"0\r\n" + b"x-t: yyyyyyyyyyyyyyy\r\n" * 30_000, "protocol", "more than"),
    "endless extension": (CHUNKED + b"5;" + b"e" * (3 * HEAD_LIMIT), "protocol", "more than"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_replies(serve: Serve, transport: HttpTransport, name: str) -> None:
    data, kind, words = WRONG[name]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(data)
        if kind != "closed":
            await peer.gone()

    server = await serve(script)
    with pytest.raises(UpstreamError, match=words) as caught:
        await (await transport.send(server.post(), Timeouts(idle_s=5))).read(MIB)
    assert (caught.value.kind, caught.value.sent) == (kind, True)
    await server.until(lambda all_of: all_of.open == 0)


async def test_what_came_before_a_cut_is_delivered_then_the_cut_is_raised_again_and_again(
    serve: Serve, transport: HttpTransport
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"5\r\nhello\r\n5\r\nwo")

    server = await serve(script)
    reply = await transport.send(server.post(), Timeouts())
    await server.until(lambda all_of: all_of.open == 0)
    arrived: list[bytes] = []

    def one(piece: bytes) -> bool:
        arrived.append(piece)
        return False

    assert not await reply.pour(one)
    assert arrived == [b"hellowo"]
    for _ in range(2):
        with pytest.raises(UpstreamError, match="in the middle"):
            await reply.read(10)


@pytest.mark.parametrize(
    "data", [CHUNKED + b"5\r\nhello\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello"], ids=["chunks", "until close"]
)
async def test_a_reset_in_the_middle(serve: Serve, transport: HttpTransport, data: bytes) -> None:
    """A reset is never the end of a body, not even of one that runs until the connection closes."""
    head_seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(data)
        await head_seen.wait()
        peer.reset()

    server = await serve(script)
    reply = await transport.send(server.post(), Timeouts())
    head_seen.set()
    with pytest.raises(UpstreamError) as caught:
        await reply.read(10)
    assert (caught.value.kind, caught.value.sent) == ("closed", True)


# The clock.


@pytest.mark.parametrize(
    ("sent", "limits", "words"),
    [
        (b"", Timeouts(first_byte_s=0.05), "no first byte of the reply within 0.05 s"),
        (b"HTTP/1.1 200", Timeouts(idle_s=0.05), "nothing more of the reply for 0.05 s"),
        (CHUNKED + b"2\r\nok\r\n", Timeouts(idle_s=0.05), "nothing more of the reply for 0.05 s"),
        (b"", Timeouts(total_s=0.05), "not whole after 0.05 s"),
        (CHUNKED + b"2\r\nok\r\n", Timeouts(total_s=0.05), "not whole after 0.05 s"),
    ],
    ids=["first byte", "idle in the head", "idle in the body", "total in the head", "total in the body"],
)
async def test_limits_of_time(serve: Serve, transport: HttpTransport, sent: bytes, limits: Timeouts, words: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        await peer.gone()

    server = await serve(script)
    with pytest.raises(UpstreamError, match=words) as caught:
        await (await transport.send(server.post(), limits)).read(10)
    assert (caught.value.kind, caught.value.sent) == ("timeout", True)
    await server.until(lambda all_of: all_of.open == 0)


async def test_a_head_that_drips_has_no_more_time_than_its_first_byte(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nx-drip: ")
        while True:
            await peer.send(b".")
            await asyncio.sleep(0.01)

    server = await serve(script)
    with pytest.raises(UpstreamError, match=r"the head of the reply was not whole within 0\.1 s") as caught:
        await transport.send(server.post(), Timeouts(first_byte_s=0.1, idle_s=5))
    assert (caught.value.kind, caught.value.sent) == ("timeout", True)


async def test_a_body_has_more_time_than_its_head(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
        for _ in range(4):
            await asyncio.sleep(0.05)
            await peer.send(b".")

    server = await serve(script)
    assert await (await transport.send(server.post(), Timeouts(first_byte_s=0.1, idle_s=5))).read(9) == b"...."


@pytest.mark.interpreted
async def test_the_kernel_is_told_to_find_out_who_vanished(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        await peer.gone()

    server = await serve(script)
    made: list[Any] = []
    original = Connection.connection_made

    def noted(connection: Connection, found: Any) -> None:
        made.append(found.get_extra_info("socket"))
        original(connection, found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "connection_made", noted)
        await (await transport.send(server.post(), Timeouts())).read(100)
    [sock] = made
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15


async def test_a_trickle_keeps_the_idle_limit_away_but_not_the_total(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            await peer.send(b"1\r\n.\r\n")
            await asyncio.sleep(0.01)

    server = await serve(script)
    reply = await transport.send(server.post(), Timeouts(idle_s=0.1, total_s=0.4))
    dots = 0

    def count(piece: bytes) -> bool:
        nonlocal dots
        dots += len(piece)
        return True

    with pytest.raises(UpstreamError, match=r"not whole after 0\.4 s"):
        await reply.pour(count)
    assert dots >= 10


async def test_limits_belong_to_a_request_not_to_its_connection(serve: Serve, transport: HttpTransport) -> None:
    """A generous request first, so that the timer of the kept connection stands far in the future."""
    generous, strict = Timeouts(), Timeouts(first_byte_s=0.05)

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        await peer.request()
        await peer.gone()

    server = await serve(script)
    await transport.send(server.post(), generous)
    await transport.send(server.post(), strict)
    with pytest.raises(UpstreamError, match="no first byte"):
        await transport.send(server.post(), strict)
    assert server.connections == 1


# Back-pressure.


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_slow_consumer_stops_the_server(
    serve: Serve, tls_transport: HttpTransport, certificates: Certificates, tls: bool
) -> None:
    """Nothing is read for longer than the idle limit; then everything arrives, whole."""
    size, written, head_seen = 48 * MIB, 0, asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal written
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        await head_seen.wait()  # so that the idle limit has begun to run
        piece = bytes(range(256)) * 256
        while written < size:
            await peer.send(piece)
            written += len(piece)
        await peer.gone()

    server = await serve(script, certificates.server if tls else None)
    reply = await tls_transport.send(server.post(), Timeouts(idle_s=0.2))
    head_seen.set()
    connection = next(iter(next(iter(tls_transport._pools.values()))._members))
    seen = -1
    while not connection._paused or seen != written:
        seen = written
        await asyncio.sleep(0.25)  # longer than the idle limit, which does not run while the consumer is the slow one
    buffered = cast("int", reply._buffered)  # type: ignore[attr-defined]
    at_most = HIGH_WATER + READ_SIZE * (2 if tls else 1)
    assert HIGH_WATER < buffered <= at_most
    assert written < size
    total = 0

    def count(piece: bytes) -> bool:
        nonlocal total
        assert len(piece) <= at_most
        total += len(piece)
        return True

    assert await reply.pour(count)
    assert total == size


async def test_total_limit_ends_a_reply_that_nobody_reads(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (32 * MIB) + bytes(32 * MIB))
        await peer.gone()

    server = await serve(script)
    reply = await transport.send(server.post(), Timeouts(total_s=0.3))
    await server.until(lambda all_of: all_of.open == 0)
    with pytest.raises(UpstreamError, match="not whole after"):
        await reply.read(64 * MIB)


async def test_read_stops_at_its_limit(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000)
        await peer.gone()

    server = await serve(script)
    reply = await transport.send(server.post(), Timeouts())
    with pytest.raises(UpstreamError, match="longer than the 1000 bytes") as caught:
        await reply.read(1000)
    assert caught.value.kind == "protocol"
    await server.until(lambda all_of: all_of.open == 0)


# TLS.


async def test_tls_with_keep_alive(serve: Serve, tls_transport: HttpTransport, certificates: Certificates) -> None:
    names: list[str | None] = []
    certificates.server.sni_callback = lambda _socket, name, _context: names.append(name)

    async def script(peer: Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            await peer.send(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    server = await serve(script, certificates.server)
    for size in (1, 100_000, 3 * MIB):
        reply = await tls_transport.send(server.post(b"x" * size), Timeouts())
        assert await reply.read(size) == b"x" * size
    assert (server.connections, names) == (1, ["localhost"])
    certificates.server.sni_callback = None


async def test_an_unknown_authority_is_refused_with_its_remedy(
    serve: Serve, transport: HttpTransport, certificates: Certificates
) -> None:
    server = await serve(Peer.gone, certificates.server)
    with pytest.raises(UpstreamError, match=r"not trusted .* SSL_CERT_FILE") as caught:
        await transport.send(server.post(), Timeouts())
    assert (caught.value.kind, caught.value.sent) == ("connect", False)


async def test_ssl_cert_file_is_honoured(serve: Serve, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual context verifies against that file, and agrees on HTTP/1.1 with a server that would rather speak HTTP/2."""
    agreed: list[str | None] = []

    async def script(peer: Peer) -> None:
        agreed.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await peer.request()
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        await peer.gone()

    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    server = await serve(script, certificates.server)
    transport = HttpTransport()
    assert (await transport.send(server.post(), Timeouts())).status == 204
    assert agreed == ["http/1.1"]
    await transport.close()


async def test_a_certificate_for_another_name_is_refused(
    serve: Serve, tls_transport: HttpTransport, certificates: Certificates
) -> None:
    server = await serve(Peer.gone, certificates.server)
    request = server.post()
    with pytest.raises(UpstreamError, match="not trusted"):
        await tls_transport.send(type(request)("POST", request.url.replace("localhost", "127.0.0.1"), (), b""), Timeouts())


async def test_tls_towards_a_plain_server(serve: Serve, transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Plain\r\n\r\n")

    server = await serve(script)
    server.scheme = "https"
    with pytest.raises(UpstreamError, match="cannot connect") as caught:
        await transport.send(server.post(), Timeouts())
    assert not caught.value.sent


async def test_connecting_has_its_limit_tls_included(serve: Serve, transport: HttpTransport) -> None:
    server = await serve(Peer.gone)
    server.scheme = "https"
    with pytest.raises(UpstreamError, match=r"no connection to .* within 0\.05 s") as caught:
        await transport.send(server.post(), Timeouts(connect_s=0.05))
    assert (caught.value.kind, caught.value.sent) == ("timeout", False)
    await server.until(lambda all_of: all_of.open == 0)


async def test_tls_cut_without_goodbye(serve: Serve, tls_transport: HttpTransport, certificates: Certificates) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"5\r\nhello\r\n")
        cast("asyncio.Transport", peer.writer.transport).abort()

    server = await serve(script, certificates.server)
    with pytest.raises(UpstreamError, match="in the middle"):
        await (await tls_transport.send(server.post(), Timeouts())).read(10)


def test_the_default_context_verifies() -> None:
    context = HttpTransport()._tls()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
