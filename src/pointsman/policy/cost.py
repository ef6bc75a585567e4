"""What a call cost, exactly, and what a call will cost, on average.

Strategy: a recorded amount is Decimal arithmetic, rounded once; an expected amount is a float until it is shown, because it
is an estimate anyway.

Laws: ``amount`` is exact and rounds half-even once per call; tokens are never billed twice (cached and cache-written tokens
are part of the input); a call above ``long_above`` input tokens is billed at the long rates as a whole.
"""

from decimal import ROUND_HALF_EVEN

import numpy as np
from numpy.typing import NDArray

from pointsman.core.chat import Usage
from pointsman.core.price import NANO_PER_USD, Price, Rates

_NANO_PER_RATE = NANO_PER_USD // 1_000_000  # one token at one dollar per million, in nano-dollars


def amount(usage: Usage, price: Price) -> int:
    """Return what a call cost, in integer nano-dollars, rounded half-even once.

    Cached and cache-written tokens cost the plain input rate where the price has no rate of their own for them.
    """
    rates = _rates(usage.input, price)
    plain = max(usage.input - usage.cached - usage.cache_written, 0)
    dollars_per_million = (
        plain * rates.input
        + usage.cached * (rates.input if rates.cached is None else rates.cached)
        + usage.cache_written * (rates.input if rates.cache_written is None else rates.cache_written)
        + usage.output * rates.output
    )
    exact = dollars_per_million * _NANO_PER_RATE + price.per_request * NANO_PER_USD
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


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
