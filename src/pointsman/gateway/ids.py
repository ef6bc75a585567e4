"""Names of exchanges: 24 hexadecimal digits that sort by time.

Strategy: 48 bits of Unix milliseconds, then 48 bits that start at a random number and count up. Two workers collide only
when their random starts are within a count of each other in the same millisecond; nothing secret hangs on them.
"""

import os


class Ids:
    """Makes the names of one worker. ``seed`` is random unless a test gives it."""

    def __init__(self, seed: int | None = None) -> None:
        self._count = int.from_bytes(os.urandom(6), "big") if seed is None else seed

    def next(self, at_ms: int) -> str:
        """Return a name for an exchange that began at this time (Unix milliseconds)."""
        self._count = (self._count + 1) & 0xFFFFFFFFFFFF
        return (at_ms << 48 | self._count).to_bytes(12, "big").hex()
