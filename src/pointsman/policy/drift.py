"""A deployment that answers worse than it did, without having said so: found by a test whose false alarms are bounded.

Strategy: answers are graded again and again, and each grade is compared with what the same deployment had before: with its
own first answers to the same prompt, where that was asked before, else with the mean of its first ``FIRST`` grades. Where
something was predicted of an answer, that is taken away first, from the grade and from the first grades alike: requests
become harder or easier with the seasons, and the prediction with them. While nothing changes, these differences are
``slack`` below zero at most, on average. At every step somebody new begins to bet that they are lower from here on; the sum
of what all of them have is an e-detector of Shiryaev-Roberts type, and an alarm is raised when it reaches ``EVERY``: as long
as nothing changed, that takes ``EVERY`` steps on average, or more (Shin, Ramdas and Rinaldo 2023, "E-detectors: a
nonparametric framework for sequential change detection", arXiv:2203.03532, section 2).

Laws: the bound holds for differences whose mean stays at ``-slack`` or above, whatever their distribution in [-1, 1]. When
the first grades happened to be lucky by more than that it does not, which is why they are several, and why ``slack`` is no
smaller than twice their standard error. Predictions err a little otherwise from policy to policy: such grades have a slack
of their own, and whoever did better than was predicted at first is measured by the prediction. The time of the change is
where the bet began that has most at the alarm.
"""

import math
from statistics import fmean, variance
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.policy.guarantee import returns

EVERY: Final = 100_000
"""Graded answers of one stream between false alarms, on average, at least."""
SLACK: Final = 0.05
FORESEEN: Final = 0.1
"""The slack of grades less what was predicted."""
FIRST: Final = 100
"""Grades of a stream without repeated prompts that say what is usual."""
ROUNDS: Final = 3
"""Answers to each repeated prompt that say what is usual; one that never had so many is not waited for."""
_AT_LAST: Final = 2 * ROUNDS  # answers to one prompt, after which no other is waited for
_SHARES: Final = np.array([0.05, 0.1, 0.2, 0.4, 0.8])


class Graded(Struct, frozen=True):
    """One grade in [0, 1] of a deployment's answer; ``prompt`` names a prompt that is asked again and again (empty: not).

    ``foreseen`` in [0, 1] is what was predicted of the answer; of a stream all have it or none.
    """

    at_ms: int
    score: float
    prompt: str = ""
    foreseen: float | None = None


class Alarm(Struct, frozen=True):
    """Answers got worse, from about ``since_ms`` on, by ``drop`` (0.1 is ten points) on the ``n`` grades since then."""

    since_ms: int
    found_ms: int
    drop: float
    n: int


class Detector:
    """One stream of grades, in order of time."""

    def __init__(self, *, every: float = EVERY, slack: float = SLACK) -> None:
        self._goal, self._slack = math.log(every), slack
        self._first: dict[str, list[float]] = {}
        self._usual: dict[str, float] = {}
        self._tolerated = 0.0  # set once all first grades are there
        self._range = 1.0  # no loss is below minus this
        self._all = np.full(len(_SHARES), -np.inf)  # the log of what all who have begun to bet have, by their share
        self._one = _Since()

    def take(self, grade: Graded) -> Alarm | None:
        """Take the next grade; return an alarm where it raises one. Raises ValueError outside [0, 1]."""
        if not 0 <= grade.score <= 1:
            raise ValueError(f"a grade lies in [0, 1], not {grade.score}")
        usual = self._usual.get(grade.prompt)
        if usual is None or not self._tolerated:
            self._learn(grade)
            return None
        lower = usual - _beyond(grade)
        step = np.log1p(_SHARES * returns(np.array([lower / self._range]), self._tolerated / self._range))
        self._all = np.logaddexp(0.0, self._all) + step
        self._one.take(step, lower, grade.at_ms)
        top = float(self._all.max())
        if top + math.log(float(np.exp(self._all - top).mean())) < self._goal:
            return None
        return self._one.alarm(int(self._all.argmax()), grade.at_ms)

    def _learn(self, grade: Graded) -> None:
        """Take a grade as one of the first, which say what is usual."""
        known = self._first.setdefault(grade.prompt, [])
        known.append(_beyond(grade))
        if len(known) >= (ROUNDS if grade.prompt else FIRST):
            self._usual[grade.prompt] = fmean(known) if grade.foreseen is None else min(fmean(known), 0.0)
        waited = grade.prompt != "" and len(known) >= _AT_LAST  # for prompts that may never come again
        if not self._tolerated and (waited or self._usual.keys() == self._first.keys()):
            squares = [variance(self._first[prompt]) / len(self._first[prompt]) for prompt in self._usual]
            noise = math.sqrt(math.fsum(squares)) / len(squares)
            slack = self._slack if grade.foreseen is None else max(self._slack, FORESEEN)
            self._tolerated = min(0.9, max(slack, 2 * noise))
            self._range = 1.0 - min(0.0, *self._usual.values())


def _beyond(grade: Graded) -> float:
    """Return a grade less what was predicted, if anything was."""
    return grade.score - (grade.foreseen or 0.0)


class _Since:
    """For each share, since when its bettor's capital has grown from its lowest point, and what was seen since then."""

    def __init__(self) -> None:
        n = len(_SHARES)
        self._path, self._low = np.zeros(n), np.zeros(n)
        self._since, self._n, self._lower = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.zeros(n)

    def take(self, step: NDArray[np.float64], lower: float, at_ms: int) -> None:
        begins = self._path <= self._low
        self._low = np.where(begins, self._path, self._low)
        self._since = np.where(begins, at_ms, self._since)
        self._n = np.where(begins, 0, self._n) + 1
        self._lower = np.where(begins, 0.0, self._lower) + lower
        self._path = self._path + step

    def alarm(self, share: int, at_ms: int) -> Alarm:
        n = int(self._n[share])
        return Alarm(int(self._since[share]), at_ms, float(self._lower[share]) / n, n)
