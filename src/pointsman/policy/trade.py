"""What the owner's objective means in nano-dollars per unit of quality, found on graded answers.

Strategy: walk down from "only quality counts" through ever smaller values of a right answer. At each, choose for every
graded prompt by predictions that were made without it, and add up what the chosen answers scored and cost. Then ask whether
choosing per request was worth it at all: where the gain over the best single deployment is not certain (95 %), one suffices.
That is for the usual caution; with an even bet (``Objective.caution`` 0) what is expected decides, and in between the way
from the gain's mean to its lower bound is kept in part.

Within a budget money that is left is worth nothing: ``budget`` judges by quality alone. And as one deployment that costs
less leaves money that the owner has given, it serves all only where it is certainly (95 %) no worse than choosing.

Laws: nothing is judged by a prediction that had seen it; what was never seen adds no certainty, and a deployment that hardly
was is never chosen. ``match`` is the cheapest that holds its tolerance on later requests too, and that takes three things:
with caution (``Objective.caution``) it keeps standard errors from the tolerance; as less value cannot buy more quality, it
pools what was seen at neighbouring values where luck says otherwise, so that no value is picked for its luck; and with
caution it sells no quality far below what the whole tolerance would fetch (``LEAST``), for where a last bit of loss saves
next to nothing, how far to go would be decided by luck alone. It is then judged by money, for within its tolerance quality
is as good as the same. One deployment for everything is allowed where its loss is certainly (95 %, over all that are tried)
within it: the cheapest of many that pass is the luckiest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Objective
from pointsman.policy.outcomes import Floats, Indices

_STEPS: Final = np.geomspace(1000.0, 1 / 30, 160)  # values tried, in mean costs of the dearest deployment
_BETWEEN: Final = 15  # values tried once more between two of these, where the tolerance ends
_ASKED: Final = np.geomspace(100.0, 3.0, 12)  # values at which predictions must earn their place, in the same unit
LEAST: Final = 0.45  # ``match`` sells no quality for less than this share of what it fetches on average over the tolerance
_ERROR: Final = 0.05  # chance that any single deployment is allowed by ``match`` whose loss is beyond its tolerance
FEWEST: Final = 30  # prompts that a deployment and the reference must both have been graded on
_DRAWS: Final = 1000
_DEAREST: Final = float(np.finfo(np.float64).max)


class Trade(Struct, frozen=True):
    """A resolved objective.

    ``value_nano`` is what one unit of quality is worth (None: only quality counts); ``one_model`` is set where choosing per
    request was not shown to beat it. ``fixed`` is the best single deployment that the objective allows; ``gain`` is what
    choosing adds to its utility (low, mean, high at 95 %), in nano-dollars a request (``match``: the money saved), or in
    quality where only that counts (``best``, ``budget``).
    It is measured on the prompts that the value was chosen on: held out from learning, not from choosing.
    ``chosen`` are the deployments that choosing per request chose at least once (``budget``: at the largest worth, too).
    ``quality`` and ``cost_nano`` are held-out means per request of what is used, ``choosing`` those of choosing per request.
    """

    value_nano: int | None
    one_model: str | None
    fixed: str
    gain: tuple[float, float, float]
    quality: float
    cost_nano: float
    choosing: tuple[float, float]
    chosen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """Held-out predictions and what was observed, (N, M) each: quality and cost in nano-dollars; ``seen`` says where.

    ``score`` and ``spent_nano`` are as observed where a column has no gaps. A gap holds its prediction, and what was
    observed then speaks for the gaps too (``_spoken``), so that means are right and errors as large as what was seen allows.
    A deployment whose cost is unknown can only be chosen where money does not count.
    """

    deployments: tuple[str, ...]
    quality: Floats
    cost_nano: Floats
    score: Floats
    spent_nano: Floats
    seen: NDArray[np.bool_]

    @staticmethod
    def of(
        deployments: tuple[str, ...], quality: Floats, cost_nano: Floats, score: Floats, spent_nano: Floats
    ) -> "Evidence":
        """Return evidence with its gaps spoken for."""
        paid = _spoken(spent_nano, cost_nano)
        return Evidence(deployments, quality, cost_nano, _spoken(score, quality), paid, np.isfinite(score))

    def seen_enough(self, home: int, fewest: int) -> "Evidence":
        """Return the columns that were graded beside the one at ``home`` on at least ``fewest`` prompts, and that one."""
        enough = (self.seen & self.seen[:, [home]]).sum(axis=0) >= fewest
        enough[home] = True
        return Evidence(
            tuple(name for name, keep in zip(self.deployments, enough, strict=True) if keep),
            self.quality[:, enough],
            self.cost_nano[:, enough],
            self.score[:, enough],
            self.spent_nano[:, enough],
            self.seen[:, enough],
        )

    @property
    def priced(self) -> bool:
        """Whether any deployment's cost is known."""
        return bool(np.isfinite(self.cost_nano).any())

    def choices(self, value: float | None) -> Indices:
        """Return, for each prompt, the deployment with the largest utility at a value, (N,)."""
        return choices(self.quality, self.cost_nano, value)

    def utility(self, chosen: Indices | int, value: float | None) -> Floats:
        """Return the utility (N,) of what was chosen, as it turned out."""
        rows = np.arange(len(self.score))
        score = self.score[rows, chosen]
        if value is None or not self.priced:
            return np.asarray(score)
        utility: Floats = value * score - self.spent_nano[rows, chosen]
        return utility


