"""What the rest of Pointsman sees of the outbound side: a credential source, a transport, and sentence encoders.

All are small on purpose: signed requests and refreshed tokens (Bedrock, Vertex, Entra) are other Credentials, and another
HTTP client is another Transport.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray


class Request(Struct, frozen=True):
    """One outbound request. ``url`` comes from a provider row, never from a client. Header names are lower case."""

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def __repr__(self) -> str:
        """Show no header and no body: one holds the key, the other what the user wrote."""
        return f"Request({self.method} {self.url}, {len(self.headers)} headers, {len(self.body)} bytes)"


class Timeouts(Struct, frozen=True):
    """Seconds: to connect (name and TLS included), to the first byte of the reply and the end of its head, between two bytes
    after it, and in all.
    """

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 900.0


Sink = Callable[[bytes], bool]
"""Takes a piece of a body, at once and without waiting; false when it wants no more for now."""


class Reply(Protocol):
    """A reply whose head has arrived. Leaving it early closes the connection at once; reading it to the end keeps it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]

    async def pour(self, sink: Sink) -> bool:
        """Give ``sink`` the body as it arrives. True at its end, false once the sink wants no more: pour again to go on.

        What arrives meanwhile waits, and nothing is read ahead past a bounded buffer. Raises UpstreamError when the body is
        cut, late or malformed, and what the sink raises.
        """

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamError (kind ``protocol``) when it is longer than ``limit`` bytes."""

    def close(self) -> None:
        """Give the connection up now if the body was not read to its end. Idempotent; safe after cancellation."""


class Transport(Protocol):
    """The only way out. Raises UpstreamError and nothing else."""

    async def send(self, request: Request, timeouts: Timeouts) -> Reply:
        """Send and wait for the head of the reply."""

    async def close(self) -> None:
        """Close every connection."""


class Encodes(Protocol):
    """Turns texts into numbers. ``name`` says which model does, and stands in what was learned with it."""

    name: str

    async def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row of numbers for each text (n, d). Raises UpstreamError."""


class Credential(Protocol):
    """Where the right to call a provider comes from. Its repr never shows the secret."""

    def ready(self, request: Request) -> Request | None:
        """Return what ``sign`` returns, None where that takes waiting. Raises UpstreamError (kind ``credential``)."""

    async def sign(self, request: Request) -> Request:
        """Return the request with what the provider wants to see added. Raises UpstreamError (kind ``credential``)."""

    def refused(self) -> None:
        """The provider says that it is not good (401): look for it again with the next request, where that may help."""
