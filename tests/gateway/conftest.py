"""A gateway on a real socket in front of scripted upstreams on real sockets.

``Upstream`` speaks raw HTTP/1.1: a test gives it one coroutine per request, which writes what it likes and when. ``Rig`` is
the gateway as ``serve`` would compose it, in this event loop, with its own store.
"""

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec
import openai
import pytest

from pointsman.core import snapshot as snapshots
from pointsman.core.price import Price, Rates
from pointsman.core.record import ExchangeRecord, Sample
from pointsman.core.routing import Deployment, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.admission import Keyring
from pointsman.gateway.app import Gateway
from pointsman.gateway.conversations import Conversations
from pointsman.gateway.equipment import Equipment
from pointsman.gateway.feedback import Intake
from pointsman.gateway.health import Breakers
from pointsman.gateway.ids import Ids
from pointsman.gateway.journal import JournalWriter
from pointsman.gateway.live import Live
from pointsman.gateway.server.listener import Server
from pointsman.store.interfaces import Filter, Store
from pointsman.store.sqlite import open_store
from pointsman.upstream.credentials import credentials, fetching
from pointsman.upstream.transport import HttpTransport

PATIENCE_S = 10.0
PRICE = Price(Rates(Decimal("2.5"), Decimal(10), Decimal("1.25")))


@dataclass
class Received:
    """One request as an upstream got it, and the way to answer it. ``target`` is what stood behind the method."""

    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader
    target: str = ""

    async def reply(self, status: int, body: bytes, **headers: str) -> None:
        """Answer in one piece."""
        fields = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.writer.write(f"HTTP/1.1 {status} X\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await self.writer.drain()

    async def begin(self, kind: bytes = b"text/event-stream") -> None:
        """Begin a stream."""
        self.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % kind)
        await self.writer.drain()

    async def send(self, *frames: bytes) -> None:
        """Send frames, each as a chunk of its own."""
        for frame in frames:
            self.writer.write(b"%x\r\n%b\r\n" % (len(frame), frame))
            await self.writer.drain()

    async def end(self) -> None:
        """End a stream properly."""
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    def cut(self) -> None:
        """Break the connection."""
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the gateway has closed the connection."""
        with contextlib.suppress(ConnectionError):
            assert await self.reader.read(1) == b""


Script = Callable[[Received], Awaitable[None]]
Start = Callable[[Script], Awaitable["Upstream"]]


@dataclass
class Upstream:
    """A provider that does what its script says. ``requests`` is what it received."""

    script: Script
    requests: list[Received] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                received = Received(headers, body, writer, reader, head.split(" ", 2)[1])
                self.requests.append(received)
                await self.script(received)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@dataclass
class World:
    """The time and the chance of a test: both are its own to change. ``still``: time passes only when the test says so.

    ``wall_ahead_s`` is by how much the clock on the wall was set forward, which monotonic time knows nothing of.
    """

    ahead_s: float = 0.0
    wall_ahead_s: float = 0.0
    still: float | None = None
    chances: Iterator[float] = field(default_factory=lambda: itertools.repeat(0.5))

    def clock(self) -> float:
        """Monotonic seconds."""
        return (time.monotonic() if self.still is None else self.still) + self.ahead_s

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000 + round(self.wall_ahead_s * 1e3)

    def draw(self) -> float:
        """A number in [0, 1)."""
        return next(self.chances)


@dataclass
class Rig:
    """A running gateway. ``script`` may be changed between requests."""

    port: int
    store: Store
    live: Live
    gateway: Gateway
    equipment: Equipment
    samples: list[Sample]
    server: Server
    world: World
    clients: list[openai.AsyncOpenAI] = field(default_factory=list)

    def client(self, *, key: str = "any", timeout: float = PATIENCE_S, retries: int = 0) -> openai.AsyncOpenAI:
        """The official client, pointed here."""
        base = f"http://127.0.0.1:{self.port}/v1"
        http = openai.DefaultAsyncHttpxClient(verify=False)  # no TLS here: loading certificates takes longer than a test
        client = openai.AsyncOpenAI(base_url=base, api_key=key, timeout=timeout, max_retries=retries, http_client=http)
        self.clients.append(client)
        return client

    def publish(self, snapshot: Snapshot) -> None:
        """Publish a snapshot and take it up."""
        self.publish_only(snapshot)
        assert self.live.refresh(), self.live.problem

    def publish_only(self, snapshot: Snapshot) -> str:
        """Publish a snapshot, leave it to somebody else to take it up, and return its hash."""
        return self.store.snapshots.publish(snapshots.encode(snapshot), made_by="test", at_ms=1).hash

    async def records(self, count: int = 1) -> list[ExchangeRecord]:
        """Wait until so many records are in the store, and return them all."""
        async with asyncio.timeout(PATIENCE_S):
            while self.equipment.journal.state.written < count:  # noqa: ASYNC110 - another thread writes
                await asyncio.sleep(0.01)
        return list(self.store.journal.exchanges(Filter()))

    async def raw(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes to the gateway and return status, headers and body of what came back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            return int(head[0].split()[1]), headers, body
        finally:
            writer.close()

    async def all(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request that asks to close, and return status, headers and the whole body, chunked or not."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            pieces = []
            while body:
                size, _, body = body.partition(b"\r\n")
                pieces.append(body[: int(size, 16)])
                body = body[int(size, 16) + 2 :]
            body = b"".join(pieces)
        return int(first.split()[1]), headers, body

    async def post(self, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Post a body to the chat path."""
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{extra}content-length: {len(body)}\r\n\r\n"
        return await self.raw(head.encode("latin-1") + body)

    async def get(self, path: str, method: str = "GET", headers: str = "") -> tuple[int, dict[str, str], bytes]:
        """Ask for a path."""
        return await self.raw(f"{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n".encode())


