"""The linear algebra that learning needs: axes, ridge regression with held-out shrinkage, task probabilities, missing cells.

Strategy: features are centred and turned onto their principal axes once. Ridge regression is done for each principal
direction of the *outputs* by itself, with its own penalty and its own slope, both chosen on held-out folds: how hard a
prompt is for everybody is easy to learn, by how much one deployment beats another is not, and shrinking both alike either
loses the first or believes the second (a per-direction shrinkage as in Breiman and Friedman 1997, "Predicting
Multivariate Responses"). Penalties chosen on held-out folds stay honest where generalised cross-validation is fooled by
near-equal prompts. What the folds say of a direction is itself uncertain, so its slope gives up what chance alone would
have found (a positive-part estimate after James and Stein 1961): a direction in which nothing was learned adds nothing.

Laws: everything is linear in the number of rows; no chance: the same rows give the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pointsman.policy.outcomes import Floats, Indices

PENALTIES: Final = tuple(float(x) for x in np.geomspace(3.0, 30_000.0, 10))
_RANK_TOLERANCE: Final = 1e-5
_LUCK: Final = 3.0  # squared standard errors that the best of all penalties reaches by chance
TASK_PENALTIES: Final = (0.02, 0.1, 0.4, 1.6)
_TASK_STEPS: Final = 40


@dataclass(frozen=True)
class Axes:
    """Principal axes of N rows of D features: ``coordinates`` (N, R) = (features - ``centre``) @ ``directions`` (D, R)."""

    centre: Floats
    directions: Floats
    coordinates: Floats

    @staticmethod
    def of(features: Floats) -> "Axes":
        """Return all axes along which the rows differ; through the rows' own products when they are fewer than features."""
        centre = features.mean(axis=0)
        centred = features - centre
        rows, columns = centred.shape
        if rows < columns:
            values, vectors = np.linalg.eigh(centred @ centred.T)
            kept = values > _RANK_TOLERANCE * max(float(values[-1]), 1e-12)
            directions = centred.T @ (vectors[:, kept] / np.sqrt(values[kept]))
        else:
            values, vectors = np.linalg.eigh(centred.T @ centred)
            kept = values > _RANK_TOLERANCE * max(float(values[-1]), 1e-12)
            directions = vectors[:, kept]
        return Axes(centre, directions, centred @ directions)


@dataclass(frozen=True)
class Folded:
    """Rows in coordinates (N, R), split into folds, with the decompositions that every regression on them shares.

    ``parts`` has, for each fold, the held-out rows, and eigenvalues and eigenvectors of the products of all others;
    ``whole`` those of all rows.
    """

    coordinates: Floats
    folds: Indices
    parts: tuple[tuple[NDArray[np.bool_], Floats, Floats], ...]
    whole: tuple[Floats, Floats]

    @staticmethod
    def of(coordinates: Floats, folds: Indices) -> "Folded":
        """Decompose once for all regressions."""
        gram = coordinates.T @ coordinates
        parts = []
        for fold in np.unique(folds):
            held = folds == fold
            parts.append((held, *_eigen(gram - coordinates[held].T @ coordinates[held])))
        return Folded(coordinates, folds, tuple(parts), _eigen(gram))


@dataclass(frozen=True)
class Regression:
    """Outputs as a linear map of coordinates: ``intercept`` (M,) + coordinates @ ``slopes`` (R, M).

    ``held_out`` (N, M) are predictions for each row by a fit without its fold; ``variance`` (M,) is the mean variance of a
    prediction that comes from the fit itself.
    """

    intercept: Floats
    slopes: Floats
    held_out: Floats
    variance: Floats

    def over(self, width: int) -> "Regression":
        """Return the regression of ``width`` outputs: this one, or where it is of one output, that for each of them."""
        if len(self.intercept) == width:
            return self
        one = (self.intercept, self.slopes, self.held_out, self.variance)
        return Regression(*(np.repeat(each, width, axis=-1) for each in one))


def regress(folded: Folded, outputs: Floats, penalties: Sequence[float] = PENALTIES) -> Regression:
    """Return the ridge regression of complete outputs (N, M), a penalty and a slope in [0, 1] per output direction.

    With fewer than two folds nothing can be held out, and the intercept is all there is.
    """
    rows, width = outputs.shape
    intercept = outputs.mean(axis=0)
    if len(folded.parts) < 2:
        nothing = np.zeros((folded.coordinates.shape[1], width))
        return Regression(intercept, nothing, np.broadcast_to(intercept, outputs.shape).copy(), outputs.var(axis=0) / rows)
    turn = np.linalg.eigh((outputs - intercept).T @ (outputs - intercept))[1]
    turned = (outputs - intercept) @ turn
    held, product, power = _held_out(folded, turned, penalties)
    slope = np.clip(product / np.maximum(power, 1e-300), 0.0, 1.0)
    best = (2 * slope * product - slope**2 * power).argmax(axis=0)
    each = np.arange(width)
    slope, penalty = slope[best, each], np.asarray(penalties)[best]
    predicted = held[best, :, each].T.astype(np.float64)
    noise = np.square(turned - predicted * slope).mean(axis=0)
    sure = slope**2 * power[best, each] / np.maximum(noise, 1e-300)
    slope *= np.maximum(1 - _LUCK / np.maximum(sure, 1e-300), 0.0)
    predicted *= slope
    values, vectors = folded.whole
    projected = vectors.T @ (folded.coordinates.T @ turned)
    slopes = vectors @ (projected / (values[:, None] + penalty)) * slope
    freedom = (values[:, None] / (values[:, None] + penalty)).sum(axis=0)
    variance = np.square(turn) @ (noise * slope**2 * np.minimum((freedom + 1) / rows, 1.0))
    return Regression(intercept, slopes @ turn.T, intercept + predicted @ turn.T, variance)


