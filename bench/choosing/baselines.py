"""Other ways of choosing, each in the form in which it was published, on TF-IDF in place of a sentence encoder.

Laws: what has an option gets it chosen inside the fit part (``problems.tuned``); costs are predicted as the method's authors
do, by the mean over neighbours or clusters, or by the model's mean.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from choosing.problems import Chosen, Problem, by_value, tuned
from choosing.statistics import Floats, Indices, hull
from pointsman.policy.outcomes import sums

_MOST_NEAR: Final = 200
_STEPS: Final = 200
_ROUNDS: Final = 25
_NEAREST_CLUSTERS: Final = 4  # arXiv:2508.12631


def _means(problem: Problem) -> tuple[Floats, Floats]:
    """Return every model's mean score and cost for each prompt asked."""
    count = len(problem.asked_labels)
    return np.tile(problem.score.mean(axis=0), (count, 1)), np.tile(problem.paid.mean(axis=0), (count, 1))


def single(problem: Problem, _seed: int) -> Chosen:
    """The model that is best on the fit part. It enters an area mixed with the cheapest, as everything does."""
    means = _means(problem)[0]
    return Chosen(np.full((len(problem.values), len(means)), problem.single), means)


def cheapest(problem: Problem, _seed: int) -> Chosen:
    """The model that costs least on the fit part."""
    means = _means(problem)[0]
    return Chosen(np.full((len(problem.values), len(means)), problem.cheapest), means)


def zero_router(problem: Problem, _seed: int) -> Chosen:
    """Mixtures of models by chance along the hull of their means (arXiv:2403.12031): its vertices are the trade-offs."""
    quality, cost = _means(problem)
    if not problem.priced:
        return by_value(problem, quality, cost)
    models = hull(cost[0], quality[0])[::-1]
    places = np.minimum(np.arange(len(problem.values)), len(models) - 1)
    near = problem.score.mean(axis=0)[models] >= problem.score.mean(axis=0)[problem.single] - 0.01
    return Chosen(np.repeat(models[places][:, None], len(quality), axis=1), quality, within=int(near.sum()) - 1)


def per_label(problem: Problem, seed: int) -> Chosen:
    """The best model of each dataset. Needs the label of what is asked, so it can be deployed only where that is given."""

    def way(problem: Problem, _: None) -> Chosen:
        count = int(max(problem.labels.max(), problem.asked_labels.max())) + 1
        number = np.bincount(problem.labels, minlength=count)[:, None]
        quality, cost = _means(problem)
        seen = number[problem.asked_labels] > 0
        number = np.maximum(number, 1)
        return by_value(
            problem,
            np.where(seen, (sums(problem.score, problem.labels, count) / number)[problem.asked_labels], quality),
            np.where(seen, (sums(problem.paid, problem.labels, count) / number)[problem.asked_labels], cost),
        )

    return tuned(way, (None,), problem, seed)


def neighbours(problem: Problem, seed: int) -> Chosen:
    """k nearest prompts, unweighted means (arXiv:2403.12031, 2505.12601)."""

    def way(problem: Problem, k: int) -> Chosen:
        most = min(_MOST_NEAR, len(problem.score))
        close = np.argpartition(-problem.near, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(problem.near, close, axis=1), axis=1, kind="stable")
        close = np.take_along_axis(close, order, axis=1)[:, :k]
        return by_value(problem, problem.score[close].mean(axis=1), problem.paid[close].mean(axis=1))

    return tuned(way, (10, 20, 50, 100, 200), problem, seed)


