"""A new model: which prompts to run on it, and what a policy makes of it once they are graded.

Strategy: what was learned of the known deployments stays as it is. A new one is a linear combination of them and of the
tasks, in its scores (``policy/ability``) and in the logarithms of its costs and of its tokens; as a policy is linear too, so
is its new column, for whatever prompt. Where it was not asked it counts as it is expected, less ``caution`` times ``DOUBT``
standard errors of its mean score, so that luck on few prompts is not taken for quality. The prompts to run cover what is
known evenly, more closely where the outcome is open (``policy/anchors``).

Laws: what is predicted of known deployments does not change; no chance; a new deployment with fewer grades than others need
(``trade.FEWEST``) has predictions and is never chosen.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from pointsman.core.routing import Deployment
from pointsman.policy import ability, column, cost, model
from pointsman.policy.ability import WIDE, Belief, Known, Population, Prior
from pointsman.policy.anchors import anchors
from pointsman.policy.column import Added
from pointsman.policy.outcomes import Indices, Outcomes
from pointsman.policy.quality import CLOSEST
from pointsman.policy.teach import Lesson, silent, spent, teach
from pointsman.policy.trade import FEWEST

DOUBT: Final = 0.5  # standard errors of a new model's mean score that it counts as worse, at the usual caution
SPARSE: Final = 0.3  # of the prompts: a model that was graded on fewer is new ...
MOST: Final = 2000  # ... unless these are so many that they teach by themselves
_OPEN: Final = 0.05  # chances nearer to 0 and 1 count as this near: no outcome is known for certain


@dataclass(frozen=True)
class Expected:
    """What an owner expects of a new model: mean quality with a standard deviation, and the deployment that it is like."""

    quality: float | None = None
    spread: float = WIDE
    like: str | None = None


_NOTHING: Final = Expected()
NOBODY: Final[Mapping[str, Expected]] = MappingProxyType({})


def taught(
    outcomes: Outcomes,
    deployments: Sequence[Deployment] = (),
    tell: Callable[[str], None] = silent,
    *,
    home: str | None = None,
    expected: Mapping[str, Expected] = NOBODY,
    caution: float = 1.0,
) -> Lesson:
    """Return what graded answers teach, as ``teach`` does, with models of which little was graded as new ones beside.

    ``home`` is never new; ``expected`` is what an owner expects of those that are, by name. Without two models of which
    more was graded, all are learned from alike. Where the rows have encodings, all is learned once more without them, for
    requests that will have none. Raises ValueError as ``teach`` does.
    """
    rows = outcomes.grouped()
    lesson = _taught(rows, deployments, tell, home, expected, caution)
    if not rows.encoder:
        return lesson
    bare = _taught(rows.plain(), deployments, silent, home, expected, caution).policy
    return dataclasses.replace(lesson, policy=replace(lesson.policy, bare=bare))


def _taught(
    rows: Outcomes,
    deployments: Sequence[Deployment],
    tell: Callable[[str], None],
    home: str | None,
    expected: Mapping[str, Expected],
    caution: float,
) -> Lesson:
    fresh = new(rows, home)
    if not len(fresh):
        return teach(rows, deployments, tell)
    lesson = teach(rows.columns(np.setdiff1d(np.arange(len(rows.deployments)), fresh)), deployments, tell)
    return beside(lesson, rows.columns(fresh), deployments, expected=expected, caution=caution)


def new(rows: Outcomes, home: str | None = None) -> Indices:
    """Return the columns of grouped rows that are new models, never ``home``; none where under two others are left."""
    graded = np.isfinite(rows.score).sum(axis=0)
    sparse = (graded > 0) & (graded < min(SPARSE * len(rows), MOST))
    sparse &= np.array(rows.deployments) != (home or "")
    return np.flatnonzero(sparse) if ((graded > 0) & ~sparse).sum() >= 2 else np.zeros(0, dtype=np.int64)


def prompts(lesson: Lesson, count: int, asked: NDArray[np.bool_] | None = None) -> Indices:
    """Return the ``count`` rows of a lesson's outcomes that tell most of a new model, rising, but those ``asked`` (N,)."""
    known = _known(lesson)
    before = Population.of(known).belief(len(known.level), len(known.usual))
    chance = np.clip(known.columns @ before.mean, _OPEN, 1 - _OPEN)
    free = np.arange(len(chance)) if asked is None else np.flatnonzero(~asked)
    places = known.columns[free, 1:] @ np.linalg.cholesky(before.covariance[1:, 1:])  # apart by what may come out apart
    return free[anchors(places, np.sqrt(chance * (1 - chance))[free], lesson.outcomes.lots()[free], count)]


