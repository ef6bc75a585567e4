"""What a ledger's lines come to: exact sums of what is settled, bounds of what is not, by who, what and when.

Laws: sums are of whole nano-dollars; an amount that only bounds are known of is in no settled sum; what has no price is
counted and told, never taken for nothing. Days are UTC.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from msgspec import Struct

from pointsman.core.ledger import Entry, Line, decode

Key = Literal["customer", "feature", "route", "vendor", "day", "key", "deployment", "why"]
KEYS: Final[tuple[Key, ...]] = get_args(Key)
_DAY_MS: Final = 86_400_000


class Row(Struct):
    """Sums over lines: ``names`` run in step with what was grouped by.

    ``requests`` got an answer through one of them. The bill lies between ``settled_nano + least_nano`` and ``settled_nano +
    most_nano``; ``thought_nano`` is what is known or estimated of the ``unsettled`` calls. ``unpriced`` calls have no amount
    that is known.
    """

    names: tuple[str, ...]
    calls: int = 0
    requests: int = 0
    settled_nano: int = 0
    unsettled: int = 0
    thought_nano: int = 0
    least_nano: int = 0
    most_nano: int = 0
    unpriced: int = 0
    fresh: int = 0
    cached: int = 0
    cache_written: int = 0
    output: int = 0
    reasoning: int = 0
    served_tokens: int = 0

    def add(self, line: Line) -> None:
        """Count a line."""
        self.calls += 1
        self.fresh += line.fresh
        self.cached += line.cached
        self.cache_written += line.cache_written
        self.output += line.output
        self.reasoning += line.reasoning
        if line.served:
            self.requests += 1
            self.served_tokens += line.fresh + line.cached + line.cache_written + line.output
        if line.settled:
            self.settled_nano += line.nano or 0
            self.unpriced += line.nano is None
        else:
            self.unsettled += 1
            self.thought_nano += line.nano or 0
            self.least_nano += line.least or 0
            self.most_nano += line.most or 0
            self.unpriced += line.most is None


class Period(Struct, frozen=True):
    """From which moment on, up to which; Unix milliseconds, None: unbounded."""

    since_ms: int | None = None
    until_ms: int | None = None

    def has(self, at_ms: int) -> bool:
        """Whether a moment lies within."""
        return (self.since_ms is None or at_ms >= self.since_ms) and (self.until_ms is None or at_ms < self.until_ms)


class Sums(Struct, frozen=True):
    """A report: rows in order of their names, all of them together, and when the ledger and the lines counted begin and end.

    ``opened_ms`` is None in an empty ledger; ``first_ms`` and ``last_ms`` where no line is within the period. ``opening``
    says what came before.
    """

    by: tuple[Key, ...]
    rows: tuple[Row, ...]
    total: Row
    opened_ms: int | None
    first_ms: int | None
    last_ms: int | None
    opening: str = ""


def lines_within(entries: Iterable[Entry], period: Period) -> Iterator[Line]:
    """Return the lines of calls within a period. Raises ValueError for a line that cannot be read."""
    for entry in entries:
        line = decode(entry.text)
        if line.why != "opening" and period.has(line.at_ms):
            yield line


def sums(entries: Iterable[Entry], by: Sequence[Key], period: Period) -> Sums:
    """Add up a ledger's lines. Raises ValueError for a line that cannot be read."""
    rows: dict[tuple[str, ...], Row] = {}
    total = Row(())
    first = last = opened = None
    opening = ""
    for entry in entries:
        line = decode(entry.text)
        if line.why == "opening":
            opened, opening = line.at_ms, line.note
        elif period.has(line.at_ms):
            first = line.at_ms if first is None else min(first, line.at_ms)
            last = line.at_ms if last is None else max(last, line.at_ms)
            names = tuple([name_of(line, key) for key in by])
            row = rows.get(names)
            if row is None:
                row = rows[names] = Row(names)
            row.add(line)
            total.add(line)
    return Sums(tuple(by), tuple(rows[names] for names in sorted(rows)), total, opened, first, last, opening)


def name_of(line: Line, key: Key) -> str:
    """Return what a line is grouped under."""
    if key == "day":
        return day_of(line.at_ms)
    name: str = getattr(line, key)
    return name


def day_of(at_ms: int) -> str:
    """Return the day (UTC) of a moment, as ``2026-11-28``."""
    return datetime.fromtimestamp(at_ms // _DAY_MS * 86_400, UTC).date().isoformat()
