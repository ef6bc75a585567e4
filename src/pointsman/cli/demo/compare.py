"""What the same requests would have cost, and how many would have been answered right, under other ways of choosing.

Strategy: simulated models answer a text always the same way, so what every model *would* have said to each request is known.
With real models it is not: there, Pointsman compares with the control share instead. ``auto`` is measured as it was served.

Laws: what a careful person would do by hand (the best fixed model per feature) is chosen from the trial's verdicts alone,
as that person would. Intervals are 95 % bounds: Wilson's (1927) for shares, the normal approximation for mean costs; two
ways are compared request by request.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Final

from msgspec import Struct

from pointsman.control.tailor import PER_REQUEST
from pointsman.control.verdict import Ratio, Row, cost_ratio
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
    answers: tuple[Answer, ...]
    measured: bool = False


Ask = Callable[[str, Task], Answer]
"""(deployment, task) -> what that deployment would have answered."""


def mean(values: Sequence[float]) -> Mean:
    """Return the mean and its 95 % bounds."""
    centre = fmean(values)
    half = Z95 * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Mean(centre, centre - half, centre + half)


def share(hits: int, n: int) -> Mean:
    """Return a share and its 95 % bounds, which stay within 0 and 1 (Wilson 1927)."""
    value, z = hits / n, Z95**2 / n
    centre = (value + z / 2) / (1 + z)
    half = math.sqrt(z * (value * (1 - value) + z / 4)) / (1 + z)
    return Mean(value, min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half)))  # whatever the rounding


def way(name: str, answers: Sequence[Answer], *, measured: bool = False) -> Way:
    """Sum up what one way of choosing got for its requests."""
    right = share(sum(answer.right for answer in answers), len(answers))
    return Way(name, right, mean([answer.cost_nano / 1e6 for answer in answers]), tuple(answers), measured)


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


def by_hand(rows: Sequence[Row]) -> dict[str, str]:
    """For each feature the cheapest candidate that the trial found ready: what a careful person would set by hand."""
    chosen: dict[str, str] = {}
    ready = [row for row in rows if row.kind == "ready" and row.candidate != PER_REQUEST and row.cost is not None]
    for row in sorted(ready, key=lambda row: row.cost.value if row.cost else math.inf):
        chosen.setdefault(row.feature, row.candidate)
    return chosen


def against(ours: Way, theirs: Way) -> tuple[Mean, Ratio | None]:
    """Compare two ways on the same requests: the difference in the share of right answers, and the ratio of costs."""
    both = list(zip(ours.answers, theirs.answers, strict=True))
    change = mean([float(own.right) - float(other.right) for own, other in both])
    return change, cost_ratio([(own.cost_nano, other.cost_nano) for own, other in both])
