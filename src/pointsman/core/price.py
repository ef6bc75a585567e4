"""What a token costs, since when, and who says so.

Prices are Decimal US dollars per million tokens; amounts are integer nano-dollars (1e-9 USD). Never float. The arithmetic
that turns usage into an amount is in ``policy/cost``.
"""

from decimal import Decimal

from msgspec import Struct

NANO_PER_USD = 1_000_000_000


class Rates(Struct, frozen=True, cache_hash=True):
    """US dollars per million tokens, by kind. A missing cache rate means that such tokens cost the plain input rate."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    cache_written: Decimal | None = None


class Price(Struct, frozen=True, cache_hash=True):
    """The price of a deployment.

    ``since`` is the ISO date from which it holds (empty: always). ``source`` says who states it: ``config`` (the owner, a
    contract price included), ``genai-prices <version>``, or ``simulated``. Where a provider charges more for long inputs,
    requests with more than ``long_above`` input tokens are billed at ``long_rates`` as a whole.
    """

    rates: Rates
    per_request: Decimal = Decimal(0)
    since: str = ""
    source: str = "config"
    long_above: int | None = None
    long_rates: Rates | None = None
