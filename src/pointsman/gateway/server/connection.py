"""One client's socket: whose turn it is, and how long anybody may take.

    state     what is awaited                       its time            when it is over
    unused    the first byte of a request           keep_alive_s        close
    head      the rest of a head                    HEAD_S              408, close
    body      the next piece; the last piece        idle_s; total_s     408, close
    busy      the application's task                its own             -
    stalled   a client that reads nothing more      idle_s              close
    closing   the client's goodbye                  LINGER_S            close

A client that closes its sending side is taken to have left. While busy, what it sends meanwhile (pipelining, RFC 9112,
section 9.3.2) is read and waits its turn, up to ``QUEUED`` requests; then the socket is not read until there is room, and
so long nobody sees it leave either.

Laws:
- One request, one reply, in order, and the next only once the client reads the last one. What cannot be read is answered
  once its turn comes, and then the connection ends.
- Who hangs up is ``gone``, and the task is cancelled in the same turn of the event loop.
- One that retires says so in the next reply that it begins (``connection: close``), and stays until then: it is never closed
  while a request may be on its way to it.
- Who may not send a request is told so once its head is there, and what comes of its body is let go: else anybody could fill
  the room that all bodies share. (A body that came with its head is the application's to refuse.)
- A task that ends without a whole reply closes the connection: half an answer never passes for a whole one.
- One task answers all requests of a connection, from the first one on; between them it holds nothing of theirs, and others
  have their turn, however many were sent at once.
- One timer. Every state only moves the deadline; the timer, when it rings too early, is wound up again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from pointsman.core.errors import GatewayError
from pointsman.core.snapshot import Limits
from pointsman.gateway.answer import errors_at, refuse
from pointsman.gateway.server import head
from pointsman.gateway.server.message import Application, Gate, Head, Headers, Incoming
from pointsman.gateway.server.reader import RequestReader, Room

QUEUED: Final = 8
HEAD_S: Final = 30.0
LINGER_S: Final = 2.0
_NEVER: Final = float("inf")

logger = logging.getLogger("pointsman.gateway")


class Connection(asyncio.Protocol):
    """One connection; the ``Client`` of each of its requests in turn.

    ``limits`` returns those in force, ``gate`` says whose bodies are read. ``joined`` and ``left`` are called once each:
    when the client has connected (it returns the room for its bodies, or raises GatewayError: there are too many), and when
    the socket is gone and no task is left.
    """

    def __init__(
        self,
        application: Application,
        limits: Callable[[], Limits],
        clock: head.Clock,
        keep_alive_s: float,
        joined: Callable[["Connection"], Room],
        left: Callable[["Connection"], None],
        gate: Gate | None = None,
    ) -> None:
        self.gone = False
        self._application = application
        self._clock = clock
        self._keep_alive_s = keep_alive_s
        self._joined = joined
        self._left = left
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader(limits, Room(0))  # until it has joined
        self._begun_at = 0.0
        self._gate = gate
        self._let_in = False  # whether the request that is being read passed the gate
        self._deaf = False
        self._ours = False  # whether it was us who cut the connection
        self._queue: deque[Incoming | GatewayError] = deque()
        # The reply under way.
        self._task: asyncio.Task[None] | None = None  # from the first request on, for as long as the connection lasts
        self._running = False
        self._busy = False
        self._asked: Incoming | None = None
        self._turn: asyncio.Future[None] | None = None
        self._size = 0  # of the body of the request that is answered
        self._last = False
        self._retiring = False
        self._chunks = True
        self._with_body = True
        self._started = self._finished = False
        self._opening = b""
        # Back-pressure on both sides, and the clock.
        self._held = False
        self._paused = False
        self._unread = 0
        self._room: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = _NEVER
        self._deadline = _NEVER

    # What the server calls.

    def retire(self) -> None:
        """Let the next reply that begins be the last one."""
        self._retiring = True

    def end(self) -> None:
        """Take no further request: close now, or once the reply under way is sent."""
        self._deaf = self._last = True
        self._forget()
        if not self._busy and self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close now, whatever is under way."""
        self._ours = True
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by duck typing only
        try:
            self._reader.room = self._joined(self)
        except GatewayError as error:
            self._queue.append(error)
            self._next()
        else:
            self._watch(self._loop.time() + self._keep_alive_s)

    def data_received(self, data: bytes) -> None:
        """One read of the socket."""
        if self._deaf:
            return
        self._queue.extend(self._reader.feed(data))
        if self._reader.problem is not None:
            self._queue.append(self._reader.problem)
            self._deaf = True
        if self._busy:
            if len(self._queue) >= QUEUED and self._transport is not None and not self._held:
                self._held = True
                self._transport.pause_reading()
        elif self._queue:
            self._next()
        else:
            self._await_request()

    def connection_lost(self, _exc: Exception | None) -> None:
        """The socket is gone."""
        self.gone = not self._ours
        self._deaf = True
        self._transport = None
        self._forget()
        if self._timer is not None:
            self._timer.cancel()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        if self._task is not None and self._busy and not self._finished:
            self._task.cancel()
        self._wake()
        if not self._running:  # a task that is cancelled before its first step never takes one
            self._answered()
            self._left(self)

    def pause_writing(self) -> None:
        """The client reads more slowly than the provider writes."""
        self._paused = True
        if self._transport is not None:
            self._stall(self._transport)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._paused = False
        if self._busy:
            self._watch(_NEVER)
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # What the application calls: see ``message.Client``.

    @property
    def peer(self) -> str:
        """The address of the socket's other end: what a proxy's headers say of it is anybody's word."""
        found = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(found[0]) if found else ""

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole reply in one write."""
        self._started = self._finished = True
        headers.append(b"content-length: %d\r\n" % len(body))
        self._write(self._head(status, headers, body if self._with_body else b""))

    def start(self, status: int, headers: Headers) -> None:
        """Begin a reply."""
        self._started = True
        if self._chunks:
            headers.append(head.CHUNKED)
        self._opening = self._head(status, headers)

    def send(self, piece: bytes) -> bool:
        """Send a piece of the body."""
        self._write(self._opened(head.chunk(piece) if self._chunks else piece))
        return not self._paused

    def finish(self, piece: bytes = b"") -> None:
        """Send the last piece."""
        self._finished = True
        self._write(self._opened(head.chunk(piece) + head.LAST_CHUNK if self._chunks else piece))

    async def room(self) -> None:
        """Wait while too much of what was written is waiting to be read."""
        if self._paused and self._transport is not None:
            self._room = self._loop.create_future()
            await self._room

    def _head(self, status: int, headers: Headers, body: bytes = b"") -> bytes:
        if self._retiring and not self._queue:  # what was sent already is answered too
            self._last = True
        if self._last:
            headers.append(head.CLOSE)
        return head.rendered(status, headers, self._clock.line(), body)

    def _opened(self, data: bytes) -> bytes:
        if self._opening:
            data, self._opening = self._opening + data, b""
        return data

    def _write(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(data)

    # One request after the other.

    def _next(self) -> None:
        """Answer what is first in line."""
        found = self._queue.popleft()
        self._begun_at = 0.0
        self._let_in = False
        self._started = self._finished = False
        if not isinstance(found, Incoming):
            self._last = self._deaf = True
            refuse(self, found, errors_at(self._reader.path))
            self._linger()
            return
        said = found.head
        self._last, self._chunks = self._last or said.last, said.chunks
        self._with_body = said.method != "HEAD"
        self._size = len(found.body)
        self._watch(_NEVER)
        self._busy, self._asked = True, found
        if self._task is None:
            self._task = self._loop.create_task(self._serve())
        else:
            self._wake()

    async def _serve(self) -> None:
        """Answer each request in its turn until the socket is gone: one task for all of them, because tasks are dear."""
        self._running = True
        try:
            while self._transport is not None:
                asked, self._asked = self._asked, None
                if asked is None:
                    self._turn = self._loop.create_future()
                    await self._turn
                    continue
                try:
                    await self._application(asked, self)
                except Exception:
                    logger.exception("%r %r was not answered", asked.head.method, asked.head.path)
                    self._confess(asked.head)
                if self._paused and self._finished:
                    await self.room()
                self._answered()
                self._go_on()
                if self._busy:  # the next one was there already: others have their turn before it
                    await asyncio.sleep(0)
        except asyncio.CancelledError:  # the client is gone, or the process ends
            if self._transport is not None:
                self._transport.abort()
        self._running, self._asked = False, None
        self._answered()
        if self._transport is None:
            self._left(self)

    def _confess(self, asked: Head) -> None:
        """Say that the gateway made a mistake, where nothing was said yet."""
        if not self._started:
            mistake = GatewayError(500, "internal_error", "the gateway made a mistake: its log says which")
            refuse(self, mistake, errors_at(asked.path, asked.headers))

    def _wake(self) -> None:
        """Let the task go on that waits for a request."""
        turn, self._turn = self._turn, None
        if turn is not None and not turn.done():
            turn.set_result(None)

    def _answered(self) -> None:
        self._busy = False
        self._reader.room.give(self._size)
        self._size = 0

    def _forget(self) -> None:
        """Let go of the requests that wait, and of the one that was read in part."""
        self._reader.room.give(sum([len(one.body) for one in self._queue if isinstance(one, Incoming)]))
        self._queue.clear()
        self._reader.close()

    def _go_on(self) -> None:
        """A reply has ended."""
        transport = self._transport
        if transport is None:
            return
        if not self._finished:
            transport.abort()
        elif self._last:
            self._stall(transport)
            transport.close()
        elif self._queue:
            self._next()
        else:
            if self._held:
                self._held = False
                transport.resume_reading()
            self._await_request()

    def _await_request(self) -> None:
        """Wait for a request, or for the rest of one."""
        reader, now = self._reader, self._loop.time()
        if not reader.begun:
            self._begun_at = 0.0
            self._watch(now + self._keep_alive_s)
            return
        self._begun_at = self._begun_at or now
        if not reader.in_body:
            self._watch(self._begun_at + HEAD_S)
            return
        if self._gate is not None and not self._let_in and not self._passes(self._gate):
            return
        if reader.expects:
            reader.expects = False
            self._write(head.CONTINUE)
        self._watch(min(now + reader.limits.idle_s, self._begun_at + reader.limits.total_s))

    def _passes(self, gate: Gate) -> bool:
        """See whether the body of the request that is being read may come; where not, say so, and read nothing more."""
        try:
            gate(self._reader.head, self)
        except GatewayError as error:
            self._deaf = True
            self._reader.close()
            self._queue.append(error)
            self._next()
            return False
        self._let_in = True
        return True

    def _stall(self, transport: asyncio.Transport) -> None:
        """Give the client ``idle_s`` to read something of what was written."""
        self._unread = transport.get_write_buffer_size()
        self._watch(self._loop.time() + self._reader.limits.idle_s)

    def _linger(self) -> None:
        """Close once the client has had time to read why: closing with bytes unread would destroy what was written."""
        self._watch(self._loop.time() + LINGER_S)
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    # The clock.

    def _watch(self, deadline: float) -> None:
        """Move the deadline. The timer itself moves only when it would ring too late."""
        self._deadline = deadline
        if deadline < self._rings_at:
            if self._timer is not None:
                self._timer.cancel()
            self._rings_at = deadline
            self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._rings_at = _NEVER
        now, left = self._loop.time(), self._transport.get_write_buffer_size() if self._transport is not None else 0
        if now < self._deadline:
            self._watch(self._deadline)
        elif self._transport is not None and left and left < self._unread:
            self._stall(self._transport)
        elif self._reader.begun and not self._busy and not self._deaf:
            self._queue.append(GatewayError(408, "request_timeout", "the rest of the request did not arrive in time"))
            self._next()
        else:
            self.cut()
