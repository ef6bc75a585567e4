"""What a policy learned from a table is worth: learned on one part, measured on the other, against simpler ways of choosing.

Strategy: for each seed 30 % of the groups of equal prompts are set aside, everything is chosen on the rest (the best
single model, the best per label, the cheapest, the trade), and what each way picks for the prompts set aside is looked
up in the table. A prompt's results are averaged over the seeds in which it was set aside, then over prompts; intervals
are bootstrapped over groups, paired.

Laws: nothing is chosen on what it is measured on, except the best possible choice, which is out of reach and says so; a
missing score counts as wrong, a missing cost as its model's mean; labels are known to `best per label` alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.control.learn import LOOSE, learn
from pointsman.core.routing import Deployment, Objective
from pointsman.policy import features, model
from pointsman.policy.outcomes import Floats, Indices, Outcomes

SET_ASIDE: Final = 0.3
NEIGHBOURS: Final = 50
DRAWS: Final = 2000
CURVE: Final = np.geomspace(300.0, 1 / 30, 24)  # values of a right answer, in mean costs of the dearest model
SINGLE, LABEL, CHEAPEST, RANDOM, KNN, AUTO, POSSIBLE = (
    "best single", "best per label", "cheapest", "random", "nearest neighbours", "auto", "best possible",
)  # fmt: skip


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
    """All ways of choosing, the points of the cost-quality curve, and how often one model sufficed."""

    ways: tuple[Measured, ...]
    curve: tuple[tuple[float, float], ...]
    models: tuple[tuple[str, float, float], ...]
    seeds: int
    prompts: int
    one_model: int
    singles: tuple[str, ...]


@dataclass
class _Sums:
    """Results of one way of choosing by prompt, added up over seeds."""

    quality: Floats
    cost: Floats


def evaluate(
    outcomes: Outcomes,
    objective: Objective,
    *,
    known: Mapping[str, Deployment],
    seeds: int = 5,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Measure a table over seeds 0, 1, ... Raises TableError when there is too little to learn from."""
    rows = outcomes.grouped()
    count = len(rows)
    score = np.nan_to_num(rows.score)
    paid = np.where(np.isfinite(rows.cost_nano), rows.cost_nano, _means(rows.cost_nano))
    sums = {name: _Sums(np.zeros(count), np.zeros(count)) for name in (SINGLE, LABEL, CHEAPEST, RANDOM, KNN, AUTO, POSSIBLE)}
    seen, curve, singles, sufficed = np.zeros(count), [], [], 0
    for seed in range(seeds):
        fit, test = _split(rows, seed)
        seen[test] += 1
        taught = learn(rows.rows(fit), objective, known=known)
        names = taught.deployments
        found = model.estimate(taught.lesson.policy, rows.vectors[test], _tags(rows, test))
        deployments = [known.get(name, Deployment(name, LOOSE, name, name)) for name in names]
        cost = np.stack(
            [model.expected_cost(found, c, rows.input_tokens[test], one) for c, one in enumerate(deployments)], axis=1
        )
        picks = _baselines(rows, score, paid, fit, test)
        single = int(picks[SINGLE][0])
        singles.append(names[single])
        sufficed += taught.trade.one_model is not None
        picks[AUTO] = (
            np.full(len(test), names.index(taught.trade.one_model))
            if taught.trade.one_model is not None
            else _choices(found.quality, cost, taught.trade.value_nano)
        )
        for name, pick in picks.items():
            sums[name].quality[test] += score[test, pick]
            sums[name].cost[test] += paid[test, pick]
        sums[RANDOM].quality[test] += score[test].mean(axis=1)
        sums[RANDOM].cost[test] += paid[test].mean(axis=1)
        curve.append(_curve(found.quality, cost, score[test], paid[test]))
        advance()
    used = seen > 0
    base = sums[SINGLE].quality[used] / seen[used], sums[SINGLE].cost[used] / seen[used]
    measured = tuple(_measured(name, each, seen, used, base) for name, each in sums.items())
    points = tuple((float(x), float(y)) for x, y in np.mean(curve, axis=0))
    means = tuple(
        (name, float(paid[:, c].mean() / 1e9), float(score[:, c].mean())) for c, name in enumerate(rows.deployments)
    )
    return Evaluation(measured, points, means, seeds, int(used.sum()), sufficed, tuple(singles))