def _spoken(observed: Floats, predicted: Floats) -> Floats:
    """Return predictions, and what was observed beyond them once for every row that it speaks for (Robins et al. 1994).

    A column without gaps comes back as observed. With gaps, its mean is that of the predictions, corrected by the mean error
    that they were seen to make, and it varies as much as that correction is uncertain.
    """
    known = np.isfinite(observed)
    speaks_for = len(observed) / np.maximum(known.sum(axis=0), 1)
    corrected = predicted + speaks_for * (observed - predicted)
    within = known & np.isfinite(predicted) & (speaks_for > 1)
    return np.where(within, corrected, np.where(known, observed, predicted))


def choices(quality: NDArray[Any], cost_nano: Floats, value: float | None) -> Indices:
    """Return the choice of ``policy/objective`` for every row of predictions (N, M) at once.

    Where costs are known at all, what has none is chosen only where money just breaks ties, and then last.
    """
    known = np.isfinite(cost_nano)
    if value is None or not known.any():
        best = quality >= quality.max(axis=1, keepdims=True)
        return np.asarray(np.where(best, np.where(known, cost_nano, _DEAREST), np.inf).argmin(axis=1))
    return np.asarray(np.where(known, value * quality - cost_nano, -np.inf).argmax(axis=1))


def resolve(
    objective: Objective,
    evidence: Evidence,
    reference: str,
    rng: np.random.Generator,
    *,
    fewest: int = FEWEST,
    least: float = LEAST,
) -> Trade:
    """Return what the objective means on this evidence. ``reference`` is one of its deployments.

    Others take part that were graded beside it on at least ``fewest`` prompts. ``match`` sells no quality for less than
    ``least`` of what it fetches on average over the tolerance; with a caution below 1, for less in proportion.

    Raises ValueError where the objective weighs money and no cost is known, or where it lacks its number.
    """
    if objective.kind != "best" and not evidence.priced:
        raise ValueError(f"the objective {objective.kind!r} weighs money, but neither prices nor recorded costs are known")
    evidence = evidence.seen_enough(evidence.deployments.index(reference), fewest)
    home = evidence.deployments.index(reference)
    if objective.kind == "match":
        value, allowed = _match(objective, evidence, home, least * min(objective.caution, 1.0))
    else:
        value, allowed = _FINDERS[objective.kind](objective, evidence, home)
    judged = None if objective.kind == "budget" else value
    singles = [column for column in range(len(evidence.deployments)) if column in allowed]
    if objective.kind == "match" and singles:
        best = min(singles, key=lambda column: (float(evidence.spent_nano[:, column].mean()), column != home))
    else:
        means = {c: float(evidence.utility(c, judged).mean()) for c in singles or range(len(evidence.deployments))}
        best = max(means, key=lambda column: (means[column], column == home))
    chosen = evidence.choices(value)
    rows = np.arange(len(chosen))
    if objective.kind == "match":
        gain = interval(evidence.spent_nano[:, best] - evidence.spent_nano[rows, chosen], rng)
    else:
        gain = interval(evidence.utility(chosen, judged) - evidence.utility(best, judged), rng)
    low, mean, high = gain
    choosing = (float(evidence.score[rows, chosen].mean()), float(evidence.spent_nano[rows, chosen].mean()))
    gained = high if objective.kind == "budget" else mean - objective.caution * (mean - low)
    suffices = gained <= 0 or _NEVER in allowed
    fixed = (float(evidence.score[:, best].mean()), float(evidence.spent_nano[:, best].mean()))
    used = fixed if suffices else choosing
    name = evidence.deployments[best]
    whole = None if value is None else round(value)
    served = np.unique(chosen)
    if objective.kind == "budget":  # what a right answer is worth rises and falls there (policy/pace)
        served = np.union1d(served, evidence.choices(values(evidence)[0]))
    picked = tuple(evidence.deployments[column] for column in served)
    return Trade(whole, name if suffices else None, name, gain, used[0], used[1], choosing, picked)


