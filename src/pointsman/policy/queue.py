"""What a person should be asked next: by what the judgement would change, and by chances that keep estimates honest.

Strategy, in two steps:

1. *Whose answers?* Each feature's candidate has a standing: what is believed of its quality, and what it would save. A
   judgement is worth what the owner gains on average by deciding after it instead of now. With ``k`` judgements the belief
   N(m, s^2) will move by a normal step of standard deviation ``s' = s^2 / sqrt(s^2 + noise^2 / k)``, and the gain is

       traffic * scale * s' * g(|gap| / s'),    g(z) = phi(z) - z (1 - Phi(z)),    gap = m + tolerance - rival / scale

   the knowledge gradient (Frazier, Powell and Dayanik 2008, SIAM J. Control Optim. 47:2410). Somebody who accepts a loss
   of ``tolerance`` for a saving says that serving a candidate is worth ``saving * (1 + m / tolerance)``; so ``scale`` is
   ``saving / tolerance``. ``rival`` is the best of the feature's other candidates and the reference, which is worth 0. The
   first judgement of many may be worth nothing by itself, so the gain is the best over ``k`` of gain per judgement
   (Frazier and Powell 2010, Decision Analysis 7:378).

2. *Which of them?* Where the judge may well err, by ``worth``: close calls, and those where the judge and the prediction
   disagree. Its square is a guess of the mean squared error of the judge's word, and asking in proportion to its root makes
   the corrected estimate sharpest (Neyman's allocation; Zrnic and Candes 2024, arXiv:2403.03208). Not the largest first, but
   by priority ``worth / u``, where ``u`` is the question's own number, uniform on (0, 1]: priority sampling (Duffield, Lund
   and Thorup 2007, J. ACM 54:32). Whoever stops anywhere knows with which chance each question was asked:
   ``min(1, worth / threshold)``, its threshold being the least priority that would have been enough (``chances``).

Laws: a question's worth is fixed when it comes in, and no judgement by a person has a part in it, or the chances would lie;
which candidate comes next may depend on all judgements so far.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

BIAS: Final = 0.1
"""How far a judge's mean is expected to be off before people were asked, as a standard deviation, wins minus losses."""

NOISE: Final = 0.6
"""How far one person's judgement is expected to be off the judge's, and for how many judgements that guess counts."""
_GUESS: Final = 5
_AHEAD: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_LEAST_WORTH: Final = 0.5
_ROOT_2PI: Final = math.sqrt(2 * math.pi)


class Belief(Struct, frozen=True):
    """What is believed of one candidate's wins minus losses: mean, standard deviation, and that of one more judgement.

    ``sd`` is what judgements by people can bring down; how few answers the judge saw has no part in it.
    """

    mean: float
    sd: float = BIAS
    noise: float = NOISE


class Standing(Struct, frozen=True):
    """One candidate of one feature. ``saving`` in money a request (0 or less: not cheaper), ``traffic`` requests a day.

    ``left`` questions can still be asked. ``tolerance`` is in the unit of the belief, above 0.
    """

    belief: Belief
    saving: float
    traffic: float
    tolerance: float
    left: int

    @property
    def utility(self) -> float:
        """What serving it is worth against the reference, for one request."""
        return self.saving * (1 + self.belief.mean / self.tolerance)


def believe(judge_mean: float, errors: NDArray[np.float64], chance: NDArray[np.float64]) -> Belief:
    """Return the belief from the judge's mean over all answers, and by how much people differed from it where asked.

    The mean error is weighted by one over the chances, and shrunk towards none (a normal prior of standard deviation
    ``BIAS``); one judgement's spread is pooled with the guess ``NOISE``.
    """
    n = len(errors)
    if not n:
        return Belief(judge_mean)
    inverse = 1.0 / chance
    error = float(inverse @ errors / inverse.sum())
    noise = math.sqrt((_GUESS * NOISE**2 + float(((errors - error) ** 2).sum())) / (_GUESS + n))
    effective = float(inverse.sum() ** 2 / (inverse @ inverse))
    known = BIAS**2 / (BIAS**2 + noise**2 / effective)
    return Belief(judge_mean + known * error, BIAS * math.sqrt(1 - known), noise)


def gains(standings: Sequence[Standing]) -> list[float]:
    """Return what one more judgement of each candidate of a feature is worth, in money a day; 0: it would change nothing."""
    utilities = [max(0.0, one.utility) if one.saving > 0 else 0.0 for one in standings]
    found = []
    for place, one in enumerate(standings):
        others = [value for other, value in enumerate(utilities) if other != place]
        found.append(_gain(one, max([0.0, *others])))
    return found


def _gain(one: Standing, rival: float) -> float:
    belief = one.belief
    if one.saving <= 0 or one.left < 1 or belief.sd <= 0:
        return 0.0
    scale = one.saving / one.tolerance
    gap = abs(one.utility - rival) / scale
    best = 0.0
    for ahead in _AHEAD:
        if ahead > one.left and ahead > 1:
            break
        step = belief.sd**2 / math.sqrt(belief.sd**2 + belief.noise**2 / ahead)
        best = max(best, step * _loss(gap / step) / ahead)
    return one.traffic * scale * best


def _loss(z: float) -> float:
    """Return the unit normal loss: the mean of what a standard normal number exceeds ``z`` by."""
    return math.exp(-z * z / 2) / _ROOT_2PI - z * 0.5 * math.erfc(z / math.sqrt(2))


def worth(share: float | None, expected: float | None = None) -> float:
    """Return how much a person's word on one question is worth: the root of the judge's expected squared error, up to scale.

    ``share`` of wins in [0, 1] as the judge (or a check) saw it, None where it could not tell; ``expected`` as the policy
    predicted it, None where there is none.
    """
    seen = 0.5 if share is None else share
    doubt = 0.0 if expected is None else (seen - expected) ** 2
    return math.sqrt(_LEAST_WORTH**2 + seen * (1 - seen) + doubt)


def number(question: str) -> float:
    """Return a question's own number, uniform on (0, 1], from its id."""
    return (int.from_bytes(hashlib.sha256(f"number {question}".encode()).digest()[:6], "big") + 1) / 2**48


def priority(question: str, worth_: float) -> float:
    """Return the priority of a question: who has the largest is asked first. 0 where nobody needs to be asked."""
    return worth_ / number(question)


class Asked(Struct, frozen=True):
    """A question of one candidate that was put to somebody, at a time; ``next`` was the largest priority among the others.

    It could be asked until ``until`` (infinity: it still can).
    """

    at: float
    worth: float
    next: float
    until: float = math.inf


def chances(asked: Sequence[Asked]) -> NDArray[np.float64]:
    """Return the chance with which each question of one candidate was asked, given all other questions' numbers.

    ``asked`` runs in order of time. Had a question's priority been smaller, it would still have been asked as long as it
    was above the largest of the others at some time while it could be asked; once it is out of the way, those are the
    ``next`` of this and of all later ones. So its threshold is the least of them.
    """
    following = np.array([one.next for one in asked])
    times = np.array([one.at for one in asked])
    found = np.ones(len(asked))
    for place, one in enumerate(asked):
        end = int(np.searchsorted(times, one.until, side="right"))
        threshold = float(following[place : max(end, place + 1)].min())
        found[place] = min(1.0, one.worth / threshold) if threshold > 0 else 1.0
    return found
