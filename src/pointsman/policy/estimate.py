"""How well another policy would have done, from a journal that was written under this one.

Strategy: an answer that was drawn with probability p and would have been given with probability q under the other policy
counts q / p times, its *weight* (importance weighting, Horvitz and Thompson 1952). On top of it stands what is predicted:
the prediction for what the other policy would choose, corrected by the weighted errors of predictions (doubly robust;
Dudik, Langford and Li 2011, arXiv:1103.4601). Weights are 1 on average when everything is right, and what they miss is
taken out by regression (a control variate; self-normalised weighting, Swaminathan and Joachims 2015, is the case without
predictions). Everything needed is sums of powers, so that a journal of any length is read once and parts are added.

    outcome    h = base + weight * (graded - predicted) - slope * (weight - expected weight)
    interval   of the mean of h, with one right and one wrong answer added (Agresti and Caffo 2000), as heavy as those that
               make up its variance; the skewness taken out by Hall's transformation (1992, J. R. Statist. Soc. B 54:221);
               by Student's t with as many degrees of freedom as its kurtosis k leaves to the variance, 2 n / (k - 1)
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
_ORDERS: Final = tuple((a, b) for total in (1, 2, 3, 4) for a in range(total, -1, -1) for b in (total - a,))
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
    """Sums over ``n`` exchanges.

    ``weights`` are those of weight, weight^2, weight^3; ``powers`` of outcome^a * (weight - expected)^b, by total order.
    """

    n: int = 0
    weights: tuple[float, ...] = (0.0, 0.0, 0.0)
    square: float = 0.0
    outside: float = 0.0
    powers: tuple[float, ...] = (0.0,) * len(_ORDERS)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.n + other.n,
            _added(self.weights, other.weights),
            self.square + other.square,
            self.outside + other.outside,
            _added(self.powers, other.powers),
        )

    @property
    def worth(self) -> float:
        """The effective sample size: the smaller of what the weights seen are worth, and what was to be expected."""
        first, second, _ = self.weights
        if not self.n or second <= 0 or self.square <= 0:
            return 0.0
        return min(first**2 / second, self.n**2 / self.square, float(self.n))


def _added(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


class Estimate(Struct, frozen=True, tag="estimate"):
    """A mean with ``LEVEL`` bounds, from ``n`` exchanges that are ``worth`` so many answers of the other policy itself."""

    mean: float
    low: float
    high: float
    n: int
    worth: float


class CannotTell(Struct, frozen=True, tag="cannot tell"):
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
    weights = tuple(float((rows.weight**power).sum()) for power in (1, 2, 3))
    return Sums(len(rows.weight), weights, float(rows.square.sum()), float(rows.outside.sum()), powers)


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
    moments = _central(found)
    mean, (low, high) = moments.mean, _interval(moments if span is None else _widened(found, moments, span))
    if span is None:
        return Estimate(mean, low, high, found.n, found.worth)
    least, most = span
    low, high = max(low, least), min(high + outside, most)
    return Estimate(min(max(mean, low), high), low, high, found.n, found.worth)


class _Moments(Struct, frozen=True):
    """The mean of ``n`` values, and their second, third and fourth moments about it."""

    n: float
    mean: float
    second: float
    third: float
    fourth: float


def _central(found: Sums) -> _Moments:
    """Return the moments of h."""
    at = {order: value / found.n for order, value in zip(_ORDERS, found.powers, strict=True)}
    outcome, beyond = at[1, 0], at[0, 1]
    spread = at[0, 2] - beyond**2
    slope = (at[1, 1] - outcome * beyond) / spread if spread > _FLAT else 0.0
    mean = outcome - slope * beyond
    # Moments of h about 0 by the binomial theorem, then about its mean.
    about = [math.fsum(math.comb(k, b) * (-slope) ** b * at[k - b, b] for b in range(k + 1)) for k in (2, 3, 4)]
    return _about(found.n, mean, *about)


def _about(n: float, mean: float, two: float, three: float, four: float) -> _Moments:
    """Return moments about the mean, from those about 0."""
    return _Moments(
        n,
        mean,
        max(two - mean**2, 0.0),
        three - 3 * mean * two + 2 * mean**3,
        max(four - 4 * mean * three + 6 * mean**2 * two - 3 * mean**4, 0.0),
    )


def _widened(found: Sums, known: _Moments, span: tuple[float, float]) -> _Moments:
    """Return moments with one best and one worst grade added, each as heavy as the answers that make up the variance."""
    _, second, third = found.weights
    n, middle = known.n + 2, min(max(known.mean, span[0]), span[1])
    steps = [known.mean + third / second * (grade - middle) for grade in span]
    before = (
        known.second + known.mean**2,
        known.third + 3 * known.mean * known.second + known.mean**3,
        known.fourth + 4 * known.mean * known.third + 6 * known.mean**2 * known.second + known.mean**4,
    )
    mean, two, three, four = (
        (known.n * value + math.fsum(step**power for step in steps)) / n
        for power, value in enumerate((known.mean, *before), start=1)
    )
    return _about(n, mean, two, three, four)


def _interval(known: _Moments) -> tuple[float, float]:
    error = math.sqrt(known.second / known.n)
    if error <= 0.0:
        return known.mean, known.mean
    skew = known.third / known.second**1.5 / math.sqrt(known.n)
    kurtosis = known.fourth / known.second**2
    t = _student(2 * known.n / max(kurtosis - 1.0, _FLAT))
    return known.mean - error * _unskewed(t, skew), known.mean - error * _unskewed(-t, skew)


def _student(freedom: float) -> float:
    """Return Student's t at ``LEVEL`` (Abramowitz and Stegun 26.7.5, to second order; from 2 degrees of freedom on)."""
    z, freedom = NormalDist().inv_cdf((1 + LEVEL) / 2), max(freedom, 2.0)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _unskewed(z: float, skew: float) -> float:
    """Return what a studentised mean with this skewness (over the root of n) exceeds as a normal one exceeds ``z``."""
    if abs(skew) < _FLAT:
        return z
    return 3 / skew * (float(np.cbrt(1 + skew * (z - skew / 6))) - 1)
