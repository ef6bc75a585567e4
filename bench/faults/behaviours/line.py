"""The way back of one call to an upstream, and what it did for it."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from faults import providers
from faults.providers import Asked

_RESET = struct.pack("ii", 1, 0)


@dataclass
class Line:
    """The way back of one call. ``kept``: the connection may be used again; ``reported``: output tokens in a usage sent."""

    writer: asyncio.StreamWriter
    asked: Asked
    behaviour: str
    kept: bool = True
    generated: int = 0
    reported: int | None = None

    async def send(self, *data: bytes) -> None:
        if self.writer.is_closing():  # where asyncio says so too, uvloop raises a bare RuntimeError
            raise ConnectionResetError
        self.writer.write(b"".join(data))
        await self.writer.drain()

    async def head(self, status: int, length: int | None, kind: bytes = b"application/json", *more: bytes) -> None:
        framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
        lines = (b"HTTP/1.1 %d X" % status, b"content-type: " + kind, framing, *more)
        await self.send(b"\r\n".join(lines), b"\r\n\r\n")

    async def reply(self, status: int, body: bytes, kind: bytes = b"application/json", *more: bytes) -> None:
        await self.head(status, len(body), kind, *more)
        await self.send(body)

    async def begin(self, *frames: bytes) -> None:
        if frames and self.asked.anthropic:
            self.generated = max(self.generated, 1)  # what message_start counts
        await self.head(200, None, b"text/event-stream")
        await self.chunks(*frames)

    async def chunks(self, *frames: bytes, pause_s: float = 0.0) -> None:
        for frame in frames:
            await self.send(b"%x\r\n%b\r\n" % (len(frame), frame))
            if pause_s:
                await asyncio.sleep(pause_s)

    def hang_up(self) -> None:
        self.kept = False
        self.writer.close()

    def reset(self) -> None:
        self.kept = False
        if (sock := self.writer.get_extra_info("socket")) is not None:  # None: the gateway was first
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()

    def worked(self, part: float = 1.0) -> None:
        """A part of the answer was generated."""
        self.generated = round(len(providers.pieces(self.asked.nonce)) * part)

    def told(self) -> None:
        """All of it was, and reported."""
        self.worked()
        self.reported = self.generated


Behaviour = Callable[[Line], Awaitable[None]]


class Behaviours(dict[str, Behaviour]):
    """Ways to misbehave, by name."""

    def add(self, run: Behaviour) -> Behaviour:
        """Add one under its own name."""
        self[run.__name__] = run
        return run
