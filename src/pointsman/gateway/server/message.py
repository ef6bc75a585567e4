"""One request, and the way back to who sent it: all that the gateway sees of HTTP."""

from collections.abc import Awaitable, Callable
from typing import Protocol

Headers = list[bytes]
"""Lines of a head, each with its end; one entry may hold several. See ``line``."""


def line(name: bytes, value: bytes) -> bytes:
    """Return one header as a line. The value holds no line end: that is its maker's to see to."""
    return b"%b: %b\r\n" % (name, value)


class Head:
    """What stands before a request's body, and all requests of a connection share that repeat it.

    ``path`` is decoded, ``query`` is what stood behind its question mark, as it came. Header names are lower case, the last
    of a name counts; the body's length is left out. ``last``: no request may follow on this connection;
    ``chunks``: its sender understands chunked replies. ``known`` is what the application keeps with a head.
    """

    __slots__ = ("chunks", "headers", "known", "last", "method", "path", "query")

    def __init__(
        self, method: str, path: str, query: str, headers: dict[bytes, bytes], *, last: bool = False, chunks: bool = True
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.last = last
        self.chunks = chunks
        self.known: object = None

    def __repr__(self) -> str:
        """Show no header: one holds a key."""
        return f"Head({self.method} {self.path}, {len(self.headers)} headers)"


class Incoming:
    """A whole request."""

    __slots__ = ("body", "head")

    def __init__(self, head: Head, body: bytes) -> None:
        self.head = head
        self.body = body

    def __repr__(self) -> str:
        """Show nothing of what a user wrote."""
        return f"Incoming({self.head!r}, {len(self.body)} bytes)"


class Client(Protocol):
    """Who sent a request, for as long as it is answered.

    Who hangs up is ``gone``, and the task that answers is cancelled at that moment; it is cancelled without that where the
    server itself has to cut the connection.
    """

    @property
    def gone(self) -> bool:
        """Whether the client has hung up."""

    @property
    def peer(self) -> str:
        """The IP address that the socket is from; empty where there is none."""

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole reply. Waits for nothing; ``headers`` is taken over."""

    def start(self, status: int, headers: Headers) -> None:
        """Begin a reply whose length is not known yet. Its head goes out with the first piece; ``headers`` is taken over."""

    def send(self, piece: bytes) -> bool:
        """Send a piece of the body. False when the client reads too slowly: await ``room`` before the next one."""

    async def room(self) -> None:
        """Wait while too much of what was sent waits to be read."""

    def finish(self, piece: bytes = b"") -> None:
        """Send the last piece. Waits for nothing."""


Gate = Callable[[Head, Client], None]
"""Sees a head whose body is still on its way. Raises GatewayError where the body is not to come."""

Application = Callable[[Incoming, Client], Awaitable[None]]
