"""Counts beside the requests of one worker: plain numbers, no lock, at most a microsecond for an exchange.

Laws: what a client can make up (a feature, a pinned model) never makes more than ``FEATURES`` new lines; what the owner
configured always has its own. Figures are read by copying: whoever reads them never sees half of an exchange.
"""

from bisect import bisect_left
from typing import Final

from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.telemetry.families import LAG_SECONDS, OTHER, SECONDS, Lines, Readings

FEATURES: Final = 50
"""Features that have lines of their own besides those that the owner configured."""

CAUSES: Final = 100


class _Times:
    """How long the exchanges of one route took, and until their first content."""

    __slots__ = ("first", "whole")

    def __init__(self) -> None:
        self.whole: list[float] = _histogram(SECONDS)
        self.first: list[float] = _histogram(SECONDS)


class _Exchanges:
    """How many exchanges ended alike; ``times`` are their route's."""

    __slots__ = ("count", "times")

    def __init__(self, times: _Times) -> None:
        self.count = 0
        self.times = times


class _Calls:
    """What is counted of the calls to one deployment. ``ends``: by cause, status and whether it brought an error.

    Tokens as in ``core.chat.Usage``; ``cost`` in nano-dollars, by feature.
    """

    __slots__ = (
        "cache_written", "cached", "cost", "ends", "first_byte", "input", "output", "reasoning", "unpriced", "whole",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ends: dict[tuple[str, int, bool], int] = {}
        self.whole: list[float] = _histogram(SECONDS)
        self.first_byte: list[float] = _histogram(SECONDS)
        self.input = self.cached = self.cache_written = self.output = self.reasoning = self.unpriced = 0
        self.cost: dict[str, int] = {}

    def tokens(self) -> dict[str, float]:
        """Return the tokens by kind, each in one kind only."""
        return {
            "fresh": max(self.input - self.cached - self.cache_written, 0),
            "cached": self.cached,
            "cache_written": self.cache_written,
            "output": max(self.output - self.reasoning, 0),
            "reasoning": self.reasoning,
        }


class Tally:
    """The counts of one worker since it started."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._own: frozenset[str] = frozenset()
        self._features: set[str] = set()
        self._exchanges: dict[tuple[str, str, str, str, int], _Exchanges] = {}
        self._times: dict[str, _Times] = {}
        self._calls: dict[str, _Calls] = {}
        self._refused: dict[str, int] = {}
        self._lag: list[float] = _histogram(LAG_SECONDS)

    def note(self, record: ExchangeRecord, dialect: str, snapshot: Snapshot) -> None:
        """Count an exchange, decided by a snapshot."""
        if snapshot is not self._snapshot:
            self._follow(snapshot)
        feature = record.feature
        if feature not in self._own and feature not in self._features:
            feature = self._admitted(feature)
        alike = (record.route, feature, dialect, record.outcome, record.status)
        exchanges = self._exchanges.get(alike)
        if exchanges is None:
            exchanges = self._exchanges[alike] = _Exchanges(self._times.setdefault(record.route, _Times()))
        exchanges.count += 1
        streamed = record.streamed
        _observe(exchanges.times.whole, SECONDS, record.latency_ms / 1e3)
        if streamed and record.first_content_ms is not None:
            _observe(exchanges.times.first, SECONDS, record.first_content_ms / 1e3)
        for attempt in record.attempts:
            name = attempt.deployment
            calls = self._calls.get(name)
            if calls is None:
                calls = self._called(name, snapshot)
            _note(calls, attempt, feature, streamed=streamed)

    def refused(self, cause: str) -> None:
        """Count a request that was refused before it became an exchange, by the code of its error."""
        if cause not in self._refused and len(self._refused) >= CAUSES:
            cause = OTHER
        self._refused[cause] = self._refused.get(cause, 0) + 1

    def lagged(self, seconds: float) -> None:
        """Count how late the event loop came."""
        _observe(self._lag, LAG_SECONDS, seconds)

    def readings(self) -> Readings:
        """Return a copy of all counts."""
        calls = self._calls.items()
        attempts: Lines = {}
        for name, one in calls:
            for (cause, status, wrong), number in one.ends.items():
                labels = (name, cause, outcome_of(status, wrong=wrong))
                attempts[labels] = [attempts.get(labels, [0])[0] + number]
        return {
            "requests_total": {alike: [one.count] for alike, one in self._exchanges.items()},
            "refused_total": {(cause,): [number] for cause, number in self._refused.items()},
            "request_seconds": {(route,): list(times.whole) for route, times in self._times.items()},
            "first_content_seconds": {(route,): list(times.first) for route, times in self._times.items()},
            "attempts_total": attempts,
            "attempt_seconds": {(name,): list(one.whole) for name, one in calls},
            "first_byte_seconds": {(name,): list(one.first_byte) for name, one in calls},
            "tokens_total": {(name, kind): [number] for name, one in calls for kind, number in one.tokens().items()},
            "cost_dollars_total": {(feature, name): [nano] for name, one in calls for feature, nano in one.cost.items()},
            "unpriced_attempts_total": {(name,): [one.unpriced] for name, one in calls},
            "loop_lag_seconds": {(): list(self._lag)},
        }

    def _called(self, name: str, snapshot: Snapshot) -> _Calls:
        """Return the counts of a deployment that has none yet: what is not configured has those of all others."""
        known = name if name in snapshot.deployments else OTHER
        return self._calls.setdefault(known, _Calls())

    def _follow(self, snapshot: Snapshot) -> None:
        """Learn which features are the owner's own."""
        planned = {feature for route in snapshot.routes.values() for feature in route.plans}
        self._own = frozenset(planned | {key.feature for key in snapshot.keys if key.feature} | {"default"})
        self._snapshot = snapshot

    def _admitted(self, feature: str) -> str:
        if len(self._features) >= FEATURES:
            return OTHER
        self._features.add(feature)
        return feature


def outcome_of(status: int, *, wrong: bool) -> str:
    """Return how a call ended: ``ok``, ``limited`` (429), ``refused`` (another 4xx), ``failed`` (5xx), ``unreachable``
    (no status line came) or ``broken`` (200, and no usable answer)."""
    if not wrong:
        return "ok"
    if status == 429:
        return "limited"
    if status == 0:
        return "unreachable"
    return "failed" if status >= 500 else "refused" if status >= 400 else "broken"


def _note(calls: _Calls, attempt: Attempt, feature: str, *, streamed: bool) -> None:
    ends, end = calls.ends, (attempt.cause, attempt.status, attempt.error != "")
    ends[end] = ends.get(end, 0) + 1
    _observe(calls.whole, SECONDS, attempt.total_ms / 1e3)
    if streamed and attempt.first_byte_ms is not None:
        _observe(calls.first_byte, SECONDS, attempt.first_byte_ms / 1e3)
    usage, nano = attempt.usage, attempt.cost_nano
    if usage is not None:
        calls.input += usage.input
        calls.output += usage.output
        calls.cached += usage.cached
        calls.cache_written += usage.cache_written
        calls.reasoning += usage.reasoning
    if nano is None:
        calls.unpriced += 1
    else:
        calls.cost[feature] = calls.cost.get(feature, 0) + nano


def _histogram(bounds: tuple[float, ...]) -> list[float]:
    return [0.0] * (len(bounds) + 2)


def _observe(numbers: list[float], bounds: tuple[float, ...], value: float) -> None:
    numbers[0] += value
    numbers[bisect_left(bounds, value) + 1] += 1
