"""What a number of paired judgements allows to be said, however often somebody looks.

Strategy: two answers to one request are graded; ``d`` in [-1, 1] is the candidate's grade minus the reference's. Against
every possible mean ``m`` somebody bets on the side that the true mean is larger. Were the mean ``m`` or less, the bettor's
capital would be a non-negative supermartingale, and by Ville's inequality its chance of *ever* reaching ``1 / a`` is at
most ``a``. All ``m`` against which the capital has reached that are ruled out; likewise from above. What remains is an
interval that covers the true mean at all times at once, so that looking after every judgement costs nothing
(Waudby-Smith and Ramdas 2020, "Estimating means of bounded random variables by betting", arXiv:2010.09686).

The bettor puts a share ``c`` of its capital on a stock that returns ``(1 + d) / (1 + m)``, and spreads its capital over a
fixed geometric grid of shares at the start: a mixture, as in universal portfolios (Cover and Ordentlich 1996; Orabona and
Jun 2021, arXiv:2110.14099). In simulation it was as sharp as adaptive bets where most differences are 0, and far better
where those are at their worst. And it has three properties that adaptive bets lack: capital falls with ``m``, so one root
is the bound; it depends on counts of values, not on their order; and how it will grow can be worked out (``needed``).

Laws: valid for every sample size and every time of looking, for independent or merely mean-stationary differences in
[-1, 1]; bounds never move apart again (running intersection); flipping every sign flips the interval exactly.
"""

import math
from collections.abc import Iterable
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

VerdictKind = Literal["ready", "cannot tell", "stay"]

ALPHA: Final = 0.05
NEEDED_CAP: Final = 20_000
_SHARES: Final = np.geomspace(0.025, 0.95, 12)
_PRECISION: Final = 1e-4


