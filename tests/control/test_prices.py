"""Prices: the owner's before the list's, by date; tiers and hours of the day; nothing over the network."""

import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from pointsman.control import prices
from pointsman.control.prices import Own
from pointsman.core.chat import Usage as Used
from pointsman.core.price import Price, Rates, TierRates
from pointsman.policy.cost import amount

TODAY = date(2026, 11, 24)


def info(found: ModelPrice | list[ConditionalPrice]) -> ModelInfo:
    return ModelInfo("m", ClauseEquals("m"), context_window=1000, prices=found)


def tokens(amount: int) -> ModelPrice:
    return ModelPrice(input_mtok=Decimal(amount), output_mtok=Decimal(2 * amount))


def own(since: str, amount: int, deployment: str = "a/b") -> Own:
    return Own(deployment, Price(Rates(Decimal(amount), Decimal(amount)), since=since))


def test_a_listed_model_has_the_lists_price_and_context() -> None:
    found = prices.listed("openai", "gpt-4o", TODAY)
    assert found is not None
    assert found.context_tokens == 128_000
    assert found.price.rates == Rates(Decimal("2.5"), Decimal(10), Decimal("1.25"))
    assert found.price.source.startswith("genai-prices 0.2.")


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        ("openai", "gpt-5"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-pro"),
        ("mistral", "mistral-large-latest"),
    ],
)
@pytest.mark.parametrize("input_tokens", [1000, 190_000, 250_000])
def test_the_rates_are_those_that_the_package_itself_calculates_with(vendor: str, model: str, input_tokens: int) -> None:
    found = prices.listed(vendor, model, TODAY)
    assert found is not None
    long = found.price.long_above is not None and input_tokens > found.price.long_above
    rates = found.price.long_rates if long else found.price.rates
    assert rates is not None
    usage = Usage(input_tokens=input_tokens, output_tokens=500)
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    theirs = calc_price(usage, model, provider_id=vendor, genai_request_timestamp=noon)
    assert (rates.input * input_tokens + rates.output * 500) / 1_000_000 == theirs.total_price


TIERS = [
    ("openai", "gpt-5", "batch", {"processing": "batch"}),
    ("openai", "gpt-5", "flex", {"service_tier": "flex"}),
    ("openai", "gpt-5", "priority", {"service_tier": "priority"}),
    ("anthropic", "claude-sonnet-4-5", "batch", {"processing": "batch"}),
    ("google", "gemini-2.5-pro", "batch", {"processing": "batch"}),
]


@pytest.mark.parametrize(("vendor", "model", "tier", "context"), TIERS)
@pytest.mark.parametrize("input_tokens", [1000, 250_000])
def test_tiers_cost_what_the_package_itself_calculates(
    vendor: str, model: str, tier: str, context: dict[str, str], input_tokens: int
) -> None:
    found = prices.listed(vendor, model, TODAY)
    assert found is not None
    theirs = calc_price(
        Usage(input_tokens=input_tokens, output_tokens=500, cache_read_tokens=100),
        model,
        provider_id=vendor,
        genai_request_timestamp=datetime(2026, 11, 24, 12, tzinfo=UTC),
        price_context=context,
    )
    used = Used(input_tokens, 500, cached=100, tier=tier)
    assert amount(used, found.price) == round(theirs.total_price * 10**9)
    assert amount(used, found.price) != amount(Used(input_tokens, 500, cached=100), found.price)


def test_a_tier_holds_from_its_first_day_and_others_variants_are_left_out() -> None:
    variants = [
        PriceVariant({"service_tier": "default"}, ModelPrice()),
        PriceVariant({"processing": "batch"}, tokens(1), StartDateConstraint(date(2026, 11, 24))),
        PriceVariant({"processing": "batch"}, tokens(9)),  # the first that has begun holds
        PriceVariant({"service_tier": "flex"}, ModelPrice(input_mtok=Decimal(1)), StartDateConstraint(date(2026, 11, 25))),
        PriceVariant({"route": "eu"}, tokens(7)),
        PriceVariant({"processing": "batch", "route": "eu"}, tokens(8)),
    ]
    listed = ModelInfo("m", ClauseEquals("m"), prices=tokens(2), price_variants=variants)
    today, tomorrow = prices.price_on(listed, TODAY), prices.price_on(listed, date(2026, 11, 25))
    assert today is not None
    assert tomorrow is not None
    batch = TierRates("batch", Rates(Decimal(1), Decimal(2)))
    assert today.tiers == (batch,)
    assert tomorrow.tiers == (batch, TierRates("flex", Rates(Decimal(1), Decimal(4))))


