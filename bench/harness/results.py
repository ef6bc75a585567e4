"""Measured values, and what is worked out from them.

A value is of a metric, of a target, in a round. Ratios and differences are taken within a round, in which everything is
measured within minutes, and only then summed up: the machine's own speed drifts by more than what is looked for.
"""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """The median of some rounds, and the smallest and the largest."""

    median: float
    low: float
    high: float

    def shown(self, form: str = ",.0f") -> str:
        """Return ``median (low–high)``, or the median alone where all are the same."""
        median, low, high = (format(value, form) for value in (self.median, self.low, self.high))
        return median if low == high else f"{median} ({low}–{high})"


def summed_up(values: Iterable[float]) -> Summary | None:
    """Return the summary of some values; None where there are none."""
    found = list(values)
    return Summary(statistics.median(found), min(found), max(found)) if found else None


class Results:
    """Measured values by metric and target, by round."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, dict[int, float]]] = {}
        self.errors: dict[str, int] = {}
        self.notes: list[str] = []
        self.versions: dict[str, str] = {}

    def add(self, metric: str, target: str, number: int, value: float) -> None:
        """Note a value of a round."""
        self.values.setdefault(metric, {}).setdefault(target, {})[number] = value

    def failed(self, target: str, errors: int) -> None:
        """Note how many requests failed."""
        self.errors[target] = self.errors.get(target, 0) + errors

    def targets(self) -> list[str]:
        """Return who has any value, in the order of measuring."""
        return list(dict.fromkeys(target for values in self.values.values() for target in values))

    def of(self, metric: str, target: str) -> Summary | None:
        """Sum up a metric."""
        return summed_up(self._rounds(metric, target).values())

    def ratio(self, metric: str, target: str, base: str) -> Summary | None:
        """Sum up how many times the base's value a target's is, round by round."""
        return self._paired(metric, (target, base), lambda values: values[0] / values[1])

    def more(self, metric: str, target: str, base: str) -> Summary | None:
        """Sum up how much more than the base's value a target's is, round by round."""
        return self._paired(metric, (target, base), lambda values: values[0] - values[1])

    def added_ratio(self, metric: str, target: str, base: str) -> Summary | None:
        """Sum up how many times what the base adds to ``direct`` a target adds to it."""

        def ratio(values: list[float]) -> float:
            target_value, base_value, direct = values
            return (target_value - direct) / max(base_value - direct, 1.0)

        return self._paired(metric, (target, base, "direct"), ratio)

    def _paired(self, metric: str, targets: tuple[str, ...], of: Callable[[list[float]], float]) -> Summary | None:
        columns = [self._rounds(metric, target) for target in targets]
        shared = set(columns[0]).intersection(*columns[1:])
        return summed_up(of([column[number] for column in columns]) for number in sorted(shared))

    def _rounds(self, metric: str, target: str) -> dict[int, float]:
        return self.values.get(metric, {}).get(target, {})
