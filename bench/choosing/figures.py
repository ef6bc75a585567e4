"""What the ways of choosing come to on one table: figures with intervals, and comparisons with Pointsman.

Strategy: for each split and way every figure is one number a prompt (``statistics``); these are averaged over the splits for
each group, and all ways share the draws of groups, so that differences are paired.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from choosing import baselines
from choosing.problems import Problem, curve, parts
from choosing.rows import Table
from choosing.runs import OWN, Result, Source
from choosing.statistics import (
    DRAWS,
    Floats,
    Indices,
    Interval,
    averaged,
    calibration_error,
    chance,
    drawn,
    holm,
    interval,
    ratio,
)

LENGTHS: Final = ("mmlu_pro", "routerbench_part", "alpaca_eval2")
NOT_DEPLOYABLE: Final = (baselines.LABEL, baselines.POSSIBLE)
MEANS: Final = "model means"  # what best single, cheapest, random and the hull expect of a model


@dataclass(frozen=True)
class Compared:
    """A way's figure, and how much more Pointsman's is: with an interval, and the p-value adjusted by Holm."""

    figure: Interval
    ahead: Interval
    chance: float

    @property
    def verdict(self) -> str:
        """``above``, ``below`` or empty where the difference is not significant."""
        if self.chance >= 0.05:
            return ""
        return "above" if self.ahead.mean > 0 else "below"


@dataclass(frozen=True)
class Measure:
    """One figure of every way: Pointsman's own, the others compared with it, and the redrawn leads (draws,) by way."""

    own: Interval
    others: Mapping[str, Compared]
    leads: Mapping[str, Floats] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Saving:
    """Coming within a point of the best single model: share of its cost, and change in accuracy."""

    share: Interval
    change: Interval


@dataclass(frozen=True)
class Calibration:
    """Pointsman's expectations against what was seen.

    ``error`` pooled over models in 15 bins, by seed; ``worst`` the model whose mean is furthest off, and by how much;
    ``worst_split`` the furthest of any single split.
    """

    error: tuple[float, ...]
    pooled: Interval
    worst: tuple[str, Interval]
    worst_split: float


@dataclass(frozen=True)
class Lengths:
    """Output lengths: median absolute relative error of what is predicted and of the per-model median, and their ratio.

    ``ratio`` is None where the per-model median is exactly right for half of the answers: nothing is below that.
    ``covered`` is the share of answers within the predicted 90 % quantile; None: nothing predicts one.
    """

    predicted: float
    median: float
    ratio: Interval | None
    covered: float | None


@dataclass(frozen=True)
class Figures:
    """All figures of one table, over some splits."""

    name: str
    groups: int
    models: int
    priced: bool
    seeds: tuple[int, ...]
    left_out: tuple[str, ...]
    singles: tuple[str, ...]
    headline: Measure
    accuracy: Measure
    brier: Measure
    savings: Mapping[str, Saving]
    calibration: Calibration
    lengths: Lengths | None
    curves: Mapping[str, tuple[Floats, Floats]]
    alone: tuple[int, int]


