"""Two arms of live traffic: whether the one that is new does worse, looked at whenever somebody likes.

Strategy: since chance decides which arm a request belongs to, both arms have the same requests, on average. Values of both
are handed out in *blocks*, some of the one and some of the other in the proportion of the shares, in the order in which
they came; a block gives one difference in [-1, 1], and somebody bets that its mean is larger than is tolerated
(the mixture of bets of ``policy/guarantee``, with fewer of them, since there is one direction and no interval to show;
Waudby-Smith and Ramdas 2020, arXiv:2010.09686). Were it not, his capital would
be a non-negative supermartingale, and the chance that it *ever* reaches ``1 / level`` at most ``level`` (Ville).

What is compared: grades; failures; and which of two answers took longer, by a factor, so that neither the unit nor a few
very long answers matter: were more than half of the control's answers that much faster, the mean would be above zero. What
answers cost has no bound, so it goes by a confidence sequence by normal mixture, which is asymptotic (``dearer``).

Laws: a block never lends a value to another one; what waits for its block is kept; the error of all four gates together is
``ERROR``, for all looks together.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.core.routing import Gates
from pointsman.policy.guarantee import peak, returns

Array = NDArray[np.float64]
Measure = Literal["quality", "errors", "cost", "latency"]

ERROR: Final = 0.05
LEVELS: Final[dict[Measure, float]] = {"quality": 0.03, "errors": 0.01, "cost": 0.005, "latency": 0.005}
PROMOTION: Final = 0.05
"""The chance that a canary is promoted whose requests fail more often than is tolerated."""
LEAST_PRICED: Final = 100
_MIXTURE: Final = 0.01  # the mixture's squared width: narrowest at about a thousand courses of the smaller arm
_FIRST: Final = 0.75  # of the level of quality, for the first grader; of what is left, for each further one
_SHARES: Final = np.array([0.05, 0.1, 0.2, 0.4, 0.95])[:, None]
_MOST: Final = 99  # values of one arm for one of the other


class Sums(Struct, frozen=True):
    """What is known of one arm's costs: how many, their sum, the sum of their squares, in any unit."""

    n: int
    total: float
    squares: float


class Bet:
    """Who bets that the mean of values in [-1, 1] is larger than ``mean``, and has 1 to begin with.

    ``won`` says whether the capital ever reached ``1 / level``; were the mean ``mean`` or less, that had a chance of at most
    ``level``. ``n`` values were seen.
    """

    def __init__(self, mean: float, level: float) -> None:
        self._mean = mean
        self._goal = -math.log(level)
        self._logs: Array = np.zeros(len(_SHARES))
        self.won = False
        self.n = 0

    def take(self, values: Array) -> bool:
        """Take values, with a look after each, and return whether the bet is won. Raises ValueError outside [-1, 1]."""
        if not len(values):
            return self.won
        if not (np.abs(values) <= 1).all():
            raise ValueError("what is bet on lies in [-1, 1]")
        path = self._logs[:, None] + np.cumsum(np.log1p(_SHARES * returns(values, self._mean)), axis=1)
        self._logs = path[:, -1]
        self.n += len(values)
        self.won = self.won or peak(path) >= self._goal
        return self.won


