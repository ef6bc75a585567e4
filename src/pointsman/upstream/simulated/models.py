"""The eight simulated models and the simulated judge: what they cost, what they are good at, how they talk, how fast.

Strategy: a model has a *level* per family of tasks and an offset for Chinese. It answers a task of difficulty ``d`` right
with probability ``CEILING / (1 + exp(-SLOPE (level - d)))``, the two-parameter logistic model of item response theory
(Birnbaum 1968) with a ceiling. Nothing here resembles a real model, and every name starts with ``sim-`` so that nobody
takes one for real.
"""

import hashlib
import math
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from pointsman.core.price import Rates
from pointsman.upstream.simulated.tasks import Language, Solution

CEILING: Final = 0.99
SLOPE: Final = 8.0
JUDGE: Final = "sim-judge"
_FAMILIES: Final = ("extraction", "arithmetic", "units", "dates", "sorting", "strings", "logic", "tracing")


class Model(Struct, frozen=True):
    """One simulated model.

    ``levels`` are by family, in difficulty; ``chinese`` is added for Chinese tasks. ``reasoning`` is the number of hidden
    output tokens spent on a task of difficulty 1, ``sentences`` of working shown where the request allows it.
    """

    name: str
    rates: Rates
    levels: dict[str, float]
    chinese: float = 0.0
    reasoning: int = 0
    sentences: int = 1
    first_token_s: float = 0.3
    tokens_per_s: float = 80.0
    context_tokens: int = 128_000

    def probability(self, solution: Solution) -> float:
        """Return the probability that this model answers a task right."""
        return self.chance(solution.family, solution.language, solution.difficulty)

    def chance(self, family: str, language: Language, difficulty: float) -> float:
        """Return the probability of a right answer for a family, a language and a difficulty."""
        level = self.levels[family] + (self.chinese if language == "zh" else 0.0)
        return CEILING / (1 + math.exp(-SLOPE * (level - difficulty)))


class Plain(Struct, frozen=True):
    """A further model name that the zoo accepts: it solves nothing and answers ``output_tokens`` tokens of plain words."""

    rates: Rates | None = None
    output_tokens: int = 8


def uniform(*parts: object) -> float:
    """Return a number in [0, 1) that depends on the parts alone: the zoo's only source of chance."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _usd(given: str, made: str, cached: str) -> Rates:
    """Return rates in US dollars per million tokens: input, output, input read from the cache."""
    return Rates(input=Decimal(given), output=Decimal(made), cached=Decimal(cached))


def _all() -> tuple[Model, ...]:
    """Return the eight, dearest first. In the tables: a line a model, its levels in the order of ``_FAMILIES``."""
    return (
        # Good at everything, and priced for it.
        _model("sim-eagle-xl", _usd("10", "40", "2.5"), (1.5, 1.05, 1.05, 1.0, 1.3, 1.25, 1.3, 1.4), chinese=-0.25,
               reasoning=120, sentences=3, first_token_s=0.9, tokens_per_s=45, context_tokens=400_000),
        # The sound generalist of yesterday.
        _model("sim-heron-l", _usd("4", "16", "1"), (1.45, 0.95, 0.95, 0.9, 1.2, 1.05, 1.05, 0.95), chinese=-0.2,
               reasoning=80, sentences=3, first_token_s=0.6, tokens_per_s=60),
        # Strong with numbers in English, lost in Chinese.
        _model("sim-owl-m", _usd("1.5", "6", "0.4"), (1.1, 1.4, 1.4, 1.35, 1.0, 0.8, 0.9, 0.9), chinese=-0.9,
               reasoning=160, sentences=2, first_token_s=0.8, tokens_per_s=90),
        # At home in Chinese, middling in English.
        _model("sim-crane-m", _usd("1.2", "4.8", "0.3"), (1.0, 0.75, 0.7, 0.7, 0.8, 0.7, 0.7, 0.7), chinese=0.6,
               reasoning=90, sentences=2, first_token_s=0.5, tokens_per_s=85),
        # Handles text well: sorting, codes, fields.
        _model("sim-stork-m", _usd("0.8", "3.2", "0.2"), (1.3, 0.6, 0.55, 0.5, 1.3, 1.25, 0.6, 0.65), chinese=-0.3,
               sentences=2, first_token_s=0.4, tokens_per_s=110),
        # Made for forms: as good as the dear ones at extraction.
        _model("sim-finch-s", _usd("0.3", "1.2", "0.075"), (1.45, 0.4, 0.45, 0.4, 0.6, 0.5, 0.35, 0.35), chinese=-0.1,
               first_token_s=0.3, tokens_per_s=140),
        _model("sim-wren-s", _usd("0.15", "0.6", "0.04"), (0.75, 0.35, 0.3, 0.35, 0.5, 0.35, 0.3, 0.3), chinese=-0.15,
               sentences=2, first_token_s=0.25, tokens_per_s=160),
        _model("sim-gnat-xs", _usd("0.05", "0.2", "0.0125"), (0.45, 0.15, 0.15, 0.2, 0.3, 0.2, 0.15, 0.1), chinese=-0.2,
               first_token_s=0.15, tokens_per_s=220, context_tokens=32_000),
    )  # fmt: skip


def _model(name: str, rates: Rates, levels: tuple[float, ...], **traits: Any) -> Model:
    return Model(name, rates, dict(zip(_FAMILIES, levels, strict=True)), **traits)


def models() -> dict[str, Model]:
    """Return the eight models by name, dearest first."""
    return {model.name: model for model in _all()}


JUDGE_RATES: Final = _usd("2", "8", "0.5")
