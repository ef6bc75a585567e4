"""What a call will cost, learned: output tokens where a price is known, recorded costs where none is.

Strategy: both are positive and skewed, so their logarithm is regressed on the features, and one factor per deployment
makes the mean of the predictions equal to the mean of what was seen (Duan 1983, "Smearing estimate", as a ratio).

Laws: predictions stay within what was ever seen; a deployment of which nothing was seen has none (NaN).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pointsman.policy.linear import Folded, completed, regress
from pointsman.policy.outcomes import Floats

_FEWEST: Final = 5


@dataclass(frozen=True)
class SpendModel:
    """Positive amounts per deployment: exp(``intercept`` (M,) + coordinates @ ``slopes`` (R, M)), up to ``most`` (M,)."""

    slopes: Floats
    intercept: Floats
    most: Floats


def fit(amounts: Floats, folded: Folded) -> tuple[SpendModel, Floats]:
    """Return the model of amounts (N, M; NaN or not positive: not seen) and its held-out predictions (N, M)."""
    rows, width = amounts.shape
    known = np.isfinite(amounts) & (amounts > 0)
    usable = known.sum(axis=0) >= min(_FEWEST, max(rows // 2, 1))
    slopes = np.zeros((folded.coordinates.shape[1], width))
    intercept, most = np.full(width, np.nan), np.full(width, np.nan)
    held = np.full(amounts.shape, np.nan)
    if not usable.any():
        return SpendModel(slopes, intercept, most), held
    seen = np.where(known[:, usable], amounts[:, usable], np.nan)
    logs = np.log(seen)
    mean = np.nanmean(logs, axis=0)
    found = regress(folded, completed(logs - mean))
    guess = np.exp(mean + found.held_out)
    factor = np.nanmean(seen, axis=0) / np.where(np.isfinite(seen), guess, np.nan).mean(axis=0, where=np.isfinite(seen))
    slopes[:, usable] = found.slopes
    intercept[usable] = mean + found.intercept + np.log(factor)
    most[usable] = np.nanmax(seen, axis=0)
    held[:, usable] = np.minimum(guess * factor, most[usable])
    return SpendModel(slopes, intercept, most), held
