"""What a policy learned from a table is worth: learned on one part, measured on the other, against simpler ways of choosing.

Strategy: for each seed 30 % of the groups of equal prompts are set aside, everything is chosen on the rest (the best
single model, the best per label, the cheapest, the trade), and what each way picks for the prompts set aside is looked
up in the table. A group's results are averaged over the seeds in which it was set aside, then over groups; intervals are
bootstrapped over groups, paired. Whether there is anything to choose is asked of what the objective wants: the money saved
(match), the quality gained (best, budget) or both (worth), against what is fixed by the same objective: the best model for
everything, or for each label, whichever leaves less to gain.

Laws: nothing is chosen on what it is measured on, except the best possible choice, which is out of reach and says so; a
missing score counts as wrong, a missing cost as its model's mean, and models that answered too few prompts for that are left
out and named; labels are known to `best per label` alone; what is fixed suffices unless choosing per request is certainly
(95 %) better, and within the tolerance of match. Which of the two fixed ways it must beat is seen where it is measured, so
that the gain is rather understated; one that broke the tolerance or the budget there is no measure of keeping them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.control.learn import Taught, expected, learn, weighable
from pointsman.core.errors import TableError
from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Deployment, Objective, ObjectiveKind
from pointsman.policy import features
from pointsman.policy.outcomes import Floats, Indices, Outcomes
from pointsman.policy.teach import spent
from pointsman.policy.trade import choices

SET_ASIDE: Final = 0.3
COVERAGE: Final = 0.97  # of the prompts, that a model must have answered to be compared
NEIGHBOURS: Final = 50
DRAWS: Final = 2000
CURVE: Final = np.geomspace(300.0, 1 / 30, 24)  # values of a right answer, in mean costs of the dearest model
WAYS: Final = ("best single", "best per label", "cheapest", "random", "nearest neighbours", "auto", "best possible")
SINGLE, LABEL, CHEAPEST, RANDOM, KNN, AUTO, POSSIBLE = WAYS


class Measured(Struct, frozen=True):
    """One way of choosing: mean quality and cost (US dollars a request; None: unknown) over the prompts set aside.

    ``change`` is the quality less that of the best single model, with 95 % bounds; ``share`` the cost as a share of its.
    """

    way: str
    quality: float
    change: tuple[float, float, float]
    usd: float | None
    share: float | None


class Evaluation(Struct, frozen=True):
    """All ways of choosing, the points of the cost-quality curve, and whether one model suffices.

    ``one_model`` is in how many of the ``seeds`` the part learned from said so already; ``singles`` and ``fixed`` are the
    best single and the best fixed models of the seeds. ``gain`` is what choosing per request adds to what the objective
    wants: mean with 95 % bounds, in US dollars per request for the kinds match and worth, else in quality. ``bar`` is what
    it is measured against: ``best single`` (the ``fixed`` models) or ``best per label``, each as the objective allows.
    ``kind`` is ``best`` where no cost is known. ``tested``: whether what was measured had to pass a test of the tolerance
    first (``control/bound``); here it is always estimated.
    """

    ways: tuple[Measured, ...]
    curve: tuple[tuple[float, float], ...]
    models: tuple[tuple[str, float, float], ...]
    seeds: int
    prompts: int
    one_model: int
    singles: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    gain: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bar: str = "best single"
    kind: ObjectiveKind = "match"
    suffices: bool = False
    left_out: tuple[str, ...] = ()
    tested: bool = False


@dataclass
class _Sums:
    """Results of one way of choosing by group of prompts, added up over seeds."""

    quality: Floats
    cost: Floats


def _paid(rows: Outcomes, known: Mapping[str, Deployment]) -> Floats:
    """Return what each answer cost (N, M), in nano-dollars; where that is unknown, its model's mean."""
    paid = spent(rows, [known[name] for name in rows.deployments if name in known])
    return np.asarray(np.where(np.isfinite(paid), paid, _means(paid)))


