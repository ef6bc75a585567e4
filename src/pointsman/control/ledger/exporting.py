"""A ledger's lines for other programs: JSON Lines that can be verified again, and CSV for spreadsheets.

Laws: lines go out one by one, as many as there are; the text in JSON Lines is the one that was hashed, byte for byte.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from pointsman.control.ledger.verify import terms_of
from pointsman.core.ledger import Entry, Line, decode

COLUMNS: Final = (
    "n", "time", "exchange", "attempt", "why", "served", "customer", "feature", "route", "key", "vendor", "deployment",
    "tier", "status", "basis", "settled", "usd", "least_usd", "most_usd", "fresh_tokens", "cached_tokens",
    "cache_written_tokens", "output_tokens", "reasoning_tokens", "tool_calls", "most_input_tokens", "most_output_tokens",
    "usd_per_million_input", "usd_per_million_output", "usd_per_million_cached", "usd_per_million_cache_written",
    "usd_per_request", "price_since", "price_source", "note", "hash",
)  # fmt: skip
_QUOTED: Final = ("=", "+", "-", "@", "\t", "\r")
"""Where a cell begins like this, a spreadsheet takes it for a formula (OWASP, "CSV Injection")."""


def as_json_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield one JSON object a line: the number, the hash in hexadecimal, and the line as the text that was hashed."""
    for entry in entries:
        packed = {"n": entry.n, "hash": entry.hash.hex(), "line": msgspec.Raw(entry.text)}
        yield msgspec.json.encode(packed).decode() + "\n"


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield a head of columns and one row a line (RFC 4180). Raises ValueError for a line that cannot be read."""
    room = io.StringIO(newline="")
    writer = csv.writer(room)
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow(_row(entry, decode(entry.text)))
        yield room.getvalue()
        room.seek(0)
        room.truncate()
    yield room.getvalue()


def _row(entry: Entry, line: Line) -> tuple[object, ...]:
    terms = terms_of(line.terms) if line.terms else None
    rates = None if terms is None else terms.rates
    stated: tuple[object, ...] = ("",) * 7
    if terms is not None and rates is not None:
        each = (rates.input, rates.output, rates.cached, rates.cache_written, terms.per_request)
        stated = (*("" if rate is None else f"{rate:f}" for rate in each), terms.since, terms.source)
    return (
        entry.n, datetime.fromtimestamp(line.at_ms / 1000, UTC).isoformat(timespec="milliseconds"), line.exchange,
        line.attempt, line.why, int(line.served), *map(_cell, (line.customer, line.feature, line.route, line.key)),
        _cell(line.vendor), _cell(line.deployment), line.tier, line.status, line.basis, int(line.settled), _usd(line.nano),
        _usd(line.least), _usd(line.most), line.fresh, line.cached, line.cache_written, line.output, line.reasoning,
        line.tool_calls, line.most_input, line.most_output, *stated, _cell(line.note), entry.hash.hex(),
    )  # fmt: skip


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_QUOTED) else text


def _usd(nano: int | None) -> str:
    return "" if nano is None else f"{Decimal(nano).scaleb(-9):f}"
