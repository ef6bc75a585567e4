"""Comparisons of a candidate's answer with the reference's, as people and a judge see them; truth is known.

Each comparison has a *margin* z, normal with mean ``lean`` and standard deviation 1: how much better the candidate's answer
is. People say the candidate wins where margin plus their own noise is above ``TIE``, loses below ``-TIE``, else a tie. The
judge sees the margin with more noise of its own, *plus its bias* (it likes the candidate's style), and votes in two orders,
so that its share of wins is one of 0, 1/4, 1/2, 3/4, 1. A part of its votes is mere chance.
"""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[np.float64]
TIE = 0.4
OF_PEOPLE = 0.5
"""The standard deviation of people's own noise."""


class Judge(Struct, frozen=True):
    """A judge's habits: its bias in units of the margin, its noise, and the share of votes that are chance."""

    name: str
    bias: float
    noise: float
    chance: float


JUDGES = (
    Judge("likes the candidate", 0.5, 0.7, 0.05),
    Judge("dislikes the candidate", -0.5, 0.7, 0.05),
    Judge("biased and careless", 0.4, 1.5, 0.3),
    Judge("useless", 0.8, 1.0, 1.0),
)


def compare(rng: np.random.Generator, lean: float, judge: Judge, count: int) -> tuple[Array, Array]:
    """Return wins minus losses, in [-1, 1], of ``count`` comparisons: as people see them, and as the judge does."""
    margin = lean + rng.standard_normal(count)
    people = _vote(margin + OF_PEOPLE * rng.standard_normal(count))
    seen = margin + judge.bias + judge.noise * rng.standard_normal(count)
    votes = np.stack([_vote(seen + 0.3 * rng.standard_normal(count)) for _ in range(2)])
    votes = np.where(rng.random(votes.shape) < judge.chance, rng.integers(-1, 2, votes.shape), votes)
    return people, votes.mean(axis=0)


def truth(lean: float) -> float:
    """Return the mean of what people say of a candidate."""
    sd = math.hypot(1.0, OF_PEOPLE)

    def above(limit: float) -> float:
        return 0.5 * math.erfc((limit - lean) / sd / math.sqrt(2))

    return above(TIE) - (1 - above(-TIE))


def _vote(seen: Array) -> Array:
    return np.sign(seen) * (np.abs(seen) > TIE)
