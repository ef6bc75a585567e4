"""The journal over both tables: appends in one transaction, reads page by page, sums made by the database."""

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from pointsman.core.ledger import lines_of
from pointsman.core.record import ExchangeRecord, Judgement
from pointsman.store.interfaces import GROUPINGS, CourseSpend, Filter, Grouping, Spend
from pointsman.store.seal import VectorSeal
from pointsman.store.sqlite import exchanges, judgements, ledger
from pointsman.store.sqlite.connections import Connections

PAGE: Final = 500

_CONDITIONS: Final = {
    "since_ms": "at_ms >= ?",
    "until_ms": "at_ms < ?",
    "feature": "feature = ?",
    "deployment": "deployment = ?",
    "route": "route = ?",
    "source": "source = ?",
    "trial": "trial = ?",
    "input_above": "input_tokens > ?",
    "exchange": "{id} = ?",
}
_OF_EXCHANGES: Final = {name: text.format(id="id") for name, text in _CONDITIONS.items() if name != "trial"}
_OF_JUDGEMENTS: Final = {
    name: text.format(id="exchange") for name, text in _CONDITIONS.items() if name not in ("route", "source", "input_above")
}

# Percentiles are nearest-rank ones, over answered exchanges whose latency is known: cume_dist is the share of a group's
# latencies that are not above this one.
_SPEND: Final = """
WITH wanted AS (
    SELECT {groups}, outcome, latency_ms, input_tokens, cached_tokens, cache_written_tokens, output_tokens, cost_nano, at_ms
    FROM exchanges WHERE {where}
), latencies AS (
    SELECT feature, deployment, mode, arm, latency_ms,
        cume_dist() OVER (PARTITION BY feature, deployment, mode, arm ORDER BY latency_ms) AS share
    FROM wanted WHERE outcome = 'ok' AND latency_ms > 0
), percentiles AS (
    SELECT feature, deployment, mode, arm,
        min(latency_ms) FILTER (WHERE share >= 0.50) AS p50, min(latency_ms) FILTER (WHERE share >= 0.95) AS p95
    FROM latencies GROUP BY feature, deployment, mode, arm
), sums AS (
    SELECT feature, deployment, mode, arm, count(*) AS requests, sum(outcome IN ('error', 'cut')) AS errors,
        sum(input_tokens) AS input, sum(cached_tokens) AS cached, sum(output_tokens) AS output,
        coalesce(sum(cost_nano), 0) AS cost, coalesce(sum(CAST(cost_nano AS REAL) * cost_nano), 0.0) AS cost_squared,
        sum(cost_nano IS NULL) AS unpriced, min(at_ms) AS first, max(at_ms) AS last, sum(cache_written_tokens) AS written,
        sum(cost_nano IS NULL AND (outcome <> 'error' OR input_tokens + output_tokens > 0)) AS missing
    FROM wanted GROUP BY feature, deployment, mode, arm
)
SELECT feature, deployment, mode, arm, requests, errors, input, cached, output, cost, cost_squared, unpriced,
    coalesce(p50, 0.0), coalesce(p95, 0.0), first, last, written, missing
FROM sums LEFT JOIN percentiles USING (feature, deployment, mode, arm) ORDER BY feature, deployment, mode, arm
"""


_COURSES: Final = """
WITH told AS (
    SELECT arm, sum(cost_nano) AS cost FROM exchanges WHERE {where} GROUP BY arm, coalesce(nullif(course, ''), id)
)
SELECT arm, count(*), count(cost), coalesce(sum(cost), 0), coalesce(sum(CAST(cost AS REAL) * cost), 0.0)
FROM told GROUP BY arm ORDER BY arm
"""


_MATES: Final = "EXISTS (SELECT 1 FROM judgements AS mates WHERE mates.exchange = judgements.exchange AND {where})"

# By the rowid alone: with another index each page would sort all that was ever written of a feature.
_ARRIVED: Final = (
    f"SELECT {exchanges.SELECTED}, n FROM exchanges NOT INDEXED JOIN bodies USING (n)"  # noqa: S608 - our own names
    " WHERE {where} AND n > ? ORDER BY n LIMIT ?"
)
_JUDGED: Final = (
    f"SELECT {judgements.SELECTED}, arrived FROM judgements INDEXED BY judgements_arrived"  # noqa: S608 - our own names
    " WHERE {where} AND arrived > ? ORDER BY arrived LIMIT ?"
)


