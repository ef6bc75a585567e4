"""What a deployment costs on a day: the owner's own prices first, then the price list that comes with Pointsman.

Strategy: the list is ``genai-prices``: data inside the package, with dates, long-context tiers and context windows. It is
read where it lies and never updated over the network. Its providers are called vendors here. Its variants by service tier
and by batch processing are tiers of a price; those by region or kind of search are left out.

Laws: what the owner states wins; among the owner's prices the latest that has begun; a model without token prices has
None, never a guess. Where a price depends on the hour of the day, the dearest is taken, so that no saving is claimed that
the clock could undo. The list knows at most one long-context threshold per price here: the first; a second one (two of
more than two thousand entries) is left out.
"""

import importlib.metadata
import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from pointsman.core.price import Price, Rates, TierRates, tier_of

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, PriceVariant
    from genai_prices.types import Provider as Vendor

# Names that are sold by the token and yet do not answer a chat request.
_NOT_CHAT: Final = re.compile(
    r"embed|whisper|transcri|tts|speech|realtime|moderation|rerank|image|video|sora|dall-e|guard|^ft:|ocr"
)
_RATES: Final = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "cache_written": "cache_write_mtok",
}


class Listed(Struct, frozen=True):
    """A model in the price list: a name it is called by, its price on the day asked, its context window in tokens."""

    model: str
    price: Price
    context_tokens: int | None


class Own(Struct, frozen=True):
    """A price that the owner states for a deployment, from ``price.since`` on (empty: always)."""

    deployment: str
    price: Price


def vendor_at(base_url: str) -> str | None:
    """Return the price list's id of the provider at a base URL, None where it knows none there."""
    return next((vendor.id for vendor in _vendors() if re.match(vendor.api_pattern, base_url)), None)


def vendors() -> tuple[str, ...]:
    """Return the ids of all providers in the price list."""
    return tuple(vendor.id for vendor in _vendors())


def listed(vendor: str, model: str, today: date) -> Listed | None:
    """Look one model up by any name the price list knows it by (dated names too); None: not listed, or no token prices."""
    found = _vendor(vendor)
    if found is None:
        return None
    info = found.find_model(model, all_providers=list(_vendors()))
    return _listed(model, info, today) if info is not None else None


@lru_cache(maxsize=64)
def catalogue(vendor: str, today: date) -> tuple[Listed, ...]:
    """Return every model of a provider that answers chats and has a token price, under each exact name, sorted by name."""
    found = _vendor(vendor)
    if found is None:
        return ()
    models: dict[str, Listed] = {}
    for info in found.models:
        for name in _names(info):
            if name not in models and not _NOT_CHAT.search(name.lower()) and (entry := _listed(name, info, today)):
                models[name] = entry
    return tuple(models[name] for name in sorted(models))


def own_price(own: Iterable[Own], deployment: str, today: date) -> Price | None:
    """Return the owner's price in force: of those that have begun, the one with the latest ``since``."""
    begun = [entry.price for entry in own if entry.deployment == deployment and entry.price.since <= today.isoformat()]
    return max(begun, key=lambda price: price.since, default=None)


def source() -> str:
    """Return how prices from the list name their source."""
    return f"genai-prices {importlib.metadata.version('genai-prices')}"


@cache
def _vendors() -> "tuple[Vendor, ...]":
    # Imported here: the list takes 0.3 s and 30 MB, which nothing should pay that asks for no price.
    from genai_prices.data import providers  # noqa: PLC0415

    return tuple(providers)


def _vendor(vendor: str) -> "Vendor | None":
    return next((found for found in _vendors() if found.id == vendor), None)


def _listed(name: str, info: "ModelInfo", today: date) -> Listed | None:
    price = price_on(info, today)
    return None if price is None else Listed(name, price, info.context_window)


