"""The zoo over real HTTP: an ASGI application, and uvicorn to serve it on a loopback port.

Strategy: one function per path; a chat reply is worked out whole and then sent at the model's own pace. Laws: every reply
carries the header that says it is simulated; when the client leaves, work stops at once and is tallied as ``gone``; a
connection is reset or cut through the transport, as a real failure would, and not by an error status.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pointsman.upstream.simulated import dialect
from pointsman.upstream.simulated.dialect import Asked, RefusalError, Reply
from pointsman.upstream.simulated.faults import Fault, parse
from pointsman.upstream.simulated.zoo import Zoo

Send = Callable[[dict[str, Any]], Any]
Receive = Callable[[], Any]

SIMULATED: Final = (b"x-simulated", b"pointsman-zoo")
LARGEST: Final = 64 * 1024 * 1024
_BREAK: Final = "pointsman.break_connection"
_GARBAGE: Final = b"<html>\x00 this is not what you asked for"


class _GoneError(Exception):
    """The client has left."""


class _Line:
    """The way back to one client: knows when it has gone."""

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._watch: asyncio.Task[Any] | None = None
        self._started = False

    async def body(self) -> bytes:
        """Read the request's body. Raises RefusalError (413) when it is too long."""
        parts, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > LARGEST:
                raise RefusalError(413, None, f"the body is longer than {LARGEST} bytes")
            more = message.get("more_body", False)
        self._watch = asyncio.ensure_future(self._receive())
        return b"".join(parts)

    async def pause(self, seconds: float) -> None:
        """Wait. Raises _GoneError as soon as the client leaves."""
        if self._watch is None:
            return
        if seconds > 0:
            await asyncio.wait({self._watch}, timeout=seconds)
        if self._watch.done():
            raise _GoneError

    async def start(self, status: int, content_type: bytes, extra: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Send the head."""
        headers = [(b"content-type", content_type), SIMULATED, *extra]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self._started = True

    async def write(self, data: bytes, *, more: bool) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(self, status: int, data: bytes, extra: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Send a JSON body as a whole reply."""
        await self.start(status, b"application/json", ((b"content-length", str(len(data)).encode()), *extra))
        await self.write(data, more=False)

    def break_connection(self) -> None:
        """Break the connection: with a reset where nothing was sent yet, else after what was sent."""
        self._scope["extensions"][_BREAK](reset=not self._started)

    async def close(self) -> None:
        """Stop watching the client."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})


class ZooApp:
    """The zoo as an ASGI 3 application: ``ZooApp(zoo)`` is what a server calls for each request."""

    def __init__(self, zoo: Zoo) -> None:
        self.zoo = zoo

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        line = _Line(scope, receive, send)
        try:
            await self._route(scope, line)
        except RefusalError as refusal:
            await line.whole(refusal.status, refusal.body())
        except _GoneError:
            pass
        finally:
            await line.close()

    async def _route(self, scope: dict[str, Any], line: _Line) -> None:
        match scope["method"], scope["path"]:
            case "POST", "/v1/chat/completions":
                headers = dict(scope["headers"])
                await self._chat(line, headers.get(b"x-sim-fault", b"").decode("latin-1"))
            case "GET", "/v1/models":
                await line.whole(200, dialect.listing(self.zoo.names))
            case method, path:
                raise RefusalError(404, None, f"the simulated zoo does not serve {method} {path}")

    async def _chat(self, line: _Line, wanted: str) -> None:
        asked = dialect.read(await line.body())
        try:
            fault = parse(wanted) if wanted else self.zoo.fault(asked.model)
        except ValueError as error:
            raise RefusalError(400, None, str(error)) from None
        reply = self.zoo.reply(asked, fault)
        self.zoo.note(asked.model, "asked")
        try:
            if fault is not None and fault.kind != "nonsense":
                self.zoo.note(asked.model, "fault")
                if await _failed(line, fault, asked):
                    return
            await self._send(line, asked, reply, fault)
        except _GoneError:
            self.zoo.note(asked.model, "gone")
            raise
        self.zoo.note(asked.model, "served")

    async def _send(self, line: _Line, asked: Asked, reply: Reply, fault: Fault | None) -> None:
        pace = self.zoo.pace(asked.model)
        await line.pause(pace.first_s + reply.usage.reasoning * pace.token_s)
        cut = int(fault.amount) if fault is not None and fault.kind == "cut" else None
        if not asked.stream:
            await line.pause((reply.usage.output - reply.usage.reasoning) * pace.token_s)
            data = dialect.whole(reply)
            if cut is None:
                await line.whole(200, data)
                return
            await line.start(200, b"application/json", ((b"content-length", str(len(data)).encode()),))
            await line.write(data[: len(data) // 2], more=True)
            line.break_connection()
            return
        await line.start(200, b"text/event-stream; charset=utf-8", ((b"cache-control", b"no-cache"),))
        # The first frame holds the role alone: n content chunks are n + 1 frames.
        for sent, frame in enumerate(dialect.frames(reply, include_usage=asked.include_usage)):
            if cut is not None and sent > cut:
                line.break_connection()
                return
            await line.pause(pace.token_s * 2)  # a piece is about two tokens long
            await line.write(frame, more=True)
        await line.write(b"", more=False)


async def _failed(line: _Line, fault: Fault, asked: Asked) -> bool:
    """Let a request fail before its reply. Returns false where the reply is to follow."""
    match fault.kind:
        case "status":
            status = int(fault.amount)
            wait = () if fault.retry_after is None else ((b"retry-after", f"{fault.retry_after:g}".encode()),)
            code = "rate_limit_exceeded" if status == 429 else None
            refusal = RefusalError(status, code, f"simulated failure with status {status}, as asked for")
            await line.whole(status, refusal.body(), wait)
            return True
        case "reset":
            line.break_connection()
            return True
        case "garbage" if asked.stream:
            await line.start(200, b"text/event-stream; charset=utf-8")
            await line.write(b"data: " + _GARBAGE + b"\n\n", more=False)
            return True
        case "garbage":
            await line.whole(200, _GARBAGE)
            return True
        case "slow":
            await line.pause(fault.amount)
    return False


class _Breakable(HttpToolsProtocol):
    """uvicorn's protocol, with a way for the application to break the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_BREAK: self._break}  # type: ignore[dict-item]

    def _break(self, *, reset: bool) -> None:
        self.cycle.disconnected = True  # so that uvicorn neither completes the reply nor complains that nobody did
        if not reset:
            self.transport.close()
            return
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def configured(zoo: Zoo) -> uvicorn.Config:
    """Return uvicorn's settings for the zoo. They leave the process's logging as it is: the gateway may share it."""
    return uvicorn.Config(
        ZooApp(zoo), http=_Breakable, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )  # fmt: skip


def listen(port: int = 0) -> socket.socket:
    """Return a socket that listens on loopback; port 0: any free one. Raises OSError when the port is taken."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    listener.setblocking(False)
    return listener


def url(listener: socket.socket) -> str:
    """Return the base URL for clients of a listening socket."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@contextlib.contextmanager
def serving(zoo: Zoo, port: int = 0) -> Iterator[str]:
    """Serve the zoo from a thread of its own, for blocking and asynchronous callers alike; yields its base URL."""
    listener = listen(port)
    server = uvicorn.Server(configured(zoo))
    thread = threading.Thread(target=server.run, args=([listener],), name="simulated-zoo", daemon=True)
    thread.start()  # connections wait in the socket's backlog until the server takes them
    try:
        yield url(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextlib.asynccontextmanager
async def running(zoo: Zoo, port: int = 0) -> AsyncIterator[str]:
    """Serve the zoo as ``serving`` does, without blocking the caller's event loop at the end."""
    stack = contextlib.ExitStack()
    base_url = stack.enter_context(serving(zoo, port))
    try:
        yield base_url
    finally:
        await asyncio.shield(asyncio.to_thread(stack.close))
