"""How far what somebody says of answers can be trusted, and what it then says of their quality.

Strategy: a signal says ``r`` in [0, 1] of an answer whose true quality is ``q`` in [0, 1]. Where both are known (a person,
or a check that knows the right answer, judged it too), the line ``r = offset + slope q`` is fitted. For thumbs it is the
false positive rate and Youden's index: ``offset = 1 - specificity``, ``slope = sensitivity + specificity - 1``. Then
``(r - offset) / slope`` has the mean ``q``, whatever the share of good answers is among those that are asked about (Rogan
and Gladen 1978, American Journal of Epidemiology 107:71; for graded signals it is calibration by the inverse of a line).
That is what comparing deployments needs: the regression of ``q`` on ``r``, which stays in [0, 1], would draw every
deployment towards the average of those that were looked at. The price: one corrected score may lie outside [0, 1].

A corrected score is noisier than a true one. It *counts* for the squared correlation of ``r`` and ``q``: the variance of
``q`` over the variance of the corrected score. And however many there are, they share the error of one line: all labels of
a signal together count for no more than ``most`` true ones, the number whose mean would be as uncertain as that line.

What is believed before anything was compared are ``PRIOR_PAIRS`` imagined answers, half of them good, of which a signal of
its kind would be right about ``(1 + slope) / 2`` (``BELIEVED``). So an unknown signal has little say, and none for ever.

Laws: signals that say the opposite of the truth are turned round by their own slope; what says (nearly) nothing counts 0.
Assumed, not tested: who is asked and who answers does not depend on the quality beyond what is compared, and a signal errs
alike on all deployments.
"""

import math
from typing import Final

import numpy as np
from msgspec import Struct

from pointsman.core.feedback import FeedbackKind
from pointsman.policy.outcomes import Floats

PRIOR_PAIRS: Final = 4.0
BELIEVED: Final[dict[FeedbackKind, float]] = {"test": 0.8, "edit": 0.5, "score": 0.4, "thumb": 0.4, "event": 0.2}
"""The slope that a signal of a kind is believed to have before it was compared with anything."""

_FLATTEST: Final = 0.05
_SUREST: Final = 0.99
_Z95: Final = 1.959963984540054


class Reliability(Struct, frozen=True):
    """The line of a signal. ``offset`` is what it says of a wrong answer on average, ``slope`` how much more of a right one.

    ``covariance`` is that of the two as estimates: (of ``offset``, of both, of ``slope``). ``counts`` in [0, 1) is what one
    corrected score counts for, a true one counting 1; ``most`` what all together count for. ``pairs`` were compared.
    """

    offset: float
    slope: float
    covariance: tuple[float, float, float]
    counts: float
    most: float
    pairs: int

    def corrected(self, said: float) -> float:
        """Return what was said as an unbiased estimate of quality; not confined to [0, 1]. Only where it ``counts``."""
        return (said - self.offset) / self.slope

    def weight(self, labels: float) -> float:
        """Return what each of so many labels counts for: all together approach ``most``, and never pass it."""
        return self.counts / (1.0 + labels * self.counts / self.most) if self.counts else 0.0

    def quality(self, said: Floats, counts: Floats | None = None) -> tuple[float, float, float] | None:
        """Return the mean quality of answers of which this was said, with 95 % bounds; None where nothing can be told.

        ``counts`` says how much of an answer each stands for, as in ``reliability``.

        The bounds hold for the error of the mean and that of the line (Fieller 1954, Journal of the Royal Statistical
        Society B 16:175): what lies in [0, 1] and the line leaves possible, all of it where the slope may be 0.
        """
        w = np.ones(len(said)) if counts is None else counts
        answers = float(w.sum())
        if not self.counts or answers < 2:
            return None
        average = float(w @ said) / answers
        spread = float(w @ (said - average) ** 2) / (answers - 1)
        mean = min(max(self.corrected(average), 0.0), 1.0)
        of_offset, of_both, of_slope = (_Z95 * _Z95 * each for each in self.covariance)
        beyond = average - self.offset
        square = self.slope * self.slope - of_slope
        if square <= 0:
            return mean, 0.0, 1.0
        middle = self.slope * beyond + of_both
        rest = beyond * beyond - of_offset - _Z95 * _Z95 * spread / answers
        half = math.sqrt(max(middle * middle - square * rest, 0.0))
        return mean, min(max((middle - half) / square, 0.0), mean), max(min((middle + half) / square, 1.0), mean)

    @property
    def slope_bounds(self) -> tuple[float, float]:
        """The 95 % bounds of the slope, in [-1, 1]."""
        half = _Z95 * math.sqrt(self.covariance[2])
        return max(self.slope - half, -1.0), min(self.slope + half, 1.0)


def reliability(kind: FeedbackKind, said: Floats, true: Floats, counts: Floats | None = None) -> Reliability:
    """Return the line of a signal from what it said of answers and what is true of them, both in [0, 1], in step.

    ``counts`` says how much of an answer each stands for (1/n: one outcome spoke of n answers); None: of one. The covariance
    is the sandwich's, which holds for yes and no as for grades (White 1980, Econometrica 48:817).
    """
    right = (1 + BELIEVED[kind]) / 2
    r = np.concatenate([said, (1.0, 0.0, 0.0, 1.0)])
    q = np.concatenate([true, (1.0, 1.0, 0.0, 0.0)])
    w = np.concatenate([np.ones(len(said)) if counts is None else counts, np.tile((right, 1 - right), 2) * PRIOR_PAIRS / 2])
    total = float(w.sum())
    mean_q, mean_r = float(w @ q) / total, float(w @ r) / total
    of_q, of_r = float(w @ (q - mean_q) ** 2) / total, float(w @ (r - mean_r) ** 2) / total
    slope = float(w @ ((q - mean_q) * (r - mean_r))) / total / of_q
    offset = mean_r - slope * mean_q
    variance = _covariance(w, q, r - offset - slope * q, mean_q, of_q * total)
    counted = min(slope * slope * of_q / of_r, _SUREST) if abs(slope) >= _FLATTEST and of_r > 0 else 0.0
    of_line = variance[0] + variance[1] + variance[2] / 4  # of what it says of an answer of quality one half
    most = of_q * slope * slope / of_line if of_line > 0 else 0.0
    return Reliability(offset, slope, variance, counted if most > 0 else 0.0, most, len(said))


def _covariance(w: Floats, q: Floats, residual: Floats, mean_q: float, spread: float) -> tuple[float, float, float]:
    """Return the covariance of offset and slope: sums over answers of how far one moves each.

    What stands for a share of an answer adds that share of its square: n of them that say 1/n each are one observation.
    """
    on_slope = (q - mean_q) / spread
    on_offset = 1.0 / float(w.sum()) - mean_q * on_slope
    squares = w * residual * residual
    return float(on_offset**2 @ squares), float((on_offset * on_slope) @ squares), float(on_slope**2 @ squares)


def combined(said: list[tuple[float, float]]) -> tuple[float, float]:
    """Return one score and weight from several corrected scores of one answer, each with its weight in (0, 1).

    They are taken to err independently, given the answer's quality, each with a precision of ``w / (1 - w)`` for a weight w.
    """
    if len(said) == 1:
        return said[0]
    precisions = [weight / (1 - weight) for _, weight in said]
    total = sum(precisions)
    return sum(p * score for p, (score, _) in zip(precisions, said, strict=True)) / total, total / (1 + total)