def beside(
    lesson: Lesson,
    rows: Outcomes,
    deployments: Sequence[Deployment] = (),
    *,
    expected: Mapping[str, Expected] = NOBODY,
    caution: float = 1.0,
) -> Lesson:
    """Return a lesson with the deployments of ``rows`` beside, of which little was graded; ``rows`` are the lesson's own."""
    known, policy = _known(lesson), lesson.policy
    population = Population.of(known)
    usual = known.columns[:, 1 + len(known.level) :] + known.usual
    guess = model.estimate(policy, rows.vectors, [""] * len(rows))
    paid = spent(rows, deployments)
    prices = {one.name: one.price for one in deployments}
    added, score, told, costs = [], [], [], []
    for place, name in enumerate(rows.deployments):
        seen = np.isfinite(rows.score[:, place])
        hope = expected.get(name, _NOTHING)
        like = policy.deployments.index(hope.like) if hope.like in policy.deployments else None
        prior = Prior(hope.quality, hope.spread, like)
        belief = ability.told(known, population, known.columns[seen], rows.score[seen, place], prior)
        recorded = column.amounts(
            policy, column.RECORDED, guess.recorded.astype(np.float64), usual, rows.cost_nano[:, place]
        )
        tokens = column.amounts(policy, column.TOKENS, guess.tokens.astype(np.float64), usual, rows.output_tokens[:, place])
        price, doubt = prices.get(name), caution * DOUBT * belief.level_sd
        costs.append(recorded.expected if price is None else cost.expected(rows.input_tokens, tokens.expected, price))
        added.append(_added(name, lesson, known, belief, doubt, (recorded, tokens)))
        add, weights, by_task = belief.unwound(known)
        told.append(np.clip(add - doubt + lesson.quality @ weights + usual @ by_task, CLOSEST, 1 - CLOSEST))
        whole = np.where(seen, rows.score[:, place], known.columns @ belief.mean - doubt)
        score.append(whole if seen.sum() >= FEWEST else rows.score[:, place])
    cost_nano = np.stack(costs, axis=1)
    return Lesson(
        policy=column.wider(policy, added),
        outcomes=lesson.outcomes.beside(rows, np.stack(score, axis=1)),
        quality=np.column_stack((lesson.quality, *told)),
        cost_nano=np.column_stack((lesson.cost_nano, cost_nano)),
        spent_nano=np.column_stack((lesson.spent_nano, np.where(np.isfinite(paid), paid, cost_nano))),
    )


def _known(lesson: Lesson) -> Known:
    """Return what is known of a lesson's prompts; a gap among its scores holds its prediction."""
    score = lesson.outcomes.score
    return Known.of(
        np.where(np.isfinite(score), score, lesson.quality), column.chances(lesson.policy, lesson.outcomes.vectors)
    )


def _added(
    name: str, lesson: Lesson, known: Known, belief: Belief, doubt: float, amounts: tuple[column.Amounts, column.Amounts]
) -> Added:
    policy = lesson.policy
    add, weights, by_task = belief.unwound(known)
    tasks = known.columns[:, 1 + len(weights) :] + known.usual
    middle = tasks.T @ known.columns / np.maximum(tasks.sum(axis=0), 1e-9)[:, None]  # an average prompt of each task
    return Added(
        name=name,
        quality=column.combined(policy, 0, weights, add - doubt, by_task),
        recorded=amounts[0],
        tokens=amounts[1],
        table_variance=np.einsum("td,de,te->t", middle, belief.covariance, middle),
        variance=float(np.square(weights) @ policy.variance),
        tags=policy.tags @ weights,
    )
