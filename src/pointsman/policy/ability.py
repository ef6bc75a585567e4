"""What a deployment of which little was seen will score, told from what the known ones scored on the same prompts.

Strategy: a deployment's score on a prompt is a linear function of the scores of the others there (how hard it is, and for
whom) and of the kind of task: a few coefficients, however many prompts. What they may be is learned from the known
deployments, each told from the others (empirical Bayes): how steeply one follows the others' mean, how far it leans towards
single ones, how far it departs on single tasks. Only its level is kept wide, as who comes next need not be like who came
before. Where the owner says that a release is a known deployment with little changed, that stands beside it, and where the
answers bear it out (Bayesian model averaging, Hoeting and others 1999), a handful of prompts tells by how much it was
changed, since nearly everything else is known. Nobody else is suspected of that: among many, one agrees by chance.

Laws: no chance; linear in the number of rows; the order of rows teaches nothing; without any score there is the prior.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pointsman.policy.outcomes import Floats

WIDE: Final = 0.3  # standard deviation of the level of a deployment of which nothing is said
_STEPS: Final = 12
_LEAST: Final = 1e-5  # of a variance between deployments
_LEAST_NOISE: Final = 1e-4
_LEAST_TOWARDS: Final = 0.1**2  # a new one may lean towards a single known one more than known ones do ...
_LEAST_TASKS: Final = 0.06**2  # ... and depart further on a task
_NAMED: Final = 0.8  # chance that the owner is right who says so
_CHANGED: Final = (0.02, 0.06)  # the variance of what was changed: about that share of the answers is another
_FEWEST_FIGURES: Final = 4
_SUREST: Final = 0.05
_KIN_SPREAD: Final = (0.05, 0.1, 0.03, 0.05)  # standard deviations of level, slope, leaning towards others, and tasks


@dataclass(frozen=True)
class Known:
    """N prompts as M known deployments and T tasks show them.

    ``columns`` (N, 1 + M + T) are ones, scores less their means ``level`` (M,), and chances of the tasks less theirs,
    ``usual`` (T,).
    """

    columns: Floats
    level: Floats
    usual: Floats

    @staticmethod
    def of(scores: Floats, chances: Floats) -> "Known":
        """Take scores (N, M) without gaps, and the chances of the tasks (N, T)."""
        level, usual = scores.mean(axis=0), chances.mean(axis=0)
        return Known(np.hstack((np.ones((len(scores), 1)), scores - level, chances - usual)), level, usual)


@dataclass(frozen=True)
class Prior:
    """What an owner expects: a mean score with its standard deviation (None: nothing), and which known one it is like."""

    level: float | None = None
    spread: float = WIDE
    like: int | None = None


@dataclass(frozen=True)
class Belief:
    """Coefficients (D,) of ``Known.columns``, their covariance (D, D), and the variance ``noise`` of a score around them."""

    mean: Floats
    covariance: Floats
    noise: float

    def unwound(self, known: Known) -> tuple[float, Floats, Floats]:
        """Return what is added, weights (M,) and what each task adds (T,), of scores and chances as they are."""
        weights, tasks = np.split(self.mean[1:], (len(known.level),))
        return float(self.mean[0] - weights @ known.level - tasks @ known.usual), weights, tasks

    @property
    def level_sd(self) -> float:
        """The standard error of the mean score over all prompts."""
        return float(np.sqrt(self.covariance[0, 0]))


@dataclass(frozen=True)
class Sums:
    """All that regressions need of k rows: products of the columns (D, D), with the scores (D,), of the scores, and k."""

    gram: Floats
    target: Floats
    square: float
    count: int

    def teach(self, before: Belief) -> tuple[Belief, float]:
        """Return the belief after these rows, and the logarithm of how likely they were before (less a constant)."""
        precision = np.linalg.inv(before.covariance)
        after = precision + self.gram / before.noise
        covariance = np.asarray(np.linalg.inv(after), dtype=np.float64)
        left = (self.target - self.gram @ before.mean) / before.noise
        moved = covariance @ left
        square = self.square - 2 * before.mean @ self.target + before.mean @ self.gram @ before.mean
        likely = square / before.noise - left @ moved + self.count * np.log(before.noise)
        likely += np.linalg.slogdet(after)[1] - np.linalg.slogdet(precision)[1]
        return Belief(before.mean + moved, covariance, before.noise), -float(likely) / 2

    def lost(self, found: Belief) -> float:
        """Return the mean square that a belief leaves, its own uncertainty counted."""
        square = self.square - 2 * found.mean @ self.target + found.mean @ self.gram @ found.mean
        return float(square + np.sum(self.gram * found.covariance)) / self.count


@dataclass(frozen=True)
class Population:
    """What known deployments have in common: mean ``level`` and ``slope``, and four variances.

    ``slopes`` of how steeply one follows the others' mean, ``towards`` of how it leans towards single ones, ``tasks`` of
    what single tasks add, ``noise`` of a score around all this.
    """

    level: float
    slope: float = 1.0
    slopes: float = 0.1
    towards: float = 0.05
    tasks: float = 0.005
    noise: float = 0.15

    @staticmethod
    def of(known: Known) -> "Population":
        """Tell every known deployment from the others; variances by expectation and maximisation."""
        width, tasks = len(known.level), len(known.usual)
        found = Population(float(known.level.mean()))
        cases = list(_others(known))
        noises = [found.noise] * width
        for _ in range(_STEPS):
            before = found.belief(width - 1, tasks)
            beliefs = [sums.teach(replace(before, noise=one))[0] for sums, one in zip(cases, noises, strict=True)]
            noises = [max(sums.lost(each), _LEAST_NOISE) for sums, each in zip(cases, beliefs, strict=True)]
            found = _population(found.level, beliefs, width - 1, float(np.mean(noises)))
        return found

    def belief(self, width: int, tasks: int, prior: Prior = Prior()) -> Belief:
        """Return what is believed of one more deployment beside ``width`` others, with so many tasks."""
        level = self.level if prior.level is None else prior.level
        mean = np.concatenate(([level], np.full(width, self.slope / width), np.zeros(tasks)))
        covariance = np.diag(np.concatenate(([prior.spread**2], np.zeros(width), np.full(tasks, self.tasks))))
        alike = np.full((width, width), 1 / width)
        covariance[1 : width + 1, 1 : width + 1] = self.slopes / width * alike + self.towards * (np.eye(width) - alike)
        return Belief(mean, covariance, self.noise)


def _others(known: Known) -> Iterator[Sums]:
    """Yield, for each known deployment, the sums of its scores with the columns of all others."""
    gram, rows = known.columns.T @ known.columns, len(known.columns)
    for one, level in enumerate(known.level, start=1):
        others = np.delete(np.arange(len(gram)), one)
        target = gram[others, one] + level * gram[others, 0]
        yield Sums(gram[np.ix_(others, others)], target, float(gram[one, one] + rows * level**2), rows)


def _population(level: float, beliefs: list[Belief], width: int, noise: float) -> Population:
    """Return the population whose members are most likely to be like these; ``width`` are the others of each."""
    weights = np.stack([each.mean[1 : width + 1] for each in beliefs])
    spread = np.stack([each.covariance[1 : width + 1, 1 : width + 1] for each in beliefs])
    tasks = np.stack([np.square(each.mean[width + 1 :]) + np.diag(each.covariance)[width + 1 :] for each in beliefs])
    slopes, unsure = weights.sum(axis=1), spread.sum(axis=(1, 2))
    leaning = np.square(weights - slopes[:, None] / width).sum(axis=1)
    leaning += np.trace(spread, axis1=1, axis2=2) - unsure / width
    return Population(
        level=level,
        slope=float(slopes.mean()),
        slopes=max(float(slopes.var() + unsure.mean()), _LEAST),
        towards=max(float(leaning.mean()) / max(width - 1, 1), _LEAST),
        tasks=max(float(tasks.mean()), _LEAST),
        noise=noise,
    )


def told(known: Known, population: Population, rows: Floats, scores: Floats, prior: Prior) -> Belief:
    """Return what is believed after ``scores`` (k,) on k prompts, whose ``rows`` (k, D) are some of ``known.columns``."""
    sums = Sums(rows.T @ rows, rows.T @ scores, float(scores @ scores), len(scores))
    beliefs, logs = [], []
    for chance, before in _suspicions(known, population, prior):
        after, likely = sums.teach(before)
        beliefs.append(after)
        logs.append(np.log(chance) + likely)
    weights = np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    mean = weights @ np.stack([each.mean for each in beliefs])
    apart = np.stack([each.mean - mean for each in beliefs])
    covariance = np.einsum("h,hde->de", weights, np.stack([each.covariance for each in beliefs]))
    covariance += np.einsum("h,hd,he->de", weights, apart, apart)
    return Belief(mean, covariance, float(weights @ [each.noise for each in beliefs]))


def _suspicions(known: Known, population: Population, prior: Prior) -> Iterator[tuple[float, Belief]]:
    """Yield what a new deployment may be, each with its chance: one of the population, or the one that is named, changed."""
    width, tasks = len(known.level), len(known.usual)
    wide = replace(population, towards=max(population.towards, _LEAST_TOWARDS), tasks=max(population.tasks, _LEAST_TASKS))
    yield 1.0 if prior.like is None else 1 - _NAMED, wide.belief(width, tasks, prior)
    if prior.like is None:
        return
    level, slope, towards, task = np.square(_KIN_SPREAD)
    spread = np.concatenate(([level], np.full(width, towards), np.full(tasks, task)))
    spread[1 + prior.like] = slope
    for changed in _CHANGED:
        mean = np.zeros(1 + width + tasks)
        mean[0], mean[1 + prior.like] = known.level[prior.like], 1 - changed
        yield _NAMED / len(_CHANGED), Belief(mean, np.diag(spread), changed)


def by_figures(figures: Floats, levels: Floats, figure: float) -> tuple[float, float] | None:
    """Return the mean score that a public figure lets expect, and its standard deviation; None where too few are known.

    ``figures`` and ``levels`` (n,) are those of known deployments: a straight line through them, with the error of a
    prediction, doubled, as nobody publishes figures at random; never more certain than ``_SUREST`` nor less than ``WIDE``.
    """
    if len(figures) < _FEWEST_FIGURES or np.ptp(figures) == 0:
        return None
    away = figures - figures.mean()
    slope = float(away @ levels / (away @ away))
    left = levels - levels.mean() - slope * away
    beyond = figure - figures.mean()
    error = np.sqrt(left @ left / (len(figures) - 2) * (1 + 1 / len(figures) + beyond**2 / (away @ away)))
    level = float(levels.mean() + slope * beyond)
    return min(max(level, 0.0), 1.0), min(max(2 * float(error), _SUREST), WIDE)
