"""Does the estimate from a biased judge and a few people cover the truth, how wide is it, and whom does it save?

For every judge, ``seeds`` trials of ``judged`` comparisons; people are asked about some of them, either drawn at random
or in the queue's order. The *ideal* interval is a normal one with the estimate's true variance, taken from the runs.
"""

import math
from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.policy.powered import Z95, Powered, powered
from pointsman.policy.queue import Asked, chances, number, worth
from reviewing.pairs import JUDGES, Array, Judge, compare, truth

LEAN = -0.05
Draw = Callable[[np.random.Generator, Array, int], tuple[NDArray[np.intp], Array]]
"""From the judge's word on all comparisons and how many people can be asked: which are asked, with what chances."""


class Figure(Struct, frozen=True):
    """What came of one setting. Widths are of 95 % intervals, medians over the seeds; ``alone`` is people's only.

    ``naive`` is how often the interval of the judge's own mean covered the truth.
    """

    judge: str
    order: str
    people: int
    seeds: int
    covered: int
    bias: float
    width: float
    ideal: float
    alone: float
    needed: float
    naive: int
    ever: int


def at_random(rng: np.random.Generator, judge: Array, people: int) -> tuple[NDArray[np.intp], Array]:
    """Draw uniformly."""
    chosen = rng.choice(len(judge), people, replace=False)
    return chosen, np.full(people, people / len(judge))


def in_order(rng: np.random.Generator, judge: Array, people: int) -> tuple[NDArray[np.intp], Array]:
    """Take the first in the queue's order: the shipped worth, numbers and chances."""
    worths = np.array([worth((one + 1) / 2) for one in judge])
    run = int(rng.integers(2**62))
    priorities = worths / np.array([number(f"{run} {place}") for place in range(len(judge))])
    order = np.argsort(-priorities)
    asked = [
        Asked(at, float(worths[order[at]]), float(priorities[order[at + 1]]) if at + 1 < len(order) else 0.0)
        for at in range(people)
    ]
    return order[:people], chances(asked)


ORDERS: dict[str, Draw] = {"at random": at_random, "the queue's": in_order}


def measure(judge: Judge, order: str, people: int, *, judged: int, seeds: int) -> Figure:
    """Run one setting."""
    true, found, naive, only = truth(LEAN), list[Powered](), 0, list[float]()
    for seed in range(seeds):
        rng = np.random.default_rng((seed, people, judged))
        said, seen = compare(rng, LEAN, judge, judged)
        chosen, chance = ORDERS[order](rng, seen, people)
        asked, of = np.full(judged, np.nan), np.ones(judged)
        asked[chosen], of[chosen] = said[chosen], chance
        estimate = powered(seen, asked, of)
        assert estimate is not None
        found.append(estimate)
        only.append(float(rng.choice(said, people, replace=False).std(ddof=1)))
        naive += abs(seen.mean() - true) <= Z95 * seen.std() / math.sqrt(judged)
    values = np.array([one.value for one in found])
    return Figure(
        judge=judge.name,
        order=order,
        people=people,
        seeds=seeds,
        covered=sum(one.once[0] <= true <= one.once[1] for one in found),
        bias=float(values.mean()) - true,
        width=2 * Z95 * float(np.median([one.error for one in found])),
        ideal=2 * Z95 * float(values.std(ddof=1)),
        alone=2 * Z95 * float(np.median(only)) / math.sqrt(people),
        needed=float(np.median([one.alone for one in found])),
        naive=naive,
        ever=sum(one.ever()[0] <= true <= one.ever()[1] for one in found),
    )


def figures(*, seeds: int, judged: int, counts: tuple[int, ...]) -> list[Figure]:
    """Run every judge, order and number of people's judgements."""
    return [
        measure(judge, order, people, judged=judged, seeds=seeds)
        for judge in JUDGES
        for people in counts
        for order in ORDERS
    ]
