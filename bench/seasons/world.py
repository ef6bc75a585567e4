"""One simulated year: who may be called, for what price, what is asked, and who is right.

Everything here is the world, and nobody who chooses sees it: they see prompts, prices, bills, and the labels that they get.

    releases   six models arrive; of two, the published figure promises far more than there is
    prices     one model becomes cheaper, another dearer
    change     one model answers worse from a day on, under the same name and at the same price
    outage     a vendor does not answer for a day
    traffic    features come and go over the seasons; Chinese becomes more from the second half on

Whether an answer is right is drawn once for each request and model, by the zoo's law of chances, so that all ways of
choosing meet the same luck. What it is worth is counted by its chance: luck adds nothing to what is compared.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from pointsman.core.price import Rates
from pointsman.upstream.simulated.models import CEILING, SLOPE, Model, models
from seasons.bank import FEATURES, KINDS, WORKED, Bank

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAYS: Final = 365
DAY_MS: Final = 86_400_000
START_MS: Final = 1_767_225_600_000  # 2026-01-01
WORTH_USD: Final = 0.02  # of a right answer
TODAY: Final = "sim-eagle-xl"  # who serves everything on the first day
HEARD: Final = 0.2  # of answers, of which the user says whether they are right ...
WRONGLY: Final = 0.05  # ... and errs so often
REVIEW_NANO: Final = 1_000_000  # what grading one bought answer costs: $0.001, a short call of a judge
VENDORS: Final = {
    "sim-eagle-xl": "north", "sim-finch-s": "north", "sim-falcon-l": "north", "sim-pelican-l": "north",
    "sim-heron-l": "south", "sim-stork-m": "south", "sim-kestrel-m": "south", "sim-gnat-xs": "south",
    "sim-owl-m": "east", "sim-crane-m": "east", "sim-wren-s": "east", "sim-ibis-m": "east", "sim-swift-s": "east",
    "sim-magpie-s": "east",
}  # fmt: skip


class Release(Struct, frozen=True):
    """A model that arrives on a day, and what is published of it: mean quality. ``hyped``: far from true."""

    day: int
    model: Model
    published: float
    hyped: bool = False


class PriceChange(Struct, frozen=True):
    """From a day on a model costs ``times`` as much."""

    day: int
    model: str
    times: Decimal


class Silent(Struct, frozen=True):
    """From a day on a model's level is lower by ``less`` in all families."""

    day: int
    model: str
    less: float


class Outage(Struct, frozen=True):
    """For a day a vendor does not answer."""

    day: int
    vendor: str


_FAMILIES: Final = ("extraction", "arithmetic", "units", "dates", "sorting", "strings", "logic", "tracing")


def _model(name: str, given: str, made: str, levels: tuple[float, ...], chinese: float, reasoning: int = 0) -> Model:
    """Return a model with its rates in dollars per million tokens, and its levels in the order of ``_FAMILIES``."""
    known = dict(zip(_FAMILIES, levels, strict=True))
    return Model(name, Rates(Decimal(given), Decimal(made)), known, chinese=chinese, reasoning=reasoning)


RELEASES: Final = (
    Release(45, _model("sim-kestrel-m", "0.9", "3.6", (1.3, 1.0, 1.0, 0.95, 1.1, 0.9, 1.1, 0.7), -0.2, 60), 0.85),
    Release(90, _model("sim-pelican-l", "3", "12", (1.2, 0.75, 0.7, 0.7, 0.9, 0.8, 0.7, 0.75), -0.1, 80), 0.95, hyped=True),
    Release(140, _model("sim-swift-s", "0.3", "1.2", (0.9, 0.5, 0.5, 0.45, 1.2, 1.15, 1.0, 0.5), -0.3), 0.7),
    Release(190, _model("sim-magpie-s", "0.4", "1.6", (0.8, 0.45, 0.4, 0.4, 0.6, 0.5, 0.4, 0.35), -0.1), 0.92, hyped=True),
    Release(240, _model("sim-ibis-m", "0.8", "3.2", (1.1, 0.9, 0.9, 0.85, 0.9, 0.85, 0.9, 0.8), 0.5, 60), 0.86),
    Release(300, _model("sim-falcon-l", "2.5", "10", (1.4, 1.1, 1.1, 1.1, 1.2, 1.1, 1.2, 1.45), -0.1, 60), 0.95),
)
PRICES: Final = (PriceChange(115, "sim-owl-m", Decimal("0.6")), PriceChange(215, "sim-stork-m", Decimal("2.5")))
SILENT: Final = Silent(165, "sim-finch-s", 0.9)
OUTAGE: Final = Outage(270, "south")


