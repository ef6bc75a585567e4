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
is the bound, also of a whole stretch of looks; it depends on counts of values, not on their order; and how it will grow
can be worked out (``needed``).

Laws: valid for every sample size and every time of looking, for independent or merely mean-stationary differences in
[-1, 1]; bounds never move apart again (running intersection); flipping every sign flips the interval exactly.

When the bounds cross: the two sides err apart, each with chance ``alpha / 2`` at most, so that in up to ``alpha`` of all
runs the lower bound comes to lie above the upper one, and much more often when the answers change on the way. What one side
has ruled out stays ruled out at its own level: with both bounds on the same side of the tolerance there is a verdict.
Only where they contradict one another about the tolerance itself does it stay open. For showing, where what earlier looks
ruled out leaves out the mean itself, the interval is that of the last look, which always contains it.
"""

import math
from collections.abc import Callable, Iterable
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

VerdictKind = Literal["ready", "cannot tell", "stay"]

ALPHA: Final = 0.05
NEEDED_CAP: Final = 20_000
_SHARES: Final = np.geomspace(0.025, 0.95, 12)
_PRECISION: Final = 1e-4
_STRETCH: Final = 4096  # looks worked out together: bounds memory, and makes no difference to the result


class Interval(Struct, frozen=True):
    """The mean of ``n`` differences and bounds that hold at all times at once; all in [-1, 1], 0.01 is one point.

    Before the first difference the mean is 0 and the bounds are -1 and 1. Where the bounds that earlier looks left do not
    contain the mean (they may even have crossed), ``low`` and ``high`` are those of the last look alone, and ``earlier``
    keeps the others.
    """

    mean: float
    low: float
    high: float
    n: int
    earlier: tuple[float, float] | None = None

    def ruled_out(self) -> tuple[float, float]:
        """Return below what and above what the true mean was found not to lie, by all looks so far."""
        return self.earlier or (self.low, self.high)

    def contradicts(self, tolerance: float) -> bool:
        """Whether the mean was found to lie above ``-tolerance`` at one time, and below it at another."""
        low, high = self.ruled_out()
        return high < -tolerance < low


class ConfidenceSequence:
    """Differences so far and the bounds on their mean, at level ``1 - alpha`` (both sides together)."""

    def __init__(self, alpha: float = ALPHA) -> None:
        self._values: NDArray[np.float64] = np.empty(0)
        self._times: NDArray[np.float64] = np.empty(0)
        self._below = _Bound(alpha / 2)  # of d
        self._above = _Bound(alpha / 2)  # of -d

    @property
    def interval(self) -> Interval:
        """What is known now."""
        n = int(self._times.sum())
        mean = float(self._values @ self._times) / n if n else 0.0
        low, high = self._below.low, -self._above.low
        if low <= mean <= high:
            return Interval(mean, low, high, n)
        alone = self._below.alone(self._values, self._times), self._above.alone(-self._values, self._times)
        return Interval(mean, alone[0], -alone[1], n, earlier=(low, high))

    @property
    def counts(self) -> dict[float, int]:
        """How often each difference occurred."""
        return dict(zip(self._values.tolist(), map(int, self._times), strict=True))

    def add(self, difference: float) -> Interval:
        """Take one more difference in [-1, 1] into account and return what is known then. Raises ValueError outside."""
        self.extend((difference,))
        return self.interval

    def extend(self, differences: Iterable[float]) -> None:
        """Take differences in [-1, 1] into account, with a look after each, all in one go. Raises ValueError outside."""
        given = np.array([*differences], dtype=np.float64)
        outside = given[~(np.abs(given) <= 1.0)]
        if len(outside):
            raise ValueError(f"a paired difference lies in [-1, 1], not {outside[0]}")
        for start in range(0, len(given), _STRETCH):
            stretch = given[start : start + _STRETCH]
            self._below.extend(self._values, self._times, stretch)
            self._above.extend(-self._values, self._times, -stretch)
            both = np.concatenate([self._values, stretch])
            times = np.concatenate([self._times, np.ones(len(stretch))])
            self._values, places = np.unique(both, return_inverse=True)
            self._times = np.bincount(places, times).astype(np.float64)


class _Bound:
    """The lower bound on a mean: ``low`` is ruled out, or -1."""

    def __init__(self, level: float) -> None:
        self.low = -1.0
        self._goal = -math.log(level)

    def extend(self, values: NDArray[np.float64], times: NDArray[np.float64], stretch: NDArray[np.float64]) -> None:
        """Take into account the looks after each difference of a stretch; ``values`` were seen so many ``times`` before."""

        def ruled_out(mean: float) -> bool:
            before = growth(values, mean) @ times
            return peak(before[:, None] + np.cumsum(growth(stretch, mean), axis=1)) >= self._goal

        self.low = _last(ruled_out, self.low)

    def alone(self, values: NDArray[np.float64], times: NDArray[np.float64]) -> float:
        """Return the bound that these differences give at one look."""
        return _last(lambda mean: log_capital(values, times, mean) >= self._goal, -1.0)


def _last(ruled_out: Callable[[float], bool], start: float) -> float:
    """Return the last mean that is ruled out, ``start`` if none above it is, to ``_PRECISION``."""
    inside, stride = start, _PRECISION
    outside = min(inside + stride, 1.0)
    while outside < 1.0 and ruled_out(outside):  # bounds mostly move by little: try that first
        inside, stride = outside, 2 * stride
        outside = min(inside + stride, 1.0)
    while outside - inside > _PRECISION:
        middle = (inside + outside) / 2
        if ruled_out(middle):
            inside = middle
        else:
            outside = middle
    return inside


def confidence(differences: Iterable[float], alpha: float = ALPHA) -> Interval:
    """Return the interval after looking at each difference in turn."""
    sequence = ConfidenceSequence(alpha)
    sequence.extend(differences)
    return sequence.interval


def apart(ours: Iterable[float], theirs: Iterable[float], alpha: float = ALPHA) -> float:
    """Return what the mean of ``ours`` less that of ``theirs`` is at most, at all times at once, at level ``1 - alpha``.

    Both are grades in [0, 1], of different requests. Each has half of the error: its own confidence sequence's other side is
    not made use of.
    """
    most = confidence((2 * grade - 1 for grade in ours), alpha).ruled_out()[1]
    least = confidence((2 * grade - 1 for grade in theirs), alpha).ruled_out()[0]
    return (most - least) / 2


def verdict(interval: Interval, tolerance: float, *, cheaper: bool | None = True) -> VerdictKind:
    """Say what an interval means for an owner who accepts a loss of up to ``tolerance`` (0.05 is five points).

    ``ready``: the loss is certainly smaller, and the candidate is cheaper. ``stay``: it is certainly larger, or the
    candidate is not cheaper (``cheaper`` False). ``cannot tell`` otherwise, also while the cost is not settled (None), and
    where one look found the loss certainly smaller and another certainly larger.

    Were the loss ``tolerance`` or more, the chance that the lower bound ever passes ``-tolerance`` would be ``alpha / 2`` at
    most, whatever the upper bound does: so a verdict does not ask whether the two have crossed.
    """
    if cheaper is False:
        return "stay"
    low, high = interval.ruled_out()
    if interval.contradicts(tolerance):
        return "cannot tell"
    if high < -tolerance:
        return "stay"
    return "ready" if low > -tolerance and cheaper else "cannot tell"


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
    return np.log1p(_SHARES[:, None] * returns(values, mean))


def returns(values: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """Return what one unit of the stock, by which one bets against ``mean``, gains with each value: -1 at least.

    Where the true mean is ``mean`` or less, that is nothing on average.
    """
    return (values - mean) / (1.0 + mean)


def log_mean_exp(logs: NDArray[np.float64]) -> float:
    """Return the log of the mean of ``exp(logs)``: what all shares of the capital come to together."""
    return peak(logs[:, None])


def peak(paths: NDArray[np.float64]) -> float:
    """Return the most that the whole capital ever comes to, as a log, from the paths of its shares: shares by looks."""
    top = paths.max(axis=0)
    return float((top + np.log(np.exp(paths - top).mean(axis=0))).max())


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