def centres(known: NDArray[Any], count: int) -> NDArray[Any]:
    """Return the centres of ``count`` clusters of rows: k-means++ and Lloyd's rounds, seeded."""
    rng = np.random.default_rng(0)
    found = known[[rng.integers(len(known))]]
    far = np.full(len(known), np.inf)
    for _ in range(min(count, len(known)) - 1):
        far = np.minimum(far, np.square(known - found[-1]).sum(axis=1)) + 1e-12
        found = np.vstack((found, known[rng.choice(len(known), p=far / far.sum())]))
    for _ in range(_ROUNDS):
        mine = (known @ found.T - 0.5 * np.square(found).sum(axis=1)).argmax(axis=1)
        number = np.bincount(mine, minlength=len(found))[:, None]
        found = np.where(number > 0, sums(known, mine, len(found)) / np.maximum(number, 1), found)
    return found


def _clusters(problem: Problem, count: int) -> tuple[Floats, Floats, Floats]:
    """Return mean score and cost of every cluster (K, M), and how near what is asked is to each (q, K), more is nearer."""
    found = centres(problem.known.astype(np.float64), count)
    size = 0.5 * np.square(found).sum(axis=1)
    mine = (problem.known @ found.T - size).argmax(axis=1)
    number = np.bincount(mine, minlength=len(found))[:, None]
    score = sums(problem.score, mine, len(found)) / np.maximum(number, 1)
    paid = sums(problem.paid, mine, len(found)) / np.maximum(number, 1)
    score = np.where(number > 0, score, problem.score.mean(axis=0))
    return score, np.where(number > 0, paid, problem.paid.mean(axis=0)), problem.asked @ found.T - size


def k_means(problem: Problem, seed: int) -> Chosen:
    """Avengers-Pro (arXiv:2508.12631): a * performance + (1 - a) * (1 - cost), each scaled to [0, 1] within its cluster.

    Added up over the four nearest clusters.
    """

    def scaled(values: Floats) -> Floats:
        low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
        return np.asarray((values - low) / np.maximum(high - low, 1e-12))

    def way(problem: Problem, count: int) -> Chosen:
        score, paid, near = _clusters(problem, count)
        close = np.argsort(-near, axis=1)[:, :_NEAREST_CLUSTERS]
        good = scaled(score)[close].mean(axis=1) + 1e-6 * problem.score.mean(axis=0)
        trades = len(problem.values)
        if problem.priced:
            cheap = 1 - scaled(paid)[close].mean(axis=1)
            shares = np.append(1.0, np.linspace(1.0, 0.0, trades - 1))
            picks = np.stack([(share * good + (1 - share) * cheap).argmax(axis=1) for share in shares])
        else:
            picks = np.tile(good.argmax(axis=1), (trades, 1))
        return Chosen(picks, score[close].mean(axis=1))

    return tuned(way, (16, 60), problem, seed)


def uniroute(problem: Problem, seed: int) -> Chosen:
    """UniRoute's clusters (arXiv:2502.08773): the error of a model on the nearest cluster, and its mean cost."""

    def way(problem: Problem, count: int) -> Chosen:
        score, _, near = _clusters(problem, count)
        return by_value(problem, score[near.argmax(axis=1)], _means(problem)[1])

    return tuned(way, (5, 15, 40, 100), problem, seed)


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -30, 30))))


def _descended(start: list[Any], gradient: Callable[[list[Any]], list[Any]], rate: float) -> list[Any]:
    """Return parameters after Adam's steps (arXiv:1412.6980)."""
    found = [each.copy() for each in start]
    first, second = [np.zeros_like(each) for each in start], [np.zeros_like(each) for each in start]
    for step in range(1, _STEPS + 1):
        for place, slope in enumerate(gradient(found)):
            first[place] = 0.9 * first[place] + 0.1 * slope
            second[place] = 0.99 * second[place] + 0.01 * np.square(slope)
            ahead = first[place] / (1 - 0.9**step) / (np.sqrt(second[place] / (1 - 0.99**step)) + 1e-8)
            found[place] -= rate * (1 - step / (_STEPS + 1)) * ahead
    return found


def _with_one(rows: NDArray[Any]) -> NDArray[np.float32]:
    return np.hstack((rows, np.ones((len(rows), 1), dtype=np.float32)))


