"""What this worker knows of deployments that share requests, as a table. Times are passed in: no clock, no timer, no task.

    what is known     learned from                          how it ages
    quota             headers of every reply                linearly back to 1 at the reset that was told
    allowance         429: halved, once a second at most    from the end of Retry-After on, ``REGROWS`` a second back to 1
    latency           until a reply's head arrives          an average with weights that halve every ``HALF_LIFE_S``
    under way         calls that began and have not ended   -

Halving and growing back slowly (AIMD) finds the share of the requests that a deployment takes without refusing any; halving
again and again would punish it for calls that were on their way before it refused the first.

Laws: a deployment that nothing is known of has all its room; what was learned is forgotten by itself.
"""

from typing import Final

from pointsman.gateway.attempt import Call, retry_after_s
from pointsman.gateway.health import LONGEST_RETRY_AFTER_S
from pointsman.gateway.quota import quota
from pointsman.policy.balance import Load

HALF_LIFE_S: Final = 10.0
REGROWS: Final = 0.05
ONCE_S: Final = 1.0
_SHORTEST_MS: Final = 1.0
_NONE: Final[dict[str, Load]] = {}


class Line:
    """One deployment's row. Times are monotonic seconds."""

    __slots__ = (
        "allowance",
        "allowed_from",
        "latency_ms",
        "left",
        "refused_at",
        "seen_at",
        "told_at",
        "under_way",
        "whole_at",
    )

    def __init__(self) -> None:
        self.under_way = 0
        self.latency_ms: float | None = None
        self.seen_at = 0.0
        self.left, self.told_at, self.whole_at = 1.0, 0.0, 0.0
        self.allowance, self.allowed_from, self.refused_at = 1.0, 0.0, float("-inf")

    def quota(self, now: float) -> float:
        """Return the part of the quota that is left."""
        if now >= self.whole_at:
            return 1.0
        return self.left + (1.0 - self.left) * (now - self.told_at) / (self.whole_at - self.told_at)

    def allowed(self, now: float) -> float:
        """Return the part of all requests that it may be given; 0 until it may be asked again."""
        return 0.0 if now < self.allowed_from else min(1.0, self.allowance + REGROWS * (now - self.allowed_from))


class Loads:
    """The table of one worker."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}

    def now(self, now: float) -> dict[str, Load]:
        """Return what is known at a time."""
        if not self._lines:
            return _NONE
        return {
            name: Load(line.quota(now), line.allowed(now), line.latency_ms, line.under_way)
            for name, line in self._lines.items()
        }

    def began(self, deployment: str) -> None:
        """A call is under way."""
        self._line(deployment).under_way += 1

    def ended(self, deployment: str) -> None:
        """A call that began is over, however."""
        self._line(deployment).under_way -= 1

    def answered(self, call: Call, headers: tuple[tuple[bytes, bytes], ...], unix_s: float) -> None:
        """The head of a reply came: learn from it. ``unix_s`` is the time now."""
        name, now = call.deployment.name, call.started if call.replied is None else call.replied
        if call.status == 429:
            self.refused(name, now, retry_after_s(headers, unix_s), headers, unix_s)
        elif call.status == 200:
            self.replied(name, now, now - call.started, headers, unix_s)

    def replied(
        self, deployment: str, now: float, latency_s: float, headers: tuple[tuple[bytes, bytes], ...], unix_s: float
    ) -> None:
        """The head of a usable reply came, ``latency_s`` after it was asked for."""
        line = self._line(deployment)
        latency = max(latency_s * 1e3, _SHORTEST_MS)
        keeps = 0.5 ** (max(now - line.seen_at, 0.0) / HALF_LIFE_S)
        line.latency_ms = latency if line.latency_ms is None else keeps * line.latency_ms + (1.0 - keeps) * latency
        line.seen_at = now
        self._told(line, now, headers, unix_s)

    def refused(
        self,
        deployment: str,
        now: float,
        retry_after_s: float | None,
        headers: tuple[tuple[bytes, bytes], ...],
        unix_s: float,
    ) -> None:
        """The deployment answered 429."""
        line = self._line(deployment)
        if now - line.refused_at >= ONCE_S:
            line.allowance = max(line.allowed(now), line.allowance) / 2.0
            line.refused_at = now
        line.allowed_from = max(line.allowed_from, now + min(max(retry_after_s or 0.0, 0.0), LONGEST_RETRY_AFTER_S))
        self._told(line, now, headers, unix_s)

    def _told(self, line: Line, now: float, headers: tuple[tuple[bytes, bytes], ...], unix_s: float) -> None:
        said = quota(headers, unix_s)
        if said is not None:
            line.left, line.told_at, line.whole_at = said.left, now, now + said.whole_in_s

    def _line(self, deployment: str) -> Line:
        line = self._lines.get(deployment)
        if line is None:
            line = self._lines[deployment] = Line()
        return line
