"""How much feedback each key may send in a while: a token bucket for each, kept as one moment.

Strategy: what was sent is paid for by time; ``_paid`` is when all of it will be (the generic cell rate algorithm, ITU-T
I.371). Who owes a minute or less goes on. What something weighs is known only once it was looked at, so it is charged
afterwards, and may lead into debt: nothing is too large ever to be taken.

Law: over any time a key is charged at most a minute's worth, what the time is worth, and its last body.
"""

from collections.abc import Callable
from typing import Final

from pointsman.core.errors import GatewayError

MINUTE_S: Final = 60.0


class Rates:
    """Those of one worker. ``clock`` gives monotonic seconds.

    One thread charges, any other may ``check``: each is one look at one number.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._paid: dict[str, float] = {}

    def check(self, whose: str, per_minute: int) -> None:
        """See whether a key may go on. Raises GatewayError 429 with how long it has to wait."""
        wait_s = self._paid.get(whose, 0.0) - self._clock() - MINUTE_S
        if wait_s > 0:
            words = (
                f"more feedback came than the {per_minute:,} items a minute that one key may send here "
                "(limits.feedback_per_minute): nothing of this body was taken, send it again later"
            )
            raise GatewayError(429, "rate_limit_error", words, retry_after=wait_s)

    def charge(self, whose: str, weight: int, per_minute: int) -> None:
        """Say what was done for a key."""
        now = self._clock()
        self._paid[whose] = max(self._paid.get(whose, now), now) + weight * MINUTE_S / per_minute
