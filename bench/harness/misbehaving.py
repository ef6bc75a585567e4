"""Clients that read slowly, leave early, or send a great deal, over plain sockets."""

import asyncio
import contextlib
import json
import socket
import struct
from dataclasses import dataclass

from harness.load import KEY, Target

SMALL_BUFFER = 16 * 1024
PIECE = 256 * 1024
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset."""


@dataclass(frozen=True)
class Answered:
    """What a client got: ``status`` 0 where the connection broke before an answer."""

    status: int
    seconds: float
    retry_after: str = ""
    body: bytes = b""

    @property
    def proper(self) -> bool:
        """Whether it is an answer, or a refusal in OpenAI's envelope that says when to come back."""
        if self.status == 200:
            return True
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return self.status in (429, 503) and bool(self.retry_after and json.loads(self.body)["error"]["message"])
        return False


class Caller:
    """One client with one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def connected(cls, port: int, *, small_buffer: bool = False) -> "Caller":
        """Connect; with ``small_buffer`` the kernel keeps little of what is not read."""
        sock = socket.socket()
        if small_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=SMALL_BUFFER if small_buffer else 1 << 18)
        return cls(reader, writer)

    async def send(self, head: bytes, body: bytes) -> None:
        """Send a request, piece by piece as the other side takes it."""
        self._writer.write(head)
        with memoryview(body) as pieces:
            for start in range(0, len(body), PIECE):
                self._writer.write(pieces[start : start + PIECE])
                await self._writer.drain()

    async def answer(self) -> Answered:
        """Return a whole answer that has a length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in _fields(head)}
        body = await self.reader.readexactly(int(fields.get("content-length", "0")))
        return Answered(int(head.split()[1]), 0.0, fields.get("retry-after", ""), body)

    def leave(self, *, reset: bool) -> None:
        """Close at once, with a reset or with a goodbye."""
        if reset:
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()


def request(target: Target, *, stream: bool, body: bytes | None = None) -> tuple[bytes, bytes]:
    """Return head and body of a chat request in the OpenAI dialect."""
    if body is None:
        said = {"model": target.model, "messages": [{"role": "user", "content": "hello"}], "stream": stream}
        body = json.dumps(said).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


async def asked(port: int, head: bytes, body: bytes) -> Answered:
    """Send one request on a connection of its own and read the answer, also one that comes before all is sent."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    caller, sending = None, None
    try:
        caller = await Caller.connected(port)
        sending = asyncio.create_task(caller.send(head, body))
        found = await caller.answer()
    except (OSError, asyncio.IncompleteReadError):
        found = Answered(0, 0.0)
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        if caller is not None:
            caller.leave(reset=False)
    return Answered(found.status, loop.time() - begun, found.retry_after, found.body)


def _fields(head: bytes) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line]
