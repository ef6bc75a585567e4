"""Whether what Pointsman expects comes true: calibration of quality, and output lengths."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from choosing.measured import Measured
from choosing.runs import OWN
from choosing.statistics import Interval, calibration_error, drawn, interval

LENGTHS: Final = ("mmlu_pro", "routerbench_part", "alpaca_eval2")
_REDRAWN: Final = 60
_LENGTH_DRAWS: Final = 200


@dataclass(frozen=True)
class Calibration:
    """Pointsman's expectations against what was seen.

    ``error`` pooled over models in 15 bins, by seed, and ``pooled`` their mean; ``worst`` the model whose mean is furthest
    off, and by how much; ``worst_split`` the furthest of any single split.
    """

    error: tuple[float, ...]
    pooled: Interval
    worst: tuple[str, Interval]
    worst_split: float


@dataclass(frozen=True)
class Lengths:
    """Output lengths: median absolute relative error of what is predicted and of the per-model median, and their ratio.

    ``ratio`` is None where the per-model median is exactly right for half of the answers: nothing is below that.
    ``covered`` is the share of answers within the predicted 90 % quantile.
    """

    predicted: float
    median: float
    ratio: Interval | None
    covered: float


def calibration(measured: Measured) -> Calibration:
    """Compare expected and observed quality, over the scores that are real.

    Binned errors are biased upwards by chance, in redrawn prompts more so: the bounds take the spread of the redrawn errors,
    not their place.
    """
    rng = np.random.default_rng(0)
    errors, spread, furthest = [], [], 0.0
    for seed in measured.results:
        expected, seen, (score, _) = measured.expected(seed), measured.seen(seed), measured.outcomes(seed)
        errors.append(calibration_error(expected[seen], score[seen]))
        furthest = max(furthest, float(np.abs(np.where(seen, expected - score, 0).sum(axis=0) / seen.sum(axis=0)).max()))
        redrawn = []
        for _ in range(_REDRAWN):
            rows = rng.integers(0, len(score), len(score))
            redrawn.append(calibration_error(expected[rows][seen[rows]], score[rows][seen[rows]]))
        spread.append(np.array(redrawn) - np.mean(redrawn))
    mean = float(np.mean(errors))

    def off(seed: int) -> np.ndarray:
        seen, (score, _) = measured.seen(seed), measured.outcomes(seed)
        return np.asarray(np.where(seen, measured.expected(seed) - score, 0.0) / seen.mean(axis=0))

    values = measured.by_group(off)
    values = values[np.isfinite(values).all(axis=1)]
    worst = int(np.abs(values.mean(axis=0)).argmax())
    bounds = interval(float(values[:, worst].mean()), drawn(values[:, [worst]])[:, 0])
    return Calibration(
        error=tuple(errors),
        pooled=interval(mean, mean + np.concatenate(spread)),
        worst=(measured.table.rows.deployments[worst], bounds),
        worst_split=furthest,
    )


def lengths(measured: Measured) -> Lengths | None:
    """Compare predicted and observed output lengths with the per-model median of the fit part; None: not known.

    The ratio's interval is over redrawn prompts, each with all of its answers.
    """
    tokens = measured.table.rows.output_tokens
    if measured.table.name not in LENGTHS:
        return None
    mine, usual, within = [], [], []
    for seed, asked in measured.asked.items():
        seen = np.where(tokens[asked] > 0, tokens[asked], np.nan)
        median = np.nanmedian(np.delete(tokens, asked, axis=0), axis=0)
        mine.append(np.abs(measured.results[seed][OWN]["tokens"] - seen) / seen)
        usual.append(np.abs(median - seen) / seen)
        within.append((measured.results[seed][OWN]["high"] >= seen)[np.isfinite(seen)])
    own, other = np.concatenate(mine), np.concatenate(usual)
    covered = float(np.concatenate(within).mean())
    predicted, of_median = float(np.nanmedian(own)), float(np.nanmedian(other))
    if of_median == 0:
        return Lengths(predicted, of_median, None, covered)
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(_LENGTH_DRAWS):
        rows = rng.integers(0, len(own), len(own))
        ratios.append(np.nanmedian(own[rows]) / np.nanmedian(other[rows]))
    return Lengths(predicted, of_median, interval(predicted / of_median, np.array(ratios)), covered)
