"""Any provider's usage as a table: CSV with a row a day and model.

Columns: ``day`` (2026-11-28, UTC), ``model``, and what the provider says of ``requests``, ``input_tokens`` (all of them),
``cached_tokens``, ``cache_written_tokens``, ``output_tokens``, ``cost_usd``. Others are passed over.
"""

import csv
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from pointsman.control.ledger.reconcile.billed import Billed, ExportError, grain, undated

_COUNTS: Final = {
    "requests": "requests",
    "input_tokens": "input",
    "cached_tokens": "cached",
    "cache_written_tokens": "written",
    "output_tokens": "output",
}
COLUMNS: Final = ("day", "model", *_COUNTS, "cost_usd")


def billed(text: str) -> Iterator[Billed]:
    """Yield what a table says. Raises ExportError, with the line."""
    rows = csv.DictReader(text.splitlines())
    named = [(name or "").strip().lower() for name in rows.fieldnames or ()]
    if "day" not in named or not set(named) & {*_COUNTS, "cost_usd"}:
        raise ExportError(f"the table has no column day, or nothing to compare: its columns may be {', '.join(COLUMNS)}")
    rows.fieldnames = named
    for row in rows:
        try:
            day = date.fromisoformat((row["day"] or "").strip()).isoformat()
            counts = {to: int(row[name]) for name, to in _COUNTS.items() if (row.get(name) or "").strip()}
            said = (row.get("cost_usd") or "").strip()
            usd = Decimal(said) if said else None
        except (ValueError, InvalidOperation) as error:
            raise ExportError(f"line {rows.line_num} of the table cannot be read: {error}") from error
        if usd is not None and not usd.is_finite():
            raise ExportError(f"line {rows.line_num} of the table: cost_usd is no amount")
        step = grain(usd) if usd is not None else Decimal(0)
        yield Billed(day, undated(row.get("model") or ""), **counts, usd=usd, grain=step)