def test_dated_names_are_found_and_unknown_ones_are_not() -> None:
    assert prices.listed("openai", "gpt-4o-2024-08-06", TODAY) is not None
    assert prices.listed("openai", "gpt-99", TODAY) is None
    assert prices.listed("nobody", "gpt-4o", TODAY) is None
    assert prices.listed("openai", "text-embedding-3-small", TODAY) is None, "no output price: not a chat model"


def test_a_vendor_is_found_by_its_address() -> None:
    assert prices.vendor_at("https://api.openai.com/v1") == "openai"
    assert prices.vendor_at("https://generativelanguage.googleapis.com/v1beta/openai") == "google"
    assert prices.vendor_at("http://127.0.0.1:8000/v1") is None


def test_the_catalogue_holds_chat_models_under_every_exact_name() -> None:
    entries = prices.catalogue("openai", TODAY)
    names = [entry.model for entry in entries]
    assert names == sorted(set(names))
    assert {"gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-mini", "gpt-5"} <= set(names)
    assert not [name for name in names if "embed" in name or "tts" in name or "whisper" in name or name.startswith("ft:")]
    assert all(entry == prices.listed("openai", entry.model, TODAY) for entry in entries)
    assert prices.catalogue("nobody", TODAY) == ()


def test_every_catalogue_can_be_made() -> None:
    sizes = {vendor: len(prices.catalogue(vendor, TODAY)) for vendor in prices.vendors()}
    assert sizes["anthropic"] > 10
    assert sum(sizes.values()) > 1000


@pytest.mark.parametrize(
    ("today", "amount", "since"),
    [("2026-01-01", 1, ""), ("2026-05-31", 1, ""), ("2026-06-01", 3, "2026-06-01"), ("2027-02-01", 2, "2027-01-01")],
)
def test_of_dated_list_prices_the_latest_that_has_begun_holds(today: str, amount: int, since: str) -> None:
    dated = [
        ConditionalPrice(prices=tokens(1)),
        ConditionalPrice(StartDateConstraint(date(2026, 6, 1)), prices=tokens(3)),
        ConditionalPrice(StartDateConstraint(date(2027, 1, 1)), prices=tokens(2)),
    ]
    price = prices.price_on(info(dated), date.fromisoformat(today))
    assert price is not None
    assert (price.rates.input, price.since) == (Decimal(amount), since)


def test_of_prices_by_the_hour_the_dearest_holds() -> None:

    night = ConditionalPrice(TimeOfDateConstraint(time(0), time(8)), prices=tokens(1))
    day = ConditionalPrice(TimeOfDateConstraint(time(8), time(0)), prices=tokens(4))
    begun = ConditionalPrice(StartDateConstraint(date(2026, 1, 1)), prices=tokens(2))
    price = prices.price_on(info([ConditionalPrice(prices=tokens(9)), begun, night, day]), TODAY)
    assert price is not None
    assert (price.rates.input, price.since) == (Decimal(4), "2026-01-01")


def test_tiers_become_long_rates_above_the_first_threshold() -> None:
    tiered = ModelPrice(
        input_mtok=TieredPrices(Decimal(1), [Tier(1000, Decimal(2)), Tier(5000, Decimal(9))]),
        output_mtok=TieredPrices(Decimal(3), [Tier(1000, Decimal(4))]),
        cache_read_mtok=Decimal("0.1"),
        requests_kcount=Decimal(5),
    )
    price = prices.price_on(info(tiered), TODAY)
    assert price is not None
    assert price.rates == Rates(Decimal(1), Decimal(3), Decimal("0.1"))
    assert price.long_above == 1000
    assert price.long_rates == Rates(Decimal(2), Decimal(4), Decimal("0.1"))
    assert price.per_request == Decimal("0.005")


def test_a_model_without_token_prices_has_none() -> None:
    assert prices.price_on(info(ModelPrice(input_mtok=Decimal(1))), TODAY) is None
    assert prices.price_on(info(ModelPrice(requests_kcount=Decimal(1))), TODAY) is None
    assert prices.price_on(info([]), TODAY) is None


def test_of_the_owners_prices_the_latest_that_has_begun_holds() -> None:
    stated = [own("", 1), own("2026-11-24", 2), own("2026-11-25", 3), own("2026-06-01", 4), own("2026-11-24", 9, "a/c")]
    found = prices.own_price(stated, "a/b", TODAY)
    assert found is not None
    assert found.rates.input == 2
    before = prices.own_price(stated, "a/b", date(2026, 1, 1))
    assert before is not None
    assert before.rates.input == 1
    assert prices.own_price([own("2026-11-25", 3)], "a/b", TODAY) is None


def test_the_price_list_is_not_loaded_before_a_price_is_asked_for() -> None:
    code = "import sys, pointsman.control.config, pointsman.control.compile; print('genai_prices.data' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
