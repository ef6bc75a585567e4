"""What a call cost, exactly, and what a call will cost, on average.

Strategy: a recorded amount is arithmetic of whole numbers, rounded once: a price's decimals are scaled to integers when it
is first used. An expected amount is a float until it is shown, because it is an estimate anyway.

Laws: ``amount`` is exact and rounds half-even once per call; tokens are never billed twice (cached and cache-written tokens
are part of the input), and a count below zero bills nothing; a call above ``long_above`` input tokens is billed at the long
rates as a whole; a call is billed at the rates of the service tier that its usage names.
"""

from functools import lru_cache
from math import floor, lcm

import numpy as np
from numpy.typing import NDArray

from pointsman.core.chat import Usage
from pointsman.core.price import NANO_PER_USD, Price, Rates, Terms

_NANO_PER_RATE = NANO_PER_USD // 1_000_000  # one token at one dollar per million, in nano-dollars
_PRICES_KEPT = 4096


class _Scaled:
    """What one token of each kind costs, and a request beside, in whole parts of a nano-dollar: ``parts`` make one.

    ``terms`` are the rates that it was made of.
    """

    __slots__ = ("cached", "fixed", "input", "output", "parts", "terms", "written")

    def __init__(self, terms: str, parts: int, input_: int, output: int, cached: int, written: int, fixed: int) -> None:
        self.terms = terms
        self.parts = parts
        self.input = input_
        self.output = output
        self.cached = cached
        self.written = written
        self.fixed = fixed


def amount(usage: Usage, price: Price) -> int:
    """Return what a call cost, in integer nano-dollars, rounded half-even once.

    Cached and cache-written tokens cost the plain input rate where the price has no rate of their own for them.
    """
    return _sum(usage, _rates(usage, price))


def terms(usage: Usage | None, price: Price) -> str:
    """Return the rates that ``amount`` takes for a call, the usual ones where its usage is not known, as one line
    (``core.price.Terms.text``).
    """
    return _rates(usage, price).terms


def bill(usage: Usage, price: Price) -> tuple[int, str]:
    """Return ``amount`` and ``terms``."""
    each = _rates(usage, price)
    return _sum(usage, each), each.terms


def _sum(usage: Usage, each: _Scaled) -> int:
    taken, given, cached, written = usage.input, usage.output, usage.cached, usage.cache_written
    total = each.fixed
    if cached > 0 or written > 0:
        cached, written = max(cached, 0), max(written, 0)
        taken -= cached + written
        total += cached * each.cached + written * each.written
    total += max(taken, 0) * each.input + max(given, 0) * each.output
    whole, rest = divmod(total, each.parts)
    twice = 2 * rest
    return whole + (twice > each.parts or (twice == each.parts and whole & 1))


def _rates(usage: Usage | None, price: Price) -> _Scaled:
    """Return what a call is billed at."""
    if usage is None:
        return _scaled(price, False)
    if usage.tier and price.tiers:
        price = price.on(usage.tier)
    long_above = price.long_above
    return _scaled(price, long_above is not None and usage.input > long_above)


