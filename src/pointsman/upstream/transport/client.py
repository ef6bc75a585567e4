"""One request's way out, from URL to the head of its reply.

Strategy: everything that can be refused is refused before a connection is touched; then a kept connection or a new one, one
write, one wait. On a kept connection that is all: no task, no timer, no lock.

Laws:
- ``UpstreamError.sent`` is false only while nothing was written: refused, no connection, or closed before.
- Cancelled at any await, the connection in use is closed at once and never pooled.
- One retry, and only of a stale connection: *reused*, closed by its peer without a byte of a reply, within a second of
  writing. A peer closes unused connections when it likes, and the request may cross that close. RFC 9110 (section 9.2.2)
  lets a client repeat a POST when it can tell that it was not applied; like curl and browsers we take exactly this
  case for that. A connection that was never used before, one that sent a byte, or one that closed later than any such
  race lasts is not retried here: the model may have been at work, and would be paid twice. What fails after a retry counts
  as sent.
"""

import asyncio
import functools
import ssl
from typing import Final

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Reply, Request, Timeouts
from pointsman.upstream.transport.connection import Connection
from pointsman.upstream.transport.head import Target, head_of
from pointsman.upstream.transport.pool import Pool

_HEADS: Final = 256
"""Heads of requests that are kept, the newest: bounded, because some clients send another value with every request."""


class HttpTransport:
    """HTTP/1.1 to any number of origins (see ``interfaces.Transport``). Lives in one event loop.

    ``connections_per_origin`` bounds the connections open to one origin; further requests wait for ``connect_s``. By
    default it is more than a gateway serves at once, so that it is the gateway that says when there is too much.
    ``idle_s`` is how long an unused connection is kept, in seconds: under the minute after which common load balancers close
    theirs. ``tls`` is for tests and private authorities; by default the system's trust store verifies, which
    SSL_CERT_FILE and SSL_CERT_DIR replace.
    """

    def __init__(
        self, *, connections_per_origin: int = 16_384, idle_s: float = 30.0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._limit = connections_per_origin
        self._idle_s = idle_s
        self._given_tls = tls
        self._head_of = functools.lru_cache(_HEADS)(head_of)
        self._pools: dict[str, Pool] = {}
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None  # the first request's

    async def send(self, request: Request, timeouts: Timeouts) -> Reply:
        """Send and wait for the head of the reply. Raises UpstreamError."""
        if self._closed:
            raise UpstreamError("closed", "the transport is closed", sent=False)
        body = request.body
        head = self._head_of(request.method, request.url, request.headers, bool(body))
        data = head.before(body)
        pool = self._pools.get(head.target.origin) or self._open_pool(head.target)
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        ends_at, within_s = self._loop.time() + timeouts.total_s, min(timeouts.connect_s, timeouts.total_s)
        connection, again = pool.kept() or await pool.connection(within_s), False
        while True:
            answer = connection.begin(data, request.method == "HEAD", timeouts, ends_at)
            del data  # a large body would be here once more for as long as the model thinks
            try:
                return await answer
            except asyncio.CancelledError:
                connection.give_up("the request was cancelled")
                raise
            except UpstreamError:
                if again or not connection.stale:
                    raise
            pool.drop_kept()  # the newest went stale, so the older ones are no better
            connection, again = await _another(pool, within_s), True
            data = head.before(body)

    async def close(self) -> None:
        """Close every connection. Exchanges under way fail with UpstreamError ``closed``."""
        self._closed = True
        for pool in self._pools.values():
            await pool.close()

    def _open_pool(self, target: Target) -> Pool:
        pool = Pool(target, limit=self._limit, idle_s=self._idle_s, tls=self._tls)
        return self._pools.setdefault(target.origin, pool)

    @functools.cached_property
    def _default_tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or self._default_tls


async def _another(pool: Pool, within_s: float) -> Connection:
    """Return a connection for the retry; where there is none, the request counts as sent all the same."""
    try:
        return await pool.connection(within_s)
    except UpstreamError as error:
        raise UpstreamError(error.kind, str(error), sent=True) from error
