"""Questions, materials and opinions as rows.

Laws: a material is sealed under its question's id; a forgotten one is deleted, overwritten in the file, and gone from the
log after ``tidy``; its question stays, so that an opinion that comes late still counts.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from pointsman.core.review import Material, Opinion, Question
from pointsman.store.seal import MaterialSeal
from pointsman.store.sqlite.connections import Connections

_QUESTION: Final = (
    "exchange", "trial", "feature", "deployment", "reference", "arm", "at_ms", "machine", "worth", "gone_ms",
)  # fmt: skip
_OPINION: Final = ("question", "reviewer", "at_ms", "said", "first", "seconds", "next")
_SELECT: Final = f"SELECT {', '.join(_QUESTION)} FROM questions"  # noqa: S608 - our own names
_INSERT: Final = (
    f"INSERT INTO questions (id, {', '.join(_QUESTION)}) VALUES ({', '.join('?' * (1 + len(_QUESTION)))})"  # noqa: S608
    " ON CONFLICT (id) DO NOTHING"
)
_SAY: Final = (
    f"INSERT INTO opinions ({', '.join(_OPINION)}) VALUES ({', '.join('?' * len(_OPINION))})"  # noqa: S608 - our own names
    f" ON CONFLICT (question, reviewer) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _OPINION[2:])}"
)
_KEPT: Final = "gone_ms IS NULL AND worth > 0"  # as the index has it
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Material)


class SqliteReviews:
    """Implements ``interfaces.Reviews``. Without a ``seal`` no material is written or read."""

    def __init__(self, connections: Connections, seal: MaterialSeal | None) -> None:
        self._connections = connections
        self._seal = seal

    def keep(self, asked: Sequence[tuple[Question, Material | None]], *, most: int) -> None:
        """Keep questions that are new, and forget the oldest materials beyond ``most``."""
        with self._connections.write() as connection:
            for question, material in asked:
                if material is None or self._seal is not None:
                    _keep(connection, question, material, self._seal)
            kept = connection.execute(f"SELECT count(*) FROM questions WHERE {_KEPT}").fetchone()[0]  # noqa: S608
            if kept > most:
                oldest = f"SELECT n FROM questions WHERE {_KEPT} ORDER BY n LIMIT ?"  # noqa: S608 - our own condition
                now_ms = max((question.at_ms for question, _ in asked), default=0)
                _forget(connection, [row[0] for row in connection.execute(oldest, (kept - most,))], now_ms)

    def questions(self, feature: str | None = None) -> list[Question]:
        """Return the questions in order of arrival."""
        where, values = ("WHERE feature = ?", (feature,)) if feature is not None else ("", ())
        return [Question(*row) for row in self._connections.read(f"{_SELECT} {where} ORDER BY n", values)]

    def question(self, id_: str) -> Question | None:
        """Return one question."""
        return next((Question(*row) for row in self._connections.read(f"{_SELECT} WHERE id = ?", (id_,))), None)

    def material(self, question: Question) -> Material | None:
        """Return what is to be read. Raises StoreError: sealed with another key."""
        query = "SELECT cell FROM materials JOIN questions USING (n) WHERE id = ?"
        rows = self._connections.read(query, (question.id,)) if self._seal is not None else []
        return _decoder.decode(self._seal.open(question.id, rows[0][0])) if self._seal is not None and rows else None

    def features(self) -> list[str]:
        """Return the features of which any material is kept."""
        return [row[0] for row in self._connections.read(f"SELECT DISTINCT feature FROM questions WHERE {_KEPT}")]  # noqa: S608

    def forget(self, feature: str, before_ms: int, *, now_ms: int) -> int:
        """Delete a feature's materials from before a moment."""
        query = f"SELECT n FROM questions WHERE {_KEPT} AND feature = ? AND at_ms < ?"  # noqa: S608 - our own condition
        if not self._connections.read(f"{query} LIMIT 1", (feature, before_ms)):
            return 0
        with self._connections.write() as connection:
            gone = [row[0] for row in connection.execute(query, (feature, before_ms))]
            _forget(connection, gone, now_ms)
        return len(gone)

    def tidy(self) -> bool:
        """Cut the log to nothing."""
        return self._connections.empty_log()

    def say(self, opinions: Sequence[Opinion]) -> None:
        """Write opinions; a later one takes the place of the same reviewer's earlier one."""
        with self._connections.write() as connection:
            connection.executemany(_SAY, [[getattr(one, name) for name in _OPINION] for one in opinions])

    def take_back(self, question: str, reviewer: str) -> None:
        """Delete an opinion."""
        with self._connections.write() as connection:
            connection.execute("DELETE FROM opinions WHERE question = ? AND reviewer = ?", (question, reviewer))

    def opinions(self) -> list[Opinion]:
        """Return all opinions in order of time."""
        query = f"SELECT {', '.join(_OPINION)} FROM opinions ORDER BY at_ms, question, reviewer"  # noqa: S608 - our own names
        return [Opinion(*row) for row in self._connections.read(query)]


def _keep(connection: sqlite3.Connection, question: Question, material: Material | None, seal: MaterialSeal | None) -> None:
    values = [question.id, *(getattr(question, name) for name in _QUESTION)]
    made = connection.execute(_INSERT, values)
    if made.rowcount and material is not None and seal is not None:
        cell = seal.seal(question.id, _encode(material))
        connection.execute("INSERT INTO materials (n, cell) VALUES (last_insert_rowid(), ?)", (cell,))


def _forget(connection: sqlite3.Connection, numbers: Sequence[int], now_ms: int) -> None:
    connection.executemany("DELETE FROM materials WHERE n = ?", [(n,) for n in numbers])
    connection.executemany("UPDATE questions SET gone_ms = ? WHERE n = ?", [(now_ms, n) for n in numbers])
