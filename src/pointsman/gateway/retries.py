"""How many calls may be made beyond what clients asked for: a share of the requests, and no more.

Strategy: a token bucket without a clock. Every request pays ``share`` of a token in, every further call takes one out.
Unused tokens are kept up to ``BURST``, so that a quiet gateway may repeat at all and a busy one cannot save up a storm
(as in Finagle's RetryBudget and Envoy's retry budgets).

Law: over any run of requests, further calls are at most ``BURST`` and ``share`` of these requests.
"""

from typing import Final

BURST: Final = 10.0


class Bucket:
    """The tokens of one worker, ``kept`` from the start."""

    __slots__ = ("_kept", "_most")

    def __init__(self, kept: float = BURST, most: float = BURST) -> None:
        self._kept = kept
        self._most = most

    def pay(self, share: float) -> None:
        """One more request came."""
        self._kept = min(self._kept + share, self._most)

    @property
    def may(self) -> bool:
        """Whether one more call may be made."""
        return self._kept >= 1.0

    def take(self) -> bool:
        """Take a token for one more call; False where there is none."""
        if self._kept < 1.0:
            return False
        self._kept -= 1.0
        return True
