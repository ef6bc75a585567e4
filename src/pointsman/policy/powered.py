"""What a few judgements by people and many by a judge say together: prediction-powered inference.

Strategy: a judge graded all ``N`` answers, people a part of them. The judge's mean is precise and may be wrong; what people
say differs from it by an error that the part shows. So the estimate is the people's mean, moved by what the judge says of
all answers but did not say of that part:

    value = mean_H(y) - t (mean_H(f) - mean(f))

``y`` are people's judgements, ``f`` the judge's, ``mean_H`` is over what people judged, each answer weighted by one over its
chance of having been asked about (Hajek's ratio), ``mean`` over all. Its expectation is that of ``y`` whatever the judge
does; ``t`` is chosen to make the variance least, so that a useless judge costs nothing. (Angelopoulos, Bates, Fannjiang,
Jordan and Zrnic 2023, "Prediction-powered inference", Science 382:669; Angelopoulos, Duchi and Zrnic 2023, "PPI++",
arXiv:2311.01453, section 6 for ``t``; for chances that differ, Zrnic and Candes 2024, "Active statistical inference",
arXiv:2403.03208, section 5.) The variance is that of the mean of ``N`` terms of which the estimate is the sum to first
order (``_terms``).

Laws: nothing is assumed of the judge; the chances must be the true ones (``policy/queue`` keeps them); all is asymptotic,
and holds from about ``LEAST`` judgements by people on (``bench/review.py`` measures it).
"""

import math
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

LEAST: Final = 100
"""From so many judgements by people on an estimate is acted upon."""

NEEDED_CAP: Final = 20_000
Z95: Final = 1.959963984540054
_MIXTURE: Final = 0.0439  # of the bound for all looks: narrowest at 200 judgements (as in ``control/verdict``)

Array = NDArray[np.float64]


class Powered(Struct, frozen=True):
    """An estimate of the mean judgement of people over all answers, in the unit of the judgements.

    ``error`` is its standard error; ``people`` answers were judged by people, ``judged`` by the judge. ``trust`` is how much
    of the judge's word went in (``t`` above: 0 none, 1 as it stands), ``spread`` the standard deviation of what people say.
    """

    value: float
    error: float
    people: int
    judged: int
    trust: float
    spread: float

    @property
    def once(self) -> tuple[float, float]:
        """The 95 % interval for one look.

        Student's quantile with two degrees of freedom less than people's judgements, by the first term of its expansion
        about the normal one (Abramowitz and Stegun, 26.7.5).
        """
        half = self.error * Z95 * (1 + (Z95 * Z95 + 1) / (4 * max(1, self.people - 2)))
        return self.value - half, self.value + half

    def ever(self, alpha: float = 0.05) -> tuple[float, float]:
        """Bounds that hold at all looks together, from about ``LEAST`` judgements on, at level ``1 - alpha``.

        The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021 (arXiv:2103.06476,
        theorem 2.2), its clock being the number of answers that people judged.
        """
        half = self.error * _times(self.people, alpha)
        return self.value - half, self.value + half

    def needed(self, tolerance: float, alpha: float = 0.05) -> int | None:
        """Return about how many more judgements by people would settle whether the value is above ``-tolerance``.

        As if the value stayed as it is and the error fell with their root; None: more than 20,000.
        """
        gap = abs(self.value + tolerance)
        n = self.people
        while n <= NEEDED_CAP:
            if self.error * math.sqrt(self.people / n) * _times(n, alpha) < gap:
                return n - self.people
            n += max(1, n // 50)
        return None

    @property
    def alone(self) -> int:
        """How many judgements by people alone, of answers drawn at random, would give as narrow an interval."""
        return max(self.people, math.ceil(self.spread**2 / self.error**2)) if self.error else self.people

    @property
    def saved(self) -> int:
        """How many judgements by people the judge saved."""
        return self.alone - self.people


def _times(n: int, alpha: float) -> float:
    """Return how many standard errors wide a bound for all looks is after ``n`` judgements."""
    scale = n * _MIXTURE + 1
    return math.sqrt(2 * scale / (n * _MIXTURE) * math.log(math.sqrt(scale) / alpha))


def powered(judge: Array, people: Array, chance: Array) -> Powered | None:
    """Return the estimate; None for fewer than three answers that people judged.

    All three run over the answers that the judge graded: its grade ``f``, the people's ``y`` (NaN where nobody was asked),
    and the chance in (0, 1] with which people were asked. Raises ValueError where a chance is not in (0, 1].
    """
    asked = ~np.isnan(people)
    n, total = int(asked.sum()), len(judge)
    if n < 3:
        return None
    if not np.all((chance[asked] > 0) & (chance[asked] <= 1)):
        raise ValueError("the chance of having been asked lies in (0, 1]")
    inverse = np.where(asked, 1.0 / np.where(asked, chance, 1.0), 0.0)
    inverse *= total / inverse.sum()
    said = np.where(asked, people, 0.0)
    mean_people, mean_judge = float(inverse @ said) / total, float(inverse @ judge) / total
    everywhere = float(judge.mean())
    of_people, of_judge = _terms(inverse, said, judge, mean_people, mean_judge)
    square = float(of_judge @ of_judge)
    trust = float(of_people @ of_judge) / square if square > 1e-12 else 0.0
    left = of_people - trust * of_judge
    variance = float(left @ left) / total**2 * n / (n - 2)  # two means were estimated
    spread = math.sqrt(max(0.0, float(inverse @ (said - mean_people) ** 2) / total) * n / (n - 1))
    return Powered(mean_people - trust * (mean_judge - everywhere), math.sqrt(variance), n, total, trust, spread)


def _terms(inverse: Array, said: Array, judge: Array, mean_people: float, mean_judge: float) -> tuple[Array, Array]:
    """Return what each answer adds to the people's mean, and to the judge's mean over the part less its mean over all."""
    return inverse * (said - mean_people), inverse * (judge - mean_judge) - (judge - judge.mean())
