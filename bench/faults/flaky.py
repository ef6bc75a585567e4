"""An upstream that fails and tarries by chance: OpenAI chat, whole replies, over a plain asyncio protocol."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

_REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
    }
).encode()
_NO = b'{"error":{"message":"simulated","type":"server_error","param":null,"code":null}}'


@dataclass
class Flaky:
    """One provider. ``fails``: the chance of a 500; ``delay`` draws seconds; ``asked`` counts calls, ``failed`` the 500s."""

    chance: random.Random
    fails: float
    delay: Callable[[random.Random], float]
    asked: int = 0
    failed: int = 0
    given_up: int = 0

    async def start(self) -> int:
        """Serve, and return the port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)
        port: int = server.sockets[0].getsockname()[1]
        return port


class _Connection(asyncio.Protocol):
    def __init__(self, provider: Flaky) -> None:
        self._provider = provider
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._provider.given_up += 1

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        if not found or len(body) < int(length or b"0"):
            return
        self._data = b""
        provider = self._provider
        provider.asked += 1
        fails = provider.chance.random() < provider.fails
        provider.failed += fails
        delay = provider.delay(provider.chance)
        self._timer = asyncio.get_running_loop().call_later(delay, self._answer, 500 if fails else 200)

    def _answer(self, status: int) -> None:
        self._timer = None
        if self._transport is not None:
            body = _NO if status == 500 else _REPLY
            head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            self._transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
