"""What a call will cost, learned: output tokens where a price is known, recorded costs where none is.

Strategy: both are positive and skewed, so their logarithm is regressed on the features, and one factor per deployment
makes the mean of the predictions equal to the mean of what was seen (Duan 1983, "Smearing estimate", as a ratio). As some
kinds of tasks are more skewed than others, a further factor for each does the same for it, shrunk towards one. The mean is
what an average bill needs; what one call will rather be, and what it will hardly pass, are quantiles of what was seen over
what was predicted without it, for each deployment.

Laws: predictions stay within what was ever seen; a deployment of which nothing was seen has none (NaN).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pointsman.policy.linear import Folded, completed, regress
from pointsman.policy.outcomes import Floats, Indices, sums

FEWEST: Final = 5
QUANTILES: Final = (0.5, 0.9)
_PRIOR: Final = 10.0  # mean amounts, predicted and seen alike, that are added to what each task saw


@dataclass(frozen=True)
class SpendModel:
    """Positive amounts per deployment, up to ``most`` (M,).

    exp(``intercept`` (M,) + coordinates @ ``slopes`` (R, M) + chances of the tasks @ ``table`` (T, M)) is the mean; times
    ``quantiles`` (2, M) its median and its 90th percentile.
    """

    table: Floats
    slopes: Floats
    intercept: Floats
    most: Floats
    quantiles: Floats


def fit(amounts: Floats, labels: Indices, chances: Floats, folded: Folded) -> tuple[SpendModel, Floats]:
    """Return the model of amounts (N, M; NaN or not positive: not seen) and its held-out predictions (N, M).

    ``labels`` (N,) are the tasks of the rows, ``chances`` (N, T) what was told of them without each row's fold.
    """
    rows, width = amounts.shape
    known = np.isfinite(amounts) & (amounts > 0)
    usable = known.sum(axis=0) >= min(FEWEST, max(rows // 2, 1))
    table, slopes = np.zeros((chances.shape[1], width)), np.zeros((folded.coordinates.shape[1], width))
    intercept, most = np.full(width, np.nan), np.full(width, np.nan)
    quantiles = np.full((len(QUANTILES), width), np.nan)
    held = np.full(amounts.shape, np.nan)
    if not usable.any():
        return SpendModel(table, slopes, intercept, most, quantiles), held
    seen = np.where(known[:, usable], amounts[:, usable], np.nan)
    logs = np.log(seen)
    mean = np.nanmean(logs, axis=0)
    found = regress(folded, completed(logs - mean))
    guess = np.exp(mean + found.held_out)
    factor = np.nanmean(seen, axis=0) / np.where(np.isfinite(seen), guess, np.nan).mean(axis=0, where=np.isfinite(seen))
    guess *= factor
    table[:, usable] = _by_task(seen, guess, labels, chances.shape[1])
    slopes[:, usable] = found.slopes
    intercept[usable] = mean + found.intercept + np.log(factor)
    most[usable] = np.nanmax(seen, axis=0)
    held[:, usable] = guess
    for mine, _, _ in folded.parts:
        others = ~mine if not mine.all() else mine
        logs = chances[mine] @ _by_task(seen[others], guess[others], labels[others], chances.shape[1])
        held[np.ix_(mine, usable)] *= np.exp(logs)
    held[:, usable] = np.minimum(held[:, usable], most[usable])
    quantiles[:, usable] = np.nanquantile(seen / held[:, usable], QUANTILES, axis=0)
    return SpendModel(table, slopes, intercept, most, quantiles), held


def _by_task(seen: Floats, guess: Floats, labels: Indices, count: int) -> Floats:
    """Return the logarithm of what was seen over what was predicted, (T, M): sums for each task, shrunk towards equality."""
    known = np.isfinite(seen)
    prior = _PRIOR * np.where(known, seen, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    over, under = (sums(np.where(known, part, 0.0), labels, count) + prior for part in (seen, guess))
    ratio: Floats = np.log(np.where(prior > 0, over, 1.0) / np.where(prior > 0, under, 1.0))
    return ratio
