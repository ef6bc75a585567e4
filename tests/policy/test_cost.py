"""Money against arithmetic in fractions, which cannot round: exact, half-even, once; and estimates against amounts."""

import decimal
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates, TierRates, read_terms
from pointsman.policy.cost import amount, expected, expected_ahead, expected_cached, expected_one, most, terms

RATE = st.decimals(min_value=0, max_value=1000, allow_nan=False, places=9) | st.just(Decimal(2) / 3)
RATES = st.builds(Rates, RATE, RATE, st.none() | RATE, st.none() | RATE)
COUNT = st.integers(0, 3_000_000)
TIERS = ("batch", "flex")
PRICES = st.builds(
    Price,
    RATES,
    per_request=st.decimals(0, 1, places=12),
    long_above=st.none() | COUNT,
    long_rates=st.none() | RATES,
    tiers=st.lists(st.builds(TierRates, st.sampled_from(TIERS), RATES, st.none() | RATES), max_size=2).map(tuple),
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written, plain = draw(COUNT), draw(COUNT), draw(COUNT)
    output = draw(COUNT)
    return Usage(
        cached + written + plain, output, cached, written, draw(st.integers(0, output)), draw(st.sampled_from(("", *TIERS)))
    )


def by_hand(usage: Usage, price: Price) -> Fraction:
    """What the docstrings of ``Rates`` and ``Price`` say, in nano-dollars."""
    stated = next((tier for tier in price.tiers if tier.tier == usage.tier), price)
    rates = stated.rates
    if price.long_above is not None and stated.long_rates is not None and usage.input > price.long_above:
        rates = stated.long_rates
    plain = usage.input - usage.cached - usage.cache_written
    kinds = [(plain, None), (usage.cached, rates.cached), (usage.cache_written, rates.cache_written)]
    dollars = sum((count * Fraction(rates.input if rate is None else rate) for count, rate in kinds), Fraction(0))
    return (dollars + usage.output * Fraction(rates.output)) * 1000 + Fraction(price.per_request) * 10**9


@given(usages(), PRICES)
def test_an_amount_is_exact_and_rounded_once_half_even(usage: Usage, price: Price) -> None:
    found = amount(usage, price)
    assert type(found) is int
    assert found == round(by_hand(usage, price))  # a fraction rounds half-even


@pytest.mark.parametrize(("tokens", "nano"), [(1, 0), (3, 2), (5, 2), (7, 4), (2, 1)])
def test_halves_go_to_the_even_neighbour(tokens: int, nano: int) -> None:
    assert amount(Usage(output=tokens), Price(Rates(Decimal(0), Decimal("0.0005")))) == nano


def test_a_hair_above_a_half_is_no_half() -> None:
    hair = Decimal("0.0005" + 40 * "0" + "1")  # more digits than decimals keep unless told to
    assert amount(Usage(output=1), Price(Rates(Decimal(0), hair))) == 1


def test_lines_are_not_rounded_one_by_one() -> None:
    """Four lines of 0.4 nano-dollars are 1.6 and cost 2; rounded apart they would cost nothing."""
    rate = Decimal("0.0004")
    assert amount(Usage(input=3, output=1, cached=1, cache_written=1), Price(Rates(rate, rate, rate, rate))) == 2


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (Usage(input=100), 100 * 2000),
        (Usage(input=100, cached=40), 60 * 2000 + 40 * 200),
        (Usage(input=100, cached=40, cache_written=50), 10 * 2000 + 40 * 200 + 50 * 2500),
        (Usage(output=100, reasoning=90), 100 * 8000),
        (Usage(input=1000), 1000 * 2000),
        (Usage(input=1001, output=1), 1001 * 4000 + 12000),
        (Usage(input=1001, cached=1001), 1001 * 4000),
    ],
)
def test_kinds_of_tokens_and_long_inputs(usage: Usage, nano: int) -> None:
    rates = Rates(Decimal(2), Decimal(8), Decimal("0.2"), Decimal("2.5"))
    price = Price(rates, long_above=1000, long_rates=Rates(Decimal(4), Decimal(12)))
    assert amount(usage, price) == nano


@pytest.mark.parametrize("half", [{"long_above": 10}, {"long_rates": Rates(Decimal(9), Decimal(9))}])
def test_half_a_long_context_tier_is_none(half: dict[str, object]) -> None:
    price = Price(Rates(Decimal(1), Decimal(1)), **half)  # type: ignore[arg-type]
    assert amount(Usage(input=11), price) == 11_000


@given(usages(), PRICES)
def test_the_arithmetic_that_others_set_does_not_matter(usage: Usage, price: Price) -> None:
    """An owner's Python check runs in the same thread, and may set the precision of decimals."""
    right = amount(usage, price)
    with decimal.localcontext() as context:
        context.prec, context.rounding = 4, decimal.ROUND_UP
        assert amount(usage, price) == right


@given(st.builds(Usage, *[st.integers(-(10**9), 10**9)] * 5), PRICES)
def test_nonsense_from_a_provider_never_earns_money(usage: Usage, price: Price) -> None:
    assert amount(usage, price) >= 0


def test_more_cached_than_sent_is_not_billed_below_the_cached() -> None:
    assert amount(Usage(input=10, cached=30), Price(Rates(Decimal(1), Decimal(1), Decimal("0.5")))) == 15_000


