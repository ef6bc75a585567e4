"""The connections of one origin: who gets which, and who waits.

Strategy: last in, first out, so that few connections stay warm and the rest expire. A slot is the right to one connection,
open or being opened; there are ``limit`` of them. Who finds none waits in line, and is handed either a connection that
came free or the slot of one that closed.

Laws:
- A slot is passed on or counted down exactly once, whatever is cancelled when.
- Who waits is served in order; nobody overtakes the line.
- An unused connection that its peer closes leaves at once; one that nobody uses for ``idle_s`` is closed.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable

from pointsman.core.errors import UpstreamError
from pointsman.upstream.transport.connection import Connection, Phase
from pointsman.upstream.transport.head import Target


class Pool:
    """At most ``limit`` connections to one origin. Lives in one event loop."""

    def __init__(self, target: Target, *, limit: int, idle_s: float, tls: Callable[[], ssl.SSLContext]) -> None:
        self._target = target
        self._limit = limit
        self._idle_s = idle_s
        self._tls = tls
        self._slots = 0
        self._idle: list[Connection] = []
        self._members: set[Connection] = set()
        self._line: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    def kept(self) -> Connection | None:
        """Return the connection that was used last, None where none is free."""
        return self._idle.pop() if self._idle else None

    def drop_kept(self) -> None:
        """Close every free connection."""
        for connection in tuple(self._idle):
            connection.give_up("an older connection of this pool went stale")

    async def connection(self, within_s: float) -> Connection:
        """Return a connection: a kept one, a new one, or the next that comes free.

        Raises UpstreamError (``connect``, or ``timeout`` after ``within_s`` seconds of waiting and connecting), never sent.
        """
        try:
            async with asyncio.timeout(within_s):
                while True:
                    connection = self.kept()
                    if connection is None and self._slots >= self._limit:
                        connection = await self._turn()
                    elif connection is None:
                        self._slots += 1
                    if connection is None:
                        return await self._connect()
                    if connection.phase is Phase.IDLE:
                        return connection
        except TimeoutError:
            what = f"no connection to {self._target.origin} within {within_s:g} s"
            busy = f": all {self._limit} connections are in use" if self._slots >= self._limit else ""
            raise UpstreamError("timeout", what + busy, sent=False) from None

    async def close(self) -> None:
        """Close every connection and wait until their sockets are gone. Exchanges under way fail."""
        self._closed = True
        members = tuple(self._members)
        for connection in members:
            connection.give_up("the transport was closed")
        for connection in members:
            await connection.lost

    async def _turn(self) -> Connection | None:
        """Wait in line; None means that a slot was handed over."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            return await turn
        except BaseException:
            if turn.cancelled() or not turn.done():
                with contextlib.suppress(ValueError):  # passed over already, in the turn of the loop that cancelled it
                    self._line.remove(turn)
            elif (connection := turn.result()) is None:
                self._pass_slot()
            elif connection.phase is Phase.IDLE:
                self._released(connection)
            raise

    async def _connect(self) -> Connection:
        """Open a connection in a slot that is already ours."""
        target = self._target
        connection = Connection(target.origin, self._idle_s, released=self._released, gone=self._gone)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection, target.host, target.port, ssl=self._tls() if target.tls else None
            )
        except ssl.SSLCertVerificationError as error:
            connection.give_up("not connected")
            what = f"the certificate of {target.origin} is not trusted ({error.verify_message})"
            remedy = "if your network has its own authority, set SSL_CERT_FILE to its certificate"
            raise UpstreamError("connect", f"{what}: {remedy}", sent=False) from error
        except (OSError, UnicodeError) as error:
            connection.give_up("not connected")
            raise UpstreamError("connect", _words(target, error), sent=False) from error
        except BaseException:
            connection.give_up("connecting was cancelled")
            raise
        if self._closed:
            connection.give_up("the transport was closed")
            raise UpstreamError("closed", f"{target.origin}: the transport was closed", sent=False)
        self._members.add(connection)
        return connection

    def _released(self, connection: Connection) -> None:
        turn = self._next()
        if turn is None:
            self._idle.append(connection)
        else:
            turn.set_result(connection)

    def _gone(self, connection: Connection) -> None:
        self._members.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._pass_slot()

    def _pass_slot(self) -> None:
        turn = self._next()
        if turn is None:
            self._slots -= 1
        else:
            turn.set_result(None)

    def _next(self) -> "asyncio.Future[Connection | None] | None":
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                return turn
        return None


def _words(target: Target, error: Exception) -> str:
    """Return why there is no connection, and what to look at."""
    said = str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        remedy = "the name is not known here: is base_url right, and does DNS work?"
    elif isinstance(error, ssl.SSLError):
        remedy = "it does not speak TLS as we do: is it https, and is the port in base_url right?"
    else:
        remedy = "is it running, and is base_url right?"
    return f"cannot connect to {target.origin} ({said}): {remedy}"
