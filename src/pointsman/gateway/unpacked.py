"""A reply whose body its provider compressed, as if it had not: we ask for none, and some compress all the same.

Law: bounded as the body itself is; a body that is not what its head says, or ends before it should, is a protocol error.
"""

import zlib

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Reply, Sink

_KINDS = frozenset((b"gzip", b"x-gzip", b"deflate"))
_ANY_HEAD = 47  # zlib: find out by itself whether it is gzip or zlib
_PIECE = 256 * 1024


def unpacked(reply: Reply) -> Reply:
    """Return the reply itself, or one that unpacks what it reads."""
    for name, value in reply.headers:
        if name == b"content-encoding" and value.lower() in _KINDS:
            return _Unpacked(reply)
    return reply


class _Unpacked:
    """Reads a compressed reply as plain bytes."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._zlib = zlib.decompressobj(_ANY_HEAD)
        self._left = b""  # still compressed: what came when the sink had had enough
        self._begun = False
        self._sink: Sink | None = None
        self.status = reply.status
        self.headers = tuple([field for field in reply.headers if field[0] not in (b"content-encoding", b"content-length")])

    async def pour(self, sink: Sink) -> bool:
        """Give ``sink`` the body as it arrives, in pieces of bounded size."""
        self._sink = sink
        if not self._pass(b"") or not await self._reply.pour(self._pass):
            return False
        rest = self._zlib.flush()
        if rest and not sink(rest):
            return False
        if self._begun and not self._zlib.eof:
            raise UpstreamError("protocol", "the reply cannot be unpacked: it ended early", sent=True)
        return True

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamError (kind ``protocol``) when it is longer than ``limit`` bytes."""
        body = bytearray()

        def add(piece: bytes) -> bool:
            body.extend(piece)
            if len(body) > limit:
                raise UpstreamError("protocol", f"the reply is longer than {limit} bytes", sent=True)
            return True

        await self.pour(add)
        return bytes(body)

    def close(self) -> None:
        """Give the connection up."""
        self._reply.close()

    def _pass(self, data: bytes) -> bool:
        left, self._left = self._left + data, b""
        self._begun = self._begun or bool(left)
        while left:
            piece = self._piece(left)
            left = self._zlib.unconsumed_tail
            if piece and self._sink is not None and not self._sink(piece):
                self._left = left
                return False
        return True

    def _piece(self, data: bytes) -> bytes:
        try:
            return self._zlib.decompress(data, _PIECE)
        except zlib.error as error:
            raise UpstreamError("protocol", f"the reply cannot be unpacked: {error}", sent=True) from error
