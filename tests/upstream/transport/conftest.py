"""A scripted peer: a real server whose every byte and every close is written down by the test.

A script is a coroutine that gets one accepted connection as a ``Peer``. Every test runs on asyncio's own loop and on uvloop.
After each test no task, no connection and no unclosed socket may be left.
"""

import asyncio
import contextlib
import datetime as dt
import gc
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pointsman.upstream.interfaces import Request
from pointsman.upstream.transport import HttpTransport

Script = Callable[["Peer"], Awaitable[None]]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Peer:
    """The server's side of one connection. ``number`` counts connections from 0."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self._reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Read one whole request: head and body. Raises IncompleteReadError when the client is gone."""
        head = await self.head()
        length = [line.split(b":")[1] for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        return head + (await self._reader.readexactly(int(length[0])) if length else b"")

    async def head(self) -> bytes:
        return await self._reader.readuntil(b"\r\n\r\n")

    async def send(self, data: bytes) -> None:
        if self.writer.is_closing():  # where asyncio says so too, uvloop raises a bare RuntimeError
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def close(self) -> None:
        """Send FIN once everything is written."""
        self.writer.close()

    def reset(self) -> None:
        """Send RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has closed the connection; what it still sends is thrown away."""
        with contextlib.suppress(OSError):
            while await self._reader.read(65536):
                pass


@dataclass
class Scripted:
    """A running scripted server. ``connections`` counts what was accepted, ``open`` what is not closed yet."""

    port: int
    scheme: str
    stop_listening: Callable[[], None]
    connections: int = 0
    open: int = 0
    most_open: int = 0
    failures: list[BaseException] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/v1/chat/completions"

    def post(self, body: bytes = b"{}", *headers: tuple[bytes, bytes]) -> Request:
        return Request("POST", self.url, headers, body)

    def get(self, method: str = "GET") -> Request:
        return Request(method, self.url, (), b"")

    async def until(self, condition: Callable[["Scripted"], bool]) -> None:
        """Wait until the condition holds of the connections."""
        async with self.changed:
            await self.changed.wait_for(lambda: condition(self))

    async def count(self, change: int) -> None:
        self.open += change
        self.most_open = max(self.most_open, self.open)
        async with self.changed:
            self.changed.notify_all()


Serve = Callable[..., Awaitable[Scripted]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start scripted servers; at the end their connections must all be closed and their scripts done."""
    servers: list[tuple[asyncio.Server, Scripted]] = []

    async def start(script: Script, tls: ssl.SSLContext | None = None) -> Scripted:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(scripted.connections, reader, writer)
            scripted.connections += 1
            await scripted.count(+1)
            try:
                await script(peer)
            except (asyncio.IncompleteReadError, OSError):
                pass  # the client left: what most scripts end with
            except BaseException as failure:  # noqa: BLE001 - shown at the end of the test
                scripted.failures.append(failure)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                await scripted.count(-1)

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(run(reader, writer))
            scripted.tasks.add(task)
            task.add_done_callback(scripted.tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls, limit=2**20)
        port = server.sockets[0].getsockname()[1]
        scripted = Scripted(port, "https" if tls else "http", server.close)
        servers.append((server, scripted))
        return scripted

    yield start
    for server, scripted in servers:
        server.close()
        await asyncio.wait_for(scripted.until(lambda all_of: all_of.open == 0), 10)
        await server.wait_closed()
        assert not scripted.failures, scripted.failures


@pytest.fixture
async def transport(serve: Serve) -> AsyncIterator[HttpTransport]:
    """A transport with the usual settings, closed before the servers are."""
    transport = HttpTransport()
    yield transport
    await transport.close()


@pytest.fixture
async def tls_transport(serve: Serve, certificates: "Certificates") -> AsyncIterator[HttpTransport]:
    """One that trusts the test's authority."""
    transport = HttpTransport(tls=certificates.client)
    yield transport
    await transport.close()


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """No task but this one is pending after a test."""
    yield
    for _ in range(5):  # an aborted socket is closed by the loop's next turns
        await asyncio.sleep(0)
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    assert not pending, pending


@pytest.fixture(autouse=True, scope="module")
def nothing_unclosed() -> Iterator[None]:
    """The garbage collector finds no unclosed socket or loop after a module: its warnings are errors."""
    yield
    gc.collect()


@dataclass(frozen=True)
class Certificates:
    """A private authority's server certificate for localhost, and the contexts of both sides."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    authority: Path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Pointsman test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    authority = folder / "authority.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file = folder / "key.pem"
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(authority, key_file)
    server.set_alpn_protocols(["h2", "http/1.1"])
    return Certificates(server, ssl.create_default_context(cafile=str(authority)), authority)
