"""What customers pay, as the owner states it, and what is left of it when their calls are paid.

Strategy: revenue is worked out from the ledger's own lines: requests that were answered, tokens of the answers that reached
the customer, or the cost itself with a markup; and a monthly fee for the part of each month (UTC) that the report covers.

Laws: exact decimals, rounded half-even once per customer; nothing is charged for a request that got no answer, and nothing
for calls that Pointsman made for itself; every call of a customer's exchanges costs, the failed ones too. Where calls are
unsettled, the cost is an interval, and so is what is left.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from msgspec import Struct

from pointsman.control.config.values import CustomerRules
from pointsman.control.ledger.report import Period, Row, sums
from pointsman.core.ledger import Entry
from pointsman.core.price import NANO_PER_USD

_DAY: Final = timedelta(days=1)


class Margin(Struct, frozen=True):
    """One customer: what it pays for the period, and what its calls cost, settled and at least and at most.

    ``tokens`` are those in and out of the answers that reached it. ``share`` is the part of what it pays that is left, at
    the least; None where it pays nothing.
    """

    customer: str
    requests: int
    tokens: int
    pays_nano: int
    settled_nano: int
    least_nano: int
    most_nano: int
    unpriced: int

    @property
    def share(self) -> float | None:
        """What is left of what it pays, as a part of it, at the least."""
        return (self.pays_nano - self.most_nano) / self.pays_nano if self.pays_nano else None


def margins(rules: Mapping[str, CustomerRules], entries: Iterable[Entry], period: Period) -> list[Margin]:
    """Return the margin of every customer of whom the owner says what it pays, in the order of their names.

    The fee is for the period, bounded by the ledger's opening and its last line where it is open.
    """
    found = sums(entries, ("customer",), period)
    rows = {row.names[0]: row for row in found.rows}
    since = period.since_ms if period.since_ms is not None else found.opened_ms
    until = period.until_ms if period.until_ms is not None else found.last_ms
    months = Decimal(0) if since is None or until is None else months_between(since, until)
    return [_margin(name, rules[name], rows.get(name, Row((name,))), months) for name in sorted(rules)]


def _margin(name: str, rules: CustomerRules, row: Row, months: Decimal) -> Margin:
    usd = (
        rules.per_request_usd * row.requests
        + rules.per_1000_tokens_usd * row.served_tokens / 1000
        + rules.per_month_usd * months
    )
    cost = row.settled_nano + row.thought_nano
    pays = usd * NANO_PER_USD + (0 if rules.markup is None else cost * (1 + rules.markup))
    least, most = row.settled_nano + row.least_nano, row.settled_nano + row.most_nano
    paid = int(pays.to_integral_value(rounding=ROUND_HALF_EVEN))
    return Margin(name, row.requests, row.served_tokens, paid, row.settled_nano, least, most, row.unpriced)


def months_between(since_ms: int, until_ms: int) -> Decimal:
    """Return how many months (UTC) lie between two moments, each day as its part of its own month."""
    at, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (since_ms, max(since_ms, until_ms)))
    months = Decimal(0)
    while at < end:
        later = min(end, datetime(at.year, at.month, at.day, tzinfo=UTC) + _DAY)
        months += Decimal((later - at) // timedelta(milliseconds=1)) / (86_400_000 * monthrange(at.year, at.month)[1])
        at = later
    return months
