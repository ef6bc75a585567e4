"""Accepts connections on sockets, and ends gracefully.

Laws: no more connections, and no more bytes of bodies, than a bound, in all and of one address (``addresses``), and the next
one is told so; once stopped, no request is taken, those under way get their time, and what is left after it is cut; ``stop``
returns when no task is left. One that retires, because another process serves the sockets too, answers everything that still
comes on its connections.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from pointsman.core.snapshot import Limits
from pointsman.gateway.server.addresses import Address, Addresses
from pointsman.gateway.server.connection import Connection
from pointsman.gateway.server.head import Clock
from pointsman.gateway.server.message import Application, Gate
from pointsman.gateway.server.reader import Room

BACKLOG: Final = 2048
CONNECTIONS: Final = 16_384
BODIES: Final = 1024 * 1024 * 1024
"""Bytes of requests' bodies that may be held at once: half arrived, waiting their turn, or being answered."""
KEEP_ALIVE_S: Final = 75.0


class Server:
    """An HTTP server for one application. Lives in one event loop.

    ``limits`` returns those in force; ``gate``, where there is one, says whose bodies are read. ``keep_alive_s`` is how
    long an unused connection stays, in seconds: longer than the minute after which common load balancers close theirs, so
    that the race of both sides is theirs to lose.
    """

    def __init__(
        self,
        application: Application,
        limits: Callable[[], Limits],
        *,
        connections: int = CONNECTIONS,
        bodies: int = BODIES,
        keep_alive_s: float = KEEP_ALIVE_S,
        gate: Gate | None = None,
    ) -> None:
        self._application = application
        self._limits = limits
        self._gate = gate
        self._keep_alive_s = keep_alive_s
        self._clock = Clock()
        self._room = Room(bodies)
        self._addresses = Addresses(connections, self._room)
        self._connections: dict[Connection, Address | None] = {}  # None: refused, and told so
        self._empty = asyncio.Event()
        self._empty.set()
        self._servers: list[asyncio.Server] = []
        self._stopping = False
        self._retiring = False

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    async def start(self, listener: socket.socket) -> None:
        """Serve what connects to a bound socket, which is taken over. There may be several."""
        accepting = asyncio.get_running_loop().create_server(self._connection, sock=listener, backlog=BACKLOG)
        self._servers.append(await accepting)

    async def retire(self, patience_s: float) -> None:
        """Leave new connections to another process, and let ours end with their next reply, for ``patience_s`` seconds."""
        self._retiring = True
        self._accept_no_more()
        for connection in tuple(self._connections):
            connection.retire()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._empty.wait()

    async def stop(self, grace_s: float) -> None:
        """Take nothing more; let what is under way end within ``grace_s`` seconds, then cut it. Idempotent."""
        self._stopping = True
        self._accept_no_more()
        for connection in tuple(self._connections):
            connection.end()
        try:
            async with asyncio.timeout(grace_s):
                await self._empty.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.cut()
            await self._empty.wait()

    def _accept_no_more(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _connection(self) -> Connection:
        hooks = (self._joined, self._left, self._gate)
        return Connection(self._application, self._limits, self._clock, self._keep_alive_s, *hooks)

    def _joined(self, connection: Connection) -> Room:
        self._connections[connection] = None
        self._empty.clear()
        if self._stopping:  # it was accepted in the same moment
            asyncio.get_running_loop().call_soon(connection.end)
        elif self._retiring:
            connection.retire()
        address = self._connections[connection] = self._addresses.join(connection.peer, self._limits())
        return address.room

    def _left(self, connection: Connection) -> None:
        address = self._connections.pop(connection, None)
        if address is not None:
            self._addresses.leave(address)
        if not self._connections:
            self._empty.set()
