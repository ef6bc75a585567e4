"""The scripted provider as an HTTP server on a loopback port, and the record of what it was asked.

Strategy: an asyncio server in a thread of its own; each request takes the next scripted turn, or asks ``answer`` for one
(agents send requests of their own accord, so that a list does not suffice). Laws: a request that no script expects is
answered 500 and is kept in ``unexpected``; a cut is a closed connection, never a tidy end.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from tests.client.scripted import chat, gemini, messages, responses
from tests.client.scripted.turn import Failure, Frame, Turn

DIALECTS: Final[dict[str, ModuleType]] = {
    "openai_chat": chat, "openai_responses": responses, "anthropic": messages, "gemini": gemini,
}  # fmt: skip
_FIXED: Final = {
    "/v1/chat/completions": "openai_chat", "/v1/responses": "openai_responses",
    "/v1/messages": "anthropic", "/v1/messages/count_tokens": "anthropic",
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    dialect: str
    operation: str
    path: str
    query: str
    headers: dict[str, str]
    body: dict[str, Any]
    stream: bool


@dataclass
class Upstream:
    """What tests hold: they ``play`` turns and look at what was ``seen``."""

    address: str = ""
    seen: list[Seen] = field(default_factory=list)
    unexpected: list[Seen] = field(default_factory=list)
    answer: Callable[[Seen], Turn] | None = None
    left: threading.Event = field(default_factory=threading.Event)
    _turns: list[Turn] = field(default_factory=list)

    def play(self, *turns: Turn) -> None:
        self._turns += turns

    def reset(self) -> None:
        self.seen, self.unexpected, self._turns, self.answer = [], [], [], None
        self.left.clear()

    @property
    def unplayed(self) -> list[Turn]:
        return self._turns

    @property
    def last(self) -> dict[str, Any]:
        """The body of the last request."""
        return self.seen[-1].body

    def next(self, seen: Seen) -> Turn:
        self.seen.append(seen)
        if self.answer is not None:
            return self.answer(seen)
        if self._turns:
            return self._turns.pop(0)
        self.unexpected.append(seen)
        return Turn(failure=Failure(500, "no script expects this request"))


def _seen(method: str, target: str, headers: dict[str, str], raw: bytes) -> Seen:
    """Read a request. Raises LookupError where nothing is served, ValueError for a body that is no JSON object."""
    path, _, query = target.partition("?")
    if method != "POST":
        raise LookupError(method)
    body = json.loads(raw)
    if path in _FIXED:
        operation = "count_tokens" if path.endswith("count_tokens") else "chat"
        return Seen(_FIXED[path], operation, path, query, headers, body, bool(body.get("stream")))
    model, _, verb = path.rpartition("/")[2].partition(":")
    if not path.startswith("/v1beta/models/") or verb not in {"generateContent", "streamGenerateContent", "countTokens"}:
        raise LookupError(path)
    operation = "count_tokens" if verb == "countTokens" else "chat"
    return Seen("gemini", operation, path, query, headers, {"model": model, **body}, verb == "streamGenerateContent")


class _Connection:
    """One client's connection."""

    def __init__(self, upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._upstream, self._reader, self._writer = upstream, reader, writer

    async def serve(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one():
                pass
        self._writer.close()

    async def _one(self) -> bool:
        """Answer one request. Returns whether the connection may bring another."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        if headers.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        raw = await self._body(headers)
        try:
            seen = _seen(method, target, headers, raw)
        except LookupError:
            self._whole(404, {"error": {"message": f"nothing at {method} {target}"}}, [])
            return True
        return await self._play(seen, self._upstream.next(seen))

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self._reader.readexactly(int(headers.get("content-length", "0")))
        parts = []
        while size := int((await self._reader.readline()).split(b";")[0], 16):
            parts.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readline()
        return b"".join(parts)

    async def _play(self, seen: Seen, turn: Turn) -> bool:
        dialect: Any = DIALECTS[seen.dialect]
        if turn.failure is not None:
            wait = [] if turn.failure.retry_after is None else [f"retry-after: {turn.failure.retry_after}"]
            self._whole(turn.failure.status, dialect.error(turn.failure), wait)
            return True
        if turn.hold_after == 0:
            return await self._until_left()
        if seen.operation == "count_tokens":
            self._whole(200, {"input_tokens" if seen.dialect == "anthropic" else "totalTokens": turn.count}, [])
            return True
        if not seen.stream:
            self._whole(200, dialect.whole(turn, seen.body), [])
            return True
        array = seen.dialect == "gemini" and "alt=sse" not in seen.query.split("&")
        kind = "application/json" if array else "text/event-stream"
        self._head(200, [f"content-type: {kind}", "transfer-encoding: chunked"])
        frames = gemini.array(turn, seen.body) if array else dialect.frames(turn, seen.body)
        return await self._stream(frames, turn, dialect)

    async def _stream(self, frames: Iterator[Frame], turn: Turn, dialect: Any) -> bool:
        sent = 0
        for frame in frames:
            if frame.content and sent == turn.cut_after:
                return False
            if frame.content and sent == turn.hold_after:
                return await self._until_left()
            if frame.content and sent == turn.error_after:
                self._chunk(dialect.error_event())
                break
            self._chunk(frame.data)
            await self._writer.drain()
            sent += frame.content
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        return True

    async def _until_left(self) -> bool:
        """Say nothing more until the client has left."""
        await self._reader.read(1)
        self._upstream.left.set()
        return False

    def _head(self, status: int, headers: list[str]) -> None:
        common = ["request-id: req_scripted1", "x-request-id: req_scripted1"]
        self._writer.write("\r\n".join([f"HTTP/1.1 {status} Scripted", *common, *headers, "", ""]).encode())

    def _whole(self, status: int, body: Any, headers: list[str]) -> None:
        data = json.dumps(body, ensure_ascii=False).encode()
        self._head(status, ["content-type: application/json", f"content-length: {len(data)}", *headers])
        self._writer.write(data)

    def _chunk(self, data: bytes) -> None:
        self._writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


@contextlib.contextmanager
def serving() -> Iterator[Upstream]:
    """Serve from a thread of its own; yields what tests hold. ``address`` is scheme, host and port."""
    upstream = Upstream()
    loop = asyncio.new_event_loop()
    connections: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _Connection(upstream, reader, writer).serve()
        except asyncio.CancelledError:  # asyncio's stream callback must not see it, or it complains
            writer.transport.abort()
        finally:
            connections.discard(task)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(connected, "127.0.0.1", 0, limit=2**26))
    upstream.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, name="scripted-upstream", daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