def figures(source: Source, results: Mapping[int, Mapping[str, Result]]) -> Figures:
    """Work out the figures of a table from what was measured."""
    table = source.table
    splits = [(seed, *source.bare(seed)) for seed in results]
    problems = {seed: problem for seed, problem, _, _ in splits}
    asked = {seed: rows for seed, _, _, rows in splits}
    picks = {seed: _with_the_unreachable(table, problems[seed], asked[seed], results[seed]) for seed in results}
    ways = list(next(iter(picks.values())))

    def by_way(of: Callable[[int, str], Floats], names: list[str]) -> tuple[list[str], Floats]:
        """Return every way's numbers by group (N', W), groups that no split asked left out."""
        columns = [averaged(len(table), [(asked[seed], of(seed, way)) for seed in results]) for way in names]
        return names, np.stack(columns, axis=1)

    def headline(seed: int, way: str) -> Floats:
        score, paid = table.score[asked[seed]], table.paid[asked[seed]]
        if way == baselines.RANDOM:
            return _random(problems[seed], score, paid)
        return parts(problems[seed], picks[seed][way], score, paid)

    def accuracy(seed: int, way: str) -> Floats:
        score = table.score[asked[seed]]
        return score.mean(axis=1) if way == baselines.RANDOM else curve(picks[seed][way][:1], score, score)[0][:, 0]

    def brier(seed: int, way: str) -> Floats:
        found = results[seed][baselines.SINGLE if way == MEANS else way]["quality"].astype(np.float64)
        seen = table.seen[asked[seed]]
        wrong = np.where(seen, np.square(found - table.score[asked[seed]]), 0.0)
        return np.asarray(wrong.sum(axis=1) / seen.sum(axis=1))

    measured = [way for way in results[next(iter(results))] if way not in (OWN, baselines.SINGLE)]
    expecting = [OWN, MEANS, *(way for way in measured if way not in ("cheapest", "zero-router hull"))]
    return Figures(
        name=table.name,
        groups=len(table),
        models=len(table.rows.deployments),
        priced=table.priced,
        seeds=tuple(results),
        left_out=table.left_out,
        singles=tuple(sorted({table.rows.deployments[problem.single] for problem in problems.values()})),
        headline=_compared(*by_way(headline, [*ways, baselines.RANDOM])),
        accuracy=_compared(*by_way(accuracy, [*ways, baselines.RANDOM])),
        brier=_compared(*by_way(brier, expecting)),
        savings=_savings(table, problems, asked, results) if table.priced else {},
        calibration=_calibration(table, asked, results),
        lengths=_lengths(table, asked, results) if table.name in LENGTHS else None,
        curves=_curves(table, asked, picks) if table.priced else {},
        alone=(
            sum(bool(each[OWN]["alone"][0]) for each in results.values()),
            sum(bool(each[OWN]["alone"][1]) for each in results.values()),
        ),
    )


def _with_the_unreachable(
    table: Table, problem: Problem, asked: Indices, results: Mapping[str, Result]
) -> dict[str, Indices]:
    picks = {way: np.asarray(result["picks"], dtype=np.int64) for way, result in results.items()}
    picks[baselines.POSSIBLE] = baselines.possible(problem, table.score[asked], table.paid[asked]).picks
    return picks


def _random(problem: Problem, score: Floats, paid: Floats) -> Floats:
    """Return the parts of a choice by chance: its means stand in one more column, and every trade-off picks that."""
    if not problem.priced:
        return np.asarray(score.mean(axis=1))
    last = score.shape[1]
    picks = np.full((1, len(score)), last)
    return parts(
        problem,
        picks,
        np.column_stack((score, score.mean(axis=1))),
        np.column_stack((paid, paid.mean(axis=1))),
    )


def _compared(names: list[str], values: Floats) -> Measure:
    """Compare Pointsman with every other way; the best possible choice is shown and takes no part in the adjustment."""
    values = values[np.isfinite(values).all(axis=1)]
    means, redrawn = values.mean(axis=0), drawn(values)
    place = {name: column for column, name in enumerate(names)}
    mine = place[OWN]
    rivals = [name for name in names if name not in (OWN, baselines.POSSIBLE)]
    leads = {name: redrawn[:, mine] - redrawn[:, place[name]] for name in names if name != OWN}
    chances = dict(zip(rivals, holm([chance(leads[name]) for name in rivals]), strict=True))
    others = {
        name: Compared(
            figure=interval(float(means[place[name]]), redrawn[:, place[name]]),
            ahead=interval(float(means[mine] - means[place[name]]), lead),
            chance=chances.get(name, 1.0),
        )
        for name, lead in leads.items()
    }
    return Measure(interval(float(means[mine]), redrawn[:, mine]), others, leads)


def _mean(values: Floats, draws: int = DRAWS) -> Interval:
    values = values[np.isfinite(values)]
    return interval(float(values.mean()), drawn(values[:, None], draws)[:, 0])


def _savings(
    table: Table, problems: Mapping[int, Problem], asked: Mapping[int, Indices], results: Mapping[int, Mapping[str, Result]]
) -> dict[str, Saving]:
    found = {}
    for way in next(iter(results.values())):
        shares, changes = [], []
        for seed, each in results.items():
            score, paid = table.score[asked[seed]], table.paid[asked[seed]]
            here, pick, home = np.arange(len(score)), each[way]["match"].astype(np.int64), problems[seed].single
            shares.append((asked[seed], ratio(paid[here, pick], paid[:, home])))
            changes.append((asked[seed], score[here, pick] - score[:, home]))
        found[way] = Saving(_mean(averaged(len(table), shares)), _mean(averaged(len(table), changes)))
    return found


