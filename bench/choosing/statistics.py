"""The mathematics of comparing ways of choosing: areas under cost-quality curves, averages by group, bootstrap, Holm.

Strategy: a figure of one split is turned into one number for each prompt whose mean is the figure: for an accuracy that is
the score itself, for an area and a ratio its linearisation (infinitesimal jackknife, Efron 1982). These numbers are averaged
over the splits for each group of equal prompts, and groups are drawn again with replacement.

Laws: pure functions; the same numbers give the same intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

DRAWS: Final = 4000
_TOGETHER: Final = 100  # draws that are counted at once
CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bounds."""

    mean: float
    low: float
    high: float


def hull(cost: Floats, quality: Floats) -> Indices:
    """Return the places of the vertices of the non-decreasing upper convex hull of points (T,), by rising cost."""
    kept: list[int] = []
    for place in np.lexsort((-quality, cost)).tolist():
        if kept and quality[place] <= quality[kept[-1]]:
            continue
        while len(kept) > 1 and _below(cost, quality, kept[-2], kept[-1], place):
            kept.pop()
        if kept and cost[place] == cost[kept[-1]]:
            kept.pop()
        kept.append(place)
    return np.array(kept, dtype=np.int64)


def _below(cost: Floats, quality: Floats, left: int, middle: int, right: int) -> bool:
    """Say whether the middle point does not rise above the line between its neighbours."""
    rise = (quality[middle] - quality[left]) * (cost[right] - cost[left])
    return bool(rise <= (quality[right] - quality[left]) * (cost[middle] - cost[left]))


def area(score: Floats, spent: Floats, low: float, high: float) -> Floats:
    """Return, for each of n prompts, its part (n,) in the area; their mean is the area itself.

    ``score`` and ``spent`` (n, T) are what T trade-offs score and spend on each prompt. The area is AIQ (arXiv:2403.12031):
    the mean over costs from ``low`` to ``high`` of the non-decreasing upper convex hull of the trade-offs' means, which
    goes on at the same height beyond its ends.
    """
    quality, cost = score.mean(axis=0), spent.mean(axis=0)
    found = hull(cost, quality)
    knots, heights = cost[found], quality[found]
    # Beyond the ends the hull is flat: one more segment on each side, which hangs on the end's vertex alone.
    edges = np.concatenate(([min(low, knots[0])], knots, [max(high, knots[-1])]))
    levels = np.concatenate((heights[:1], heights, heights[-1:]))
    vertices = np.concatenate((found[:1], found, found[-1:]))
    total, parts = 0.0, np.zeros(len(score))
    for left in range(len(edges) - 1):
        begin, end = edges[left], edges[left + 1]
        first, last = np.clip((begin, end), low, high)
        if last <= first:
            continue
        slope = (levels[left + 1] - levels[left]) / (end - begin)
        of_right = ((last - begin) ** 2 - (first - begin) ** 2) / (2 * (end - begin))
        for place, share in ((left, (last - first) - of_right), (left + 1, of_right)):
            vertex = vertices[place]
            total += share * levels[place]
            parts += share * (score[:, vertex] - quality[vertex] - slope * (spent[:, vertex] - cost[vertex]))
    return np.asarray((total + parts) / (high - low))


def ratio(above: Floats, below: Floats) -> Floats:
    """Return, for each prompt, its part (n,) in the ratio of two means; their mean is the ratio itself."""
    whole = above.mean() / below.mean()
    return np.asarray(whole + (above - whole * below) / below.mean())


def averaged(size: int, splits: Sequence[tuple[Indices, Floats]]) -> Floats:
    """Return the mean over splits (``size``, ...) of values given for some groups in each; NaN where there was none."""
    total = np.zeros((size, *splits[0][1].shape[1:]))
    seen = np.zeros(size)
    for groups, values in splits:
        total[groups] += values
        seen[groups] += 1
    count = np.where(seen > 0, seen, np.nan)
    return np.asarray(total / count.reshape(-1, *[1] * (total.ndim - 1)))


def drawn(values: Floats, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Return the means (draws, C) of values (n, C) of groups that are drawn again with replacement, all columns alike."""
    rng = np.random.default_rng(seed)
    size = len(values)
    means = []
    for start in range(0, draws, _TOGETHER):
        count = min(_TOGETHER, draws - start)
        times = np.stack([np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(count)])
        means.append(times.astype(np.float64) @ values / size)
    return np.concatenate(means)


def interval(mean: float, means: Floats) -> Interval:
    """Return a mean with the percentile interval of its redrawn means (draws,)."""
    low, high = np.quantile(means, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Interval(mean, float(low), float(high))


def chance(means: Floats) -> float:
    """Return the two-sided p-value of "no difference" from redrawn mean differences (draws,)."""
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(2 * (tail + 1) / (len(means) + 1), 1.0)


def holm(chances: Sequence[float]) -> list[float]:
    """Return p-values adjusted for all comparisons together (Holm 1979), in the same order."""
    adjusted = [0.0] * len(chances)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda one: chances[one])):
        highest = max(highest, min((len(chances) - rank) * chances[place], 1.0))
        adjusted[place] = highest
    return adjusted


def calibration_error(predicted: Floats, seen: Floats, bins: int = 15) -> float:
    """Return the mean distance of predicted and observed means over bins of equal count (arXiv:1706.04599)."""
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, bins)
    return float(
        sum(len(each) * abs(predicted[each].mean() - seen[each].mean()) for each in parts if len(each)) / len(order)
    )
