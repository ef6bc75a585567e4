"""Which models are asked, and how much a right answer is worth: asking twice, rehearsed on graded answers.

Strategy: a pool is the best single deployment with one or two cheaper ones that no other beats in both quality and cost.
Every pool is rehearsed at several worths of a right answer: plans learned on three quarters of the requests are followed on
the fourth, four times over. The objective then takes its pick among what came of that, and that plan is learned from all.

Laws: a plan is judged on requests that it was not learned from, and what the objective forbids is forbidden to the plan
learned from all as well; all pools are judged on the same requests; costs are those of all calls; no chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Objective
from pointsman.policy import belief, cascade
from pointsman.policy.belief import Beliefs, Heard
from pointsman.policy.cascade import Plan
from pointsman.policy.outcomes import Floats, Indices, Outcomes

FOLDS: Final = 4
FEWEST: Final = 200  # requests that every model that may be asked was graded on
ENOUGH: Final = 10_000  # of more, so many are taken, evenly spaced: what is learned here has few numbers
_HELPERS: Final = 2  # beside the best single deployment
_CANDIDATES: Final = 3  # of whom the helpers are
_COARSE: Final = np.geomspace(4.0, 256.0, 7)  # worths of a right answer to compare pools at, in mean costs of the best
_FINE: Final = np.geomspace(0.5, 2.0, 17)  # of the best of these


@dataclass(frozen=True)
class Graded:
    """N requests x M deployments: what is predicted of each without it, and what was seen.

    ``quality`` and ``cost_nano`` are predicted; ``said`` are the answers (see ``belief.Heard``), ``length`` their output
    tokens; ``score`` and ``spent_nano`` are NaN where nothing was seen. ``fold`` (N,) in 0 to ``FOLDS - 1``.
    """

    deployments: tuple[str, ...]
    quality: Floats
    cost_nano: Floats
    said: Indices
    length: Floats
    score: Floats
    spent_nano: Floats
    fold: Indices

    def heard(self, pool: Sequence[int]) -> Heard:
        """Return what these deployments would answer."""
        columns = np.array(pool)
        return Heard(belief.odds(self.quality[:, columns]), self.said[:, columns], self.length[:, columns])

    def rows(self, wanted: Indices) -> "Graded":
        """Return some of the requests."""
        names = ("quality", "cost_nano", "said", "length", "score", "spent_nano", "fold")
        return Graded(self.deployments, **{name: getattr(self, name)[wanted] for name in names})


@dataclass(frozen=True)
class Rehearsed:
    """A plan learned from all requests, and what came of it where it was rehearsed.

    ``score`` and ``spent_nano`` (N,) beside ``other_score`` and ``other_nano``, those without asking twice.
    """

    plan: Plan
    score: Floats
    spent_nano: Floats
    other_score: Floats
    other_nano: Floats


def graded(rows: Outcomes, quality: Floats, cost_nano: Floats, spent_nano: Floats) -> Graded:
    """Return outcomes with what is predicted of them, (N, M) each, ready to be rehearsed.

    Raises ValueError where their answers were not read.
    """
    if rows.said is None:
        raise ValueError("without the answers nobody can tell who agrees")
    return Graded(
        deployments=rows.deployments,
        quality=quality,
        cost_nano=cost_nano,
        said=rows.said,
        length=rows.output_tokens,
        score=rows.score,
        spent_nano=spent_nano,
        fold=rows.folds(FOLDS),
    )


def rehearsed(graded: Graded, single: str, objective: Objective, otherwise: Indices | None = None) -> Rehearsed | None:
    """Return the plan that serves the objective best; None where none certainly pays, or too little is known.

    ``single`` is the dearest deployment of a pool. ``otherwise`` (N,) are those that would answer without asking twice, and
    what a plan has to beat (None: ``single``). Raises ValueError where the objective lacks its number.
    """
    home = graded.deployments.index(single)
    helpers = _helpers(graded, home)
    answering = np.full(len(graded.score), home) if otherwise is None else otherwise
    everyone = np.arange(len(answering))
    other = graded.score[everyone, answering], graded.spent_nano[everyone, answering]
    whole = np.flatnonzero(complete(graded, (home, *helpers)) & np.isfinite(other[0]) & np.isfinite(other[1]))
    if len(whole) > ENOUGH:
        whole = whole[np.linspace(0, len(whole) - 1, ENOUGH).astype(np.int64)]
    rows, other = graded.rows(whole), (other[0][whole], other[1][whole])
    if not helpers or len(rows.score) < FEWEST:
        return None
    pools = [(home, *some) for count in range(1, _HELPERS + 1) for some in combinations(helpers, count)]
    if objective.kind == "worth":
        if objective.usd_per_answer is None:
            raise ValueError("the objective 'worth' needs usd_per_answer: what a right answer is worth")
        tried = _tried(rows, pools, [objective.usd_per_answer * NANO_PER_USD], objective, other)
    else:
        usual = float(rows.spent_nano[:, home].mean())
        best = _tried(rows, pools, (_COARSE * usual).tolist(), objective, other)[0]
        tried = _tried(rows, [best.pool], (_FINE * best.value).tolist(), objective, other)
    if objective.kind == "budget":  # a larger worth cannot buy less quality: where it seems to, that is luck
        tried.sort(key=lambda each: (not each.allowed, -each.value))
    for each in tried:
        plan = _made(rows, _beliefs(rows, each.pool), each.pool, each.value)
        if each.pays and _weighed(rows, each.pool, each.value, objective, other, outcome(plan, rows)).allowed:
            return Rehearsed(plan, each.score, each.spent_nano, *other)
    return None


@dataclass(frozen=True)
class _Tried:
    """What came of a pool, its dearest deployment first, at one worth of a right answer.

    ``allowed`` says whether it keeps what the objective asks, and ``pays`` whether it certainly serves the objective better
    than not asking twice, both with the objective's caution; ``gain`` is by how much, on average.
    """

    pool: tuple[int, ...]
    value: float
    score: Floats
    spent_nano: Floats
    allowed: bool
    pays: bool
    gain: float


def _tried(
    rows: Graded,
    pools: Sequence[tuple[int, ...]],
    values: Sequence[float],
    objective: Objective,
    other: tuple[Floats, Floats],
) -> list[_Tried]:
    """Return what came of all pools at all worths, the best first; of equals, the cheapest."""
    tried = [
        _weighed(rows, pool, value, objective, other, result)
        for pool in pools
        for value, result in zip(values, _results(rows, pool, values), strict=True)
    ]
    return sorted(tried, key=lambda each: (not each.allowed, -each.gain, each.spent_nano.mean()))


def complete(graded: Graded, pool: Sequence[int]) -> NDArray[np.bool_]:
    """Say of which requests (N,) all is known of these deployments: score, cost, and what is predicted of it."""
    columns = np.array(pool)
    known = np.isfinite(graded.score[:, columns]) & np.isfinite(graded.spent_nano[:, columns])
    known &= np.isfinite(graded.cost_nano[:, columns]) & (graded.cost_nano[:, columns] > 0)
    return np.asarray(known.all(axis=1))


def _helpers(graded: Graded, home: int) -> list[int]:
    """Return the best deployments that are cheaper than the one at home, and better than whatever is cheaper still."""
    quality, cost = (_means(each) for each in (graded.score, graded.spent_nano))
    found: list[int] = []
    for column in np.argsort(cost, kind="stable").tolist():
        cheaper = cost[column] < cost[home] and column != home
        if cheaper and (not found or quality[column] > quality[found[-1]]):
            found.append(column)
    return found[-_CANDIDATES:]


def _means(values: Floats) -> Floats:
    """Return each column's mean, NaN where nothing is known: such a column is neither cheaper nor better than any."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan))


