"""How samples of a running trial get from the data plane to the control plane: through memory, never through a disk.

Strategy: the control process reads its standard input; each sample is one frame, a 4-byte big-endian length and the sample
as MessagePack. The sending side is bounded in bytes: when the control process is slow or gone, samples are dropped and
counted, and no request ever waits.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import msgspec

from pointsman.core.record import Sample

FRAME_BYTES = 64 * 1024 * 1024
_HEAD = 4


class SampleQueue:
    """The sending side: bounded in bytes, never blocking. One event loop owns it.

    ``dropped`` counts samples that found it full; ``sent`` those that were handed to the control process.
    """

    def __init__(self, capacity_bytes: int = 64 * 1024 * 1024) -> None:
        self._capacity = capacity_bytes
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self._encoder = msgspec.msgpack.Encoder()
        self.dropped = 0
        self.sent = 0

    def offer(self, sample: Sample) -> bool:
        """Queue a sample; return False, and count it as dropped, when there is no room for it."""
        payload = self._encoder.encode(sample)
        if self._bytes + len(payload) > self._capacity:
            self.dropped += 1
            return False
        self._frames.append(len(payload).to_bytes(_HEAD, "big") + payload)
        self._bytes += len(payload)
        self._ready.set()
        return True

    async def pump(self, writer: asyncio.StreamWriter) -> None:
        """Write queued samples until cancelled or until the other side is gone (ConnectionError)."""
        while True:
            await self._ready.wait()
            while self._frames:
                frame = self._frames.popleft()
                self._bytes -= len(frame) - _HEAD
                writer.write(frame)
                await writer.drain()
                self.sent += 1
            self._ready.clear()


async def samples(reader: asyncio.StreamReader) -> AsyncIterator[Sample]:
    """Yield samples until the sending side closes. A frame cut short by that close is dropped."""
    decoder = msgspec.msgpack.Decoder(Sample)
    while True:
        try:
            size = int.from_bytes(await reader.readexactly(_HEAD), "big")
            if size > FRAME_BYTES:
                return
            yield decoder.decode(await reader.readexactly(size))
        except asyncio.IncompleteReadError:
            return
