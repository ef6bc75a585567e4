"""Refusing requests before they queue up: how much of what comes may still be served?

Strategy: the event loop is the queue. ``follow`` asks to be woken every ``TICK_S``; by how much it is late is how long
whatever arrives now waits for its turn. A burst makes it late once; a queue that stands makes it late every time, which the
*smallest* lateness of an interval tells apart (Nichols and Jacobson, *Controlling Queue Delay*, ACM Queue 10(5), 2012).
While it stands, the share that is served falls by a third every interval; afterwards it grows back (AIMD).

Laws: a refusal costs a small part of an answer, and says when to come back; who is being served is served to the end; a
gateway that keeps up refuses nobody, and asks one attribute.
"""

import asyncio
from collections.abc import Callable
from typing import Final

TICK_S: Final = 0.02
INTERVAL: Final = 5
"""Ticks between two judgements."""

STANDING_S: Final = 0.25
FALLS: Final = 2 / 3
GROWS: Final = 0.05
LEAST: Final = 0.05
"""Of all requests so much is always served: a queue that something else keeps standing would else never be looked at."""


class Shedding:
    """What one worker may serve: ``share`` of the requests, 1.0 while it keeps up. ``refused`` counts the others."""

    def __init__(self) -> None:
        self.share = 1.0
        self.refused = 0
        self._least = float("inf")
        self._ticks = 0

    def admits(self, u: float) -> bool:
        """Return whether to serve one more request; ``u`` is uniform in [0, 1)."""
        if u < self.share:
            return True
        self.refused += 1
        return False

    def note(self, late_s: float) -> None:
        """Note by how much one waking was late."""
        self._least = min(self._least, late_s)
        self._ticks += 1
        if self._ticks == INTERVAL:
            standing = self._least > STANDING_S
            self.share = max(self.share * FALLS, LEAST) if standing else min(self.share + GROWS, 1.0)
            self._least, self._ticks = float("inf"), 0

    async def follow(self, clock: Callable[[], float]) -> None:
        """Watch the event loop until cancelled. ``clock`` gives monotonic seconds."""
        while True:
            due = clock() + TICK_S
            await asyncio.sleep(TICK_S)
            self.note(clock() - due)
