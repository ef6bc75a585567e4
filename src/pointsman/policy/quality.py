"""How well each deployment answers what kind of request, learned from graded answers.

Strategy: layers, each shrunk towards the one before by what the data can bear. First the mean of each deployment and how
hard each kind of task is for all (an additive table); then by how much a deployment departs from that on a task (empirical
Bayes, Morris 1983); then a regression of what is left on the features and on the chances of the tasks. The task of a new
request is predicted from its features, so no label is needed; where none teach, kinds are found (``policy/kinds``). The
regression can tell deployments apart request by request,
or only how hard a request is for all alike: the bolder form has to earn its place (``policy/teach``). Last, where requests
carry tags (a feature, a customer), what remains for each of them.

Every layer is learned on what the layers before predict for rows that they had not seen, and so are the shrinkages: that is
what keeps predictions calibrated, and keeps near-equals from winning by luck.

Laws: linear in the number of rows; scores may be graded, cells missing, coverage unequal; labels teach and are never needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pointsman.policy import kinds
from pointsman.policy.linear import TASK_PENALTIES, Folded, classify, completed, regress, softmax
from pointsman.policy.outcomes import Floats, Indices, Outcomes, Tagged, sums

FOLDS: Final = 5
SMALLEST_TASK: Final = 8
MOST_TASKS: Final = 64
_TRIED: Final = 12_000  # rows that say how firmly tasks are told: more say the same
CLOSEST: Final = 0.002  # predictions keep this distance from 0 and 1


@dataclass(frozen=True)
class Tasks:
    """T kinds of tasks, told from R coordinates: log-odds are coordinates @ ``slopes`` (R, T) + ``intercept`` (T,).

    ``labels`` (N,) are those of the rows that taught them, ``chances`` (N, T) what was told of each row without its fold.
    """

    names: tuple[str, ...]
    slopes: Floats
    intercept: Floats
    labels: Indices
    chances: Floats

    @staticmethod
    def of(outcomes: Outcomes, coordinates: Floats, folds: Indices) -> "Tasks":
        """Learn to tell the tasks of rows by their principal coordinates (N, R); where none are named, they are found."""
        labels, names = _labels(outcomes)
        if len(names) < 2:
            labels, count = kinds.found(outcomes, coordinates, folds)
            names = tuple(f"kind {number}" for number in range(count))
        squares = np.append(np.square(coordinates).sum(axis=0), len(coordinates))
        penalty = _penalty(outcomes.score, labels, len(names), coordinates, folds, squares)
        slopes, intercept = classify(coordinates, labels, len(names), squares, penalty)
        chances = np.zeros((len(labels), len(names)))
        for fold in (found := np.unique(folds)):
            mine = folds == fold
            if len(found) < 2:
                chances[mine, labels[mine]] = 1.0
                continue
            told = classify(coordinates[~mine], labels[~mine], len(names), squares, penalty)
            chances[mine] = softmax(coordinates[mine] @ told[0] + told[1])
        return Tasks(names, slopes, intercept, labels, chances)


@dataclass(frozen=True)
class QualityModel:
    """Quality as a function of R coordinates, for T tasks, M deployments and F tags.

    ``table`` and ``table_variance`` (T, M) are the quality on each task and the variance of that; ``slopes`` (R, M) and
    ``intercept`` (M,) what is added; ``variance`` (M,) the variance of what is added; ``tags`` (F, M) what a tag
    adds.
    """

    table: Floats
    table_variance: Floats
    slopes: Floats
    intercept: Floats
    variance: Floats
    tags: Floats


def fit(outcomes: Outcomes, tasks: Tasks, folded: Folded, *, apart: bool) -> tuple[QualityModel, Floats]:
    """Return the model and its held-out predictions (N, M) for the rows that it was learned from.

    ``outcomes`` are grouped rows, ``tasks`` their tasks, and ``folded`` their coordinates in folds. ``apart``: whether the
    regression tells deployments apart, or only how hard a request is for all of them alike.
    """
    labels, count = tasks.labels, len(tasks.names)
    table = _Table.of(outcomes.score, labels, count)
    held = np.empty_like(outcomes.score)
    for mine, _, _ in folded.parts:
        part = table if mine.all() else _Table.of(outcomes.score[~mine], labels[~mine], count)
        held[mine] = tasks.chances[mine] @ part.quality
    left = completed(outcomes.score - held)
    rest = regress(folded, left if apart else left.mean(axis=1, keepdims=True)).over(left.shape[1])
    held += rest.held_out * (trust := _trust(outcomes.score - held, rest.held_out))
    tags = _all_tags(outcomes.score - held, outcomes.tags)
    held = _with_tags(held, outcomes, folded)
    model = QualityModel(
        table=table.quality,
        table_variance=table.variance,
        slopes=rest.slopes * trust,
        intercept=rest.intercept * trust,
        variance=rest.variance,
        tags=tags,
    )
    return model, np.clip(held, CLOSEST, 1 - CLOSEST)


def _labels(outcomes: Outcomes) -> tuple[Indices, tuple[str, ...]]:
    """Return a label (N,) for each row and their names: tasks, else feature tags, else one for all; rare ones merged."""
    given, names = outcomes.task, outcomes.tasks
    if not (given >= 0).any():
        given, names = outcomes.feature, outcomes.features
    counts = np.bincount(given[given >= 0], minlength=len(names)) if names else np.zeros(0, dtype=np.int64)
    common = [int(t) for t in np.argsort(-counts, kind="stable")[:MOST_TASKS] if counts[t] >= SMALLEST_TASK]
    place = np.full(len(names) + 1, len(common), dtype=np.int64)
    place[common] = np.arange(len(common))
    labels = place[given]
    others = bool((labels == len(common)).any())
    return labels, tuple(names[t] for t in common) + (("other",) if others else ())


def _penalty(score: Floats, labels: Indices, count: int, coordinates: Floats, folds: Indices, squares: Floats) -> float:
    """Return the penalty of ``classify`` whose chances, through the tasks' table, come nearest to the scores of one fold.

    Nearness to the scores, not to the labels: of labels whose deployments are alike it matters little which is told.
    """
    some = slice(_TRIED)
    score, labels, coordinates, folds = score[some], labels[some], coordinates[some], folds[some]
    held = folds == folds.max()
    if count < 2 or held.all():
        return TASK_PENALTIES[0]
    table = _Table.of(score[~held], labels[~held], count).quality
    errors = []
    for penalty in TASK_PENALTIES:
        slopes, intercept = classify(coordinates[~held], labels[~held], count, squares, penalty)
        chances = softmax(coordinates[held] @ slopes + intercept)
        errors.append(float(np.nansum(np.square(chances @ table - score[held]))))
    return TASK_PENALTIES[int(np.argmin(errors))]


@dataclass(frozen=True)
class _Table:
    """Quality and its variance by task and deployment, (T, M) each."""

    quality: Floats
    variance: Floats

    @staticmethod
    def of(score: Floats, labels: Indices, count: int) -> "_Table":
        """Estimate deployment means, task means and departures from their sum, shrunk by empirical Bayes."""
        seen = np.isfinite(score)
        number = sums(seen.astype(np.float64), labels, count)
        mean = sums(np.where(seen, score, 0.0), labels, count) / np.maximum(number, 1.0)
        within = np.where(seen, score - mean[labels], 0.0)
        free = np.maximum(number.sum(axis=0) - (number > 0).sum(axis=0), 1.0)
        noise = np.square(within).sum(axis=0) / free + 1e-4
        task, deployment = _additive(mean, number, np.mean(noise))
        departure = np.where(number > 0, mean - task[:, None] - deployment, 0.0)
        tasks, deployments = number.shape
        used = max((tasks - 1) * (deployments - 1), 1) / (tasks * deployments)
        excess = (number * np.square(departure) - noise * used).sum() / max(float(number.sum()) * used, 1.0)
        between = max(float(excess), 1e-5)
        shrunk = number / (number + noise / between)
        total = np.maximum(number.sum(axis=0), 1.0)
        variance = noise / (number + noise / between) + noise / total
        return _Table(task[:, None] + deployment + shrunk * departure, variance)


def _additive(mean: Floats, number: Floats, noise: float) -> tuple[Floats, Floats]:
    """Return task and deployment effects that add up to the cell means, weighted by numbers, by alternation.

    Task effects are shrunk towards zero as if each had a prior of a few rows, so that tiny tasks stay ordinary.
    """
    task = np.zeros(len(mean))
    deployment = np.zeros(mean.shape[1])
    prior = noise / 0.04  # task means spread by about 0.2
    for _ in range(12):
        deployment = (number * (mean - task[:, None])).sum(axis=0) / np.maximum(number.sum(axis=0), 1e-9)
        rows = number.max(axis=1)
        average = (number * (mean - deployment)).sum(axis=1) / np.maximum(number.sum(axis=1), 1e-9)
        task = average * rows / (rows + prior)
    return task, deployment


def _trust(residual: Floats, predicted: Floats) -> float:
    """Return the slope in [0, 1] of what was seen on what was predicted, over the cells that were seen."""
    seen = np.isfinite(residual)
    if seen.all():
        return 1.0
    power = float(np.square(predicted[seen]).sum())
    return min(max(float((residual[seen] * predicted[seen]).sum()) / power, 0.0), 1.0) if power > 0 else 0.0


def _tags(residual: Floats, feature: Indices, count: int) -> Floats:
    """Return what each tag of one kind adds for each deployment (F, M), shrunk by empirical Bayes."""
    if not count:
        return np.zeros((0, residual.shape[1]))
    tagged = feature >= 0
    seen = np.isfinite(residual[tagged])
    labels = feature[tagged]
    number = sums(seen.astype(np.float64), labels, count)
    mean = sums(np.where(seen, residual[tagged], 0.0), labels, count) / np.maximum(number, 1.0)
    noise = float(np.nanvar(residual)) + 1e-4
    between = max(float((number * np.square(mean) - noise).sum() / max(float(number.sum()), 1.0)), 0.0)
    return mean * number * between / (number * between + noise)


def _all_tags(residual: Floats, given: Sequence[Tagged]) -> Floats:
    """Return what each tag adds (F, M), kind after kind, each of what the kinds before it leave."""
    found = [np.zeros((0, residual.shape[1]))]
    for one in given:
        found.append(_tags(residual, one.place, len(one.names)))
        residual = residual - _added(found[-1], one.place) if one.names else residual
    return np.vstack(found)


def _added(tags: Floats, place: Indices) -> Floats:
    return np.where(place[:, None] >= 0, tags[place], 0.0)


def _with_tags(held: Floats, outcomes: Outcomes, folded: Folded) -> Floats:
    """Return held-out predictions with what tags add, learned without each row's fold."""
    given = [one for one in outcomes.tags if one.names]
    if not given or len(folded.parts) < 2:
        return held
    added = np.zeros((len(held), held.shape[1]))
    for mine, _, _ in folded.parts:
        others = [Tagged(one.names, one.place[~mine]) for one in given]
        tags = _all_tags((outcomes.score - held)[~mine], others)
        for one in given:
            each, tags = np.split(tags, (len(one.names),))
            added[mine] += _added(each, one.place[mine])
    return held + added