_NEVER: Final = -1  # among the allowed: choosing per request does not meet the objective


def earns(bold: Evidence, plain: Evidence) -> bool:
    """Say whether choosing by the bolder predictions is certainly (95 %) better than by the plainer ones.

    Both are about the same answers. Asked of the utility in units of quality, averaged over values of a right answer from
    three to a hundred mean costs of the dearest deployment, and of quality alone, row by row.
    """
    values: list[float | None] = [None]
    if plain.priced:
        values += [float(step) * _dearest(plain) for step in _ASKED]
    gain = np.zeros(len(plain.score))
    for value in values:
        better = bold.utility(bold.choices(value), value) - plain.utility(plain.choices(value), value)
        gain += better / (value or 1.0)
    error = float(gain.std()) / np.sqrt(len(gain))
    return bool(gain.mean() > NormalDist().inv_cdf(1 - _ERROR) * error)


def _best(_objective: Objective, evidence: Evidence, _home: int) -> tuple[float | None, set[int]]:
    return None, set(range(len(evidence.deployments)))


def _worth(objective: Objective, evidence: Evidence, _home: int) -> tuple[float | None, set[int]]:
    if objective.usd_per_answer is None:
        raise ValueError("the objective 'worth' needs usd_per_answer: what a right answer is worth")
    known = np.flatnonzero(np.isfinite(evidence.cost_nano).any(axis=0))
    return objective.usd_per_answer * NANO_PER_USD, {int(c) for c in known}


