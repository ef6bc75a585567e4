"""What has arrived of one reply and was not read yet.

Strategy: the connection pushes (``deliver``, ``finish``, ``fail``), the consumer pulls (``chunks``, ``read``). Between them
is one list of pieces and at most one future. A pull takes everything that is there as one piece, so a burst costs one
wake-up, and the buffer has one water mark: over it the connection stops reading, emptied it goes on.

Laws:
- Pieces come before the error: what arrived before a cut is delivered, then the cut is raised, and raised again when asked
  again.
- Once the last byte has arrived the connection is free for another request, whether or not it was read here.
- A consumer that is cancelled, or closes early, closes the connection at once.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from pointsman.core.errors import UpstreamError

HIGH_WATER = 64 * 1024
"""Bytes that may wait here before the connection stops reading.

What the loop had read by then may come on top: 256 KiB at most, and 512 KiB under TLS, which buffers for itself.
"""


class Source(Protocol):
    """The side of a connection that its current reply may use."""

    def resume(self) -> None:
        """Go on reading."""

    def give_up(self, why: str) -> None:
        """Close now; the reply fails with UpstreamError ``closed``."""


class ReceivedReply:
    """A reply whose head has arrived (see ``interfaces.Reply``). It is its own iterator; one consumer at a time."""

    __slots__ = ("_buffered", "_ended", "_error", "_pieces", "_source", "_waiter", "headers", "status")

    def __init__(self, status: int, headers: tuple[tuple[bytes, bytes], ...], source: Source) -> None:
        self.status = status
        self.headers = headers
        self._source: Source | None = source
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._ended = False
        self._error: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    # The connection's side.

    def deliver(self, pieces: list[bytes]) -> bool:
        """Take pieces of the body; true when more waits than should."""
        self._pieces += pieces
        self._buffered += sum(map(len, pieces))
        return self._buffered > HIGH_WATER

    def wake(self) -> None:
        """Let the consumer run, if it waits."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def finish(self) -> None:
        """The last byte has arrived."""
        self._ended = True
        self._source = None
        self.wake()

    def fail(self, error: UpstreamError) -> None:
        """No more will come, and the body is not whole."""
        self._error = error
        self._source = None
        self.wake()

    # The consumer's side.

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises UpstreamError when it is cut, late or malformed."""
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._over():
                raise StopAsyncIteration
            await self._arrival()
        return _joined(self._take())

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamError, kind ``protocol`` when it is longer than ``limit`` bytes."""
        size = 0
        pieces: list[bytes] = []
        while True:
            size += self._buffered
            if size > limit:
                self.close()
                raise UpstreamError("protocol", f"the reply is longer than the {limit} bytes allowed", sent=True)
            pieces += self._take()
            if self._over():
                return _joined(pieces)
            await self._arrival()

    def close(self) -> None:
        """Give the connection up now unless the last byte has arrived. Idempotent."""
        self._abandon("the reply was closed before its end")

    def _over(self) -> bool:
        """Whether the body has ended; raises when it was cut. Asked once nothing is left to take."""
        if self._error is not None:
            raise self._error
        return self._ended

    def _take(self) -> list[bytes]:
        pieces, self._pieces, self._buffered = self._pieces, [], 0
        if self._source is not None:
            self._source.resume()
        return pieces

    async def _arrival(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except BaseException:
            self._abandon("reading the reply was cancelled")
            raise
        finally:
            self._waiter = None

    def _abandon(self, why: str) -> None:
        if self._source is not None:
            self._source.give_up(why)


def _joined(pieces: list[bytes]) -> bytes:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
