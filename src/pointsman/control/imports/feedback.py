"""Feedback from a file: JSON Lines (or one array) as ``POST /v1/feedback`` takes it, or CSV with the same names as columns.

Strategy: values are read one by one, kept in batches, and joined to their exchanges as they are. In CSV an empty cell is a
field that is absent, and an edit has two columns, ``edit_from`` and ``edit_to``.

Laws: what cannot be read yields a reason with its line, and the rest is taken; reading a file again, whole or after an
interruption, counts nothing twice.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pointsman.control.imports.lines import Read, values
from pointsman.core.errors import TableError, WireError
from pointsman.core.feedback import Feedback
from pointsman.store.interfaces import FeedbackInbox
from pointsman.wire.feedback import Sender, read

BATCH: Final = 500
COLUMNS: Final = (
    "exchange", "client_id", "conversation", "score", "thumb", "test", "edit_from", "edit_to", "event", "value_usd",
    "source", "id", "at",
)  # fmt: skip
_EDIT: Final = {"edit_from": "from", "edit_to": "to"}


@dataclass
class Tally:
    """What came of a file: how often each thing was said of how an item was taken, and what could not be read."""

    items: int = 0
    problems: int = 0
    taken: Counter[str] = field(default_factory=Counter)


def import_feedback(
    path: Path,
    inbox: FeedbackInbox,
    sender: Sender,
    *,
    advance: Callable[[int], None] = lambda _: None,
    complain: Callable[[int, str], None] = lambda _line, _reason: None,
) -> Tally:
    """Take the feedback of a file and return what came of it.

    ``advance`` is told the bytes read, ``complain`` the line and reason of each value that could not be read. Raises
    TableError: no such file, or a column that is not known; StoreError; what was taken before stays.
    """
    tally = Tally()
    is_table = path.suffix.lower() == ".csv"
    batch: list[Feedback] = []
    for found in _rows(path, advance) if is_table else values(path, advance):
        said = found.problem or _read(found.value, sender, strict=not is_table)
        if isinstance(said, str):
            tally.problems += 1
            complain(found.line, said)
        else:
            batch.append(said)
        if len(batch) == BATCH:
            _take(batch, inbox, tally)
            batch = []
    _take(batch, inbox, tally)
    return tally


def _read(value: Any, sender: Sender, *, strict: bool) -> Feedback | str:
    """Return what a value says, or why it cannot be read."""
    try:
        return read(value, sender, strict=strict)
    except WireError as error:
        return str(error)


def _take(batch: list[Feedback], inbox: FeedbackInbox, tally: Tally) -> None:
    tally.items += len(batch)
    tally.taken.update(one.how for one in inbox.take(batch))


def _rows(path: Path, advance: Callable[[int], None]) -> Iterator[Read]:
    """Yield the rows of a CSV file as values. Raises TableError."""
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
            rows = csv.reader(_counted(file, advance))
            columns = [name.strip() for name in next(rows, [])]
            unknown = [name for name in columns if name not in COLUMNS]
            if unknown or not columns:
                said = f"the column {unknown[0]!r} is not known" if unknown else "there are no columns"
                raise TableError(f"{path}: {said}; they may be {', '.join(COLUMNS)} (docs/feedback.md)")
            while True:
                line = rows.line_num + 1
                try:
                    cells = next(rows, None)
                except csv.Error as error:
                    yield Read(line, problem=f"is not CSV: {error}")
                    continue
                if cells is None:
                    return
                if len(cells) > len(columns):
                    yield Read(line, problem=f"has {len(cells)} cells, there are {len(columns)} columns")
                elif cells:
                    yield Read(line, _value(dict(zip(columns, cells, strict=False))))
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error


def _value(row: dict[str, str]) -> dict[str, Any]:
    """Return a row as the object that it stands for. An answer of which an edit left nothing is an empty cell."""
    found: dict[str, Any] = {name: cell for name, cell in row.items() if cell.strip() and name not in _EDIT}
    if any(row.get(name, "").strip() for name in _EDIT):
        found["edit"] = {short: row.get(name, "") for name, short in _EDIT.items()}
    return found


def _counted(lines: Iterator[str], advance: Callable[[int], None]) -> Iterator[str]:
    for line in lines:
        advance(len(line.encode()))
        yield line