def _held_out(folded: Folded, turned: Floats, penalties: Sequence[float]) -> tuple[NDArray[np.float32], Floats, Floats]:
    """Return held-out predictions (L, N, M) for L penalties, their products with the outputs and their squares (L, M)."""
    shape = (len(penalties), *turned.shape)
    held = np.empty(shape, dtype=np.float32)
    product, power = np.zeros((shape[0], shape[2])), np.zeros((shape[0], shape[2]))
    whole = folded.coordinates.T @ turned
    for mine, values, vectors in folded.parts:
        there = folded.coordinates[mine]
        projected = vectors.T @ (whole - there.T @ turned[mine])
        seen = there @ vectors
        for index, penalty in enumerate(penalties):
            guess = seen @ (projected / (values[:, None] + penalty))
            held[index, mine] = guess
            product[index] += (turned[mine] * guess).sum(axis=0)
            power[index] += np.square(guess).sum(axis=0)
    return held, product, power


def completed(residuals: Floats) -> Floats:
    """Return residuals (N, M) with each missing cell (NaN) replaced by its expectation given the row's other cells.

    Gaussian with mean zero; the covariance comes from the pairs that were seen together, shrunk towards its diagonal, by
    more where fewer were.
    """
    seen = np.isfinite(residuals)
    if seen.all():
        return residuals
    filled = np.where(seen, residuals, 0.0)
    together = seen.T.astype(np.float64) @ seen
    spread = np.square(filled).sum(axis=0) / np.maximum(seen.sum(axis=0), 1) + 1e-9
    covariance = filled.T @ filled / (together + 20.0)
    np.fill_diagonal(covariance, spread)
    values, vectors = np.linalg.eigh(covariance)
    covariance = (vectors * np.maximum(values, 1e-9)) @ vectors.T + np.diag(0.1 * spread)
    patterns, which = np.unique(seen, axis=0, return_inverse=True)
    for index, pattern in enumerate(patterns):
        if pattern.all() or not pattern.any():
            continue
        rows = which == index
        known = np.linalg.solve(covariance[np.ix_(pattern, pattern)], covariance[np.ix_(pattern, ~pattern)])
        filled[np.ix_(rows, ~pattern)] = filled[np.ix_(rows, pattern)] @ known
    return filled


def classify(
    coordinates: Floats, labels: Indices, count: int, squares: Floats, penalty: float = TASK_PENALTIES[0]
) -> tuple[Floats, Floats]:
    """Return slopes (R, T) and intercept (T,) of the log-odds of ``count`` classes: multinomial logistic regression.

    Penalised by ``penalty`` times half the squared slopes; Nesterov's accelerated gradient with a step per coordinate.
    ``squares`` (R + 1,) are the sums of squares of the principal coordinates of all rows, of which these are some, and
    their number: as principal coordinates have no products with one another, half of them bound the curvature (Boehning
    1992), and no step is too long. Words that are rare, and decide, are learned as fast as those that are common.
    """
    rows = len(coordinates)
    design = np.hstack((coordinates, np.ones((rows, 1)))).astype(np.float32)
    truth = np.zeros((rows, count), dtype=np.float32)
    truth[np.arange(rows), labels] = 1.0
    pull = np.full((len(squares), 1), penalty, dtype=np.float32)
    pull[-1] = 0.0  # the intercept is free
    step = 1 / (0.5 * squares[:, None].astype(np.float32) + pull)
    slopes: NDArray[Any] = np.zeros((design.shape[1], count), dtype=np.float32)
    ahead, momentum = slopes, 1.0
    for _ in range(_TASK_STEPS):
        fresh = ahead - step * (design.T @ (softmax(design @ ahead) - truth) + pull * ahead)
        grown = (1 + (1 + 4 * momentum * momentum) ** 0.5) / 2
        ahead = fresh + np.float32((momentum - 1) / grown) * (fresh - slopes)
        slopes, momentum = fresh, grown
    return slopes[:-1].astype(np.float64), slopes[-1].astype(np.float64)


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return probabilities (N, T) from log-odds."""
    raised: NDArray[Any] = np.exp(logits - np.maximum.reduce(logits, axis=-1, keepdims=True))
    raised /= np.add.reduce(raised, axis=-1, keepdims=True)
    return raised


def _eigen(gram: Floats) -> tuple[Floats, Floats]:
    values, vectors = np.linalg.eigh(gram)
    return np.maximum(values, 0.0), vectors
