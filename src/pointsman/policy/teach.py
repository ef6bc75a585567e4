"""From graded answers to a policy: quality, cost and output length learned together on one decomposition.

Strategy: the features are turned onto their axes once, and the chances of the tasks, told without each row's own fold, join
them as further coordinates; every regression shares these. What the features tell apart beyond the tasks has to show that
choosing by it is better. Besides the policy come its held-out predictions for the very rows that it was learned from: what
a trade-off may be chosen on.

Laws: linear in the number of rows; no chance; the order of rows and their repetition teach nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pointsman.core.routing import Deployment
from pointsman.policy import cost, features, model, quality, spend, typed
from pointsman.policy.linear import Axes, Folded
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Floats, Outcomes
from pointsman.policy.quality import Tasks
from pointsman.policy.trade import Evidence, earns

FLAG_SIZE: Final = 0.15  # standard deviation of a structural feature, where a sketch as a whole has norm 1
TASK_SIZE: Final = 0.6  # what a task that is certain weighs beside them
STEPS: Final = ("features", "kinds of tasks", "costs", "lengths of answers", "quality")


def silent(_step: str) -> None:
    """Tell nobody how far learning is."""


@dataclass(frozen=True)
class Lesson:
    """A policy, the grouped rows (N, M) that it was learned from, and what it predicts for each from the others.

    ``quality`` in (0, 1); ``cost_nano`` the expected and ``spent_nano`` the observed cost, in nano-dollars at the
    deployments' prices where they have one, else as recorded; NaN where unknown.
    """

    policy: Policy
    outcomes: Outcomes
    quality: Floats
    cost_nano: Floats
    spent_nano: Floats

    @property
    def evidence(self) -> Evidence:
        """What a trade-off may be chosen on."""
        return Evidence.of(self.policy.deployments, self.quality, self.cost_nano, self.outcomes.score, self.spent_nano)


def teach(outcomes: Outcomes, deployments: Sequence[Deployment] = (), tell: Callable[[str], None] = silent) -> Lesson:
    """Return what graded answers teach. ``deployments`` bring prices; columns without one keep their recorded costs.

    ``tell`` is told of each of ``STEPS`` as it begins.

    A deployment of which nothing was graded is not learned. Raises ValueError for fewer than two rows or deployments.
    """
    graded = np.isfinite(outcomes.score).any(axis=0)
    rows = outcomes.columns(np.flatnonzero(graded)).grouped()
    if len(rows) < 2 or len(rows.deployments) < 2:
        raise ValueError("learning needs at least two different prompts and two models")
    step = iter(STEPS)
    tell(next(step))
    axes, centre, scale = seen(rows.vectors)
    folds = rows.folds(quality.FOLDS)
    tell(next(step))
    tasks = Tasks.of(rows, axes.coordinates, folds)
    usual = tasks.chances.mean(axis=0)
    folded = Folded.of(np.hstack((axes.coordinates, TASK_SIZE * (tasks.chances - usual))), folds)
    tell(next(step))
    recorded, held_recorded = spend.fit(rows.cost_nano, tasks.labels, tasks.chances, folded)
    tell(next(step))
    tokens, held_tokens = spend.fit(rows.output_tokens, tasks.labels, tasks.chances, folded)
    costs = _at_prices(rows, held_tokens, held_recorded, deployments), spent(rows, deployments)
    tell(next(step))
    learned, held_quality = _quality(rows, tasks, folded, costs)
    slopes, by_task = np.split(np.hstack((learned.slopes, recorded.slopes, tokens.slopes)), (axes.directions.shape[1],))
    maps = axes.directions @ np.hstack((tasks.slopes, slopes))
    intercept = np.concatenate((learned.intercept, recorded.intercept, tokens.intercept))
    table = TASK_SIZE * (by_task - usual @ by_task) + np.hstack((learned.table, recorded.table, tokens.table))
    policy = Policy(
        deployments=rows.deployments,
        tasks=tasks.names,
        known_tags=tuple(name for one in rows.tags for name in one.names),
        flag_centre=centre,
        flag_scale=scale,
        centre=axes.centre.astype(np.float32),
        maps=maps.astype(np.float32),
        bias=(np.concatenate((tasks.intercept, intercept)) - axes.centre @ maps).astype(np.float32),
        table=table.astype(np.float32),
        table_variance=learned.table_variance.astype(np.float32),
        variance=learned.variance.astype(np.float32),
        tags=learned.tags.astype(np.float32),
        most=np.stack((recorded.most, tokens.most)).astype(np.float32),
        quantiles=np.hstack((recorded.quantiles, tokens.quantiles)).astype(np.float32),
        learned_from=len(rows),
        encoder=rows.encoder,
    )
    return Lesson(policy, rows, held_quality, *costs)


def seen(vectors: NDArray[np.uint8]) -> tuple[Axes, model.Matrix, model.Matrix]:
    """Return the axes of vectors (N, LENGTH) and what their structural part was standardised with (``Policy``).

    The part of it that changes when the same is typed otherwise counts for less (``policy/typed``).
    """
    flags = features.dense(vectors)[:, : features.FLAGS]
    centre, spread = flags.mean(axis=0), flags.std(axis=0)
    scale = np.where(spread > 1e-3, FLAG_SIZE / np.maximum(spread, 1e-3), 0.0).astype(np.float32)
    rows = model.design(vectors, centre, scale).astype(np.float64)
    damped = typed.damping(
        flags.astype(np.float64), lambda each: model.standardise(each.astype(np.float32), centre, scale).astype(np.float64)
    )
    middle = rows.mean(axis=0)
    rows[:, : features.FLAGS] @= damped
    axes = Axes.of(rows)
    directions = axes.directions.copy()
    directions[: features.FLAGS] = damped @ directions[: features.FLAGS]
    return Axes(middle, directions, axes.coordinates), centre, scale


def _quality(
    rows: Outcomes, tasks: Tasks, folded: Folded, costs: tuple[Floats, Floats]
) -> tuple[quality.QualityModel, Floats]:
    """Return the bolder of two models where there is nothing plainer, or where choosing by it is certainly better.

    ``costs`` (N, M) are predicted and observed. What tells deployments apart within a kind of task is mostly luck on real
    tables, and whoever chooses the best of many takes the luckiest: so the kinds, given or found, are believed
    until more is shown.
    """
    bold, plain = (quality.fit(rows, tasks, folded, apart=apart) for apart in (True, False))
    if len(tasks.names) < 2:
        return bold
    bolder, plainer = (Evidence.of(rows.deployments, held, costs[0], rows.score, costs[1]) for _, held in (bold, plain))
    return bold if earns(bolder, plainer) else plain


def spent(rows: Outcomes, deployments: Sequence[Deployment]) -> Floats:
    """Return what each answer cost (N, M), nano-dollars: tokens at a deployment's price, as recorded where it has none."""
    return _at_prices(rows, rows.output_tokens, rows.cost_nano, deployments)


def _at_prices(rows: Outcomes, tokens: Floats, recorded: Floats, deployments: Sequence[Deployment]) -> Floats:
    amounts = recorded.copy()
    for one in deployments:
        if one.price is not None and one.name in rows.deployments:
            column = rows.deployments.index(one.name)
            amounts[:, column] = cost.expected(rows.input_tokens, tokens[:, column], one.price)
    return amounts
