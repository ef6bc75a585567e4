"""How far reviewers agree beyond chance: Krippendorff's alpha, with an interval.

Strategy: alpha = 1 - observed / expected disagreement; disagreement is the squared difference of two values (the interval
metric, for values 0, 1/2 and 1), observed within the items that at least two reviewers judged, expected among all their
values (Krippendorff 2004, "Content Analysis", 2nd edition, chapter 11). The interval is by the jackknife over items (Efron
and Stein 1981, Annals of Statistics 9:586): items are what was drawn, not reviewers.
"""

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

LEAST_ITEMS: Final = 3
_Z95: Final = 1.959963984540054


class Agreement(Struct, frozen=True):
    """Alpha (1: they always agree; 0: as by chance; negative: less) with 95 % bounds, over ``items`` judged by several.

    ``same`` is the share of pairs of judgements of one item that are equal.
    """

    value: float
    low: float
    high: float
    items: int
    same: float


def agreement(items: Sequence[Sequence[float]]) -> Agreement | None:
    """Return how far those who judged the same items agree; each item is a list of values.

    None where fewer than ``LEAST_ITEMS`` items have two values, or all values are equal: nothing can be said then.
    """
    several = [values for values in items if len(values) > 1]
    n = len(several)
    if n < LEAST_ITEMS:
        return None
    sums = np.array([_sums(values) for values in several])
    total = sums.sum(axis=0)
    value = _alpha(total)
    if value is None:
        return None
    without = [_alpha(total - own) for own in sums]
    known = np.array([value if one is None else one for one in without])
    error = math.sqrt(float((n - 1) / n * ((known - known.mean()) ** 2).sum()))
    pairs = sum(len(values) * (len(values) - 1) for values in several)
    equal = sum(a == b for values in several for a, b in permutations(values, 2))
    return Agreement(value, max(-1.0, value - _Z95 * error), min(1.0, value + _Z95 * error), n, equal / pairs)


def _sums(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Return an item's count, sum, sum of squares and its disagreement, each pair weighted by 1 / (count - 1)."""
    m, total, squares = len(values), sum(values), sum(value * value for value in values)
    return float(m), total, squares, 2 * (m * squares - total * total) / (m - 1)


def _alpha(sums: NDArray[np.float64]) -> float | None:
    n, total, squares, within = map(float, sums)
    among = 2 * (n * squares - total * total)
    if n < 2 or among <= 1e-12:
        return None
    return 1.0 - (within / n) / (among / (n * (n - 1)))
