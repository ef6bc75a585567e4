"""One socket: a table of phases, a parser, one timer.

    phase   begin()    bytes arrive             head whole      body whole         peer closes           timer
    IDLE    -> HEAD    -> CLOSED (unasked)      -               -                  -> CLOSED             -> CLOSED (unused)
    HEAD    -          parse                    -> BODY         -                  -> CLOSED, fails      -> CLOSED, fails
    BODY    -          parse, push or pause     -               -> IDLE | CLOSED   -> CLOSED, fails *    -> CLOSED, fails
    CLOSED  -          ignored                  -               -                  -                     -

    * or ends, where the reply has no length of its own and runs until the connection closes (RFC 9112, section 6.3)

Any other failure (malformed, too long, cancelled, closed by us) also leads to CLOSED, which is final.

Laws:
- A connection goes back to the pool only clean: reply whole, request written, keep-alive agreed, not a byte too many.
- Interim replies (1xx) are skipped; 101 is refused, because nobody asked to switch.
- At most HEAD_LIMIT bytes, and one read of the socket, arrive without a piece of the body among them: endless heads,
  interim replies, chunk extensions and trailers all end there.
- One timer. Every phase only moves ``_deadline``; the timer, when it rings too early, is wound up again. A request on a
  kept connection so costs no timer at all.
- A head that drips, byte by byte, has no more time than the first byte has.
- While reading is paused the consumer is the slow one: only the total deadline runs.
- ``stale`` is true when a *reused* connection was closed by its peer, before a byte of the reply and within STALE_S of
  writing. That is the race of a peer that closes an unused connection while we write to it; see ``client``.
"""

import asyncio
import enum
from collections.abc import Callable
from typing import Final, cast

import httptools

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Timeouts
from pointsman.upstream.transport import alive
from pointsman.upstream.transport.head import Headers
from pointsman.upstream.transport.reply import ReceivedReply

try:
    from pointsman.upstream.transport import _whole

    COMPILED = True
except ImportError:  # from the sources, where the parser reads every reply
    COMPILED = False

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a head (and of anything else that is not body), as in common servers and clients."""

HEADER_COUNT_LIMIT: Final = 256

STALE_S: Final = 1.0
"""A close that answers our writing to an unused connection arrives within a round trip; later ones have another cause."""

_NEVER: Final = float("inf")
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))


class Phase(enum.Enum):
    """Where a connection is; see the table."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    CLOSED = enum.auto()


# Looked up once: an enumeration's members cost more than a global.
_IDLE: Final = Phase.IDLE
_HEAD: Final = Phase.HEAD
_BODY: Final = Phase.BODY
_CLOSED: Final = Phase.CLOSED


