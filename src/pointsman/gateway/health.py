"""Which deployments are failing, as a table. ``now`` is passed in: no clock, no timer, no task.

    state     failure (the n-th in a row)                         with Retry-After (429, 503, 529)   success
    closed    n < enough: closed; n = enough: cooling              cooling for that long              closed, n = 0
    cooling   (answers still under way) counted, not prolonged     at least that long                 closed, n = 0 *
    trying    cooling again, twice as long as before               cooling for that long              closed, n = 0

    * but what a provider asked to be waited is waited

``trying`` is what cooling becomes when its time is over: the next requests go through, and the first answer decides.

*Enough* is ``THRESHOLD`` where nobody answered lately, and as many as answered well of the last calls or so (they fade: the
i-th call before counts ``FADES`` ** i) where that is more: calls that fail by chance, every fifth say, fail five times in a
row every three thousand calls, and to leave such a deployment alone would send all requests to the others, which may be
worse. Only one that fails most of what it is asked cools: at one failure in five, ten in a row are needed, one in ten
million.

Laws: a request's own fault never counts; only what was asked is blamed; a table that is all well costs one comparison;
who answered ``FORGIVEN`` times in a row has no row.
"""

from typing import Final

from msgspec import Struct

THRESHOLD = 5
FIRST_COOLDOWN_S = 1.0
LONGEST_COOLDOWN_S = 60.0
LONGEST_RETRY_AFTER_S = 300.0
FADES: Final = 0.95
FORGIVEN: Final = 50
_NONE: frozenset[str] = frozenset()


class Line(Struct, frozen=True):
    """One deployment's row: failures in a row, the last cooldown in seconds, and until when (monotonic seconds) it cools.

    ``well`` counts lately good answers, fading; ``run`` those in a row; ``asked`` is until when its provider asked to wait.
    """

    failures: int = 0
    cooldown_s: float = 0.0
    until: float = 0.0
    well: float = 0.0
    run: int = 0
    asked: float = 0.0


class Breakers:
    """The table of one worker."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}

    def cooling(self, now: float) -> frozenset[str]:
        """Return the deployments that should not be asked now."""
        if not self._lines:
            return _NONE
        return frozenset(name for name, line in self._lines.items() if line.until > now)

    def failing(self) -> frozenset[str]:
        """Return the deployments whose last call failed, whether or not they may be asked."""
        return frozenset(name for name, line in self._lines.items() if line.failures)

    def states(self, now: float) -> dict[str, str]:
        """Return the state of every deployment that is not simply ``closed``: ``cooling`` or ``trying``."""
        rows = self._lines.items()
        return {name: "cooling" if row.until > now else "trying" for name, row in rows if row.until > now or row.cooldown_s}

    def waits(self, now: float) -> dict[str, float]:
        """Return the deployments that should not be asked now, each with the seconds that this lasts."""
        return {name: line.until - now for name, line in self._lines.items() if line.until > now}

    def wait_s(self, now: float) -> float:
        """Return in how many seconds the first cooling deployment may be asked again, 0 where none cools."""
        return min(self.waits(now).values(), default=0.0)

    def succeeded(self, deployment: str, now: float = float("inf")) -> None:
        """A usable reply came, or a refusal that was the request's own fault."""
        if self._lines and (line := self._lines.get(deployment)) is not None:
            if line.run + 1 >= FORGIVEN:
                del self._lines[deployment]
            else:
                self._lines[deployment] = after_success(line, now)

    def failed(self, deployment: str, now: float, retry_after_s: float | None = None) -> None:
        """A call failed. ``retry_after_s`` is what a 429, 503 or 529 asked for."""
        line = self._lines.get(deployment, Line())
        self._lines[deployment] = after_failure(line, now, retry_after_s)


def after_success(line: Line, now: float) -> Line:
    """Return the row after one more good answer: the table above."""
    asked = line.asked if line.asked > now else 0.0
    return Line(until=asked, well=line.well * FADES + 1.0, run=line.run + 1, asked=asked)


def after_failure(line: Line, now: float, retry_after_s: float | None) -> Line:
    """Return the row after one more failure: the table above."""
    failures, well = line.failures + 1, line.well * FADES
    if retry_after_s is not None:
        asked = now + min(max(retry_after_s, 0.0), LONGEST_RETRY_AFTER_S)
        return Line(failures, line.cooldown_s, max(line.until, asked), well, asked=max(line.asked, asked))
    if failures < max(THRESHOLD, well) or line.until > now:
        return Line(failures, line.cooldown_s, line.until, well, asked=line.asked)
    cooldown = min(line.cooldown_s * 2 or FIRST_COOLDOWN_S, LONGEST_COOLDOWN_S)
    return Line(failures, cooldown, now + cooldown, well, asked=line.asked)
