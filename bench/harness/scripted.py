"""An upstream in the benchmark's own event loop, which sees what becomes of each request while somebody misbehaves.

Strategy: one behaviour at a time, set from outside. Bodies are read and thrown away. A request's ``Seen``, in the
queue of ``arrivals`` once it is read, says how much of an answer went out and when its connection was closed.

    answers     a small whole reply at once; to a request of more than 1 MB after ``delay_s`` seconds
    silent      never answers
    halves      the first half of a reply of 1 MB, then nothing
    ticks       a stream, one event every 10 ms, for ever
    floods      a stream of ``FLOOD`` bytes, as fast as it is read
"""

import asyncio
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FLOOD = 32 * 1024 * 1024
PIECE = 16 * 1024
TICK_S = 0.01
BUFFER = 256 * 1024
LARGE = 1 << 20


@dataclass
class Seen:
    """What became of one request. Times are ``time.monotonic``'s; ``sent`` counts bytes of the answer's
    body, ``size`` those of the request's."""

    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float = 0.0
    sent: int = 0
    size: int = 0


class Scripted:
    """Serves OpenAI Chat Completions, and Anthropic Messages where the path ends in /messages."""

    def __init__(self) -> None:
        self.behaviour = "answers"
        self.delay_s = 0.0
        self.seen: list[Seen] = []
        self.arrivals: asyncio.Queue[Seen] = asyncio.Queue()
        self.at_once = self.most_at_once = 0

    async def start(self, port: int) -> asyncio.Server:
        """Listen on a port of the loopback interface."""
        return await asyncio.start_server(self._serve, "127.0.0.1", port, backlog=2048, limit=1 << 20)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        seen = None
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen = Seen()
                self.seen.append(seen)
                seen.size = await _thrown_away(reader, head)
                self.arrivals.put_nowait(seen)
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    await getattr(self, f"_{self.behaviour}")(reader, writer, seen, b"/messages HTTP/" in head)
                finally:
                    self.at_once -= 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            if seen is not None:
                seen.closed_at = time.monotonic()
                seen.closed.set()
            writer.close()

    async def _answers(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen, anthropic: bool) -> None:
        if seen.size > LARGE:
            await asyncio.sleep(self.delay_s)
        writer.write(_sized(whole(anthropic=anthropic)))
        seen.sent = 1
        await writer.drain()

    async def _silent(self, reader: asyncio.StreamReader, _w: asyncio.StreamWriter, _s: Seen, _a: bool) -> None:
        await _left(reader)

    async def _halves(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen, _: bool) -> None:
        half = b" " * (1 << 19)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1048576\r\n\r\n" + half)
        seen.sent = len(half)
        await writer.drain()
        await _left(reader)

    async def _ticks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen, anthropic: bool) -> None:
        leaving = asyncio.create_task(_left(reader))
        writer.write(_STREAM + _chunk(opening(anthropic=anthropic)))
        while not leaving.done():
            event = content("tick", anthropic=anthropic)
            writer.write(_chunk(event))
            seen.sent += len(event)
            await asyncio.wait([leaving], timeout=TICK_S)
        await leaving

    async def _floods(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen, anthropic: bool) -> None:
        writer.write(_STREAM + _chunk(opening(anthropic=anthropic)))
        event = content("x" * 900, anthropic=anthropic)
        piece = _chunk(event) * (PIECE // len(event))
        while seen.sent < FLOOD:
            writer.write(piece)
            await writer.drain()
            seen.sent += PIECE // len(event) * len(event)
        writer.write(_chunk(ending(anthropic=anthropic)) + b"0\r\n\r\n")
        await writer.drain()


_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def whole(*, anthropic: bool) -> bytes:
    """Return a small whole answer."""
    said: dict[str, Any]
    if anthropic:
        usage = {"input_tokens": 9, "output_tokens": 2}
        said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
        return json.dumps({**said, "stop_reason": "end_turn", "stop_sequence": None}).encode()
    message = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
    said = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [message]}
    return json.dumps({**said, "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}).encode()


def opening(*, anthropic: bool) -> bytes:
    """Return what stands before the content of a stream."""
    if not anthropic:
        return b""
    message = {**json.loads(whole(anthropic=True)), "stop_reason": None}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    return _event({"type": "message_start", "message": message}, anthropic=True) + _event(block, anthropic=True)


def content(text: str, *, anthropic: bool) -> bytes:
    """Return an event with some text."""
    if anthropic:
        delta = {"type": "text_delta", "text": text}
        return _event({"type": "content_block_delta", "index": 0, "delta": delta}, anthropic=True)
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    said = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return _event(said, anthropic=False)


def ending(*, anthropic: bool) -> bytes:
    """Return what stands after the content of a stream."""
    if not anthropic:
        choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
        said = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return _event(said, anthropic=False) + b"data: [DONE]\n\n"
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    events: tuple[Mapping[str, Any], ...] = (
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
    return b"".join(_event(event, anthropic=True) for event in events)


def _event(said: Mapping[str, Any], *, anthropic: bool) -> bytes:
    name = f"event: {said['type']}\n" if anthropic else ""
    return f"{name}data: {json.dumps(said)}\n\n".encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def _sized(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def _thrown_away(reader: asyncio.StreamReader, head: bytes) -> int:
    """Read a body of a stated length (nobody here sends another) and return how long it was."""
    _, _, rest = head.lower().partition(b"content-length:")
    size = left = int(rest.split(b"\r\n", 1)[0]) if rest else 0
    while left:
        data = await reader.read(min(left, 1 << 20))
        if not data:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(data)
    return size


async def _left(reader: asyncio.StreamReader) -> None:
    """Wait until the other side closes; what it sends meanwhile is not expected."""
    if not await reader.read(1):
        raise asyncio.IncompleteReadError(b"", None)
