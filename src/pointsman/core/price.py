"""What a token costs, since when, and who says so.

Prices are Decimal US dollars per million tokens; amounts are integer nano-dollars (1e-9 USD). Never float. The arithmetic
that turns usage into an amount is in ``policy/cost``.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

NANO_PER_USD = 1_000_000_000
_STANDARD: Final = frozenset(("auto", "default", "standard", "standard_only", "on_demand"))


class Rates(Struct, frozen=True, cache_hash=True):
    """US dollars per million tokens, by kind. A missing cache rate means that such tokens cost the plain input rate."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    cache_written: Decimal | None = None


class TierRates(Struct, frozen=True, cache_hash=True):
    """What a token costs on a service tier (``batch``, ``flex``, ``priority``); ``long_rates`` as in ``Price``."""

    tier: str
    rates: Rates
    long_rates: Rates | None = None


class Price(Struct, frozen=True, cache_hash=True):
    """The price of a deployment.

    ``since`` is the ISO date from which it holds (empty: always). ``source`` says who states it: ``config`` (the owner, a
    contract price included), ``genai-prices <version>``, or ``simulated``. Where a provider charges more for long inputs,
    requests with more than ``long_above`` input tokens are billed at ``long_rates`` as a whole. ``tiers`` are the service
    tiers that cost something else; any other tier costs what the standard one does.
    """

    rates: Rates
    per_request: Decimal = Decimal(0)
    since: str = ""
    source: str = "config"
    long_above: int | None = None
    long_rates: Rates | None = None
    tiers: tuple[TierRates, ...] = ()

    def on(self, tier: str) -> "Price":
        """Return the price on a service tier (empty: the standard one)."""
        found = next((one for one in self.tiers if one.tier == tier), None)
        if found is None:
            return self
        return replace(self, rates=found.rates, long_rates=found.long_rates or found.rates, tiers=())


def tier_of(word: str) -> str:
    """Return the service tier that a provider's word, or a client's, stands for; empty: the standard one, or not said."""
    tier = word.lower()
    return "" if tier in _STANDARD else tier


class Terms(Struct, frozen=True):
    """The rates that one call was billed at: those of its service tier and its length, and who states them since when."""

    rates: Rates
    per_request: Decimal = Decimal(0)
    since: str = ""
    source: str = "config"

    @property
    def text(self) -> str:
        """The terms in one line: ``input=0.15 output=0.6 cached=0.075 request=0 since=2026-01-01 source=config``."""
        rates = self.rates
        named = (
            ("input", rates.input), ("output", rates.output), ("cached", rates.cached), ("written", rates.cache_written),
            ("request", self.per_request or None),
        )  # fmt: skip
        words = [f"{name}={rate:f}" for name, rate in named if rate is not None]
        since = [f"since={self.since}"] if self.since else []
        return " ".join([*words, *since, f"source={self.source}"])


def read_terms(text: str) -> Terms:
    """Return the terms that a line of them states. Raises ValueError where it is none."""
    head, found, source = text.partition(" source=")
    pairs = {name: value for name, _, value in (word.partition("=") for word in head.split(" "))}
    since = pairs.pop("since", "")
    try:
        said = {name: Decimal(rate) for name, rate in pairs.items()}
        rates = Rates(said["input"], said["output"], said.get("cached"), said.get("written"))
    except (KeyError, ArithmeticError) as error:
        raise ValueError(f"{text!r} states no terms") from error
    if not found:
        raise ValueError(f"{text!r} does not say who states it")
    return Terms(rates, said.get("request", Decimal(0)), since, source)