def _calibration(table: Table, asked: Mapping[int, Indices], results: Mapping[int, Mapping[str, Result]]) -> Calibration:
    errors, off, single = [], [], 0.0
    for seed, each in results.items():
        predicted, seen = each[OWN]["quality"].astype(np.float64), table.seen[asked[seed]]
        score = table.score[asked[seed]]
        errors.append(calibration_error(predicted[seen], score[seen]))
        far = np.where(seen, predicted - score, 0.0) / seen.mean(axis=0)
        off.append((asked[seed], far))
        single = max(single, float(np.abs(far.mean(axis=0)).max()))
    far = averaged(len(table), off)
    far = far[np.isfinite(far).all(axis=1)]
    worst = int(np.abs(far.mean(axis=0)).argmax())
    return Calibration(
        error=tuple(errors),
        pooled=_error_interval(table, asked, results),
        worst=(table.rows.deployments[worst], _mean(far[:, worst])),
        worst_split=single,
    )


def _error_interval(table: Table, asked: Mapping[int, Indices], results: Mapping[int, Mapping[str, Result]]) -> Interval:
    """Return the mean error over splits; its bounds are the quantiles over redrawn prompts of the bins' own errors.

    Binned errors are biased upwards by chance, in the redrawn even more; bounds are of the error itself, so they are moved
    down by what redrawing adds.
    """
    means, redrawn = [], []
    rng = np.random.default_rng(0)
    for seed, each in results.items():
        predicted, seen = each[OWN]["quality"].astype(np.float64), table.seen[asked[seed]]
        score = table.score[asked[seed]]
        means.append(calibration_error(predicted[seen], score[seen]))
        draws = []
        for _ in range(60):
            rows = rng.integers(0, len(score), len(score))
            draws.append(calibration_error(predicted[rows][seen[rows]], score[rows][seen[rows]]))
        redrawn.append(np.array(draws))
    spread = np.mean(redrawn, axis=0) if len(redrawn) == 1 else np.concatenate([each - each.mean() for each in redrawn])
    mean = float(np.mean(means))
    return interval(mean, mean + spread - spread.mean())


def _lengths(table: Table, asked: Mapping[int, Indices], results: Mapping[int, Mapping[str, Result]]) -> Lengths:
    """Measure output lengths; the ratio's interval is over redrawn groups, each with all of its answers."""
    tokens = table.rows.output_tokens
    errors, usual = [], []
    fit_rows = {seed: np.setdiff1d(np.arange(len(table)), rows) for seed, rows in asked.items()}
    for seed, each in results.items():
        seen = tokens[asked[seed]]
        seen = np.where(seen > 0, seen, np.nan)
        median = np.nanmedian(tokens[fit_rows[seed]], axis=0)
        errors.append(np.abs(each[OWN]["tokens"] - seen) / seen)
        usual.append(np.abs(median - seen) / seen)
    mine, other = np.concatenate(errors), np.concatenate(usual)
    predicted, median_error = float(np.nanmedian(mine)), float(np.nanmedian(other))
    if median_error == 0:
        return Lengths(predicted, median_error, None, None)
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(200):
        rows = rng.integers(0, len(mine), len(mine))
        ratios.append(np.nanmedian(mine[rows]) / np.nanmedian(other[rows]))
    return Lengths(predicted, median_error, interval(predicted / median_error, np.array(ratios)), None)


def _curves(
    table: Table, asked: Mapping[int, Indices], picks: Mapping[int, Mapping[str, Indices]]
) -> dict[str, tuple[Floats, Floats]]:
    """Return (cost in US dollars, quality) of every trade-off, averaged over the splits."""
    found = {}
    for way in next(iter(picks.values())):
        points = [curve(each[way], table.score[asked[seed]], table.paid[asked[seed]]) for seed, each in picks.items()]
        quality, cost = (np.mean([point[side].mean(axis=0) for point in points], axis=0) for side in (0, 1))
        found[way] = (cost / 1e9, quality)
    return found
