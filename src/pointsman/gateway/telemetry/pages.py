"""Memory that the processes of one gateway share: each writes a page of its own, all read all.

Strategy: one file without a name, which the first process opens and its children inherit; every process maps it. A page
holds the length and the CRC-32 of what was last written to it, then that.

Laws: nobody waits for anybody: who reads while another writes sees that the sum is wrong and looks again, then keeps what it
saw last. A page outlives the process that wrote it, so that a worker that is started again goes on counting.
"""

import mmap
import os
import tempfile
import zlib
from typing import Final

PAGE_BYTES: Final = 1024 * 1024
"""Room for about 10,000 lines of figures; memory is taken only for what is written."""

_HEAD: Final = 8
_TRIES: Final = 5


class Pages:
    """The pages of one gateway. ``fd`` is what children inherit; ``count`` is how many there are."""

    def __init__(self, fd: int, count: int) -> None:
        """Map pages that are there already. Raises OSError."""
        self.fd = fd
        self.count = count
        self._map = mmap.mmap(fd, count * PAGE_BYTES)

    @classmethod
    def made(cls, count: int) -> "Pages":
        """Make empty pages. Raises OSError."""
        with tempfile.TemporaryFile(buffering=0) as file:
            file.truncate(count * PAGE_BYTES)
            return cls(os.dup(file.fileno()), count)

    def close(self) -> None:
        """Let go of the memory."""
        self._map.close()
        os.close(self.fd)

    def write(self, place: int, data: bytes) -> bool:
        """Write a page; False, and nothing written, where it is too long."""
        if len(data) > PAGE_BYTES - _HEAD:
            return False
        start = place * PAGE_BYTES
        self._map[start + _HEAD : start + _HEAD + len(data)] = data
        self._map[start : start + _HEAD] = _head(data)
        return True

    def read(self, place: int) -> bytes | None:
        """Return what was last written to a page, empty where nothing was; None while it is being written."""
        start = place * PAGE_BYTES
        for _ in range(_TRIES):
            head = self._map[start : start + _HEAD]
            length = int.from_bytes(head[:4], "little")
            if not length:
                return b""
            data = self._map[start + _HEAD : start + _HEAD + min(length, PAGE_BYTES - _HEAD)]
            if _head(data) == head:
                return data
        return None


class Page:
    """One process's place among the pages."""

    def __init__(self, pages: Pages, place: int) -> None:
        self.pages = pages
        self.place = place

    @classmethod
    def inherited(cls, argument: str) -> "Page":
        """Return the place that a parent gave to this process. Raises OSError, ValueError."""
        fd, count, place = map(int, argument.split(":"))
        return cls(Pages(fd, count), place)

    @property
    def argument(self) -> str:
        """What a child that inherits the file is told."""
        return f"{self.pages.fd}:{self.pages.count}:{self.place}"

    def write(self, data: bytes) -> bool:
        """Write it; False, and nothing written, where it is too long."""
        return self.pages.write(self.place, data)

    def read(self) -> bytes | None:
        """Return what was last written to it; see ``Pages.read``."""
        return self.pages.read(self.place)


def _head(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + zlib.crc32(data).to_bytes(4, "little")