def evaluate(
    outcomes: Outcomes,
    objective: Objective,
    *,
    known: Mapping[str, Deployment],
    seeds: int = 5,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Measure a table over seeds 0, 1, ... Raises TableError when there is too little to learn from."""
    rows, left_out = _comparable(outcomes.grouped())
    if int(SET_ASIDE * len(rows)) < 1:
        raise TableError(f"too few prompts to set any aside ({len(rows)}): evaluation needs at least four different ones")
    aim = objective if weighable(rows, known) else Objective("best")
    score = np.nan_to_num(rows.score)
    paid = _paid(rows, known)
    sums = {name: _Sums(np.zeros(len(rows)), np.zeros(len(rows))) for name in WAYS}
    seen = np.zeros(len(rows))
    gains = {name: np.zeros(len(rows)) for name in (SINGLE, LABEL)}
    curve, singles, fixed, sufficed = [], [], [], 0
    for seed in range(seeds):
        fit, test = _split(rows, seed)
        seen[test] += 1
        picks = _baselines(aim, rows, score, paid, fit, test)
        singles.append(rows.deployments[int(picks[SINGLE][0])])
        taught = learn(rows.rows(fit), aim, reference=singles[-1], known=known)
        picks[AUTO], points = _chosen(taught, rows.rows(test), score[test], paid[test], known)
        fixed.append(taught.trade.fixed)
        sufficed += taught.trade.one_model is not None
        for name, pick in picks.items():
            sums[name].quality[test] += score[test, pick]
            sums[name].cost[test] += paid[test, pick]
        sums[RANDOM].quality[test] += score[test].mean(axis=1)
        sums[RANDOM].cost[test] += paid[test].mean(axis=1)
        for name, pick in ((SINGLE, np.full(len(test), rows.deployments.index(fixed[-1]))), (LABEL, picks[LABEL])):
            gains[name][test] += _gain(aim, score[test], paid[test], picks[AUTO], pick)
        curve.append(points)
        advance()
    used = seen > 0
    base = sums[SINGLE].quality[used] / seen[used], sums[SINGLE].cost[used] / seen[used]
    ways = {name: _measured(name, each, seen, used, base) for name, each in sums.items()}
    if not np.isfinite(paid).any():
        del ways[CHEAPEST]
    bar = LABEL if _keeps(aim, ways[LABEL]) and gains[LABEL].sum() < gains[SINGLE].sum() else SINGLE
    added = _interval(gains[bar][used] / seen[used])
    return Evaluation(
        ways=tuple(ways.values()),
        curve=tuple((float(x), float(y)) for x, y in np.mean(curve, axis=0)),
        models=tuple(
            zip(rows.deployments, (paid.mean(axis=0) / NANO_PER_USD).tolist(), score.mean(axis=0).tolist(), strict=True)
        ),
        seeds=seeds,
        prompts=int(used.sum()),
        one_model=sufficed,
        singles=tuple(singles),
        fixed=tuple(fixed),
        gain=added,
        bar=bar,
        kind=aim.kind,
        suffices=not _keeps(aim, ways[AUTO]) or added[1] <= 0,
        left_out=left_out,
    )


def _comparable(rows: Outcomes) -> tuple[Outcomes, tuple[str, ...]]:
    """Leave out models that answered too few prompts, and name them; all stay where fewer than two answered enough."""
    enough = np.isfinite(rows.score).mean(axis=0) >= COVERAGE
    if enough.all() or enough.sum() < 2:
        return rows, ()
    kept = rows.columns(np.flatnonzero(enough))
    graded = np.flatnonzero(np.isfinite(kept.score).any(axis=1))
    return kept.rows(graded), tuple(rows.deployments[column] for column in np.flatnonzero(~enough))


def _chosen(
    taught: Taught, asked: Outcomes, score: Floats, paid: Floats, known: Mapping[str, Deployment]
) -> tuple[Indices, Floats]:
    """Return what is chosen for each prompt, and the points of the curve of all trade-offs."""
    quality, cost = expected(taught.lesson.policy, asked, known)
    points = _curve(quality, cost, score, paid)
    if taught.trade.one_model is not None:
        return np.full(len(score), taught.deployments.index(taught.trade.one_model)), points
    serving = [place for place, name in enumerate(taught.deployments) if name in (*taught.serving, taught.reference)]
    picks = choices(quality[:, serving], cost[:, serving], taught.trade.value_nano)
    return np.array(serving)[picks], points


def _keeps(aim: Objective, way: Measured) -> bool:
    """Say whether a way of choosing kept the tolerance or the budget where it was measured."""
    if aim.kind == "match":
        return way.change[0] >= -aim.tolerance
    return aim.kind != "budget" or way.usd is None or 1000 * way.usd <= (aim.usd_per_1000 or 0.0)


def _gain(aim: Objective, score: Floats, paid: Floats, chosen: Indices, fixed: Indices) -> Floats:
    """Return what choosing adds for each prompt, against what is fixed for it, by what the objective wants."""
    here = np.arange(len(score))
    better: Floats = score[here, chosen] - score[here, fixed]
    if aim.kind in ("best", "budget"):
        return better
    saved: Floats = (paid[here, fixed] - paid[here, chosen]) / NANO_PER_USD
    return saved + better * (aim.usd_per_answer or 0.0) if aim.kind == "worth" else saved


def _split(rows: Outcomes, seed: int) -> tuple[Indices, Indices]:
    """Return the rows (one a group) to learn from and those set aside, seeded."""
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = int(SET_ASIDE * len(rows))
    return np.sort(order[cut:]), np.sort(order[:cut])


def _best_fixed(aim: Objective, score: Floats, paid: Floats, home: int) -> int:
    """Return the model that the objective takes for all of some prompts; within the tolerance of ``home`` for match."""
    quality, cost = score.mean(axis=0), np.nan_to_num(paid.mean(axis=0), nan=np.inf)
    if aim.kind == "worth":
        return int(((aim.usd_per_answer or 0.0) * NANO_PER_USD * quality - cost).argmax())
    if aim.kind == "match":
        near = quality >= quality[home] - aim.tolerance - 1e-12
        return min(np.flatnonzero(near).tolist(), key=lambda column: (float(cost[column]), column != home))
    most = (aim.usd_per_1000 or 0.0) / 1000 * NANO_PER_USD if aim.kind == "budget" else np.inf
    within = cost <= most
    return int(np.where(within, quality, -1.0).argmax()) if within.any() else int(cost.argmin())


def _baselines(
    aim: Objective, rows: Outcomes, score: Floats, paid: Floats, fit: Indices, test: Indices
) -> dict[str, Indices]:
    means = score[fit].mean(axis=0)
    single = int(means.argmax())
    labels = rows.task if (rows.task >= 0).any() else rows.feature
    per_label = np.full(len(test), single)
    for label in np.unique(labels[test]):
        mine = fit[labels[fit] == label]
        if label >= 0 and len(mine):
            per_label[labels[test] == label] = _best_fixed(aim, score[mine], paid[mine], single)
    cheapest = int(np.nan_to_num(paid[fit].mean(axis=0), nan=np.inf).argmin())
    top = score[test].max(axis=1, keepdims=True)
    possible = np.where(score[test] >= top - 1e-12, np.nan_to_num(paid[test]), np.inf).argmin(axis=1)
    return {
        SINGLE: np.full(len(test), single),
        LABEL: per_label,
        CHEAPEST: np.full(len(test), cheapest),
        KNN: _neighbours(rows, score, fit, test),
        POSSIBLE: possible,
    }


def _neighbours(rows: Outcomes, score: Floats, fit: Indices, test: Indices) -> Indices:
    """Return the model with the best mean score among the nearest prompts, by cosine of the feature vectors.

    Less the mean vector, so that what all prompts share, such as worked examples, makes none of them near.
    """
    known, asked = (features.dense(rows.vectors[part])[:, features.FLAGS :] for part in (fit, test))
    asked -= known.mean(axis=0)
    known -= known.mean(axis=0)
    known, asked = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9) for part in (known, asked))
    near = min(NEIGHBOURS, len(fit))
    chosen = np.empty(len(test), dtype=np.int64)
    for start in range(0, len(test), 512):
        part = slice(start, start + 512)
        closest = np.argpartition(-(asked[part] @ known.T), near - 1, axis=1)[:, :near]
        chosen[part] = score[fit][closest].mean(axis=1).argmax(axis=1)
    return chosen


def _curve(quality: NDArray[Any], cost: Floats, score: Floats, paid: Floats) -> Floats:
    """Return (cost in US dollars, quality) for each value of a right answer: the choices that it would lead to."""
    here = np.arange(len(score))
    dearest = float(np.nanmax(_means(paid))) if np.isfinite(paid).any() else 0.0
    picks = [choices(quality, cost, step * dearest) for step in CURVE]
    return np.array([(paid[here, pick].mean() / 1e9, score[here, pick].mean()) for pick in picks])


def _measured(name: str, each: _Sums, seen: Floats, used: NDArray[np.bool_], base: tuple[Floats, Floats]) -> Measured:
    quality, cost = each.quality[used] / seen[used], each.cost[used] / seen[used]
    paid = float(cost.mean())
    known = bool(np.isfinite(paid))
    return Measured(
        way=name,
        quality=float(quality.mean()),
        change=_interval(quality - base[0]),
        usd=paid / 1e9 if known else None,
        share=paid / float(base[1].mean()) if known and base[1].mean() > 0 else None,
    )


def _interval(values: Floats) -> tuple[float, float, float]:
    """Return the mean with its 95 % bounds, by the bootstrap over groups; paired, as every way draws the same groups."""
    rng = np.random.default_rng(0)
    means = [float(values[rng.integers(0, len(values), len(values))].mean()) for _ in range(DRAWS)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def _means(values: Floats) -> Floats:
    known = np.isfinite(values)
    return np.where(known.any(axis=0), np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)