def _match(objective: Objective, evidence: Evidence, home: int, least: float) -> tuple[float | None, set[int]]:
    """Walk down while the held-out quality is well within tolerance of the reference's, and while its loss saves enough.

    At a value of a right answer, what is sold last fetches just that value; ``saved / tolerance`` is what quality fetches
    on average where the whole tolerance is sold. Without any tolerance none is sold, and only quality counts.
    """
    others = len(evidence.deployments) - 1
    if not others:
        return None, {home}
    rows = np.arange(len(evidence.score))
    sure = NormalDist().inv_cdf(1 - _ERROR / others)  # Bonferroni: the cheapest of all that pass will be taken

    def lowest(chosen: Indices) -> float:
        change = evidence.score[rows, chosen] - evidence.score[:, home]
        errors = sure if (chosen == chosen[0]).all() else objective.caution
        return float(change.mean() - errors * change.std() / np.sqrt(len(change)))

    def within(tries: Sequence[float | None]) -> int:
        found = _falling([lowest(evidence.choices(value)) for value in tries])
        return int((found >= -objective.tolerance).sum())

    known = np.isfinite(evidence.cost_nano).any(axis=0)
    alone = {int(c) for c in np.flatnonzero(known) if lowest(np.full(len(rows), c)) >= -objective.tolerance}
    allowed = alone | {home}
    tries: list[float | None] = [None, *values(evidence)]
    reached = within(tries)
    if not reached:
        return None, allowed | {_NEVER}
    tries = _closer(tries, reached)
    value = tries[max(within(tries), 1) - 1]
    if value is None or not least:
        return value, allowed
    if not objective.tolerance:
        return None, allowed
    saved = float((evidence.spent_nano[:, home] - evidence.spent_nano[rows, evidence.choices(value)]).mean())
    return max(value, min(least * saved / objective.tolerance, values(evidence)[0])), allowed


def _closer(tries: list[float | None], place: int) -> list[float | None]:
    """Return falling values with more of them just before a place, where there is one and what precedes it is a value."""
    high, low = tries[place - 1], tries[place] if place < len(tries) else None
    if high is None or low is None:
        return tries
    return [*tries[:place], *np.geomspace(high, low, _BETWEEN + 2)[1:-1].tolist(), *tries[place:]]


def _falling(values: Sequence[float]) -> Floats:
    """Return the nearest sequence, by squares, that never rises: neighbours that rise are pooled (Ayer et al. 1955)."""
    means: list[float] = []
    sizes: list[int] = []
    for value in values:
        mean, size = value, 1
        while means and mean > means[-1]:
            mean = (means[-1] * sizes[-1] + mean * size) / (sizes[-1] + size)
            size += sizes.pop()
            means.pop()
        means.append(mean)
        sizes.append(size)
    return np.repeat(means, sizes)


def _budget(objective: Objective, evidence: Evidence, _home: int) -> tuple[float | None, set[int]]:
    """Take the largest value at which the held-out mean cost stays within the budget; 0, the cheapest, where none does."""
    if objective.usd_per_1000 is None:
        raise ValueError("the objective 'budget' needs usd_per_1000: the average cost of 1,000 requests")
    most = objective.usd_per_1000 / 1000 * NANO_PER_USD
    rows = np.arange(len(evidence.score))
    means = evidence.spent_nano.mean(axis=0)
    allowed = {int(c) for c in np.flatnonzero(means <= most)} or {int(np.nanargmin(means))}
    for value in values(evidence):  # never quality alone: where more is spent than was thought, there is a worth to lower
        if float(evidence.spent_nano[rows, evidence.choices(value)].mean()) <= most:
            return value, allowed
    return 0.0, allowed


def values(evidence: Evidence) -> list[float]:
    """Return the values of a right answer that are tried, in nano-dollars, from the largest down."""
    return [float(step) * _dearest(evidence) for step in _STEPS]


def _dearest(evidence: Evidence) -> float:
    """Return the mean predicted cost of the deployment for which it is highest."""
    return float(np.nanmax(np.nanmean(evidence.cost_nano[:, np.isfinite(evidence.cost_nano).any(axis=0)], axis=0)))


def interval(gain: Floats, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return a 95 % interval of the mean with the mean in its middle, by the bootstrap over rows (groups of prompts)."""
    means = np.array([gain[rng.integers(0, len(gain), len(gain))].mean() for _ in range(_DRAWS)])
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(gain.mean()), float(high)


_FINDERS: Final[dict[str, Callable[[Objective, Evidence, int], tuple[float | None, set[int]]]]] = {
    "best": _best,
    "budget": _budget,
    "worth": _worth,
}
