"""How well another policy would have done, from a journal that was written under this one.

Strategy: an answer that was drawn with probability p and would have been given with probability q under the other policy
counts q / p times, its *weight* (importance weighting, Horvitz and Thompson 1952). On top of it stands what is predicted:
the prediction for what the other policy would choose, corrected by the weighted errors of predictions (doubly robust;
Dudik, Langford and Li 2011, arXiv:1103.4601). Weights are 1 on average when everything is right, and what they miss is
taken out by regression (a control variate; self-normalised weighting, Swaminathan and Joachims 2015, is the case without
predictions). Everything needed is sums of powers, so that a journal of any length is read once and parts are added.

    outcome    h = base + weight * (graded - predicted) - slope * (weight - expected weight)
    interval   of the mean of h, with one right and one wrong answer added (Agresti and Caffo 2000) and the skewness taken
               out by Hall's transformation (1992, J. R. Statist. Soc. B 54:221)
    outside    what the other policy would do and nobody tried, or hardly ever (weights above ``largest``): with grades in
               [0, 1] it may be anything from 0 to 1, and the upper bound says so

Laws: sums of parts are the sums of the whole; what is known of each request before the draw (its ``outside``, its expected
weight) never depends on what was drawn; where too much lies outside, or the weights are worth fewer than ``FEWEST`` answers,
there is no estimate but a reason.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from msgspec import Struct

from pointsman.policy.outcomes import Floats

FEWEST: Final = 200.0
"""An estimate needs weights that are worth so many answers (Kish's effective sample size)."""

OUTSIDE: Final = 0.01
"""An estimate may leave so much of what the other policy would do unanswered."""

LEVEL: Final = 0.95
_SEEN: Final = 100.0  # an answer's weight is at most the number of graded answers over this
_LEAST_LARGEST: Final = 5.0
_ORDERS: Final = tuple((a, b) for total in (1, 2, 3) for a in range(total, -1, -1) for b in (total - a,))
_FLAT: Final = 1e-9

Refusal = Literal["nothing graded", "never tried", "too few"]
Way = Literal["weighted", "self-normalised", "doubly robust"]


@dataclass(frozen=True)
class Graded:
    """N graded exchanges, each array (N,).

    ``grade`` and the ``predicted`` grade of what was graded; its ``weight``, that weight's ``expected`` value before the
    draw (what is not outside) and the expected ``square``; ``base``: the predicted grade of what the other policy would
    choose, over all that is not outside; ``outside``: the probability of what is.
    """

    grade: Floats
    predicted: Floats
    weight: Floats
    expected: Floats
    square: Floats
    base: Floats
    outside: Floats


class Sums(Struct, frozen=True):
    """Sums over ``n`` exchanges: ``powers`` are those of outcome^a * (weight - expected)^b, by total order 1, 2, 3."""

    n: int = 0
    weight: float = 0.0
    weight_squared: float = 0.0
    square: float = 0.0
    outside: float = 0.0
    powers: tuple[float, ...] = (0.0,) * len(_ORDERS)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.n + other.n,
            self.weight + other.weight,
            self.weight_squared + other.weight_squared,
            self.square + other.square,
            self.outside + other.outside,
            tuple(a + b for a, b in zip(self.powers, other.powers, strict=True)),
        )

    @property
    def worth(self) -> float:
        """The effective sample size: the smaller of what the weights seen are worth, and what was to be expected."""
        if not self.n or self.weight_squared <= 0 or self.square <= 0:
            return 0.0
        return min(self.weight**2 / self.weight_squared, self.n**2 / self.square, float(self.n))


class Estimate(Struct, frozen=True):
    """A mean with ``LEVEL`` bounds, from ``n`` exchanges that are ``worth`` so many answers of the other policy itself."""

    mean: float
    low: float
    high: float
    n: int
    worth: float


class CannotTell(Struct, frozen=True):
    """Why there is no estimate: ``outside`` is the share of what the other policy would do that nobody tried."""

    why: Refusal
    n: int
    worth: float
    outside: float


def largest(graded: int) -> float:
    """Return the largest weight that an answer may have among so many graded ones; beyond, it counts as never tried."""
    return max(graded / _SEEN, _LEAST_LARGEST)


