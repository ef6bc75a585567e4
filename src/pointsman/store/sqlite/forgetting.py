"""What is older than its owner wants it, deleted for good.

Strategy: a few hundred rows in one transaction, so that nobody who writes waits long; what is deleted is overwritten in the
file (``secure_delete``), and the log is cut to nothing at the end (``tidy``).

Laws: nothing of a deleted text is left in any file of the store once ``tidy`` was true; the ledger is not deleted here: it
holds money and no text.
"""

from typing import Final

from pointsman.store.sqlite.connections import Connections

_ROWS: Final = 500
_OLD: Final = {
    "bodies": "SELECT n FROM exchanges JOIN bodies USING (n) WHERE at_ms < ? LIMIT ?",
    "exchanges": "SELECT n FROM exchanges WHERE at_ms < ? LIMIT ?",
    "judgements": "SELECT n FROM judgements WHERE at_ms < ? LIMIT ?",
    "feedback": "SELECT n FROM feedback WHERE at_ms < ? LIMIT ?",
    "materials": "SELECT n FROM questions JOIN materials USING (n) WHERE at_ms < ? LIMIT ?",
    "opinions": "",  # has no number: see below
    "questions": "SELECT n FROM questions WHERE at_ms < ? LIMIT ?",
}
"""In this order: what belongs to a row goes before it."""

_OPINIONS: Final = (
    "DELETE FROM opinions WHERE (question, reviewer) IN (SELECT question, reviewer FROM opinions WHERE at_ms < ? LIMIT ?)"
)
_PROMPTS: Final = (
    "UPDATE bodies SET prompt = NULL WHERE n IN"
    " (SELECT n FROM exchanges JOIN bodies USING (n) WHERE at_ms < ? AND prompt IS NOT NULL LIMIT ?)"
)


class SqliteForgetting:
    """Implements ``interfaces.Forgetting``."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def records(self, before_ms: int) -> int:
        """Delete exchanges, judgements, feedback and what people said from before a moment; return how many rows."""
        gone = 0
        for table, old in _OLD.items():
            delete = _OPINIONS if table == "opinions" else f"DELETE FROM {table} WHERE n IN ({old})"  # noqa: S608 - our own names
            gone += self._all(delete, before_ms)
        return gone

    def prompts(self, before_ms: int) -> int:
        """Delete the texts of exchanges from before a moment, and leave the rest of them; return how many."""
        return self._all(_PROMPTS, before_ms)

    def tidy(self) -> bool:
        """Cut the log to nothing; False where a reader still needs it."""
        return self._connections.empty_log()

    def _all(self, statement: str, before_ms: int) -> int:
        total = 0
        while True:
            with self._connections.write() as connection:
                gone = connection.execute(statement, (before_ms, _ROWS)).rowcount
            total += gone
            if gone < _ROWS:
                return total
