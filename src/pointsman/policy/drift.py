"""A deployment that answers worse than it did, without having said so: found by a test whose false alarms are bounded.

Strategy: answers are graded again and again, and each grade is compared with what the same deployment had before: with its
own first answers to the same prompt, where that was asked before, else with the mean of its first ``FIRST`` grades. While
nothing changes, these differences are ``slack`` below zero at most, on average. At every step somebody new begins to bet
that they are lower from here on; the sum of what all of them have is an e-detector of Shiryaev-Roberts type, and an alarm is
raised when it reaches ``every``: as long as nothing changed, that takes ``every`` steps on average, or more (Shin, Ramdas
and Rinaldo 2023, "E-detectors: a nonparametric framework for sequential change detection", arXiv:2203.03532, section 2).

Laws: the bound holds for differences whose mean stays at ``-slack`` or above, whatever their distribution in [-1, 1]; when
the first grades happened to be lucky by more than ``slack`` it does not, which is why they are several and ``slack`` is no
smaller than twice their standard error. The time of the change is that of the bet that has most when the alarm is raised.
"""

import math
from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Final

import numpy as np
from msgspec import Struct

from pointsman.policy.guarantee import returns

EVERY: Final = 10_000
"""Graded answers of one stream between false alarms, on average, at least."""
SLACK: Final = 0.05
FIRST: Final = 100
"""Grades of a stream without repeated prompts that say what is usual."""
ROUNDS: Final = 3
"""Answers to each repeated prompt that say what is usual."""
_SHARES: Final = np.array([0.05, 0.1, 0.2, 0.4, 0.8])[:, None]


class Graded(Struct, frozen=True):
    """One grade in [0, 1] of a deployment's answer; ``prompt`` names a prompt that is asked again and again (empty: not)."""

    at_ms: int
    score: float
    prompt: str = ""


class Alarm(Struct, frozen=True):
    """Answers got worse, from about ``since_ms`` on, by ``drop`` (0.1 is ten points) on the ``n`` grades since then."""

    since_ms: int
    found_ms: int
    drop: float
    n: int


def watch(grades: Sequence[Graded], *, every: float = EVERY, slack: float = SLACK) -> Alarm | None:
    """Return the first alarm that a stream of grades, in order of time, raises; None: there is none.

    Raises ValueError for a grade outside [0, 1].
    """
    first, rest = _apart(grades)
    if not rest:
        return None
    usual = {prompt: fmean(scores) for prompt, scores in first.items()}
    noise = _noise(first)
    lower = np.array([usual[one.prompt] - one.score for one in rest])
    found = alarm(lower, every=every, slack=max(slack, 2 * noise))
    if found is None:
        return None
    start, end = found
    since = rest[start : end + 1]
    drop = float(lower[start : end + 1].mean())
    return Alarm(since[0].at_ms, since[-1].at_ms, drop, len(since))


def alarm(lower: "np.ndarray[tuple[int], np.dtype[np.float64]]", *, every: float, slack: float) -> tuple[int, int] | None:
    """Return at which value in [-1, 1] the change began and at which the alarm is raised; None: there is none.

    The values are by how much less than usual something was; the sum of all bets at each step is
    ``(1 + sum before) * (1 + share * returns)``, its mean taken over the shares. Raises ValueError outside [-1, 1].
    """
    if not (np.abs(lower) <= 1).all():
        raise ValueError("differences of grades lie in [-1, 1]")
    steps = np.log1p(_SHARES * returns(lower, min(slack, 1 - 1e-6)))
    logs = np.full(len(_SHARES), -np.inf)  # of what all who have begun to bet have, by their share
    goal = math.log(every)
    for place in range(len(lower)):
        logs = np.logaddexp(0.0, logs) + steps[:, place]
        top = float(logs.max())
        if top + math.log(float(np.exp(logs - top).mean())) >= goal:
            return _began(steps[int(logs.argmax()), : place + 1]), place
    return None


def _began(steps: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> int:
    """Return where the bet began that has most at the end: after the lowest point of the path."""
    path = np.concatenate([[0.0], np.cumsum(steps)])
    return int(path[:-1].argmin())


def _apart(grades: Sequence[Graded]) -> tuple[dict[str, list[float]], list[Graded]]:
    """Return the first grades, by prompt, and those that are compared with them."""
    first: dict[str, list[float]] = {}
    rest: list[Graded] = []
    for one in grades:
        known = first.setdefault(one.prompt, [])
        if len(known) < (ROUNDS if one.prompt else FIRST):
            known.append(one.score)
        elif rest or all(len(scores) >= (ROUNDS if prompt else FIRST) for prompt, scores in first.items()):
            rest.append(one)
    return first, rest


def _noise(first: dict[str, list[float]]) -> float:
    """Return the standard error of what is usual, the mean over prompts."""
    variances = [pstdev(scores) ** 2 / max(1, len(scores) - 1) for scores in first.values()]
    return math.sqrt(math.fsum(variances)) / len(variances) if variances else 0.0