@lru_cache(_PRICES_KEPT)
def _scaled(price: Price, long: bool) -> _Scaled:
    rates = price.long_rates if long and price.long_rates is not None else price.rates
    cached = rates.input if rates.cached is None else rates.cached
    written = rates.input if rates.cache_written is None else rates.cache_written
    each = [(*rate.as_integer_ratio(), _NANO_PER_RATE) for rate in (rates.input, rates.output, cached, written)]
    each.append((*price.per_request.as_integer_ratio(), NANO_PER_USD))
    parts = lcm(*[divisor for _, divisor, _ in each])
    terms_ = Terms(rates, price.per_request, price.since, price.source).text
    return _Scaled(terms_, parts, *[above * (parts // divisor) * unit for above, divisor, unit in each])


def expected(input_tokens: NDArray[np.float64], output_tokens: NDArray[np.float64], price: Price) -> NDArray[np.float64]:
    """Return the nano-dollars that calls with so many tokens cost on average, without any cache; shapes broadcast."""
    plain, fixed = price.rates, float(price.per_request) * NANO_PER_USD
    total = _linear(input_tokens, output_tokens, plain)
    if price.long_above is not None and price.long_rates is not None:
        total = np.where(input_tokens > price.long_above, _linear(input_tokens, output_tokens, price.long_rates), total)
    return total + fixed


def expected_cached(
    input_tokens: NDArray[np.float64],
    output_tokens: NDArray[np.float64],
    cached: NDArray[np.float64],
    written: NDArray[np.float64],
    price: Price,
) -> NDArray[np.float64]:
    """Return what ``expected`` does where so many of the input tokens are read from a cache, and written to it."""

    def saved(rates: Rates) -> NDArray[np.float64]:
        read, wrote = (rates.input if rate is None else rate for rate in (rates.cached, rates.cache_written))
        return (cached * float(rates.input - read) + written * float(rates.input - wrote)) * _NANO_PER_RATE

    less = saved(price.rates)
    if price.long_above is not None and price.long_rates is not None:
        less = np.where(input_tokens > price.long_above, saved(price.long_rates), less)
    return expected(input_tokens, output_tokens, price) - less


def expected_one(input_tokens: int, output_tokens: float, price: Price) -> float:
    """Return the nano-dollars that one call with so many tokens costs on average: ``expected`` without arrays."""
    long_above = price.long_above
    taken, given, fixed, _, _ = _floats(price, long_above is not None and input_tokens > long_above)
    return (input_tokens * taken + output_tokens * given) * _NANO_PER_RATE + fixed


def most(input_tokens: int, output_tokens: int, price: Price) -> int:
    """Return the most that one call with at most so many tokens costs, cached or not, on any tier; nano-dollars."""
    long = price.long_above is not None and input_tokens > price.long_above
    return amount(Usage(input=input_tokens, output=output_tokens), _dearest(price, long))


@lru_cache(_PRICES_KEPT)
def _dearest(price: Price, long: bool) -> Price:
    """Return a price at which no token costs less than it may at this one, on any service tier, long or not."""
    every = [price.rates, *(tier.rates for tier in price.tiers)]
    if long:
        every += [rates for rates in (price.long_rates, *(tier.long_rates for tier in price.tiers)) if rates is not None]
    dearest = max(rate for rates in every for rate in (rates.input, rates.cached, rates.cache_written) if rate is not None)
    return Price(Rates(dearest, max(rates.output for rates in every)), price.per_request)


@lru_cache(_PRICES_KEPT)
def _floats(price: Price, long: bool) -> tuple[float, float, float, float, float]:
    """Return dollars per million tokens of input and of output, nano-dollars per request, and dollars per million tokens
    that are read from the cache and written to it.
    """
    rates = price.long_rates if long and price.long_rates is not None else price.rates
    cached, written = (rates.input if rate is None else rate for rate in (rates.cached, rates.cache_written))
    fixed = float(price.per_request) * NANO_PER_USD
    return float(rates.input), float(rates.output), fixed, float(cached), float(written)


def expected_ahead(
    input_tokens: int, output_tokens: float, price: Price, *, warm: float, kept: float, calls: int, growth: float
) -> float:
    """Return the nano-dollars that each of some calls in a row costs on average, with the provider's cache.

    The first has ``input_tokens``, of which ``warm`` are read from the cache; each further one has ``growth`` more, and
    reads the share ``kept`` of the one before. That share of what is not read is written to the cache: who reads something
    again has paid for writing it. In constant time, however many calls: the sums are those of arithmetic series.
    """
    above = price.long_above if price.long_rates is not None else None
    plain = calls  # so many calls are billed at the plain rates, the rest at the long ones
    if above is not None and input_tokens + growth * (calls - 1) > above:
        plain = 0 if input_tokens > above or growth <= 0 else floor((above - input_tokens) / growth) + 1
    total = 0.0
    for first, end in ((0, plain), (plain, calls)):
        count = end - first
        if count:
            each, given, _, cached, writing = _floats(price, first >= plain)
            taken = count * input_tokens + growth * (first + end - 1) * count / 2
            later = count - (first == 0)
            read = kept * (later * (input_tokens - growth) + growth * (max(first, 1) + end - 1) * later / 2)
            read += min(warm, input_tokens) if first == 0 else 0.0
            written = kept * (taken - read)
            total += read * cached + written * writing + (taken - read - written) * each + count * output_tokens * given
    return total * _NANO_PER_RATE / calls + _floats(price, long=False)[2]


def _linear(input_tokens: NDArray[np.float64], output_tokens: NDArray[np.float64], rates: Rates) -> NDArray[np.float64]:
    return (input_tokens * float(rates.input) + output_tokens * float(rates.output)) * _NANO_PER_RATE