@given(COUNT, COUNT, PRICES)
def test_an_estimate_is_the_amount_without_a_cache(inputs: int, outputs: int, price: Price) -> None:
    one = expected_one(inputs, float(outputs), price)
    assert one == pytest.approx(amount(Usage(input=inputs, output=outputs), price), rel=1e-9, abs=0.51)
    many = expected(np.array([inputs, inputs], dtype=float), np.array([outputs, outputs], dtype=float), price)
    assert many.tolist() == pytest.approx([one, one], rel=1e-12)


@given(st.lists(usages(), min_size=1, max_size=4), PRICES)
def test_an_estimate_with_a_cache_is_the_amount_with_it(billed: list[Usage], price: Price) -> None:
    tokens = np.array([(one.input, one.output, one.cached, one.cache_written) for one in billed], dtype=np.float64).T
    taken, answered, cached, written = tokens
    for place, one in enumerate(billed):
        found = expected_cached(taken, answered, cached, written, price.on(one.tier))
        assert float(found[place]) == pytest.approx(amount(one, price), abs=1.0, rel=1e-9)


def test_estimates_broadcast_and_keep_what_is_unknown_unknown() -> None:
    price = Price(Rates(Decimal(1), Decimal(2)), per_request=Decimal("0.01"))
    table = expected(np.array([[1.0], [2.0]]), np.array([[1.0, np.nan]]), price)
    assert table.shape == (2, 2)
    assert np.isnan(table[:, 1]).all()
    assert table[:, 0].tolist() == [3000 + 10**7, 4000 + 10**7]


SHARE = st.floats(0, 1)
TOKENS = st.integers(0, 400_000)


def call_by_call(price: Price, tokens: int, output: float, warm: float, kept: float, calls: int, growth: float) -> float:
    """What the docstring of ``expected_ahead`` says, one call after the other."""
    total, before = 0.0, 0.0
    for place in range(calls):
        taken = tokens + growth * place
        long = price.long_above is not None and price.long_rates is not None and taken > price.long_above
        rates = price.long_rates if long and price.long_rates is not None else price.rates
        read = min(warm, tokens) if place == 0 else kept * before
        written = kept * (taken - read)
        each = [(read, rates.cached), (written, rates.cache_written), (taken - read - written, None)]
        total += sum(count * float(rates.input if rate is None else rate) for count, rate in each)
        total += output * float(rates.output)
        before = taken
    return total * 1000 / calls + float(price.per_request) * 1e9


@given(PRICES, TOKENS, st.floats(0, 5000), st.floats(0, 500_000), SHARE, st.integers(1, 60), st.integers(0, 20_000))
def test_calls_to_come_cost_what_they_cost_one_by_one(
    price: Price, tokens: int, output: float, warm: float, kept: float, calls: int, growth: int
) -> None:
    found = expected_ahead(tokens, output, price, warm=warm, kept=kept, calls=calls, growth=growth)
    assert found == pytest.approx(call_by_call(price, tokens, output, warm, kept, calls, growth), rel=1e-9, abs=1e-3)


@given(PRICES, TOKENS, st.floats(0, 5000))
def test_one_call_without_a_cache_is_the_plain_expectation(price: Price, tokens: int, output: float) -> None:
    alone = expected_ahead(tokens, output, price, warm=0.0, kept=0.0, calls=1, growth=800.0)
    assert alone == pytest.approx(expected_one(tokens, output, price), rel=1e-9)


@given(COUNT, COUNT, st.integers(0, 5000), PRICES)
def test_an_expected_call_with_a_cache_is_the_amount_of_such_a_call(
    cached: int, rest: int, output: int, price: Price
) -> None:
    """Everything that is not read is written: what Anthropic bills for a prompt whose last message is marked."""
    usage = Usage(cached + rest, output, cached, rest)
    found = expected_ahead(cached + rest, output, price, warm=cached, kept=1.0, calls=1, growth=0.0)
    assert found == pytest.approx(amount(usage, price), rel=1e-9, abs=1)


@given(usages(), PRICES, st.integers(0, 1000), st.integers(0, 1000))
def test_no_call_within_its_tokens_costs_more_than_the_most(usage: Usage, price: Price, more: int, longer: int) -> None:
    assert most(usage.input + more, usage.output + longer, price) >= amount(usage, price)


@given(usages(), PRICES.map(lambda price: replace(price, since="2026-01-01", source="a list 1.2 source=odd")))
def test_the_terms_of_a_call_are_the_rates_of_its_amount(usage: Usage, price: Price) -> None:
    said = read_terms(terms(usage, price))
    assert amount(usage, Price(said.rates, said.per_request)) == amount(usage, price)
    assert (said.since, said.source) == ("2026-01-01", "a list 1.2 source=odd")


def test_terms_in_words() -> None:
    price = Price(Rates(Decimal("0.150"), Decimal(6), Decimal("1E-2")), since="2026-01-01", source="genai-prices 0.1")
    assert terms(None, price) == "input=0.150 output=6 cached=0.01 since=2026-01-01 source=genai-prices 0.1"
    for wrong in ("", "input=1 output=2", "output=1 source=x", "input=x output=1 source=x"):
        with pytest.raises(ValueError, match=r"states|say"):
            read_terms(wrong)