def sums(rows: Graded, way: Way = "doubly robust", *, less: Floats | None = None) -> Sums:
    """Return the sums of graded exchanges. Without predictions (``weighted``, ``self-normalised``) only grades count.

    ``less`` (N,) is taken off each outcome: the grade of what was answered, where the difference is asked for.
    """
    robust = way == "doubly robust"
    outcome = rows.base + rows.weight * (rows.grade - rows.predicted) if robust else rows.weight * rows.grade
    if less is not None:
        outcome = outcome - less
    beyond = np.zeros_like(rows.weight) if way == "weighted" else rows.weight - rows.expected
    powers = tuple(float((outcome**a * beyond**b).sum()) for a, b in _ORDERS)
    weight, squared = float(rows.weight.sum()), float((rows.weight**2).sum())
    return Sums(len(rows.weight), weight, squared, float(rows.square.sum()), float(rows.outside.sum()), powers)


def estimate(found: Sums, *, span: tuple[float, float] | None = (0.0, 1.0), fewest: float = FEWEST) -> Estimate | CannotTell:
    """Return the estimate of the mean outcome under the other policy, or why there is none.

    ``span`` is what an outcome may be; None: it has no bounds (latencies), and then nothing is added and nothing clipped.
    """
    outside = found.outside / found.n if found.n else 0.0
    if not found.n:
        return CannotTell("nothing graded", 0, 0.0, 0.0)
    if outside > OUTSIDE:
        return CannotTell("never tried", found.n, found.worth, outside)
    if found.worth < fewest:
        return CannotTell("too few", found.n, found.worth, outside)
    mean, second, third = _central(found)
    low, high = _interval(found, mean, second, third, span)
    if span is None:
        return Estimate(mean, low, high, found.n, found.worth)
    least, most = span
    low, high = max(low, least), min(high + outside, most)
    return Estimate(min(max(mean, low), high), low, high, found.n, found.worth)


def _central(found: Sums) -> tuple[float, float, float]:
    """Return the mean of h, and its second and third moments about it."""
    at = {order: value / found.n for order, value in zip(_ORDERS, found.powers, strict=True)}
    y, c = at[1, 0], at[0, 1]
    cc = at[0, 2] - c * c
    slope = (at[1, 1] - y * c) / cc if cc > _FLAT else 0.0
    mean = y - slope * c
    # Moments of h about 0, then about its own average in the sample, y - slope * c as well.
    two = at[2, 0] - 2 * slope * at[1, 1] + slope**2 * at[0, 2]
    three = at[3, 0] - 3 * slope * at[2, 1] + 3 * slope**2 * at[1, 2] - slope**3 * at[0, 3]
    second = max(two - mean**2, 0.0)
    return mean, second, three - 3 * mean * two + 2 * mean**3


def _interval(
    found: Sums, mean: float, second: float, third: float, span: tuple[float, float] | None
) -> tuple[float, float]:
    n = float(found.n)
    if span is not None:
        mean, second, third, n = _widened(found, mean, second, third, span)
    error = math.sqrt(second / n)
    if error <= 0.0:
        return mean, mean
    skew = third / second**1.5 / math.sqrt(n)
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    return mean - error * _unskewed(z, skew), mean - error * _unskewed(-z, skew)


def _widened(
    found: Sums, mean: float, second: float, third: float, span: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return moments and number with one best and one worst grade added, each as heavy as answers are on average."""
    heavy = found.weight_squared / found.weight
    n = found.n + 2.0
    steps = [heavy * (grade - min(max(mean, span[0]), span[1])) for grade in span]
    shift = sum(steps) / n
    two = (found.n * second + sum(step**2 for step in steps)) / n
    three = (found.n * third + sum(step**3 for step in steps)) / n
    return mean + shift, two - shift**2, three - 3 * shift * two + 2 * shift**3, n


def _unskewed(z: float, skew: float) -> float:
    """Return what a studentised mean with this skewness (over the root of n) exceeds as a normal one exceeds ``z``."""
    if abs(skew) < _FLAT:
        return z
    return 3 / skew * (float(np.cbrt(1 + skew * (z - skew / 6))) - 1)
