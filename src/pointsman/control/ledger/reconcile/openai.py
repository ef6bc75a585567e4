"""OpenAI's organization exports: ``/v1/organization/usage/completions`` and ``/v1/organization/costs``, pages as they come.

Fields (https://platform.openai.com/docs/api-reference/usage): buckets with ``start_time`` and ``end_time`` in Unix seconds;
usage results with ``input_tokens`` (cached ones included), ``input_cached_tokens``, ``output_tokens``,
``num_model_requests`` and, with ``group_by=model``, ``model``; costs with ``amount.value`` in US dollars and, with
``group_by=line_item``, ``line_item``: ``gpt-4o-mini-2024-07-18, input``.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from pointsman.control.ledger.reconcile.billed import Billed, ExportError, grain, undated

USAGE: Final = "organization.usage.completions.result"
COSTS: Final = "organization.costs.result"
_DAY_S: Final = 86_400


class Amount(Struct):
    """An amount of money."""

    value: Decimal
    currency: str = "usd"


class Result(Struct):
    """One row of a bucket: of usage or of costs."""

    object: str = ""
    input_tokens: int = 0
    input_cached_tokens: int | None = None
    output_tokens: int = 0
    num_model_requests: int | None = None
    model: str | None = None
    amount: Amount | None = None
    line_item: str | None = None


class Bucket(Struct):
    """A stretch of time."""

    start_time: int
    end_time: int
    results: list[Result]


class Page(Struct):
    """A page as the API returns it."""

    data: list[Bucket]
    has_more: bool = False


def billed(page: Page) -> Iterator[Billed]:
    """Yield what a page says. Raises ExportError."""
    for bucket in page.data:
        day = day_of(bucket.start_time, bucket.end_time)
        for row in bucket.results:
            if row.object == COSTS and row.amount is not None:
                if row.amount.currency.lower() != "usd":
                    raise ExportError(f"{day}: an amount in {row.amount.currency}: only US dollars can be compared")
                model = undated((row.line_item or "").partition(",")[0])
                yield Billed(day, model, usd=row.amount.value, grain=grain(row.amount.value))
            else:
                yield Billed(
                    day,
                    undated(row.model or ""),
                    requests=row.num_model_requests,
                    input=row.input_tokens,
                    cached=row.input_cached_tokens,
                    output=row.output_tokens,
                )


def day_of(start_s: float, end_s: float) -> str:
    """Return the day (UTC) that a stretch of time is of. Raises ExportError where it is longer than that."""
    if start_s // _DAY_S != (end_s - 1) // _DAY_S:
        at = datetime.fromtimestamp(start_s, UTC).isoformat()
        raise ExportError(f"the bucket from {at} is of more than one day (UTC): export with bucket_width=1d, or 1h")
    return datetime.fromtimestamp(start_s, UTC).date().isoformat()
