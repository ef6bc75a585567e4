"""What has arrived of one reply and was not read yet.

Strategy: the connection pushes (``deliver``, ``finish``, ``fail``); who reads (``pour``, ``read``) takes what is there and
then waits. A sink that has taken all that was there gets what arrives next from the connection itself, in the same turn of
the loop: a piece of a stream wakes no task. While nobody pours, or the sink has had enough, pieces gather in a list with one
water mark: over it the connection stops reading, emptied it goes on. What comes together with the end gathers there too, so
that a burst is taken, and its end acted on, in one step.

Laws:
- Pieces come before the error: what arrived before a cut is delivered, then the cut is raised, and raised again when asked
  again.
- Once the last byte has arrived the connection is free for another request, whether or not it was read here.
- A consumer that is cancelled, or closes early, closes the connection at once.
- What a sink raises is raised where it is poured, and never reaches the connection.
"""

import asyncio
from typing import Final, Protocol

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Sink

HIGH_WATER: Final = 64 * 1024
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
    """A reply whose head has arrived (see ``interfaces.Reply``). One consumer at a time."""

    __slots__ = (
        "_buffered", "_ended", "_error", "_mistake", "_pieces", "_sink", "_source", "_waiter", "headers", "status",
    )  # fmt: skip

    def __init__(self, status: int, headers: tuple[tuple[bytes, bytes], ...], source: Source) -> None:
        self.status = status
        self.headers = headers
        self._source: Source | None = source
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._ended = False
        self._error: UpstreamError | None = None
        self._sink: Sink | None = None
        self._mistake: Exception | None = None  # what the sink raised
        self._waiter: asyncio.Future[None] | None = None

    # The connection's side.

    def deliver(self, pieces: list[bytes], *, last: bool) -> bool:
        """Take pieces of the body, the ``last`` ones or not; true when more waits than should."""
        if self._sink is not None and not last:
            self._push(self._sink, _joined(pieces))
            return False
        self._pieces += pieces
        for piece in pieces:
            self._buffered += len(piece)
        self._wake()
        return self._buffered > HIGH_WATER

    def finish(self) -> None:
        """The last byte has arrived."""
        self._ended = True
        self._source = None
        self._wake()

    def fail(self, error: UpstreamError) -> None:
        """No more will come, and the body is not whole."""
        self._error = error
        self._source = None
        self._wake()

    def _push(self, sink: Sink, data: bytes) -> None:
        try:
            more = sink(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the consumer's
            self._mistake, more = error, False
        if not more:
            self._sink = None
            self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # The consumer's side.

    async def pour(self, sink: Sink) -> bool:
        """Give ``sink`` the body as it arrives, until its end or until the sink wants no more."""
        while True:
            if self._pieces:
                if not sink(_joined(self._take())):
                    return False
            elif self._over():
                return True
            elif not await self._pushed(sink):
                return False

    async def _pushed(self, sink: Sink) -> bool:
        """Let the connection push until there is something to do here; false when the sink wants no more."""
        self._sink = sink
        try:
            await self._arrival()
            more = self._sink is not None
        finally:
            self._sink = None
        if self._mistake is not None:
            mistake, self._mistake = self._mistake, None
            raise mistake
        return more

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
