"""Judgements as rows: one column a field; the usage as MessagePack, the vector sealed under its exchange's id."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from pointsman.core.chat import Usage
from pointsman.core.record import Judgement
from pointsman.store.seal import VectorSeal

_COLUMNS: Final = (
    "exchange", "at_ms", "feature", "deployment", "arm", "score", "grader", "trial", "usage", "cost_nano", "grading_nano",
    "vector", "note", "weight",
)  # fmt: skip
SELECTED: Final = ", ".join(_COLUMNS)
_KEY: Final = ("exchange", "trial", "deployment", "arm", "grader")
_INSERT: Final = (
    f"INSERT INTO judgements ({SELECTED}, arrived)"  # noqa: S608 - our own names
    f" VALUES ({', '.join('?' * len(_COLUMNS))}, (SELECT coalesce(max(arrived), 0) + 1 FROM judgements))"
    f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET"
    f" {', '.join(f'{name} = excluded.{name}' for name in (*_COLUMNS, 'arrived') if name not in _KEY)}"
    " WHERE excluded.at_ms > judgements.at_ms"
)
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Usage)


def insert(connection: sqlite3.Connection, judgements: Iterable[Judgement], seal: VectorSeal | None) -> None:
    """Write judgements that are new, or later than what the same grader said, inside the caller's transaction."""
    connection.executemany(_INSERT, [_row(judgement, seal) for judgement in judgements])


def judgement(row: Sequence[Any], seal: VectorSeal | None) -> Judgement:
    """Return the judgement in a row of ``SELECTED``. Raises StoreError when the vector was sealed with another key."""
    (exchange, at_ms, feature, deployment, arm, score, grader, trial, usage, cost_nano, grading_nano, vector, note,
     weight) = row  # fmt: skip
    return Judgement(
        exchange=exchange,
        at_ms=at_ms,
        feature=feature,
        deployment=deployment,
        arm=arm,
        score=score,
        grader=grader,
        trial=trial,
        usage=_decoder.decode(usage) if usage else None,
        cost_nano=cost_nano,
        grading_nano=grading_nano,
        vector=seal.open(exchange, vector) if seal and vector else b"",
        note=note,
        weight=weight,
    )


def _row(judged: Judgement, seal: VectorSeal | None) -> tuple[object, ...]:
    return (
        judged.exchange, judged.at_ms, judged.feature, judged.deployment, judged.arm, judged.score, judged.grader,
        judged.trial, _encode(judged.usage) if judged.usage else None, judged.cost_nano, judged.grading_nano,
        seal.seal(judged.exchange, judged.vector) if seal and judged.vector else None, judged.note, judged.weight,
    )  # fmt: skip
