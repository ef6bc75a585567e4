"""What an evaluation found, one line a deployment: score with its interval, cost, latency.

The interval is Wilson's score interval for a mean (Wilson 1927, J. Am. Stat. Assoc. 22:209; Brown, Cai and DasGupta 2001,
Stat. Sci. 16:101), with prompts of the same text counted once: their grades are averaged first. For grades between 0 and 1
it is wide rather than narrow, because no such mean varies more than one of right and wrong. The difference to the first
deployment is that of the same prompts, with the interval of Agresti and Min (2005, Stat. Med. 24:729): half a win, half a
loss and a tie are added to what was seen. So two models that never differed on 20 prompts are not taken for equal.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Final

from msgspec import Struct

from pointsman.control.cases.rows import Row

_Z95: Final = 1.959963984540054
_FEWEST: Final = 10
_ADDED: Final = 2  # half a win, half a loss, a tie


class Interval(Struct, frozen=True):
    """A mean and its 95 % bounds."""

    mean: float
    low: float
    high: float


class Summary(Struct, frozen=True):
    """One deployment. ``score`` in [0, 1], None where nothing was graded; ``change`` is against the first deployment."""

    deployment: str
    graded: int
    ungraded: int
    score: Interval | None
    change: Interval | None
    usd_per_1000: float | None
    latency_ms: float | None


def summaries(rows: Iterable[Row], deployments: Sequence[str]) -> list[Summary]:
    """Return a line for each deployment, in the order given; differences are to the first."""
    of: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of[row["model"]].append(row)
    first = _by_group(of[deployments[0]]) if deployments else {}
    return [_summary(name, of[name], first if name != deployments[0] else {}) for name in deployments]


def _summary(name: str, rows: Sequence[Row], first: Mapping[str, float]) -> Summary:
    scores = _by_group(rows)
    graded = sum(row["score"] is not None for row in rows)
    costs = [row["cost_usd"] for row in rows if row.get("cost_usd") is not None]
    times = [row["latency_ms"] for row in rows if row.get("latency_ms")]
    return Summary(
        deployment=name,
        graded=graded,
        ungraded=len(rows) - graded,
        score=wilson(list(scores.values())) if scores else None,
        change=paired([scores[group] - first[group] for group in scores.keys() & first.keys()]),
        usd_per_1000=1000 * fmean(costs) if costs else None,
        latency_ms=median(times) if times else None,
    )


def wilson(grades: Sequence[float]) -> Interval:
    """Return the mean of grades in [0, 1] and Wilson's 95 % bounds."""
    n, mean = len(grades), fmean(grades)
    share = _Z95**2 / n
    centre = (mean + share / 2) / (1 + share)
    half = math.sqrt(share * (mean * (1 - mean) + share / 4)) / (1 + share)
    return Interval(mean, min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half)))


def paired(differences: Sequence[float]) -> Interval | None:
    """Return the mean of paired differences in [-1, 1] and its 95 % bounds, None where there are fewer than ten."""
    if len(differences) < _FEWEST:
        return None
    n, mean = len(differences) + _ADDED, fmean(differences)
    centre = sum(differences) / n
    half = _Z95 * math.sqrt(((sum(each * each for each in differences) + 1) / n - centre**2) / n)
    return Interval(mean, max(-1.0, min(mean, centre - half)), min(1.0, max(mean, centre + half)))


def _by_group(rows: Iterable[Row]) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["score"] is not None:
            found[row["dup_group"]].append(row["score"])
    return {group: fmean(grades) for group, grades in found.items()}