def _split(rows: Outcomes, seed: int) -> tuple[Indices, Indices]:
    """Return the rows to learn from and those set aside, as SOURCES-style tables define it: by group, seeded."""
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = int(SET_ASIDE * len(rows))
    return np.sort(order[cut:]), np.sort(order[:cut])


def _baselines(rows: Outcomes, score: Floats, paid: Floats, fit: Indices, test: Indices) -> dict[str, Indices]:
    means = score[fit].mean(axis=0)
    single = int(means.argmax())
    labels = rows.task if (rows.task >= 0).any() else rows.feature
    per_label = np.full(len(test), single)
    for label in np.unique(labels[test]):
        mine = fit[labels[fit] == label]
        if label >= 0 and len(mine):
            per_label[labels[test] == label] = int(score[mine].mean(axis=0).argmax())
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
    """Return the model with the best mean score among the nearest prompts, by cosine of the feature vectors."""
    known, asked = (features.dense(rows.vectors[part])[:, features.FLAGS :] for part in (fit, test))
    known, asked = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9) for part in (known, asked))
    near = min(NEIGHBOURS, len(fit))
    chosen = np.empty(len(test), dtype=np.int64)
    for start in range(0, len(test), 512):
        part = slice(start, start + 512)
        closest = np.argpartition(-(asked[part] @ known.T), near - 1, axis=1)[:, :near]
        chosen[part] = score[fit][closest].mean(axis=1).argmax(axis=1)
    return chosen


def _choices(quality: NDArray[Any], cost: Floats, value: int | float | None) -> Indices:
    """Return the choice of ``policy/objective`` for every row at once."""
    known = np.where(np.isfinite(cost), cost, np.inf)
    if value is None or not np.isfinite(cost).any():
        best = quality.max(axis=1, keepdims=True)
        return np.asarray(np.where(quality >= best, np.nan_to_num(known, posinf=1e30), np.inf).argmin(axis=1))
    return np.asarray((value * quality - known).argmax(axis=1))


def _curve(quality: NDArray[Any], cost: Floats, score: Floats, paid: Floats) -> Floats:
    """Return (cost in US dollars, quality) for each value of a right answer: the choices that it would lead to."""
    here = np.arange(len(score))
    dearest = float(np.nanmax(_means(paid))) if np.isfinite(paid).any() else 0.0
    picks = [_choices(quality, cost, step * dearest) for step in CURVE]
    return np.array([(paid[here, pick].mean() / 1e9, score[here, pick].mean()) for pick in picks])


def _measured(name: str, each: _Sums, seen: Floats, used: NDArray[np.bool_], base: tuple[Floats, Floats]) -> Measured:
    quality, cost = each.quality[used] / seen[used], each.cost[used] / seen[used]
    gain = quality - base[0]
    rng = np.random.default_rng(0)
    means = [float(gain[rng.integers(0, len(gain), len(gain))].mean()) for _ in range(DRAWS)]
    low, high = np.quantile(means, (0.025, 0.975))
    paid = float(cost.mean())
    known = bool(np.isfinite(paid))
    return Measured(
        way=name,
        quality=float(quality.mean()),
        change=(float(gain.mean()), float(low), float(high)),
        usd=paid / 1e9 if known else None,
        share=paid / float(base[1].mean()) if known and base[1].mean() > 0 else None,
    )


def _tags(rows: Outcomes, wanted: Indices) -> list[str]:
    return [rows.features[place] if place >= 0 else "" for place in rows.feature[wanted]]


def _means(values: Floats) -> Floats:
    known = np.isfinite(values)
    return np.where(known.any(axis=0), np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)
