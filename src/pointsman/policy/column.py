"""One more deployment in a policy, as a combination of those that it knows.

Strategy: a policy is linear in the feature vector and in the chances of the tasks, so a deployment that is a linear
combination of others (and of the tasks) is one more column of its matrices. Amounts, costs and tokens, are combined in their
logarithms: they follow the mean of the others', by a line and a factor for each task, and then add up to what was seen.

Laws: the columns that are there stay as they are; of what was never seen nothing is said (NaN).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from pointsman.policy import model
from pointsman.policy.ability import Belief, Sums
from pointsman.policy.linear import softmax
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Floats
from pointsman.policy.spend import FEWEST, QUANTILES

RECORDED: Final = 1
TOKENS: Final = 2
_FREE: Final = 25.0  # variance of a logarithm of which nothing is known
_STEEP: Final = 0.1  # variance of how steeply amounts follow those of others ...
_BY_TASK: Final = 0.1  # ... and of what a task adds to their logarithm
_LEAST: Final = 1e-4  # variance of a logarithm


@dataclass(frozen=True)
class Column:
    """A map of the feature vector (D,), what is added to it, and what each task adds (T,)."""

    maps: Floats
    bias: float
    table: Floats


@dataclass(frozen=True)
class Amounts:
    """Costs or tokens: a ``column`` for their logarithm, the ``expected`` ones (N,), and what ``Policy`` has beside."""

    column: Column
    expected: Floats
    most: float
    quantiles: Floats


@dataclass(frozen=True)
class Added:
    """All that a policy holds of a deployment."""

    name: str
    quality: Column
    recorded: Amounts
    tokens: Amounts
    table_variance: Floats
    variance: float
    tags: Floats


def chances(policy: Policy, vectors: NDArray[np.uint8]) -> Floats:
    """Return the chances of the tasks (N, T) for feature vectors (N, LENGTH)."""
    tasks = len(policy.tasks)
    rows = model.design(vectors, policy.flag_centre, policy.flag_scale)
    return np.asarray(softmax(rows @ policy.maps[:, :tasks] + policy.bias[:tasks]), dtype=np.float64)


def combined(policy: Policy, block: int, weights: Floats, add: float, by_task: Floats) -> Column:
    """Return ``weights`` (M,) times the columns of a block (0: quality), and what is added to all and by task (T,).

    Columns without weight may be unknown.
    """
    used = np.flatnonzero(weights)
    places = block * len(policy.deployments) + used
    right = len(policy.tasks) + places
    return Column(
        maps=policy.maps[:, right] @ weights[used],
        bias=float(policy.bias[right] @ weights[used]) + add,
        table=policy.table[:, places] @ weights[used] + by_task,
    )


def amounts(policy: Policy, block: int, predicted: Floats, usual: Floats, seen: Floats) -> Amounts:
    """Return what ``seen`` (N,; NaN or not positive: nothing) tells of amounts, beside those ``predicted`` (N, M) of others.

    ``usual`` (N, T) are the chances of the tasks.
    """
    known = np.isfinite(seen) & (seen > 0)
    if known.sum() < FEWEST:
        return _unknown(policy, len(seen))
    others = np.flatnonzero(np.isfinite(predicted).all(axis=0))
    weights = np.zeros(predicted.shape[1])
    weights[others] = 1 / max(len(others), 1)
    line = np.log(predicted[:, others]) @ weights[others]
    centre, mean = float(line.mean()), usual.mean(axis=0)
    columns = np.column_stack((np.ones(len(line)), line - centre, usual - mean))
    logs = np.log(seen[known])
    left = logs - line[known]
    spread = np.concatenate(([_FREE, _STEEP], np.full(usual.shape[1], _BY_TASK)))
    start = np.concatenate(([float(np.mean(left)) + centre, 1.0], np.zeros(usual.shape[1])))
    before = Belief(start, np.diag(spread), max(float(left.var()), _LEAST))
    found, _ = _sums(columns[known], logs).teach(before)
    guess = np.exp(columns @ found.mean)
    factor = float(seen[known].sum() / guess[known].sum())
    expected = guess * factor
    level, slope, by_task = found.mean[0] + np.log(factor), found.mean[1], found.mean[2:]
    add = float(level - slope * centre - by_task @ mean)
    return Amounts(
        column=combined(policy, block, slope * weights, add, by_task),
        expected=expected,
        most=float(max(seen[known].max(), expected.max())),
        quantiles=np.quantile(seen[known] / expected[known], QUANTILES),
    )


def _sums(rows: Floats, values: Floats) -> Sums:
    return Sums(rows.T @ rows, rows.T @ values, float(values @ values), len(values))


def _unknown(policy: Policy, rows: int) -> Amounts:
    nothing = Column(np.zeros(len(policy.maps)), float("nan"), np.zeros(len(policy.tasks)))
    return Amounts(nothing, np.full(rows, np.nan), float("nan"), np.full(len(QUANTILES), np.nan))


def wider(policy: Policy, added: Sequence[Added]) -> Policy:
    """Return a policy with more deployments, after those that it has."""
    columns = [(one.quality, one.recorded.column, one.tokens.column) for one in added]
    tasks, width = len(policy.tasks), len(policy.deployments)

    def beside(matrix: NDArray[Any], first: int, more: list[list[Any]]) -> NDArray[np.float32]:
        """Put more columns after each block of ``width``, of which the first begins at ``first``."""
        head, *blocks = np.split(matrix, range(first, matrix.shape[-1], width), axis=-1)
        parts = [np.concatenate((block, np.stack(new, axis=-1)), axis=-1) for block, new in zip(blocks, more, strict=True)]
        return np.concatenate((head, *parts), axis=-1).astype(np.float32)

    return replace(
        policy,
        deployments=(*policy.deployments, *(one.name for one in added)),
        maps=beside(policy.maps, tasks, [[each[block].maps for each in columns] for block in range(3)]),
        bias=beside(policy.bias, tasks, [[each[block].bias for each in columns] for block in range(3)]),
        table=beside(policy.table, 0, [[each[block].table for each in columns] for block in range(3)]),
        table_variance=beside(policy.table_variance, 0, [[one.table_variance for one in added]]),
        variance=beside(policy.variance, 0, [[one.variance for one in added]]),
        tags=beside(policy.tags, 0, [[one.tags for one in added]]),
        most=beside(policy.most, 0, [[np.array([one.recorded.most, one.tokens.most]) for one in added]]),
        quantiles=beside(
            policy.quantiles, 0, [[one.recorded.quantiles for one in added], [one.tokens.quantiles for one in added]]
        ),
    )
