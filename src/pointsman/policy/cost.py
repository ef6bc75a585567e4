"""What a call cost, exactly, and what a call will cost, on average.

Strategy: a recorded amount is Decimal arithmetic, rounded once; an expected amount is a float until it is shown, because it
is an estimate anyway.

Laws: ``amount`` is exact and rounds half-even once per call, whatever the arithmetic of the thread is set to; tokens are
never billed twice (cached and cache-written tokens are part of the input), and a count below zero bills nothing; a call
above ``long_above`` input tokens is billed at the long rates as a whole.
"""

from decimal import ROUND_HALF_EVEN, Context

import numpy as np
from numpy.typing import NDArray

from pointsman.core.chat import Usage
from pointsman.core.price import NANO_PER_USD, Price, Rates

_NANO_PER_RATE = NANO_PER_USD // 1_000_000  # one token at one dollar per million, in nano-dollars
_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)  # digits enough that nothing is rounded before the end


def amount(usage: Usage, price: Price) -> int:
    """Return what a call cost, in integer nano-dollars, rounded half-even once.

    Cached and cache-written tokens cost the plain input rate where the price has no rate of their own for them.
    """
    rates = _rates(usage.input, price)
    cached, written = max(usage.cached, 0), max(usage.cache_written, 0)
    total = _EXACT.multiply(max(usage.input - cached - written, 0), rates.input)
    total = _EXACT.fma(max(usage.output, 0), rates.output, total)
    if cached:
        total = _EXACT.fma(cached, rates.input if rates.cached is None else rates.cached, total)
    if written:
        total = _EXACT.fma(written, rates.input if rates.cache_written is None else rates.cache_written, total)
    fixed = _EXACT.multiply(price.per_request, NANO_PER_USD)
    return int(_EXACT.to_integral_value(_EXACT.fma(total, _NANO_PER_RATE, fixed)))


def expected(input_tokens: NDArray[np.float64], output_tokens: NDArray[np.float64], price: Price) -> NDArray[np.float64]:
    """Return the nano-dollars that calls with so many tokens cost on average, without any cache; shapes broadcast."""
    plain, fixed = price.rates, float(price.per_request) * NANO_PER_USD
    total = _linear(input_tokens, output_tokens, plain)
    if price.long_above is not None and price.long_rates is not None:
        total = np.where(input_tokens > price.long_above, _linear(input_tokens, output_tokens, price.long_rates), total)
    return total + fixed


def expected_one(input_tokens: int, output_tokens: float, price: Price) -> float:
    """Return the nano-dollars that one call with so many tokens costs on average: ``expected`` without arrays."""
    rates = _rates(input_tokens, price)
    tokens = input_tokens * float(rates.input) + output_tokens * float(rates.output)
    return tokens * _NANO_PER_RATE + float(price.per_request) * NANO_PER_USD


def _rates(input_tokens: int, price: Price) -> Rates:
    if price.long_above is not None and price.long_rates is not None and input_tokens > price.long_above:
        return price.long_rates
    return price.rates


def _linear(input_tokens: NDArray[np.float64], output_tokens: NDArray[np.float64], rates: Rates) -> NDArray[np.float64]:
    return (input_tokens * float(rates.input) + output_tokens * float(rates.output)) * _NANO_PER_RATE
