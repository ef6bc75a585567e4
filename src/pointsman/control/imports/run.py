"""A file of past calls into the journal.

Strategy: one pass; each call becomes an exchange that was observed and not decided, written in batches.

Laws: the id follows from the call (its time, the format, and the log's own id or else its whole content), so that a file may
be imported again, and an export that overlaps another adds only what is new; prompts are not stored; amounts are the log's
own, or computed from a price, or unknown.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from pointsman.control.imports.call import Call, LineError
from pointsman.control.imports.formats import FORMATS, format_of
from pointsman.control.imports.lines import values
from pointsman.control.imports.served import Deployments
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.snapshot import Snapshot
from pointsman.policy import cost, features
from pointsman.store.interfaces import Filter, Journal

BATCH: Final = 500
AUTO: Final = "auto"
_NAME_LENGTH: Final = 128
_canonical = msgspec.json.Encoder(order="sorted").encode


class Reading(Struct, frozen=True):
    """How a file is to be read: in which format (``auto``: see value by value), whose calls they are where the file does not
    say, and which label of a call names its feature (empty: ``feature``).
    """

    format: str = AUTO
    provider: str = ""
    feature_from: str = ""


@dataclass
class Tally:
    """What came of a file, counted up while it is read. ``cost_nano`` is the sum over calls with a known cost.

    ``passed_over`` counts values that are no model calls, ``problems`` those that could not be read; ``new`` the calls that
    the journal did not have yet.
    """

    source: str
    calls: int = 0
    new: int = 0
    passed_over: int = 0
    problems: int = 0
    errors: int = 0
    vectors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    unpriced: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    unpriced_models: Counter[str] = field(default_factory=Counter)

    def count(self, record: ExchangeRecord) -> None:
        """Add a call."""
        attempt = record.attempts[0]
        self.calls += 1
        self.errors += record.outcome != "ok"
        self.vectors += bool(record.vector)
        if attempt.usage:
            self.input_tokens += attempt.usage.input
            self.output_tokens += attempt.usage.output
        if attempt.cost_nano is not None:
            self.cost_nano += attempt.cost_nano
        elif record.outcome == "ok" or attempt.usage:
            self.unpriced += 1
            self.unpriced_models[attempt.deployment] += 1


def import_file(
    path: Path,
    journal: Journal,
    snapshot: Snapshot | None,
    reading: Reading,
    *,
    advance: Callable[[int], None] = lambda _: None,
    complain: Callable[[int, str], None] = lambda _line, _reason: None,
) -> Tally:
    """Read a file into the journal and return what came of it.

    ``advance`` is told the bytes read, ``complain`` the line and reason of each value that could not be read. Raises
    TableError when there is no such file, StoreError when the journal does not take it; what was written before stays.
    """
    tally = Tally(source=f"import:{path.name}")
    deployments = Deployments(snapshot, reading.provider)
    vectors = snapshot is None or snapshot.store_vectors
    before = _recorded(journal, tally.source)
    batch: list[ExchangeRecord] = []
    for line, kind, call in _calls(path, reading.format, tally, advance):
        if isinstance(call, LineError):
            tally.problems += 1
            complain(line, str(call))
            continue
        record = _record(call, kind, deployments, tally.source, reading.feature_from, vectors=vectors)
        tally.count(record)
        batch.append(record)
        if len(batch) == BATCH:
            journal.append(batch)
            batch = []
    journal.append(batch)
    tally.new = _recorded(journal, tally.source) - before
    return tally


def _recorded(journal: Journal, source: str) -> int:
    return sum(spend.requests for spend in journal.spend(Filter(source=source), ()))


def _calls(
    path: Path, wanted: str, tally: Tally, advance: Callable[[int], None]
) -> Iterator[tuple[int, str, Call | LineError]]:
    """Yield each call with its line and format; what could not be read comes as its reason."""
    for read in values(path, advance):
        kind = wanted
        found: list[Call | LineError] = [LineError(read.problem)] if read.problem else []
        if not read.problem:
            try:
                kind = format_of(read.value) if wanted == AUTO else wanted
                found = _keyed(list(FORMATS[kind].calls(_object(read.value))), read.value)
            except LineError as problem:
                found = [problem]
        tally.passed_over += not found
        for call in found:
            tally.formats[kind] += isinstance(call, Call)
            yield read.line, kind, call


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LineError("is no JSON object")
    return value


def _keyed(calls: list[Call | LineError], value: Any) -> list[Call | LineError]:
    """Give calls without an id of the log's own one that follows from the content."""
    if all(isinstance(call, LineError) or call.key for call in calls):
        return calls
    content = hashlib.sha256(_canonical(value)).hexdigest()
    return [
        call if isinstance(call, LineError) or call.key else msgspec.structs.replace(call, key=f"{content}/{place}")
        for place, call in enumerate(calls)
    ]


def _record(
    call: Call, kind: str, deployments: Deployments, source: str, feature_from: str, *, vectors: bool
) -> ExchangeRecord:
    deployment, price = deployments.find(call)
    amount = call.cost_nano
    if amount is None and call.usage is not None and price is not None:
        amount = cost.amount(call.usage, price)
    attempt = Attempt(
        deployment=deployment,
        cause="first",
        started_ms=call.at_ms,
        status=call.status,
        error=call.error,
        first_byte_ms=call.first_content_ms,
        total_ms=call.latency_ms,
        usage=call.usage,
        cost_nano=amount,
        finish=call.finish,
    )
    return ExchangeRecord(
        id=_id(call, kind),
        at_ms=call.at_ms,
        asked=call.asked,
        feature=call.labels.get(feature_from or "feature") or "default",
        outcome=call.outcome,
        status=call.status,
        attempts=(attempt,),
        streamed=call.streamed,
        conversation=call.conversation,
        latency_ms=call.latency_ms,
        first_content_ms=call.first_content_ms,
        vector=features.vector(call.request) if vectors and call.request is not None else b"",
        source=source,
        client_id=call.key[:_NAME_LENGTH],
        customer=call.labels.get("customer", "")[:_NAME_LENGTH],
    )


def _id(call: Call, kind: str) -> str:
    """Return 24 hexadecimal digits that sort by time, as the gateway's ids do."""
    digest = hashlib.sha256(f"{kind}\n{call.key}".encode()).hexdigest()
    return f"{call.at_ms:012x}{digest[:12]}"
