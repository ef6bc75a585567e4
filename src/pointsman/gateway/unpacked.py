"""A reply whose body its provider compressed, as if it had not: we ask for none, and some compress all the same.

Law: bounded as the body itself is; a body that is not what its head says is a protocol error.
"""

import zlib
from collections.abc import AsyncIterator

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Reply

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
        self.status = reply.status
        self.headers = tuple([field for field in reply.headers if field[0] not in (b"content-encoding", b"content-length")])

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, in pieces of bounded size."""
        async for chunk in self._reply.chunks():
            left = chunk
            while left:
                piece = self._piece(left)
                left = self._zlib.unconsumed_tail
                if piece:
                    yield piece
        if rest := self._zlib.flush():
            yield rest

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamError (kind ``protocol``) when it is longer than ``limit`` bytes."""
        body = bytearray()
        async for piece in self.chunks():
            body += piece
            if len(body) > limit:
                raise UpstreamError("protocol", f"the reply is longer than {limit} bytes", sent=True)
        return bytes(body)

    def close(self) -> None:
        """Give the connection up."""
        self._reply.close()

    def _piece(self, data: bytes) -> bytes:
        try:
            return self._zlib.decompress(data, _PIECE)
        except zlib.error as error:
            raise UpstreamError("protocol", f"the reply cannot be unpacked: {error}", sent=True) from error