def price_on(info: "ModelInfo", today: date) -> Price | None:
    """Return the price of one entry of the list on a day, None where it has no price of tokens."""
    since, found = _in_force(info, today)
    if found is None:
        return None
    variants = dict(_on_tiers(info, found, today))
    starts = [tier.start for each in (found, *variants.values()) for tier in _tiers(each)]
    above = min(starts, default=None)
    base = _rates(found, None)
    if base is None:
        return None
    per_request = _amount(found.requests_kcount, None) or Decimal(0)
    return Price(
        rates=base,
        per_request=per_request / 1000,
        since=since,
        source=source(),
        long_above=above,
        long_rates=None if above is None else _rates(found, above),
        tiers=tuple(_tier_rates(variants, base, above)),
    )


def _on_tiers(info: "ModelInfo", usual: "ModelPrice", today: date) -> "Iterator[tuple[str, ModelPrice]]":
    """Yield the service tiers that have begun, each with its price; of several for one tier the first, as the list does."""
    from genai_prices.types import ModelPrice, StartDateConstraint  # noqa: PLC0415 - see _vendors

    seen: set[str] = set()
    for variant in info.price_variants or ():
        tier, since = _tier(variant), variant.constraint
        begun = since is None or (isinstance(since, StartDateConstraint) and since.start_date <= today)
        if tier and tier not in seen and begun:
            seen.add(tier)
            stated = {key: value for key, value in vars(variant.prices).items() if value is not None}
            yield tier, ModelPrice(**{**vars(usual), **stated})


def _tier(variant: "PriceVariant") -> str:
    """Return the service tier that a variant is for, empty where it is for something else (a region, a kind of search)."""
    if len(variant.when) != 1:
        return ""
    ((key, value),) = variant.when.items()
    return tier_of(value) if key in ("service_tier", "processing") else ""


def _tier_rates(variants: "dict[str, ModelPrice]", usual: Rates, above: int | None) -> Iterator[TierRates]:
    """Yield what tiers cost where that is anything else."""
    for tier, price in variants.items():
        rates, long = _rates(price, None), None if above is None else _rates(price, above)
        if rates is not None and (rates != usual or long is not None):
            yield TierRates(tier, rates, long)


def _in_force(info: "ModelInfo", today: date) -> "tuple[str, ModelPrice | None]":
    """Return the date from which a model's price of today holds, and that price: the dearest over the hours of the day."""
    from genai_prices.types import ModelPrice, StartDateConstraint  # noqa: PLC0415 - see _vendors

    if isinstance(info.prices, ModelPrice):
        return "", info.prices
    since = ""
    found = info.prices[:1]
    for entry in info.prices:
        if entry.constraint is None:
            since, found = "", [entry]
        elif isinstance(entry.constraint, StartDateConstraint):
            if entry.constraint.start_date <= today:
                since, found = entry.constraint.start_date.isoformat(), [entry]
        else:
            found = [*found, entry]
    return since, max((entry.prices for entry in found), key=_dearness, default=None)


def _dearness(price: "ModelPrice") -> Decimal:
    rates = _rates(price, None)
    return rates.input + rates.output if rates else Decimal(-1)


def _rates(price: "ModelPrice", above: int | None) -> Rates | None:
    """Return the rates for requests of more than ``above`` input tokens (None: the base rates)."""
    amounts = {rate: _amount(getattr(price, key), above) for rate, key in _RATES.items()}
    if amounts["input"] is None or amounts["output"] is None:
        return None
    return Rates(amounts["input"], amounts["output"], amounts["cached"], amounts["cache_written"])


def _amount(value: Any, above: int | None) -> Decimal | None:
    """Return the amount that holds just above a threshold; ``value`` is None, a Decimal or TieredPrices."""
    if value is None or isinstance(value, Decimal):
        return value
    amount: Decimal = value.base
    for tier in value.tiers:
        if above is not None and tier.start <= above:
            amount = tier.price
    return amount


def _tiers(price: "ModelPrice") -> Iterator[Any]:
    for key in _RATES.values():
        yield from getattr(getattr(price, key), "tiers", ())


def _names(info: "ModelInfo") -> Iterator[str]:
    """Yield the exact names of a model: its id where that is one, and every name its match spells out."""
    if info.is_match(info.id):
        yield info.id
    clauses = getattr(info.match, "or_", [info.match])
    yield from (clause.equals for clause in clauses if hasattr(clause, "equals"))