class Interval(Struct, frozen=True):
    """The mean of ``n`` differences and bounds that hold at all times at once; all in [-1, 1], 0.01 is one point.

    Before the first difference the mean is 0 and the bounds are -1 and 1.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def drifted(self) -> bool:
        """Whether every mean is ruled out: the differences did not come from one unchanging mean."""
        return self.low > self.high


class ConfidenceSequence:
    """Differences so far and the bounds on their mean, at level ``1 - alpha`` (both sides together).

    ``add`` takes some ten microseconds, and a millisecond when a bound moves while thousands of distinct values occurred.
    """

    def __init__(self, alpha: float = ALPHA) -> None:
        self._counts: dict[float, int] = {}
        self._n = 0
        self._sum = 0.0
        self._below = _Bound(1.0, alpha / 2)
        self._above = _Bound(-1.0, alpha / 2)

    @property
    def interval(self) -> Interval:
        """What is known now."""
        return Interval(self._sum / self._n if self._n else 0.0, self._below.low, -self._above.low, self._n)

    @property
    def counts(self) -> dict[float, int]:
        """How often each difference occurred."""
        return dict(self._counts)

    def add(self, difference: float) -> Interval:
        """Take one more difference in [-1, 1] into account and return what is known then. Raises ValueError outside."""
        if not -1.0 <= difference <= 1.0:
            raise ValueError(f"a paired difference lies in [-1, 1], not {difference}")
        self._counts[difference] = self._counts.get(difference, 0) + 1
        self._n += 1
        self._sum += difference
        self._below.add(difference, self._counts)
        self._above.add(difference, self._counts)
        return self.interval


class _Bound:
    """The lower bound on the mean of ``sign * d``: ``low`` is ruled out, ``edge``, just above it, is not yet.

    The log capital against ``edge`` is kept for every share, so that most differences cost one short sum.
    """

    def __init__(self, sign: float, level: float) -> None:
        self.low = -1.0
        self._sign = sign
        self._goal = -math.log(level)
        self._edge = -1.0 + _PRECISION
        self._logs = np.zeros(len(_SHARES))
        self._steps: dict[float, NDArray[np.float64]] = {}

    def add(self, difference: float, counts: dict[float, int]) -> None:
        """Take into account one more difference, which ``counts`` contain already."""
        step = self._steps.get(difference)
        if step is None:
            step = self._steps[difference] = growth(np.array([self._sign * difference]), self._edge)[:, 0]
        self._logs += step
        if self._logs.max() < self._goal or log_mean_exp(self._logs) < self._goal:
            return
        values, times = self._sign * np.fromiter(counts, np.float64), np.fromiter(counts.values(), np.float64)
        inside, mean, stride = self._edge, float(values @ times / times.sum()), _PRECISION
        outside = min(inside + stride, mean)
        while log_capital(values, times, outside) >= self._goal:  # bounds mostly move by little: try that first
            inside, stride = outside, 2 * stride
            outside = min(inside + stride, mean)
        while outside - inside > _PRECISION:
            middle = (inside + outside) / 2
            if log_capital(values, times, middle) >= self._goal:
                inside = middle
            else:
                outside = middle
        self.low, self._edge = inside, outside
        self._logs, self._steps = growth(values, outside) @ times, {}


def confidence(differences: Iterable[float], alpha: float = ALPHA) -> Interval:
    """Return the interval after looking at each difference in turn."""
    sequence = ConfidenceSequence(alpha)
    for difference in differences:
        sequence.add(difference)
    return sequence.interval


def verdict(interval: Interval, tolerance: float, *, cheaper: bool | None = True) -> VerdictKind:
    """Say what an interval means for an owner who accepts a loss of up to ``tolerance`` (0.05 is five points).

    ``ready``: the loss is certainly smaller, and the candidate is cheaper. ``stay``: it is certainly larger, or the
    candidate is not cheaper (``cheaper`` False). ``cannot tell`` otherwise, also while the cost is not settled (None).
    """
    if interval.drifted:
        return "cannot tell"
    if interval.high < -tolerance or cheaper is False:
        return "stay"
    return "ready" if interval.low > -tolerance and cheaper else "cannot tell"


def needed(counts: dict[float, int], tolerance: float, alpha: float = ALPHA) -> int | None:
    """Return about how many more differences like those so far would settle the verdict; 0 when it is settled.

    None: more than 20,000, as happens where the mean lies close to the tolerance. The bettor's capital against
    ``-tolerance`` is carried forward at the growth that each share has had so far; one difference of +1 and one of -1, half
    a count each, are added so that a handful of equal answers is not taken for certainty.
    """
    values = np.array([*counts, 1.0, -1.0])
    times = np.array([*map(float, counts.values()), 0.0, 0.0])
    smooth = times + np.array([0.0] * len(counts) + [0.5, 0.5])
    above = _first(values, times, smooth, -tolerance, alpha / 2)
    below = _first(-values, times, smooth, tolerance, alpha / 2)
    fewest = min(above, below)
    return fewest if fewest <= NEEDED_CAP else None


def log_capital(values: NDArray[np.float64], times: NDArray[np.float64], mean: float) -> float:
    """Return the log of the capital of who bet that the true mean is larger than ``mean`` in (-1, 1), starting with 1.

    ``values[k]`` was seen ``times[k]`` times. Decreasing in ``mean``; at the sample mean no share has grown (Jensen).
    """
    return log_mean_exp(growth(values, mean) @ times)


def growth(values: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """Return how the log capital against ``mean`` grows with one difference: shares (rows) by values (columns).

    The log capital after some differences is ``log_mean_exp`` of their columns' sum.
    """
    return np.log1p(_SHARES[:, None] * ((values - mean) / (1.0 + mean)))


def log_mean_exp(logs: NDArray[np.float64]) -> float:
    """Return the log of the mean of ``exp(logs)``: what all shares of the capital come to together."""
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()) / len(logs))


def _first(
    values: NDArray[np.float64], times: NDArray[np.float64], smooth: NDArray[np.float64], mean: float, level: float
) -> int:
    """Return after how many more differences the capital against ``mean`` reaches ``1 / level``; NEEDED_CAP + 1 if later."""
    steps = growth(values, mean)
    now, rate, goal = steps @ times, steps @ smooth / smooth.sum(), -math.log(level)
    if log_mean_exp(now) >= goal:
        return 0
    enough, short = NEEDED_CAP + 1, 0
    while enough - short > 1:
        middle = (enough + short) // 2
        if log_mean_exp(now + middle * rate) >= goal:
            enough = middle
        else:
            short = middle
    return enough
