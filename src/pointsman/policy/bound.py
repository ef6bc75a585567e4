"""A tested bound: how far down the trade-off one may go, on judgements that nothing was learned or chosen on.

Strategy: what was learned fixes a walk beforehand, from the safest trade-off that saves anything to the cheapest of all, in
steps of about one percent of the reference's cost. On judgements set apart every step is asked: is the quality at most the
tolerance below the reference's? Yes, when somebody who bets that it is has multiplied the capital by ``1 / error``. The
walk ends before the first step that fails, and the last that passed is published (fixed-sequence testing: Learn then Test,
Angelopoulos and others 2021, arXiv:2110.01052).

The bettor of ``guarantee`` may be looked at for ever. This one knows how many judgements there are, and stakes at each what
would be best for reaching the goal with the last one, given the capital so far (STaR bets: Voracek and Orabona 2025,
arXiv:2505.22422). So it needs hardly more than a normal test, which promises nothing for any finite number of judgements.

Laws: were a step's true quality the tolerance or more below the reference's, its chance to pass is ``error`` at most, for
every number of independent judgements with differences in [-1, 1]. The chance that any such step is published is no larger,
since the first of them on the walk has to pass for that. No step's place depends on the judgements set apart.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.policy.guarantee import NEEDED_CAP, returns
from pointsman.policy.outcomes import Floats
from pointsman.policy.trade import Evidence, choices, values

STRIDE: Final = 0.01  # of the reference's cost: how much less the next step of a walk costs
_HALVINGS: Final = 6  # how often the way between two values is halved in search of such steps
_MOST: Final = 0.9  # of the capital, that is staked on one judgement
_USUAL: Final = 0.75  # of the capital, that is staked on average where no answers differ
_PRIOR: Final = 20  # judgements' worth of belief in ...
_SQUARE: Final = 0.25  # ... the mean square of a gain, before any was seen
_POWER: Final = 0.8  # chance to pass with as many judgements as are said to be needed


class Step(Struct, frozen=True):
    """One trade-off: what a right answer is worth in nano-dollars (None: one deployment serves all), and who may serve."""

    value_nano: int | None
    serving: tuple[str, ...]

    def picks(self, deployments: tuple[str, ...], quality: NDArray[Any], cost_nano: Floats) -> NDArray[np.int64]:
        """Return the column that is chosen for each row of predictions (N, M), among those that may serve."""
        columns = np.array([place for place, name in enumerate(deployments) if name in self.serving])
        chosen: NDArray[np.int64] = columns[choices(quality[:, columns], cost_nano[:, columns], self.value_nano)]
        return chosen


def walk(evidence: Evidence, reference: str) -> tuple[Step, ...]:
    """Return the trade-offs to test, from the safest to the cheapest; empty where none costs less than the reference.

    Both the costs and who may serve (beside the reference, what was chosen at least once) are what held-out predictions say.
    """
    home = evidence.deployments.index(reference)
    base = float(evidence.cost_nano[:, home].mean())
    if not base > 0:
        return ()
    steps, last = [], 1.0
    for value, share in _descent(evidence, base):
        if share <= last - STRIDE:
            chosen = np.unique([home, *evidence.choices(value)])
            steps.append(Step(round(value), tuple(evidence.deployments[column] for column in chosen)))
            last = share
    return tuple(steps)


def _descent(evidence: Evidence, base: float) -> Iterator[tuple[float, float]]:
    """Yield falling values of a right answer, with what choosing costs as a share of ``base``; closer where that falls."""
    rows = np.arange(len(evidence.cost_nano))

    def share(value: float) -> float:
        return float(evidence.cost_nano[rows, evidence.choices(value)].mean()) / base

    def between(high: tuple[float, float], low: tuple[float, float], halvings: int) -> Iterator[tuple[float, float]]:
        if halvings and high[1] - low[1] > STRIDE:
            middle = math.sqrt(high[0] * low[0])
            found = middle, share(middle)
            yield from between(high, found, halvings - 1)
            yield found
            yield from between(found, low, halvings - 1)

    coarse = [(value, share(value)) for value in values(evidence)]
    yield coarse[0]
    for high, low in pairwise(coarse):
        yield from between(high, low, _HALVINGS)
        yield low


def holds(differences: Floats, tolerance: float, error: float) -> NDArray[np.bool_]:
    """Say of paired differences (n, ...) in [-1, 1] whether their mean passes as more than ``-tolerance``: (...).

    The order of the n must have nothing to do with them. Where the true mean is ``-tolerance`` or less, the chance to pass
    is ``error`` at most: the capital is a non-negative supermartingale then, which ever reaches ``1 / error`` with no larger
    chance (Ville).
    """
    goal, count = -math.log(error), len(differences)
    capital = np.zeros(differences.shape[1:])
    squares = np.full(differences.shape[1:], _PRIOR * _SQUARE)
    for seen, each in enumerate(differences):
        gain = returns(each, -tolerance)
        spread = squares / (_PRIOR + seen)
        share = np.sqrt(2 * np.maximum(goal - capital, 0.0) / ((count - seen) * spread))
        capital += np.log1p(np.minimum(share, _MOST) * gain)  # nothing is staked any more once the goal is reached
        squares += gain * gain
    return np.asarray(capital >= goal)


def passed(held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many steps of a walk (..., K) hold before the first that does not."""
    return np.asarray(np.logical_and.accumulate(held, axis=-1).sum(axis=-1))


def more(differences: Floats, tolerance: float, error: float) -> int | None:
    """Return about how many more differences like these (n,) would pass, in four of five cases; None: more than 20,000.

    By the normal approximation, with one difference of +1 and one of -1 added, half a count each, so that a handful of equal
    answers is not taken for certainty; never fewer than it takes where all are equal, and a tenth of these at least.
    """
    n, mean = len(differences), float(differences.mean()) if len(differences) else 0.0
    room = mean + tolerance
    if room <= 0:
        return None
    variance = (float(np.square(differences - mean).sum()) + 1.0) / (n + 1)
    normal = NormalDist()
    surely = normal.inv_cdf(1 - error) + normal.inv_cdf(_POWER)
    equal = -math.log(error) / math.log1p(_USUAL * room / (1 - tolerance))
    needed = math.ceil(max(variance * (surely / room) ** 2, equal, 1.1 * n) - n)
    return needed if needed <= NEEDED_CAP else None
