"""Who else might choose, in the same year with the same luck, prompts, prices and words of users.

Fixed choices are the best in hindsight: nobody could have known them beforehand. The bandits learn from the users' words on
what they served, as they come, and see each bill; as they are published they buy no judgements. They are given what a good
implementation would be: the price list (they predict quality, and multiply tokens by prices), new models as they arrive, and
the reference where the one that they chose does not answer. Their options are tuned on years that are not shown.

    epsilon-greedy   a mean for each feature and model (Auer, Cesa-Bianchi and Fischer 2002), of late answers above all
    LinUCB           disjoint linear models with an upper bound (Li, Chu, Langford and Schapire 2010, arXiv:1003.0146)
    Thompson         disjoint linear models, drawn from what is believed (Agrawal and Goyal 2013, arXiv:1209.3352)

Contexts are the structural part of the feature vector that Pointsman's policy reads too (lengths, scripts, digits, code),
and the feature's name. ``forget`` discounts what is old at each label (Garivier and Moulines 2011).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pointsman.policy import features as vectors
from seasons.bank import FEATURES
from seasons.world import DAY_MS, DAYS, TODAY, WORTH_USD, Bools, Floats, Indices, Year

LATER_DAYS: Final = 2
_RIDGE: Final = 1.0
_NOISE: Final = 0.3  # standard deviation of a label around a linear model, for Thompson's draws
_FEWEST: Final = 1.0


@dataclass(frozen=True)
class Scene:
    """What bandits see: contexts (R, D) with a one in front, expected costs (R, M) in dollars, who is there (R, M)."""

    contexts: Floats
    cost: Floats
    there: Bools

    @staticmethod
    def of(year: Year) -> "Scene":
        """Take a year as it is seen; the expected cost of a call is its price times the mean length of what was seen."""
        flags = vectors.dense(year.bank.vectors[:, :])[:, : vectors.FLAGS].astype(np.float64)
        spread = flags.std(axis=0)
        flags = (flags - flags.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0)
        flags = np.clip(flags[:, spread > 1e-6], -3, 3) / np.sqrt(flags.shape[1])
        named = np.eye(len(FEATURES))[year.feature]
        contexts = np.column_stack((np.ones(len(year)), named, flags[year.prompt]))
        return Scene(contexts, _costs(year), year.there)


def _costs(year: Year) -> Floats:
    """Return what a call of each model is expected to cost, (R, M): its mean over five days for the feature."""
    cost = np.zeros(year.nano.shape)
    parts = year.day // 5
    for feature in range(len(FEATURES)):
        for part in np.unique(parts):
            rows = (year.feature == feature) & (parts == part)
            if rows.any():
                cost[rows] = year.nano[rows].mean(axis=0) / 1e9
    return cost


def followed(year: Year, picks: Indices) -> Indices:
    """Return who answers: whoever was picked, or the reference where that one is not there or does not answer."""
    home = year.names.index(TODAY)
    rows = np.arange(len(year))
    return np.where(year.up[rows, picks], picks, home)


def fixed(year: Year, parts: Indices) -> Indices:
    """Return who answers where each part (R,) has the one model, of those there all along, that is best in hindsight."""
    picks = np.zeros(len(year), dtype=np.int64)
    utility = np.where(year.up, year.utility, year.utility[:, [year.names.index(TODAY)]])
    for part in np.unique(parts):
        rows = parts == part
        able = year.there[rows].all(axis=0)
        picks[rows] = int(np.where(able, utility[rows].mean(axis=0), -np.inf).argmax())
    return followed(year, picks)


def possible(year: Year) -> Indices:
    """Return the best choice for each request of who knows all chances: out of reach."""
    return np.asarray(np.where(year.up, year.utility, -np.inf).argmax(axis=1))


@dataclass(frozen=True)
class Options:
    """``explore`` is epsilon, alpha, or the width of draws; ``forget`` what is kept of the old at each label of a model."""

    explore: float
    forget: float


class Greedy:
    """Means for each feature and model; a random model with chance epsilon."""

    def __init__(self, scene: Scene, options: Options, rng: np.random.Generator) -> None:
        shape = (len(FEATURES), scene.cost.shape[1])
        self._sum, self._count = np.full(shape, 0.5 * _FEWEST), np.full(shape, _FEWEST)
        self._options, self._rng = options, rng

    def quality(self, context: Floats) -> Floats:
        """Return what is believed of every model for a context (D,)."""
        feature = int(context[1 : 1 + len(FEATURES)].argmax())
        return np.asarray(self._sum[feature] / self._count[feature])

    def pick(self, context: Floats, cost: Floats, able: Bools) -> int:
        """Return whom to ask."""
        if self._rng.random() < self._options.explore:
            return int(self._rng.choice(np.flatnonzero(able)))
        return int(np.where(able, WORTH_USD * self.quality(context) - cost, -np.inf).argmax())

    def learn(self, context: Floats, model: int, label: float) -> None:
        """Take in a label."""
        feature = int(context[1 : 1 + len(FEATURES)].argmax())
        self._sum[feature, model] = self._options.forget * self._sum[feature, model] + label
        self._count[feature, model] = self._options.forget * self._count[feature, model] + 1


class Linear:
    """One ridge regression a model; what is unsure of a context is its length under the inverse of what was seen."""

    def __init__(self, scene: Scene, options: Options, rng: np.random.Generator) -> None:
        models, width = scene.cost.shape[1], scene.contexts.shape[1]
        self._seen = np.tile(_RIDGE * np.eye(width), (models, 1, 1))
        self._inverse = np.tile(np.eye(width) / _RIDGE, (models, 1, 1))
        self._target = np.zeros((models, width))
        self._weights = np.zeros((models, width))
        self._options, self._rng = options, rng

    def learn(self, context: Floats, model: int, label: float) -> None:
        """Take in a label; what is old is discounted, and the ridge is not (Russac, Vernade and Cappe 2019)."""
        forget = self._options.forget
        self._seen[model] = forget * self._seen[model] + np.outer(context, context)
        self._seen[model].flat[:: len(context) + 1] += (1 - forget) * _RIDGE
        self._target[model] = forget * self._target[model] + label * context
        self._inverse[model] = np.linalg.inv(self._seen[model])
        self._weights[model] = self._inverse[model] @ self._target[model]

    def unsure(self, context: Floats) -> Floats:
        """Return the standard deviation of what is believed of every model for a context, (M,), for noise of one."""
        return np.asarray(np.sqrt(np.maximum(np.einsum("d,mde,e->m", context, self._inverse, context), 0.0)))


class LinUCB(Linear):
    """The largest upper bound."""

    def pick(self, context: Floats, cost: Floats, able: Bools) -> int:
        """Return whom to ask."""
        quality = self._weights @ context + self._options.explore * self.unsure(context)
        return int(np.where(able, WORTH_USD * np.minimum(quality, 1.0) - cost, -np.inf).argmax())


class Thompson(Linear):
    """The best of one draw of what is believed: for a linear model, of its value for the context itself."""

    def pick(self, context: Floats, cost: Floats, able: Bools) -> int:
        """Return whom to ask."""
        spread = self._options.explore * _NOISE * self.unsure(context)
        quality = self._weights @ context + spread * self._rng.standard_normal(len(cost))
        return int(np.where(able, WORTH_USD * quality - cost, -np.inf).argmax())


Bandit = Callable[[Scene, Options, np.random.Generator], Any]
BANDITS: Final[dict[str, Bandit]] = {"epsilon-greedy": Greedy, "LinUCB": LinUCB, "Thompson sampling": Thompson}
OPTIONS: Final[dict[str, tuple[Options, ...]]] = {
    "epsilon-greedy": (Options(0.03, 0.995), Options(0.03, 1.0), Options(0.1, 0.995)),
    "LinUCB": (Options(0.5, 1.0), Options(0.7, 1.0), Options(0.5, 0.9998), Options(1.0, 1.0)),
    "Thompson sampling": (Options(0.5, 1.0), Options(0.8, 1.0), Options(0.8, 0.9998), Options(1.2, 1.0)),
}


def lived(year: Year, scene: Scene, name: str, options: Options, seed: int) -> Indices:
    """Return who answers each request, (R,), where a bandit chooses through the year."""
    bandit = BANDITS[name](scene, options, np.random.default_rng([seed, 5]))
    served = np.zeros(len(year), dtype=np.int64)
    home = year.names.index(TODAY)
    waiting: deque[tuple[int, int]] = deque()
    for place in range(len(year)):
        while waiting and year.at_ms[waiting[0][0]] + LATER_DAYS * DAY_MS <= year.at_ms[place]:
            asked, model = waiting.popleft()
            bandit.learn(scene.contexts[asked], model, float(bool(year.right[asked, model]) != bool(year.wrongly[asked])))
        pick = bandit.pick(scene.contexts[place], scene.cost[place], scene.there[place])
        served[place] = pick if year.up[place, pick] else home
        if year.heard[place]:
            waiting.append((place, int(served[place])))
    return served


def quarters(year: Year) -> Indices:
    """Return the quarter of each request, (R,)."""
    return np.asarray(np.minimum(year.day * 4 // DAYS, 3))


FIXED: Final[dict[str, Callable[[Year], NDArray[np.int64]]]] = {
    "best fixed model": lambda year: np.zeros(len(year), dtype=np.int64),
    "best fixed model of each feature": lambda year: year.feature,
    "best fixed model of each quarter": quarters,
    "best fixed model of each feature and quarter": lambda year: year.feature * 4 + quarters(year),
}