def _odds(mean: Floats) -> Floats:
    kept = np.clip(mean, 0.01, 0.99)
    return np.asarray(np.log(kept / (1 - kept)))


def logistic(problem: Problem, seed: int) -> Chosen:
    """A logistic regression for each model, with one penalty for all; a model's mean cost."""

    def way(problem: Problem, penalty: float) -> Chosen:
        known = _with_one(problem.known)
        truth = problem.score.astype(np.float32)
        weights = np.zeros((known.shape[1], truth.shape[1]), dtype=np.float32)
        weights[-1] = _odds(problem.score.mean(axis=0))
        free = np.ones((len(weights), 1), dtype=np.float32)
        free[-1] = 0.0

        def gradient(found: list[Any]) -> list[Any]:
            wrong = _sigmoid(known @ found[0]) - truth
            return [known.T @ wrong / len(known) + penalty / len(known) * free * found[0]]

        found = _descended([weights], gradient, 0.05)[0]
        return by_value(problem, _sigmoid(_with_one(problem.asked) @ found).astype(np.float64), _means(problem)[1])

    return tuned(way, (1.0, 5.0, 25.0), problem, seed)


def item_response(problem: Problem, seed: int) -> Chosen:
    """A multidimensional item-response model whose difficulty and discrimination are told from the text (arXiv:2506.01048).

    Log-odds are discrimination (q, K) @ ability (K, M) - difficulty (q, 1) + a constant of each model.
    """

    def way(problem: Problem, option: tuple[int, float]) -> Chosen:
        width, penalty = option
        known = _with_one(problem.known)
        truth = problem.score.astype(np.float32)
        rng = np.random.default_rng(0)
        items = (0.01 * rng.standard_normal((known.shape[1], width + 1))).astype(np.float32)
        ability = rng.standard_normal((width, truth.shape[1])).astype(np.float32)
        level = _odds(problem.score.mean(axis=0)).astype(np.float32)

        def odds(rows: Any, found: list[Any]) -> tuple[Any, Any]:
            told = rows @ found[0]
            return told, told[:, :width] @ found[1] - told[:, width:] + found[2]

        def gradient(found: list[Any]) -> list[Any]:
            told, logits = odds(known, found)
            wrong = (_sigmoid(logits) - truth) / len(known)
            back = np.hstack((wrong @ found[1].T, -wrong.sum(axis=1, keepdims=True)))
            shrink = penalty / len(known)
            return [known.T @ back + shrink * found[0], told[:, :width].T @ wrong + shrink * found[1], wrong.sum(axis=0)]

        found = _descended([items, ability, level], gradient, 0.05)
        quality = _sigmoid(odds(_with_one(problem.asked), found)[1]).astype(np.float64)
        return by_value(problem, quality, _means(problem)[1])

    return tuned(way, ((1, 5.0), (4, 5.0), (4, 25.0)), problem, seed)


def possible(problem: Problem, score: Floats, paid: Floats) -> Chosen:
    """The best choice that there is, of those who know the outcomes: out of reach."""
    return Chosen(np.stack([_best(score, paid, value) for value in problem.values]), score)


def _best(score: Floats, paid: Floats, value: float | None) -> Indices:
    if value is None:
        top = score >= score.max(axis=1, keepdims=True) - 1e-12
        return np.asarray(np.where(top, np.nan_to_num(paid), np.inf).argmin(axis=1))
    return np.asarray((value * score - np.nan_to_num(paid)).argmax(axis=1))


SINGLE, LABEL, POSSIBLE, RANDOM = "best single", "best per label", "best possible", "random"
DEPLOYABLE: Final[dict[str, Callable[[Problem, int], Chosen]]] = {
    SINGLE: single,
    "cheapest": cheapest,
    "zero-router hull": zero_router,
    "kNN": neighbours,
    "k-means": k_means,
    "per-model logistic": logistic,
    "UniRoute clusters": uniroute,
    "item response": item_response,
}