def a_snapshot(*ports: int, plan: Plan | None = None, **changes: object) -> Snapshot:
    """Providers p1, p2 ... at these ports, each with a deployment pN/model-N of the same model key; route ``auto``."""
    names = [f"p{place}" for place in range(1, len(ports) + 1)]
    snapshot = Snapshot(
        providers={name: Provider(name, f"http://127.0.0.1:{port}/v1") for name, port in zip(names, ports, strict=True)},
        deployments={
            f"{name}/model-{name[1:]}": Deployment(f"{name}/model-{name[1:]}", name, f"model-{name[1:]}", "same", PRICE)
            for name in names
        },
        routes={
            "auto": Route("auto", "p1/model-1", (), Objective(), 0.05, {"*": plan or Plan("*", reference="p1/model-1")})
        },
    )
    return msgspec.structs.replace(snapshot, **changes)


WHOLE = msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "model-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "total_tokens": 110,
            "prompt_tokens_details": {"cached_tokens": 40},
        },
    }
)


def frame(delta: object, finish: str | None = None, **fields: object) -> bytes:
    """One chunk of a stream."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **fields}
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


USAGE = frame({}, usage={"prompt_tokens": 100, "completion_tokens": 3, "total_tokens": 103}, choices=[])
DONE = b"data: [DONE]\n\n"


async def answer_whole(received: Received) -> None:
    """Answer with WHOLE."""
    await received.reply(200, WHOLE)


def streaming(*frames: bytes) -> Script:
    """Return a script that streams these frames and ends properly."""

    async def script(received: Received) -> None:
        await received.begin()
        await received.send(*frames)
        await received.end()

    return script


@pytest.fixture
async def upstream_at() -> AsyncIterator[Start]:
    """Start upstreams: ``await upstream_at(script)``."""
    servers: list[asyncio.Server] = []
    upstreams: list[Upstream] = []

    async def start(script: Script) -> Upstream:
        upstream = Upstream(script)
        upstreams.append(upstream)
        server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
        servers.append(server)
        upstream.port = server.sockets[0].getsockname()[1]
        return upstream

    yield start
    for server in servers:
        server.close()
    for upstream in upstreams:
        for received in upstream.requests:
            received.writer.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A gateway without a snapshot: publish one."""
    store = open_store(tmp_path, vector_key=bytes(32))
    transport = HttpTransport()
    live = Live(store.snapshots, credentials(fetching(transport)), keyring=Keyring(store.keys))
    samples: list[Sample] = []

    def offer(sample: Sample) -> bool:
        samples.append(sample)
        return True

    journal = JournalWriter(store.journal, flush_s=0.01)
    world = World()
    feedback = Intake(store.feedback)
    equipment = Equipment(
        transport,
        journal,
        offer,
        Breakers(),
        Ids(),
        Conversations(),
        feedback,
        clock=world.clock,
        now_ms=world.now_ms,
        draw=world.draw,
    )
    gateway = Gateway(live, equipment)
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(gateway, gateway.limits, gate=gateway.admits)
    await server.start(listener)
    rig = Rig(listener.getsockname()[1], store, live, gateway, equipment, samples, server, world)
    yield rig
    for client in rig.clients:
        await client.close()
    await server.stop(PATIENCE_S)
    await transport.close()
    feedback.close()
    assert journal.close() == 0
    store.close()
