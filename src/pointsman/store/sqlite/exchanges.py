"""Exchange records as rows: what reports sum in columns of its own, the rest in one MessagePack blob.

Laws: a record comes back equal to the one that went in (without its vector where there is no key); a stored vector is
sealed under its record's id.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from pointsman.core.chat import Usage
from pointsman.core.errors import StoreError
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.routing import Decision
from pointsman.store.seal import VectorSeal

# The fields of ExchangeRecord that are columns under their own names.
_FIELDS: Final = (
    "id", "at_ms", "asked", "feature", "outcome", "status", "route", "streamed", "conversation", "client_key",
    "latency_ms", "first_content_ms", "source",
)  # fmt: skip
_SUMMED: Final = (
    "mode", "arm", "snapshot", "deployment",
    "input_tokens", "cached_tokens", "cache_written_tokens", "output_tokens", "reasoning_tokens", "cost_nano",
)  # fmt: skip
_COLUMNS: Final = ("n", *_FIELDS, *_SUMMED)

# What ``record`` reads, in its order; for the tables exchanges and bodies joined.
SELECTED: Final = ", ".join((*_FIELDS, "rest", "vector", "prompt"))

_INSERT: Final = f"INSERT INTO exchanges ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_INSERT_BODY: Final = "INSERT INTO bodies (n, rest, vector, prompt) VALUES (?, ?, ?, ?)"

_Rest = tuple[tuple[Attempt, ...], Decision | None]
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Rest)
_NOTHING: Final = Usage()


def insert(connection: sqlite3.Connection, records: Iterable[ExchangeRecord], seal: VectorSeal | None) -> None:
    """Write the records that are not there yet, inside the caller's transaction."""
    by_id: dict[str, ExchangeRecord] = {}
    for record in records:
        by_id.setdefault(record.id, record)
    known = "SELECT id FROM exchanges WHERE id IN (SELECT value FROM json_each(?))"
    for (id_,) in connection.execute(known, (msgspec.json.encode(list(by_id)).decode(),)):
        del by_id[id_]
    first = connection.execute("SELECT coalesce(max(n), 0) + 1 FROM exchanges").fetchone()[0]
    new = list(enumerate(by_id.values(), start=first))
    connection.executemany(_INSERT, [_scalars(n, record) for n, record in new])
    connection.executemany(_INSERT_BODY, [_body(n, record, seal) for n, record in new])


def record(row: Sequence[Any], seal: VectorSeal | None) -> ExchangeRecord:
    """Return the record in a row of ``SELECTED``. Raises StoreError: another key, or a body of an incompatible version."""
    (id_, at_ms, asked, feature, outcome, status, route, streamed, conversation, client_key,
     latency_ms, first_content_ms, source, rest, vector, prompt) = row  # fmt: skip
    try:
        attempts, decision = _decoder.decode(rest)
    except msgspec.DecodeError as error:
        raise StoreError(f"the record {id_} was written by an incompatible version of Pointsman: {error}") from error
    return ExchangeRecord(
        id=id_,
        at_ms=at_ms,
        asked=asked,
        feature=feature,
        outcome=outcome,
        status=status,
        decision=decision,
        attempts=attempts,
        route=route,
        streamed=bool(streamed),
        conversation=conversation,
        client_key=client_key,
        latency_ms=latency_ms,
        first_content_ms=first_content_ms,
        vector=seal.open(id_, vector) if seal and vector else b"",
        prompt=prompt or "",
        source=source,
    )


def _scalars(n: int, record: ExchangeRecord) -> tuple[object, ...]:
    decision, attempts = record.decision, record.attempts
    usage = _usage(attempts)
    return (
        n, record.id, record.at_ms, record.asked, record.feature, record.outcome, record.status, record.route,
        record.streamed, record.conversation, record.client_key, record.latency_ms, record.first_content_ms, record.source,
        decision.mode if decision else "", decision.arm if decision else "", decision.snapshot if decision else "",
        attempts[-1].deployment if attempts else "",
        usage.input, usage.cached, usage.cache_written, usage.output, usage.reasoning, record.cost_nano,
    )  # fmt: skip


def _usage(attempts: Sequence[Attempt]) -> Usage:
    """Return the tokens of all attempts together."""
    known = [attempt.usage for attempt in attempts if attempt.usage is not None]
    if len(known) < 2:
        return known[0] if known else _NOTHING
    return Usage(
        input=sum(usage.input for usage in known),
        output=sum(usage.output for usage in known),
        cached=sum(usage.cached for usage in known),
        cache_written=sum(usage.cache_written for usage in known),
        reasoning=sum(usage.reasoning for usage in known),
    )


def _body(n: int, record: ExchangeRecord, seal: VectorSeal | None) -> tuple[int, bytes, bytes | None, str | None]:
    vector = seal.seal(record.id, record.vector) if seal and record.vector else None
    return n, _encode((record.attempts, record.decision)), vector, record.prompt or None
