"""Anthropic's organization exports: ``/v1/organizations/usage_report/messages`` and ``/v1/organizations/cost_report``.

Fields (https://docs.claude.com/en/api/usage-cost-api): buckets with ``starting_at`` and ``ending_at`` (RFC 3339); usage
results with ``uncached_input_tokens``, ``cache_read_input_tokens``, ``cache_creation.ephemeral_5m_input_tokens`` and
``_1h_``, ``output_tokens`` and, with ``group_by[]=model``, ``model``; costs with ``amount``, a decimal text in cents, and,
with ``group_by[]=description``, ``model``, ``description`` and ``cost_type``.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct

from pointsman.control.ledger.reconcile.billed import Billed, ExportError, grain, undated
from pointsman.control.ledger.reconcile.openai import day_of


class Written(Struct):
    """Tokens written to a cache, by how long it lives."""

    ephemeral_1h_input_tokens: int = 0
    ephemeral_5m_input_tokens: int = 0


class Result(Struct):
    """One row of a bucket: of usage, or of costs (then with an ``amount``)."""

    uncached_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation: Written | None = None
    output_tokens: int = 0
    model: str | None = None
    amount: Decimal | None = None
    currency: str = "USD"
    description: str | None = None
    cost_type: str | None = None


class Bucket(Struct):
    """A stretch of time."""

    starting_at: datetime
    ending_at: datetime
    results: list[Result]


class Page(Struct):
    """A page as the API returns it."""

    data: list[Bucket]
    has_more: bool = False


def billed(page: Page) -> Iterator[Billed]:
    """Yield what a page says. Raises ExportError."""
    for bucket in page.data:
        day = day_of(_seconds(bucket.starting_at), _seconds(bucket.ending_at))
        for row in bucket.results:
            if row.amount is not None:
                if row.currency.upper() != "USD":
                    raise ExportError(f"{day}: an amount in {row.currency}: only US dollars can be compared")
                usd = row.amount.scaleb(-2)
                what = "" if row.cost_type in (None, "tokens") else row.description or row.cost_type or ""
                yield Billed(day, undated(what or row.model or ""), usd=usd, grain=grain(usd))
            else:
                made = row.cache_creation or Written()
                written = made.ephemeral_1h_input_tokens + made.ephemeral_5m_input_tokens
                yield Billed(
                    day,
                    undated(row.model or ""),
                    input=row.uncached_input_tokens + row.cache_read_input_tokens + written,
                    cached=row.cache_read_input_tokens,
                    written=written,
                    output=row.output_tokens,
                )


def _seconds(at: datetime) -> float:
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
