"""A compressed body, poured: whatever its cuts, and however often its sink has had enough."""

import zlib

import pytest

from pointsman.core.errors import UpstreamError
from pointsman.gateway.unpacked import unpacked
from pointsman.upstream.interfaces import Sink

PLAIN = b"".join(b"event %d\n\n" % number for number in range(100_000))
PIECE = 256 * 1024


class Compressed:
    """A reply that brings these bytes, in as many pieces."""

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-encoding", b"gzip"),)

    def __init__(self, *pieces: bytes) -> None:
        self.left = list(pieces)

    async def pour(self, sink: Sink) -> bool:
        while self.left:
            if not sink(self.left.pop(0)):
                return False
        return True

    async def read(self, limit: int) -> bytes:
        raise NotImplementedError

    def close(self) -> None: ...


def gzipped(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("cut", [0, 1, 10, 1000])
@pytest.mark.parametrize("every", [1, 2, 1000])
async def test_whatever_the_cuts_and_the_stops_the_body_is_whole_and_its_pieces_bounded(cut: int, every: int) -> None:
    data = gzipped(PLAIN)
    reply = unpacked(Compressed(data[:cut], data[cut:]))
    taken: list[bytes] = []

    def take(piece: bytes) -> bool:
        taken.append(piece)
        return len(taken) % every != 0

    for _ in range(len(PLAIN)):
        if await reply.pour(take):
            break
    assert b"".join(taken) == PLAIN
    assert max(map(len, taken)) <= PIECE


async def test_a_body_longer_than_allowed_is_refused() -> None:
    with pytest.raises(UpstreamError, match="longer than 1000 bytes"):
        await unpacked(Compressed(gzipped(PLAIN))).read(1000)
    assert await unpacked(Compressed(gzipped(b"ok"))).read(1000) == b"ok"


@pytest.mark.parametrize("missing", [1, 8, 9, 20])
async def test_a_body_that_ends_early_is_not_whole_though_all_of_its_text_may_be_there(missing: int) -> None:
    """Its checksum comes last: without, nobody knows."""
    with pytest.raises(UpstreamError, match="ended early") as caught:
        await unpacked(Compressed(gzipped(b"x" * 100)[:-missing])).read(1000)
    assert caught.value.kind == "protocol"


async def test_no_body_at_all_needs_no_end() -> None:
    assert await unpacked(Compressed()).read(10) == b""
