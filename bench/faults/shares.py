"""Intervals: of a share (Wilson, J. Am. Stat. Assoc. 22, 1927), and of a quantile (order statistics, normal ranks)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, sqrt

Z = 1.959964
"""Of the normal distribution, for 95 %."""


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % bounds."""

    value: float
    low: float
    high: float

    def told(self, unit: str = "", scale: float = 1.0, digits: int = 2) -> str:
        """Return it in words."""
        value, low, high = (f"{number * scale:.{digits}f}" for number in (self.value, self.low, self.high))
        return f"{value}{unit} [{low}, {high}]"


def share(hits: int, count: int) -> Interval:
    """Return a share and Wilson's bounds of it."""
    part, spread = hits / count, Z * Z / count
    middle = (part + spread / 2) / (1 + spread)
    half = Z * sqrt(part * (1 - part) / count + spread / (4 * count)) / (1 + spread)
    return Interval(part, middle - half, middle + half)


def quantile(values: Sequence[float], part: float) -> Interval:
    """Return a quantile with the order statistics that bound it."""
    ranked, count = sorted(values), len(values)
    half = Z * sqrt(count * part * (1 - part))
    places = (count * part, count * part - half, count * part + half)
    value, low, high = (ranked[min(max(floor(place), 0), count - 1)] for place in places)
    return Interval(value, low, high)
