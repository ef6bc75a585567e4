"""What becomes of an exchange besides its record: a log line, a trace, or neither, as the snapshot in use says."""

from typing import Protocol

from pointsman.core.record import ExchangeRecord
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.telemetry.told import Outbox, Told, trace_of


class Traces(Protocol):
    """Who sends spans: what waits for it, and how many exchanges it lost."""

    outbox: Outbox

    @property
    def lost(self) -> int:
        """Exchanges whose spans were lost."""


class Telling:
    """The way of one worker's exchanges to its log and to its traces. None: there is no such way."""

    def __init__(self, lines: Outbox | None = None, traces: Traces | None = None) -> None:
        self._lines = lines
        self._traces = traces

    def tell(self, record: ExchangeRecord, dialect: str, snapshot: Snapshot, traceparent: bytes) -> None:
        """Queue an exchange. Waits for nothing."""
        told = Told(record, dialect, snapshot, trace_of(record.id, traceparent))
        if self._lines is not None and snapshot.log_exchanges:
            self._lines.put(told)
        if self._traces is not None and snapshot.traces is not None:
            self._traces.outbox.put(told)

    @property
    def lost(self) -> dict[str, int]:
        """How many exchanges were not told of, by where: ``log``, ``trace``."""
        lines, traces = self._lines, self._traces
        return {"log": lines.lost if lines is not None else 0, "trace": traces.lost if traces is not None else 0}
