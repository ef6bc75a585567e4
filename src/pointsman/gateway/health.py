"""Which deployments are failing, as a table. ``now`` is passed in: no clock, no timer, no task.

    state     failure (the n-th in a row)                         429 with Retry-After     success
    closed    n < THRESHOLD: closed; n = THRESHOLD: cooling        cooling for that long    closed, n = 0
    cooling   (answers still under way) counted, not prolonged     at least that long       closed, n = 0
    trying    cooling again, twice as long as before               cooling for that long    closed, n = 0

``trying`` is what cooling becomes when its time is over: the next requests go through, and the first answer decides.

Laws: a request's own fault never counts; only what was asked is blamed; a table that is all well costs one comparison.
"""

from msgspec import Struct

THRESHOLD = 5
FIRST_COOLDOWN_S = 1.0
LONGEST_COOLDOWN_S = 60.0
LONGEST_RETRY_AFTER_S = 300.0
_NONE: frozenset[str] = frozenset()


class Line(Struct, frozen=True):
    """One deployment's row: failures in a row, the last cooldown in seconds, and until when (monotonic seconds) it cools."""

    failures: int = 0
    cooldown_s: float = 0.0
    until: float = 0.0


class Breakers:
    """The table of one worker."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}

    def cooling(self, now: float) -> frozenset[str]:
        """Return the deployments that should not be asked now."""
        if not self._lines:
            return _NONE
        return frozenset(name for name, line in self._lines.items() if line.until > now)

    def wait_s(self, now: float) -> float:
        """Return in how many seconds the first cooling deployment may be asked again, 0 where none cools."""
        return min((line.until - now for line in self._lines.values() if line.until > now), default=0.0)

    def succeeded(self, deployment: str) -> None:
        """A usable reply came, or a refusal that was the request's own fault."""
        if self._lines:
            self._lines.pop(deployment, None)

    def failed(self, deployment: str, now: float, retry_after_s: float | None = None) -> None:
        """A call failed. ``retry_after_s`` is what a 429 or 503 asked for."""
        line = self._lines.get(deployment, Line())
        self._lines[deployment] = after_failure(line, now, retry_after_s)


def after_failure(line: Line, now: float, retry_after_s: float | None) -> Line:
    """Return the row after one more failure: the table above."""
    failures = line.failures + 1
    if retry_after_s is not None:
        asked = min(max(retry_after_s, 0.0), LONGEST_RETRY_AFTER_S)
        return Line(failures, line.cooldown_s, max(line.until, now + asked))
    if failures < THRESHOLD or line.until > now:
        return Line(failures, line.cooldown_s, line.until)
    cooldown = min(line.cooldown_s * 2 or FIRST_COOLDOWN_S, LONGEST_COOLDOWN_S)
    return Line(failures, cooldown, now + cooldown)
