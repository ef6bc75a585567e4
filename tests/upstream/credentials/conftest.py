"""A token endpoint on a real socket, asked over the gateway's own transport."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest

from pointsman.upstream.credentials import Fetch, fetching
from pointsman.upstream.transport import HttpTransport

Answer = tuple[int, bytes]


@dataclass
class Call:
    """What the endpoint was asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: str

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body, strict_parsing=True).items()}


@dataclass
class Endpoint:
    """Answers what ``answer`` says. ``gate``, where it is set, holds every answer back until it is opened."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answer: Callable[[Call], Answer] = lambda _: (200, b"{}")
    gate: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {name: value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
                body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
                self.calls.append(Call(method, target, headers, body))
                self.asked.set()
                if self.gate is not None:
                    await self.gate.wait()
                status, said = self.answer(self.calls[-1])
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(said), said))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    found = Endpoint()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()


@pytest.fixture
async def fetch(endpoint: Endpoint) -> AsyncIterator[Fetch]:
    transport = HttpTransport()
    yield fetching(transport)
    await transport.close()


class Clock:
    """Unix seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shown(*things: Any) -> str:
    """Everything that a log might show of these."""
    return " ".join(f"{thing!r} {thing} {getattr(thing, '__cause__', None)!r}" for thing in things)
