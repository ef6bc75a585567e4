"""Exchange records as rows: what reports sum in columns of its own, the rest in one MessagePack blob.

Laws: a record comes back equal to the one that went in (without its vector where there is no key); a stored vector is
sealed under its record's id.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pointsman.core.chat import Usage
from pointsman.core.errors import StoreError
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.routing import Decision
from pointsman.store.seal import VectorSeal
from pointsman.store.sqlite.insertion import Insertion

# The fields of ExchangeRecord that are columns under their own names.
_FIELDS: Final = (
    "id", "at_ms", "asked", "feature", "outcome", "status", "route", "streamed", "conversation", "client_key",
    "latency_ms", "first_content_ms", "source", "client_id", "customer",
)  # fmt: skip
_SUMMED: Final = (
    "mode", "arm", "snapshot", "course", "deployment",
    "input_tokens", "cached_tokens", "cache_written_tokens", "output_tokens", "reasoning_tokens", "cost_nano",
)  # fmt: skip
_COLUMNS: Final = ("n", *_FIELDS, *_SUMMED)

# What ``record`` reads, in its order; for the tables exchanges and bodies joined.
SELECTED: Final = ", ".join((*_FIELDS, "rest", "vector", "prompt"))

_INSERT: Final = Insertion("exchanges", _COLUMNS, otherwise=" ON CONFLICT (id) DO NOTHING")
_INSERT_BODY: Final = Insertion("bodies", ("n", "rest", "vector", "prompt"), values={"prompt": "nullif(?, '')"})  # no None

_Row = tuple[Any, ...]
_Rest = tuple[tuple[Attempt, ...], Decision | None]
_fields: Final = msgspec.structs.astuple
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Rest)
_NOTHING: Final = Usage()


_Numbered = list[tuple[int, ExchangeRecord]]


def insert(connection: sqlite3.Connection, records: Sequence[ExchangeRecord], seal: VectorSeal | None) -> _Numbered:
    """Write the records that are not there yet, inside the caller's transaction; return them with their numbers."""
    first = connection.execute("SELECT coalesce(max(n), 0) + 1 FROM exchanges").fetchone()[0]
    new = list(enumerate(records, start=first))
    written = _INSERT.rows(connection, [_scalars(n, record) for n, record in new])
    if written < len(new):  # some were there: what has a number of ours was not
        ours = {n for (n,) in connection.execute("SELECT n FROM exchanges WHERE n >= ?", (first,))}
        new = [entry for entry in new if entry[0] in ours]
    _INSERT_BODY.rows(connection, _bodies(new, seal))
    return new


def record(row: Sequence[Any], seal: VectorSeal | None) -> ExchangeRecord:
    """Return the record in a row of ``SELECTED``. Raises StoreError: another key, or a body of an incompatible version."""
    (id_, at_ms, asked, feature, outcome, status, route, streamed, conversation, client_key,
     latency_ms, first_content_ms, source, client_id, customer, rest, vector, prompt) = row  # fmt: skip
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
        client_id=client_id,
        customer=customer,
    )


def _scalars(n: int, record: ExchangeRecord) -> _Row:
    # All fields at once: one by one they take compiled code several times as long.
    (id_, at_ms, asked, feature, outcome, status, decision, attempts, route, streamed, conversation, client_key,
     latency_ms, first_content_ms, _, _, source, client_id, customer) = _fields(record)  # fmt: skip
    input_, output, cached, cache_written, reasoning, _, _ = _fields(_usage(attempts))
    answered = next((one for one in reversed(attempts) if not one.unused), None)
    return (
        n, id_, at_ms, asked, feature, outcome, status, route, int(streamed), conversation, client_key, latency_ms,
        first_content_ms, source, client_id, customer,
        decision.mode if decision else "", decision.arm if decision else "", decision.snapshot if decision else "",
        decision.course if decision else "",
        answered.deployment if answered is not None else "",
        input_, cached, cache_written, output, reasoning, record.cost_nano,
    )  # fmt: skip


def _usage(attempts: Sequence[Attempt]) -> Usage:
    """Return the tokens of all attempts together."""
    if len(attempts) == 1:
        return attempts[0].usage or _NOTHING
    known = [attempt.usage for attempt in attempts if attempt.usage is not None]
    return Usage(
        input=sum(usage.input for usage in known),
        output=sum(usage.output for usage in known),
        cached=sum(usage.cached for usage in known),
        cache_written=sum(usage.cache_written for usage in known),
        reasoning=sum(usage.reasoning for usage in known),
    )


def _bodies(new: Sequence[tuple[int, ExchangeRecord]], seal: VectorSeal | None) -> list[_Row]:
    known = [(record.id, record.vector) for _, record in new if record.vector] if seal else []
    cells = iter(seal.seal_all(known)) if seal else iter(())
    return [
        (
            n,
            bytearray(_encode((record.attempts, record.decision))),
            bytearray(next(cells)) if seal and record.vector else None,
            record.prompt,
        )
        for n, record in new
    ]
