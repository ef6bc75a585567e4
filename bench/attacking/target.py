"""A gateway as people start it, in front of a provider that keeps every byte that it got."""

import asyncio
import contextlib
import json
import re
import sys
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from harness.load import KEY
from harness.machine import Machine, answers, free_port, until
from harness.scripted import whole

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
PATIENCE_S = 10.0
MOST_BYTES = 64 * 1024 * 1024
BOMB_BYTES = 512 * 1024 * 1024


@dataclass
class Provider:
    """Answers every request alike; ``got`` are the requests, head and body; ``bomb``, if set, its compressed answer."""

    got: list[bytes] = field(default_factory=list)
    bomb: bytes = b""
    visits: int = 0
    """Connections to the listener that no request may ever reach."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ValueError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                _, _, rest = head.lower().partition(b"content-length:")
                body = await reader.readexactly(int(rest.split(b"\r\n", 1)[0])) if rest else b""
                self.got.append(head + body)
                writer.write(self._answer())
                await writer.drain()
        writer.close()

    async def forbidden(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody came to where only an address in a request leads."""
        self.visits += 1
        writer.close()

    def _answer(self) -> bytes:
        body, kind = whole(anthropic=False), b""
        if self.bomb:
            body, kind = self.bomb, b"content-encoding: gzip\r\n"
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (
            kind,
            len(body),
            body,
        )


def bomb() -> bytes:
    packing = zlib.compressobj(9, wbits=31)
    pieces = [packing.compress(bytes(1 << 20)) for _ in range(BOMB_BYTES >> 20)]
    return b"".join([*pieces, packing.flush()])


@dataclass(frozen=True)
class Gateway:
    """A running gateway: its process, its port, what it said so far, its provider, and the port that nobody may visit."""

    pid: int
    port: int
    log: Path
    provider: Provider
    forbidden: int

    async def raw(self, data: bytes) -> list[tuple[int, bytes]]:
        """Send bytes, then nothing more, and return every reply: its status, and all from its head to the next one."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=MOST_BYTES)
        got = b""
        try:
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    got = await self._read(reader)
        finally:
            writer.close()
        found = list(STATUS.finditer(got))
        ends = [*(one.start() for one in found[1:]), len(got)][: len(found)]
        return [(int(one[1]), got[one.start() : end]) for one, end in zip(found, ends, strict=True)]

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> bytes:
        """Read until the gateway closes, or has answered and says nothing more for a while."""
        got = b""
        while len(got) < MOST_BYTES:
            try:
                async with asyncio.timeout(0.15 if b"\r\n\r\n" in got else PATIENCE_S / 4):
                    piece = await reader.read(1 << 20)
            except TimeoutError:
                break
            if not piece:
                break
            got += piece
        return got

    async def asked(self, path: str, body: bytes, *headers: str, method: str = "POST", key: str = KEY) -> tuple[int, bytes]:
        """Send one proper request and return the status (0: the connection broke) and all of the reply."""
        lines = [f"{method} {path} HTTP/1.1", "host: gateway", f"authorization: Bearer {key}", "connection: close", *headers]
        if body or method == "POST":
            lines.append(f"content-length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=MOST_BYTES)
        got = b""
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE_S * 6):
                    writer.write(head + body)
                    while piece := await reader.read(1 << 20):
                        got += piece
                        if len(got) > MOST_BYTES:
                            break
        finally:
            writer.close()
        found = STATUS.match(got)
        return (int(found[1]) if found else 0), got

    async def alive(self) -> bool:
        """Whether an honest request is still answered."""
        body = json.dumps({"model": "fast/m", "messages": [{"role": "user", "content": "hello"}]}).encode()
        return (await self.asked("/v1/chat/completions", body))[0] == 200


@contextlib.asynccontextmanager
async def gateway(machine: Machine) -> AsyncIterator[Gateway]:
    """Start a provider in this event loop and a gateway beside it. Raises NotStarted."""
    provider, port, theirs, forbidden = Provider(), free_port(), free_port(), free_port()
    directory = machine.directory / "attacked"
    directory.mkdir()
    file = directory / "pointsman.toml"
    file.write_text(_configuration(theirs))
    words = (sys.executable, "-m", "pointsman", "up", "-c", file, "--port", str(port))
    serving = await asyncio.start_server(provider.serve, "127.0.0.1", theirs, limit=MOST_BYTES)
    trap = await asyncio.start_server(provider.forbidden, "127.0.0.1", forbidden)
    async with serving, trap:
        with contextlib.ExitStack() as stack:
            running = machine.running(machine.proxy_core, *words, port=port, name="pointsman", directory=directory)
            pid = stack.enter_context(running)
            until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "the gateway is ready")
            yield Gateway(pid, port, machine.directory / f"pointsman-{port}.log", provider, forbidden)


def _configuration(theirs: int) -> str:
    lines = [f'[keys.bench]\nsha256 = "{sha256(KEY.encode()).hexdigest()}"\n', '[logs]\nformat = "json"\n']
    for name, dialect in (("fast", "openai_chat"), ("claude", "anthropic"), ("gem", "gemini")):
        lines.append(f'[providers.{name}]\nbase_url = "http://127.0.0.1:{theirs}/v1"\ndialect = "{dialect}"\n')
        lines.append(f'[deployments."{name}/m"]\nprice = {{input = 1, output = 4}}\n')
    lines.append('[routes.auto]\nreference = "fast/m"\n')
    return "\n".join(lines)
