"""How long deployments lately took to begin an answer, as a table: after which time is one late? No clock, no task.

Strategy: the last ``KEPT`` times of each deployment, streams apart from whole replies (a stream begins with its first
token, a whole reply with its last one), and their empirical quantile. A call that was given up because another answered
first counts with the time that it had taken until then: that was later than the quantile, so the quantile stays what it is.

Law: with fewer than ``ENOUGH`` times nobody is called late.
"""

from collections import deque
from math import ceil
from typing import Final

KEPT: Final = 256
ENOUGH: Final = 32
_AFRESH: Final = 16


class Times:
    """One deployment's last times, in seconds."""

    __slots__ = ("_found", "_news", "_part", "_times")

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=KEPT)
        self._news = 0
        self._part = 0.0
        self._found = 0.0

    def note(self, seconds: float) -> None:
        """Keep one more."""
        self._times.append(seconds)
        self._news += 1

    def quantile(self, part: float) -> float | None:
        """Return the time that a ``part`` of them kept to, as of a few calls ago; None with too few."""
        if len(self._times) < ENOUGH:
            return None
        if self._news >= _AFRESH or part != self._part:
            self._found = sorted(self._times)[max(ceil(part * len(self._times)) - 1, 0)]
            self._news, self._part = 0, part
        return self._found


class Delays:
    """The table of one worker."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: dict[tuple[str, bool], Times] = {}

    def note(self, deployment: str, seconds: float, *, streamed: bool) -> None:
        """Note how long a call took to begin its answer, or was waited for."""
        key = (deployment, streamed)
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = Times()
        times.note(seconds)

    def late_after(self, deployment: str, part: float, *, streamed: bool) -> float | None:
        """Return the seconds within which a ``part`` of its calls begin to answer, None where that is not known."""
        times = self._times.get((deployment, streamed))
        return None if times is None else times.quantile(part)