class Connection(asyncio.Protocol):
    """One connection of a pool. ``released`` is called when it becomes IDLE again, ``gone`` once when it is CLOSED."""

    def __init__(
        self,
        origin: str,
        idle_s: float,
        released: Callable[["Connection"], None],
        gone: Callable[["Connection"], None],
    ) -> None:
        self.phase = _IDLE
        self.stale = False
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._origin = origin
        self._idle_s = idle_s
        self._released = released
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        # The clock.
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = _NEVER
        self._deadline = _NEVER
        self._total_deadline = self._head_deadline = _NEVER
        self._timeouts = Timeouts()
        # The current exchange.
        self._served = 0
        self._began = 0.0
        self._heard = False
        self._head_only = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._dry = 0
        self._interim = False
        self._whole = False
        self._surplus = False
        self._refusal = ""
        self._arrived: list[bytes] = []
        self._ours = 0
        self.on_body: Callable[[bytes], None] = self._arrived.append
        """A piece of the body, chunk framing removed: one read may bring hundreds, so nothing is done to each of them."""
        self._paused = False
        self._full = False
        self._answer: asyncio.Future[ReceivedReply] | None = None
        self._reply: ReceivedReply | None = None

    # What the client and the pool call.

    def begin(
        self, data: bytes, head_only: bool, timeouts: Timeouts, total_deadline: float
    ) -> "asyncio.Future[ReceivedReply]":
        """Write a request and return the future of its reply's head. ``total_deadline`` is in the loop's time.

        Who stops waiting for the future must call ``give_up``.
        """
        now = self._loop.time()
        self.phase = _HEAD
        self._began = now
        self._heard = self._whole = False
        self._ours = 0
        self._head_only = head_only
        self._headers = []
        self._dry = 0
        self._timeouts = timeouts
        self._total_deadline = total_deadline
        self._head_deadline = now + timeouts.first_byte_s
        self._watch(min(self._head_deadline, total_deadline))
        self._answer = answer = self._loop.create_future()
        assert self._transport is not None  # noqa: S101 - IDLE implies it
        self._transport.write(data)
        return answer

    def resume(self) -> None:
        """Go on reading, if the buffer had been full."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._watch(min(self._loop.time() + self._timeouts.idle_s, self._total_deadline))
            self._transport.resume_reading()

    def give_up(self, why: str) -> None:
        """Close now, whatever the phase. An exchange under way fails with UpstreamError ``closed``."""
        self._close(UpstreamError("closed", f"{self._origin}: {why}", sent=True))

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS included."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by duck typing only
        if (sock := transport.get_extra_info("socket")) is not None:
            alive.probe(sock)
            alive.bound_unconfirmed(sock)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """One read of the socket: parse it, then act once on what it brought."""
        if self.phase is _IDLE:
            self.give_up("bytes arrived that nobody asked for")
        if self.phase is _CLOSED or self._parser is None:
            return
        if COMPILED and not self._heard and not self._head_only and (found := _whole.read(data)) is not None:
            self._take(found[0], found[1], found[2])
            return
        self._heard = True
        self._dry += len(data)
        broken: Exception | None = None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            broken = error
            self._surplus = True
        if self._arrived:
            self._hand_over()
        if broken is not None and not self._whole:
            self._fail("protocol", f"the reply is not usable HTTP/1.1: {self._refusal or broken}")
        elif self._whole:
            self._end()
        elif self._dry > HEAD_LIMIT:
            self._fail("protocol", f"more than {HEAD_LIMIT} bytes of head, extensions or trailers arrived")
        else:
            self._progress()

    def eof_received(self) -> None:
        """The loop closes the socket, and ``connection_lost`` follows; an unused connection leaves the pool at once."""
        if self.phase is _IDLE:
            self.give_up("the server closed the unused connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: the end of a reply without a length, or a failure, or what ``_close`` began."""
        reply = self._reply
        if exc is None and reply is not None and not any(name in _FRAMING for name, _ in reply.headers):
            self._whole = self._surplus = True
            self._end()
        elif self.phase is not _CLOSED:
            early = self.phase is _HEAD and not self._heard
            recent = self._loop.time() - self._began <= STALE_S
            self.stale = early and recent and self._served > 0
            where = "before its reply" if early else "in the middle of its reply"
            cause = f" ({exc})" if exc else ""
            self._fail("closed", f"the server closed the connection {where}{cause}")
        self._transport = None
        self._parser = None
        if not self.lost.done():
            self.lost.set_result(None)

    # What the parser calls, inside feed_data.

    def on_message_begin(self) -> None:
        """A second message after the reply is a surplus: the reply stands, the connection is not used again."""
        if self._whole:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the reply; trailers, and heads of a surplus message, are passed over."""
        if self.phase is not _HEAD:
            return
        name = name.lower()
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise self._refused("a transfer encoding that was not asked for")
        self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is whole: hand out the reply, unless it is an interim one."""
        if self.phase is not _HEAD or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise self._refused("status 101, a switch that was not asked for")
            self._interim = True
            self._headers = []
            return
        headers = tuple(self._headers)
        if len(headers) > HEADER_COUNT_LIMIT:
            raise self._refused(f"more than {HEADER_COUNT_LIMIT} headers")
        if self._dry > HEAD_LIMIT and sum(len(name) + len(value) for name, value in headers) > HEAD_LIMIT:
            raise self._refused(f"a head of more than {HEAD_LIMIT} bytes")
        self._begin_reply(status, headers)
        if self._head_only:
            self._whole = self._surplus = True  # the parser would wait for a body: this connection is not used again

    def on_message_complete(self) -> None:
        """The last byte of the reply, or of an interim one."""
        if self._interim:
            self._interim = False
            self._arrived.clear()
            return
        if not self._whole:
            self._ours = len(self._arrived)
        if self._parser is not None and not self._parser.should_keep_alive():
            self._surplus = True
        self._whole = True

    def _refused(self, reason: str) -> httptools.HttpParserError:
        self._refusal = reason
        return httptools.HttpParserError(reason)

    # What changes the phase.

    def _take(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole reply has come at once: the parser, which stands between two replies, does not see it."""
        self._heard = self._whole = True
        self._begin_reply(status, headers)
        if self._reply is not None:
            self._reply.deliver([body], last=True)
        self._end()

    def _begin_reply(self, status: int, headers: Headers) -> None:
        """The head is whole: hand out the reply."""
        self._dry = 0
        self.phase = _BODY
        self._head_deadline = _NEVER
        self._reply = reply = ReceivedReply(status, headers, self)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(reply)
        self._answer = None

    def _hand_over(self) -> None:
        """Give the reply the pieces of its body that one read of the socket brought; what follows its end is not its own."""
        if self._reply is not None:
            pieces = self._arrived[: self._ours] if self._whole else self._arrived[:]
            self._dry = 0
            self._full = self._reply.deliver(pieces, last=self._whole)
        self._arrived.clear()

    def _progress(self) -> None:
        """Part of a reply has come: pause, or move the deadline."""
        if self._full and self._transport is not None:
            self._full, self._paused = False, True
            self._transport.pause_reading()
            self._deadline = self._total_deadline
        elif not self._paused:
            self._watch(min(self._loop.time() + self._timeouts.idle_s, self._head_deadline, self._total_deadline))

    def _end(self) -> None:
        """The reply is whole: back to the pool if clean, else closed; the consumer reads on from its buffer."""
        reply, self._reply = self._reply, None
        transport = self._transport
        self._full = False
        if reply is not None:
            reply.finish()
        # An early reply can come while the request is still being written: such a connection is not clean.
        if self._surplus or transport is None or transport.get_write_buffer_size() or transport.is_closing():
            self.give_up("the connection cannot be used again")
            return
        self.phase = _IDLE
        self._served += 1
        self._watch(self._loop.time() + self._idle_s)
        self._released(self)

    def _fail(self, kind: str, what: str) -> None:
        self._close(UpstreamError(kind, f"{self._origin}: {what}", sent=True))

    def _close(self, error: UpstreamError) -> None:
        if self.phase is _CLOSED:
            return
        self.phase = _CLOSED
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._gone(self)
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.fail(error)

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
        now = self._loop.time()
        limits = self._timeouts
        if now < self._deadline:
            self._watch(self._deadline)
        elif self.phase is _IDLE:
            self.give_up("the connection was not used for a while")
        elif now >= self._total_deadline:
            self._fail("timeout", f"the reply was not whole after {limits.total_s:g} s")
        elif self._heard and now >= self._head_deadline:
            self._fail("timeout", f"the head of the reply was not whole within {limits.first_byte_s:g} s")
        elif self._heard:
            self._fail("timeout", f"nothing more of the reply for {limits.idle_s:g} s")
        else:
            self._fail("timeout", f"no first byte of the reply within {limits.first_byte_s:g} s")
