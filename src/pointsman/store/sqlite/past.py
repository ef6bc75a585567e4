"""Exchanges read in bulk, to be decided again: a stretch of the table at a time, and of each body only what that takes.

Laws: rows come by their number, so that the file is read from front to back; a reader holds no transaction between
stretches; grades are found from the exchanges, because a grade may come long after.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pointsman.core.errors import StoreError
from pointsman.store.interfaces import Filter
from pointsman.store.past import Drawn, Grade, GradeCount, Paid, Past, Span
from pointsman.store.seal import VectorSeal
from pointsman.store.sqlite.connections import Connections
from pointsman.store.sqlite.journal import of_exchanges

# NOT INDEXED: by number, whatever the conditions are.
_ENDS: Final = "SELECT min(n), max(n) FROM exchanges WHERE {where}"
_EXCHANGES: Final = """
SELECT id, feature, route, outcome, deployment, latency_ms, cost_nano, rest, vector
FROM exchanges NOT INDEXED JOIN bodies USING (n) WHERE n BETWEEN ? AND ? AND {where} ORDER BY n
"""
_BEGINNINGS: Final = """
SELECT id, feature, route, outcome, deployment, latency_ms, cost_nano, rest, vector FROM exchanges JOIN bodies USING (n)
WHERE id IN (SELECT course FROM exchanges NOT INDEXED WHERE n BETWEEN ? AND ? AND course <> '' AND {where}) ORDER BY n
"""
_GRADED: Final = """
FROM (SELECT id, feature FROM exchanges WHERE {where}) AS asked JOIN judgements AS judged ON judged.exchange = asked.id
WHERE judged.score IS NOT NULL
"""
_GRADES: Final = "SELECT exchange, judged.deployment, judged.arm, grader, trial, score" + _GRADED.replace(
    "FROM exchanges WHERE", "FROM exchanges NOT INDEXED WHERE n BETWEEN ? AND ? AND"
)
_COUNTS: Final = (
    "SELECT asked.feature, grader, count(DISTINCT judged.exchange), max(judged.at_ms)"
    + _GRADED
    + "GROUP BY 1, 2 ORDER BY 1, 2"
)

_REQUESTS: Final = "SELECT feature, count(*) FROM exchanges WHERE {where} GROUP BY feature ORDER BY feature"

_decoder = msgspec.msgpack.Decoder(tuple[tuple[Paid, ...], Drawn | None])


class SqlitePasts:
    """Implements ``past.Pasts``. Without a ``seal``, vectors are not read."""

    def __init__(self, connections: Connections, seal: VectorSeal | None) -> None:
        self._connections = connections
        self._seal = seal

    def spans(self, wanted: Filter, size: int) -> list[Span]:
        """Return stretches that hold all exchanges wanted."""
        ((first, last),) = self._read(_ENDS, wanted)
        return [] if first is None else [Span(n, min(n + size - 1, last)) for n in range(first, last + 1, size)]

    def exchanges(self, wanted: Filter, span: Span) -> list[Past]:
        """Return the wanted exchanges of a stretch."""
        return [_exchange(row, self._seal) for row in self._read(_EXCHANGES, wanted, span)]

    def beginnings(self, wanted: Filter, span: Span) -> list[Past]:
        """Return the exchanges that began conversations which go on in a stretch."""
        return [_exchange(row, self._seal) for row in self._read(_BEGINNINGS, wanted, span)]

    def grades(self, wanted: Filter, span: Span) -> list[Grade]:
        """Return all grades of the wanted exchanges of a stretch."""
        return [Grade(*row) for row in self._read(_GRADES, wanted, span)]

    def grade_counts(self, wanted: Filter) -> list[GradeCount]:
        """Return who graded how many of the wanted exchanges."""
        return [GradeCount(*row) for row in self._read(_COUNTS, wanted)]

    def requests(self, wanted: Filter) -> dict[str, int]:
        """Return the number of wanted exchanges of each feature."""
        return dict(self._read(_REQUESTS, wanted))

    def _read(self, query: str, wanted: Filter, span: Span | None = None) -> list[Any]:
        where, values = of_exchanges(wanted)
        ends = () if span is None else (span.first, span.last)
        return self._connections.read(query.format(where=where), (*ends, *values))


def _exchange(row: Sequence[Any], seal: VectorSeal | None) -> Past:
    """Return the exchange in a row of ``_EXCHANGES``. Raises StoreError as ``exchanges.record`` does."""
    id_, feature, route, outcome, deployment, latency_ms, cost_nano, rest, vector = row
    try:
        calls, decision = _decoder.decode(rest)
    except msgspec.DecodeError as error:
        raise StoreError(f"the record {id_} was written by an incompatible version of Pointsman: {error}") from error
    seen = seal.open(id_, vector) if seal and vector else b""
    return Past(id_, feature, route, outcome, deployment, latency_ms, cost_nano, calls, decision, seen)