class SqliteJournal:
    """Implements ``interfaces.Journal``. Without a ``seal``, vectors are neither written nor read."""

    def __init__(self, connections: Connections, seal: VectorSeal | None) -> None:
        self._connections = connections
        self._seal = seal

    def append(self, records: Sequence[ExchangeRecord]) -> None:
        """Write a batch and its lines of the ledger in one transaction; a record whose id is there is left as it is."""
        with self._connections.write() as connection:
            new = exchanges.insert(connection, records, self._seal)
            if new:
                ledger.insert(connection, [line for _, one in new for line in lines_of(one)], new[0][0])

    def exchanges(self, wanted: Filter, *, newest_first: bool = False, limit: int | None = None) -> Iterator[ExchangeRecord]:
        """Stream matching exchanges in order of time."""
        table = "exchanges JOIN bodies USING (n)"
        pages = self._pages(table, exchanges.SELECTED, _where(wanted, _OF_EXCHANGES), newest_first=newest_first, limit=limit)
        return (exchanges.record(row, self._seal) for row in pages)

    def arrived(self, wanted: Filter, *, after: int = 0) -> Iterator[tuple[int, ExchangeRecord]]:
        """Stream matching exchanges in order of arrival, from the first above ``after``."""
        found = self._since(_ARRIVED, _where(wanted, _OF_EXCHANGES), after)
        return ((row[-1], exchanges.record(row[:-1], self._seal)) for row in found)

    def named(self, ids: Collection[str]) -> dict[str, ExchangeRecord]:
        """Return those exchanges of some ids that there are, by id."""
        wanted, found = tuple(ids), dict[str, ExchangeRecord]()
        for start in range(0, len(wanted), PAGE):
            some = wanted[start : start + PAGE]
            marks = ", ".join("?" * len(some))
            query = f"SELECT {exchanges.SELECTED} FROM exchanges JOIN bodies USING (n) WHERE id IN ({marks})"  # noqa: S608
            for row in self._connections.read(query, some):
                record = exchanges.record(row, self._seal)
                found[record.id] = record
        return found

    def spend(self, wanted: Filter, by: Collection[Grouping] = GROUPINGS) -> list[Spend]:
        """Return sums by what ``by`` names."""
        where, values = _where(wanted, _OF_EXCHANGES)
        groups = ", ".join(name if name in by else f"'' AS {name}" for name in GROUPINGS)
        return [Spend(*row) for row in self._connections.read(_SPEND.format(groups=groups, where=where), values)]

    def courses(self, wanted: Filter) -> list[CourseSpend]:
        """Return sums over courses by arm."""
        where, values = _where(wanted, _OF_EXCHANGES)
        return [CourseSpend(*row) for row in self._connections.read(_COURSES.format(where=where), values)]

    def judge(self, judgements_: Sequence[Judgement]) -> None:
        """Write graded answers in one transaction; what the same grader said earlier gives way."""
        with self._connections.write() as connection:
            judgements.insert(connection, judgements_, self._seal)

    def judgements(self, wanted: Filter) -> Iterator[Judgement]:
        """Stream matching judgements in order of time."""
        pages = self._pages("judgements", judgements.SELECTED, _where(wanted, _OF_JUDGEMENTS))
        return (judgements.judgement(row, self._seal) for row in pages)

    def judged(self, wanted: Filter, *, after: int = 0) -> Iterator[tuple[int, Judgement]]:
        """Stream matching judgements in order of arrival, from the first above ``after``."""
        found = self._since(_JUDGED, _where(wanted, _OF_JUDGEMENTS), after)
        return ((row[-1], judgements.judgement(row[:-1], self._seal)) for row in found)

    def last_judged(self) -> int:
        """Return the number of the judgement that was written last."""
        ((last,),) = self._connections.read("SELECT coalesce(max(arrived), 0) FROM judgements", ())
        return int(last)

    def by_exchange(self, wanted: Filter, *, after: int = 0) -> Iterator[list[Judgement]]:
        """Stream all judgements of the exchanges of which one matches and arrived above ``after``."""
        matching, values = _where(wanted, _OF_JUDGEMENTS)
        if after:
            matching, values = f"{matching} AND arrived > ?", [*values, after]
        where = (_MATES.format(where=matching) if values else matching, values)
        pages = self._pages("judgements", judgements.SELECTED, where, by="exchange")
        found = (judgements.judgement(row, self._seal) for row in pages)
        return (list(judged) for _, judged in groupby(found, lambda one: one.exchange))

    def _since(self, query: str, where: tuple[str, list[Any]], after: int) -> Iterator[Sequence[Any]]:
        """Yield rows that end with their number, in its order, ``PAGE`` at a time."""
        conditions, values = where
        while True:
            rows = self._connections.read(query.format(where=conditions), (*values, after, PAGE))
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1][-1]

    def _pages(
        self,
        table: str,
        columns: str,
        where: tuple[str, list[Any]],
        *,
        by: str = "at_ms",
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Sequence[Any]]:
        """Yield rows in order of a column and of arrival, ``PAGE`` at a time, each page after the last row before it."""
        conditions, values = where
        order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
        first = f"SELECT {columns}, {by}, n FROM {table} WHERE {conditions}"  # noqa: S608 - our own names, values are bound
        last = f" ORDER BY {by} {order}, n {order} LIMIT ?"
        after: tuple[Any, ...] = ()
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            further = f" AND ({by}, n) {beyond} (?, ?)" if after else ""
            rows = self._connections.read(first + further + last, (*values, *after, size))
            for row in rows:
                yield row[:-2]
            if len(rows) < size:
                return
            after = tuple(rows[-1][-2:])
            left = None if left is None else left - size


def _where(wanted: Filter, conditions: dict[str, str]) -> tuple[str, list[Any]]:
    """Return the SQL condition for a filter and its values. A field that does not apply is a mistake: ValueError."""
    named = {name: getattr(wanted, name) for name in Filter.__struct_fields__ if getattr(wanted, name) is not None}
    if not named.keys() <= conditions.keys():
        raise ValueError(f"a filter by {', '.join(sorted(named.keys() - conditions.keys()))} does not apply here")
    return " AND ".join(["TRUE", *(conditions[name] for name in named)]), list(named.values())


def of_exchanges(wanted: Filter) -> tuple[str, list[Any]]:
    """Return the SQL condition for wanted exchanges and its values. Raises ValueError for a field that does not apply."""
    return _where(wanted, _OF_EXCHANGES)
