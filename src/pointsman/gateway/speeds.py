"""How fast deployments answered this worker lately, as a table. Times are passed in: no clock, no timer, no task.

Every answer counts for at least an eighth of the average, more where the one before is long ago: the weights halve every
``HALF_LIFE_S``.

Laws: what was learned is forgotten by itself: once in ``FORGOTTEN_S`` one decision is made as if nothing were known of a
deployment that did not answer since, so that one left out for being slow is asked again, and by one request only.
"""

from typing import Final

from pointsman.core.record import ExchangeRecord
from pointsman.policy.latency import Speed

HALF_LIFE_S: Final = 30.0
FORGOTTEN_S: Final = 60.0
_LEAST_WEIGHT: Final = 1 / 8
_SHORTEST_S: Final = 1e-3
_NONE: Final[dict[str, Speed]] = {}


class _Line:
    """One deployment's row: averages and when they were last changed."""

    __slots__ = ("first_token_s", "output_tokens", "seen_at", "tokens_per_s")

    def __init__(self, now: float) -> None:
        self.first_token_s: float | None = None
        self.tokens_per_s: float | None = None
        self.output_tokens: float | None = None
        self.seen_at = now

    def learn(self, now: float, first_token_s: float | None, answer_s: float, tokens: int) -> None:
        weight = max(1.0 - 0.5 ** (max(now - self.seen_at, 0.0) / HALF_LIFE_S), _LEAST_WEIGHT)
        self.seen_at = now
        if first_token_s is not None:
            self.first_token_s = _moved(self.first_token_s, first_token_s, weight)
        if tokens > 0:
            lasted = max(answer_s - (self.first_token_s or 0.0), _SHORTEST_S)
            self.tokens_per_s = _moved(self.tokens_per_s, tokens / lasted, weight)
            self.output_tokens = _moved(self.output_tokens, float(tokens), weight)


def _moved(before: float | None, now: float, weight: float) -> float:
    return now if before is None else before + weight * (now - before)


class Speeds:
    """The table of one worker."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def now(self, now: float) -> dict[str, Speed]:
        """Return what is known at a time."""
        return {name: line for name in self._lines if (line := self._known(name, now)) is not None} or _NONE

    def note(self, record: ExchangeRecord, now: float) -> None:
        """Note how fast an exchange was answered; a failed or cut one says nothing."""
        served = record.served_by
        if served is None or record.outcome != "ok":
            return
        first = None
        if record.streamed and record.first_content_ms is not None:
            before = record.latency_ms - served.total_ms  # the calls that failed first, and our own part
            first = max(record.first_content_ms - before, 0.0) / 1e3
        line = self._lines.get(served.deployment)
        if line is None:
            line = self._lines[served.deployment] = _Line(now)
        line.learn(now, first, served.total_ms / 1e3, served.usage.output if served.usage is not None else 0)

    def _known(self, name: str, now: float) -> Speed | None:
        line = self._lines[name]
        if now - line.seen_at >= FORGOTTEN_S:
            line.seen_at = now
            return None
        return Speed(line.first_token_s, line.tokens_per_s, line.output_tokens)
