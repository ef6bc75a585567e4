"""What the same requests would have cost, and how many would have been answered right, under other ways of choosing.

Strategy: simulated models answer a text always the same way, so what every model *would* have said to each request is known.
With real models it is not: there, Pointsman compares with the control share instead. ``auto`` is measured as it was served.

Laws: what a careful person would do by hand (the best fixed model per feature) is chosen from the trial's verdicts alone,
as that person would; intervals are 95 % bounds of means over requests, by the normal approximation.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Final

from msgspec import Struct

from pointsman.upstream.simulated.tasks import Task

Z95: Final = 1.959963984540054


class Answer(Struct, frozen=True):
    """Whether an answer is right, and what it costs in nano-dollars."""

    right: bool
    cost_nano: int


class Mean(Struct, frozen=True):
    """A mean with 95 % bounds."""

    value: float
    low: float
    high: float


class Way(Struct, frozen=True):
    """One way of choosing: its share of right answers, and its cost in US dollars per 1,000 requests."""

    name: str
    right: Mean
    usd_per_1000: Mean
    measured: bool = False


Ask = Callable[[str, Task], Answer]
"""(deployment, task) -> what that deployment would have answered."""


def mean(values: Sequence[float]) -> Mean:
    """Return the mean and its 95 % bounds."""
    centre = fmean(values)
    half = Z95 * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Mean(centre, centre - half, centre + half)


def way(name: str, answers: Sequence[Answer], *, measured: bool = False) -> Way:
    """Sum up what one way of choosing got for its requests."""
    right = mean([float(answer.right) for answer in answers])
    return Way(name, right, mean([answer.cost_nano / 1e6 for answer in answers]), measured)


def fixed(name: str, tasks: Sequence[Task], choice: Mapping[str, str], ask: Ask) -> Way:
    """Sum up a fixed model per feature."""
    return way(name, [ask(choice[task.feature], task) for task in tasks])


def best_possible(tasks: Sequence[Task], deployments: Sequence[str], ask: Ask) -> Way:
    """For each request the cheapest deployment that gets it right, the cheapest of all where none does. Out of reach."""
    chosen = []
    for task in tasks:
        answers = sorted((ask(name, task) for name in deployments), key=lambda answer: answer.cost_nano)
        chosen.append(next((answer for answer in answers if answer.right), answers[0]))
    return way("best possible (out of reach)", chosen)