@dataclass(frozen=True)
class Year:
    """R requests in order of time, and M models; ``prompt`` (R,) are places in the bank.

    ``chance`` (R, M) that an answer is right, ``right`` (R, M) whether it is, ``tokens`` (R, M) of output and ``nano``
    (R, M) what a call costs on its day, in nano-dollars; ``there`` (R, M): the model exists, ``up`` (R, M): and answers.
    ``heard`` (R,): the user will say whether the answer is right, ``wrongly`` (R,): and errs.
    """

    bank: Bank
    models: tuple[Model, ...]
    prompt: Indices
    day: Indices
    at_ms: Indices
    chance: Floats
    right: Bools
    tokens: Indices
    nano: Indices
    there: Bools
    up: Bools
    heard: Bools
    wrongly: Bools
    draws: Floats = field(repr=False)

    def __len__(self) -> int:
        return len(self.prompt)

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names, in the order of the columns."""
        return tuple(model.name for model in self.models)

    @property
    def feature(self) -> Indices:
        """The feature of each request, (R,)."""
        return self.bank.feature[self.prompt]

    @property
    def utility(self) -> Floats:
        """What a call is worth less what it costs, (R, M), in dollars."""
        return WORTH_USD * self.chance - self.nano / 1e9


def year(bank: Bank, requests: int, seed: int) -> Year:
    """Return a year of so many requests."""
    rng = np.random.default_rng([2026, seed])
    everybody = (*models().values(), *(release.model for release in RELEASES))
    day = np.sort(np.arange(requests) * DAYS // requests)
    prompt = _asked(bank, day, rng)
    at_ms = _in_order(day, rng)
    effort = 0.2 + 0.8 * bank.difficulty[prompt] + 0.3 * (rng.random((len(everybody), requests)) - 0.5)
    chances = np.stack([chance(bank, model, prompt, day) for model in everybody], axis=1)
    lengths = np.stack([length(bank, model, prompt, one) for model, one in zip(everybody, effort, strict=True)], axis=1)
    nano = np.stack([_paid(bank, model, prompt, day, lengths[:, m]) for m, model in enumerate(everybody)], axis=1)
    arrives = {release.model.name: release.day for release in RELEASES}
    there = np.stack([day >= arrives.get(model.name, 0) for model in everybody], axis=1)
    out = np.stack([(day == OUTAGE.day) & (VENDORS[model.name] == OUTAGE.vendor) for model in everybody], axis=1)
    return Year(
        bank=bank,
        models=everybody,
        prompt=prompt,
        day=day,
        at_ms=at_ms,
        chance=chances,
        right=rng.random(chances.shape) < chances,
        tokens=lengths,
        nano=nano,
        there=there,
        up=there & ~out,
        heard=rng.random(requests) < HEARD,
        wrongly=rng.random(requests) < WRONGLY,
        draws=rng.random((4, requests)),
    )


def _in_order(day: Indices, rng: np.random.Generator) -> Indices:
    """Return times in order, each within its day."""
    moment = rng.integers(0, DAY_MS, len(day))
    order = np.lexsort((moment, day))
    return np.asarray(START_MS + day * DAY_MS + moment[order])


def _asked(bank: Bank, day: Indices, rng: np.random.Generator) -> Indices:
    """Return the prompt of each request: features come and go, and Chinese becomes more from the middle of the year on.

    Prompts of a kind are taken in an order of chance, and again from the start where there are no more.
    """
    season = 2 * np.pi * day / DAYS
    weights = np.stack(
        (
            0.30 + 0.12 * np.cos(season),
            0.30 + 0.10 * np.sin(season),
            0.22 + 0.08 * np.sin(2 * season),
            0.18 + 0.10 * (day >= 230),
        )
    )
    weights /= weights.sum(axis=0)
    feature = (rng.random(len(day)) > np.cumsum(weights, axis=0)[:-1]).sum(axis=0)
    usual = np.array([bank.chinese[bank.feature == one].mean() for one in range(len(FEATURES))])
    chinese = rng.random(len(day)) < np.clip(usual[feature] * np.where(day >= 180, 1.5, 0.8), 0, 0.95)
    prompt = np.zeros(len(day), dtype=np.int64)
    for one in range(len(FEATURES)):
        for zh in (False, True):
            wanted = np.flatnonzero((feature == one) & (chinese == zh))
            known = rng.permutation(np.flatnonzero((bank.feature == one) & (bank.chinese == zh)))
            prompt[wanted] = np.resize(known, len(wanted))
    return prompt


def chance(bank: Bank, model: Model, prompt: Indices, day: Indices) -> Floats:
    """Return the zoo's chance of a right answer, (R,): that of ``Model.chance``, for many at once."""
    levels = np.array([model.levels[kind] for kind in KINDS])[bank.family[prompt]]
    levels = levels + np.where(bank.chinese[prompt], model.chinese, 0.0)
    if model.name == SILENT.model:
        levels = levels - np.where(day >= SILENT.day, SILENT.less, 0.0)
    return np.asarray(CEILING / (1 + np.exp(-SLOPE * (levels - bank.difficulty[prompt]))))


def length(bank: Bank, model: Model, prompt: Indices, effort: Floats) -> Indices:
    """Return the tokens of an answer, (R,): hidden reasoning, the answer, and working where the prompt allows it."""
    shown = np.maximum(1, np.round(model.sentences * (0.5 + effort))) * np.where(bank.chinese[prompt], 12, 13) + 3
    working = np.where(bank.feature[prompt] == WORKED, shown, 0)
    reasoning = np.maximum(0, np.round(model.reasoning * effort))
    return np.asarray(bank.answer_tokens[prompt] + working + reasoning, dtype=np.int64)


def rates_on(model: Model, day: int) -> Rates:
    """Return a model's rates on a day; nothing is cached in this world."""
    times = Decimal(1)
    for change in PRICES:
        if change.model == model.name and day >= change.day:
            times *= change.times
    return replace(model.rates, input=model.rates.input * times, output=model.rates.output * times, cached=None)


def _paid(bank: Bank, model: Model, prompt: Indices, day: Indices, length: Indices) -> Indices:
    paid = np.zeros(len(day), dtype=np.int64)
    for first in (0, *(change.day for change in PRICES if change.model == model.name)):
        rates, late = rates_on(model, first), day >= first
        each = int(rates.input * 1000), int(rates.output * 1000)
        paid[late] = bank.input_tokens[prompt[late]] * each[0] + length[late] * each[1]
    return paid
