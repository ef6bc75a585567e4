"""Exchanges that are told of somewhere else than in the store: in a log line, in a trace.

Laws: putting one in never waits; what finds no room is dropped and counted; who takes them out is never a request.
"""

import hashlib
import re
from collections import deque
from typing import Final

from msgspec import Struct

from pointsman.core.record import ExchangeRecord
from pointsman.core.snapshot import Snapshot

WAITING: Final = 10_000
_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)


class Trace(Struct, frozen=True):
    """Where an exchange stands in a trace: hexadecimal ids. ``parent`` is the client's span, empty for none."""

    id: str
    parent: str = ""
    sampled: bool = True


class Told(Struct, frozen=True):
    """One exchange, the dialect of its client, and where it stands in a trace."""

    record: ExchangeRecord
    dialect: str
    snapshot: Snapshot
    trace: Trace


class Outbox:
    """Exchanges that wait to be told; ``lost`` counts those that found no room. Many may put, one takes."""

    def __init__(self, most: int = WAITING) -> None:
        self._most = most
        self._waiting: deque[Told] = deque()
        self.lost = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, told: Told) -> None:
        """Add one, unless there is no room."""
        if len(self._waiting) >= self._most:
            self.lost += 1
        else:
            self._waiting.append(told)

    def put_back(self, told: list[Told]) -> None:
        """Put what was taken back, in front; what finds no room is dropped, the newest first."""
        room = max(self._most - len(self._waiting), 0)
        self.lost += len(told) - len(told[:room])
        self._waiting.extendleft(reversed(told[:room]))

    def take(self, most: int) -> list[Told]:
        """Return the oldest, at most so many."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(most, len(waiting)))]


def trace_of(exchange: str, traceparent: bytes = b"") -> Trace:
    """Return where an exchange stands in its client's trace, or at the head of one of its own.

    ``traceparent`` is the header as it came (W3C Trace Context, level 1, sections 3.2 and 4.2: a later version may say more
    behind what this one knows; what is wrong is passed over, and a new trace begun).
    """
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is not None:
        version, trace, parent, flags, more = found.groups()
        fits = version != b"ff" and (version != b"00" or not more)
        if fits and trace.strip(b"0") and parent.strip(b"0"):
            return Trace(trace.decode(), parent.decode(), bool(int(flags, 16) & 1))
    return Trace(span_id(exchange, "trace", 32))


def span_id(exchange: str, which: str, digits: int = 16) -> str:
    """Return an id that belongs to an exchange: the same whoever asks, and never all zeros."""
    digest = hashlib.sha256(f"{exchange}/{which}".encode()).hexdigest()[:digits]
    return digest if digest.strip("0") else "1" * digits