class Blocks:
    """Values of two arms in blocks: ``sizes`` of the policy's and of the control's, in the order in which they came."""

    def __init__(self, share: float) -> None:
        self.sizes = sizes(share)
        self._waiting: tuple[list[float], list[float]] = ([], [])

    def take(self, policy: Iterable[float], control: Iterable[float]) -> tuple[Array, Array]:
        """Take values and return the blocks that are full now: (blocks, policy's size) and (blocks, control's size)."""
        for waiting, values in zip(self._waiting, (policy, control), strict=True):
            waiting.extend(values)
        full = min(len(waiting) // size for waiting, size in zip(self._waiting, self.sizes, strict=True))
        return self._out(0, full), self._out(1, full)

    def _out(self, arm: int, full: int) -> Array:
        size, waiting = self.sizes[arm], self._waiting[arm]
        found = np.array(waiting[: full * size], dtype=np.float64).reshape(full, size)
        del waiting[: full * size]
        return found


def sizes(share: float) -> tuple[int, int]:
    """Return how many values of the policy's and of the control's make a block, where ``share`` of all are the policy's."""
    if not 0 < share < 1:
        return 1, 1
    if share <= 0.5:
        return 1, min(_MOST, round((1 - share) / share))
    return min(_MOST, round(share / (1 - share))), 1


def soonest(errors: float) -> int:
    """Return after how many requests of the smaller arm a canary is promoted, where none of either fails."""
    steps = np.log1p(_SHARES[:, 0] * returns(np.zeros(1), -errors))
    few, enough = 0, 1
    while _capital(enough * steps) < -math.log(PROMOTION):
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (middle, enough) if _capital(middle * steps) < -math.log(PROMOTION) else (few, middle)
    return enough


def _capital(logs: Array) -> float:
    return peak(logs[:, None])


class Gate:
    """What two arms have shown so far, against what is tolerated.

    ``share`` is the policy's share of requests, ``tolerance`` the loss of quality that the owner accepts (0.05 is five
    points). ``paired``: the policy's grades are a judge's shares of wins against the reference's answer to the same request.
    Grades of each grader are bet on apart, the first with most of the level, the next with most of the rest.
    """

    def __init__(self, share: float, tolerance: float, gates: Gates) -> None:
        self._share, self._tolerance, self._gates = share, tolerance, gates
        self._failures, self._times = Blocks(share), Blocks(share)
        self._worse: dict[str, tuple[Blocks, Bet]] = {}
        self._failing = Bet(gates.errors, LEVELS["errors"])
        self._sound = Bet(-gates.errors, PROMOTION)
        self._slower = Bet(0.0, LEVELS["latency"])

    def failed(self, policy: Iterable[float], control: Iterable[float]) -> None:
        """Take requests of both arms: 1 where one failed, else 0."""
        ours, theirs = self._failures.take(policy, control)
        more = ours.mean(axis=1) - theirs.mean(axis=1)
        self._failing.take(more)
        self._sound.take(-more)

    def took(self, policy: Iterable[float], control: Iterable[float]) -> None:
        """Take how long answers of both arms took, in any unit."""
        ours, theirs = self._times.take(policy, control)
        later = ours[:, :, None] > self._gates.latency * theirs[:, None, :]
        self._slower.take(2 * later.mean(axis=(1, 2)) - 1)

    def graded(self, grader: str, policy: Sequence[float], control: Sequence[float], *, paired: bool = False) -> None:
        """Take grades in [0, 1] by one grader. Raises ValueError for others."""
        if grader not in self._worse:
            level = LEVELS["quality"] * _FIRST * (1 - _FIRST) ** len(self._worse)
            self._worse[grader] = (Blocks(self._share), Bet(self._tolerance, level))
        blocks, bet = self._worse[grader]
        if paired:
            bet.take(1 - 2 * np.array(policy, dtype=np.float64))
            return
        ours, theirs = blocks.take(policy, control)
        bet.take(theirs.mean(axis=1) - ours.mean(axis=1))

    @property
    def worse(self) -> Measure | None:
        """What the policy's arm is certainly worse at than is tolerated, by these values; None: nothing so far."""
        if any(bet.won for _, bet in self._worse.values()):
            return "quality"
        if self._failing.won:
            return "errors"
        return "latency" if self._slower.won else None

    @property
    def sound(self) -> bool:
        """Whether the policy's requests certainly fail no more often than is tolerated."""
        return self._sound.won


def dearer(policy: Sums, control: Sums, by: float = 0.0) -> bool:
    """Whether the policy's mean cost is certainly more than ``1 + by`` times the control's, however often one looks.

    A confidence sequence of the difference of two means by normal mixture (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
    2021, arXiv:2103.06476, section 2), its time the harmonic one of both arms: asymptotic, so that each arm needs
    ``LEAST_PRICED`` costs.
    """
    if min(policy.n, control.n) < LEAST_PRICED:
        return False
    (ours, spread), (theirs, other) = _mean(policy), _mean(control)
    factor = 1 + by
    squared = spread / policy.n + factor * factor * other / control.n
    scale = policy.n * control.n / (policy.n + control.n) * _MIXTURE
    half = math.sqrt(squared * 2 * (scale + 1) / scale * math.log(math.sqrt(scale + 1) / LEVELS["cost"]))
    return ours - factor * theirs > half


def _mean(sums: Sums) -> tuple[float, float]:
    mean = sums.total / sums.n
    return mean, max(0.0, sums.squares - sums.n * mean * mean) / (sums.n - 1)