def _results(rows: Graded, pool: Sequence[int], values: Sequence[float]) -> list[tuple[Floats, Floats]]:
    """Return what plans at these worths score and spend (N,) on each request, learned without its fold."""
    found = [(np.empty(len(rows.fold)), np.empty(len(rows.fold))) for _ in values]
    for fold in range(FOLDS):
        rest, held = rows.rows(np.flatnonzero(rows.fold != fold)), np.flatnonzero(rows.fold == fold)
        beliefs, asked = _beliefs(rest, pool), rows.rows(held)
        for value, (score, spent) in zip(values, found, strict=True):
            score[held], spent[held] = outcome(_made(rest, beliefs, pool, value), asked)
    return found


def _beliefs(rows: Graded, pool: Sequence[int]) -> Beliefs:
    return belief.believe(rows.heard(pool), rows.score[:, np.array(pool)])


def _made(rows: Graded, beliefs: Beliefs, pool: Sequence[int], value: float) -> Plan:
    columns, names = np.array(pool), tuple(rows.deployments[column] for column in pool)
    return cascade.plan(names, beliefs, rows.heard(pool), rows.cost_nano[:, columns], rows.spent_nano[:, columns], value)


def outcome(plan: Plan, graded: Graded) -> tuple[Floats, Floats]:
    """Return what a plan scores and spends (N,) on requests of which the answers of its whole pool are known."""
    pool = [graded.deployments.index(name) for name in plan.models]
    columns = np.array(pool)
    followed = cascade.follow(plan, graded.heard(pool), graded.cost_nano[:, columns])
    spent = np.where(followed.asked, graded.spent_nano[:, columns], 0.0).sum(axis=1)
    return graded.score[np.arange(len(graded.score)), columns[followed.given]], spent


def _weighed(
    rows: Graded,
    pool: tuple[int, ...],
    value: float,
    objective: Objective,
    other: tuple[Floats, Floats],
    result: tuple[Floats, Floats],
) -> _Tried:
    """Return what came of a pool, weighed by the objective. ``other``: scores and costs without asking twice."""
    score, spent = result
    better, saved = score - other[0], other[1] - spent
    allowed = True
    if objective.kind == "match":
        allowed = _low(score - rows.score[:, pool[0]], objective.caution) >= -objective.tolerance
    elif objective.kind == "budget":
        if objective.usd_per_1000 is None:
            raise ValueError("the objective 'budget' needs usd_per_1000: the average cost of 1,000 requests")
        allowed = _low(-spent, objective.caution) >= -objective.usd_per_1000 / 1000 * NANO_PER_USD
    gain = {"match": saved, "worth": value * better + saved}.get(objective.kind, better)
    pays = allowed and _low(gain, objective.caution) > 0
    return _Tried(pool, value, score, spent, allowed, pays, float(gain.mean()))


def _low(values: Floats, caution: float) -> float:
    """Return the mean less so many of its standard errors."""
    return float(values.mean() - caution * values.std() / np.sqrt(len(values)))
