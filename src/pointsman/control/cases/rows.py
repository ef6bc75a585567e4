"""The outcome table that an evaluation writes: JSON Lines, one row a case and deployment (docs/outcome-tables.md).

Laws: a row is on the disk before the next is counted; what a killed process left of a last line is dropped, and said; a row
whose case, deployment or check has changed since is dropped and asked for again; rows of other deployments or cases stay;
a file that no evaluation wrote is left alone.
"""

import fcntl
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from pointsman.control.cases.case import Case
from pointsman.control.cases.kept import Said
from pointsman.control.grade import Grade
from pointsman.core.errors import TableError
from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Compared
from pointsman.policy.answers import compared

Row = dict[str, Any]
KEY: Final = "key"
_OTHER: Final = "other"
_LONGEST: Final = 200
_COMPARED: Final[Mapping[str, Compared]] = {
    "exact": "exact", "regex": "exact", "numeric": "numeric", "json": "json", "json_fields": "json", "json_schema": "json",
}  # fmt: skip


def key_of(case: Case, asked: str, reference: str) -> str:
    """Return what a row stands for: the question ``asked`` (a digest), and how its answer was graded, in short."""
    against = reference if case.check.kind == "judge" and case.expected is None else ""
    return hashlib.sha256(
        msgspec.json.encode([asked, case.check, case.expected, against, case.labels, case.group])
    ).hexdigest()[:16]


def row_of(case: Case, name: str, said: Said, graded: Grade, *, key: str, labels: Collection[str]) -> Row:
    """Return a row. ``labels`` are the columns that any case of the file has; a case without one has ``other``."""
    how = _COMPARED.get(case.check.kind)
    short = None if how is None or said.text is None else compared(how, said.text)
    if short is not None and len(short) > _LONGEST:
        short = f"sha256:{hashlib.sha256(short.encode(errors='replace')).hexdigest()[:16]}"
    return {
        "prompt_id": case.id,
        "model": name,
        "score": graded.score,
        "messages": msgspec.json.encode(case.fields["messages"]).decode(),
        "prompt_tokens": None if said.usage is None else said.usage.input,
        "completion_tokens": None if said.usage is None else said.usage.output,
        "cost_usd": None if said.cost_nano is None else said.cost_nano / NANO_PER_USD,
        **{label: case.labels.get(label, _OTHER) for label in labels},
        "dup_group": case.group,
        "expected": case.expected,
        "answer": short,
        "grader": case.check.kind,
        "note": graded.note,
        "latency_ms": round(said.latency_ms, 1),
        "grading_usd": graded.nano / NANO_PER_USD,
        "exchange": said.exchange,
        KEY: key,
    }


class Table:
    """The file that rows are written to. ``rows`` are those it holds; ``torn``: a last line was cut and is dropped."""

    def __init__(self, path: Path, wanted: Mapping[tuple[str, str], str]) -> None:
        """Open a table. ``wanted`` says the key of each (case, deployment) that is asked for. Raises TableError."""
        found, self.torn = _read(path)
        self.rows = [row for row in found if wanted.get(_cell(row), row[KEY]) == row[KEY]]
        self.stale = len(found) - len(self.rows)
        self.done = {_cell(row) for row in self.rows if wanted.get(_cell(row)) == row[KEY]}
        try:
            if self.torn or self.stale:
                _rewrite(path, self.rows)
            self._file = path.open("ab")
        except OSError as error:
            raise _unwritable(path, error) from error
        self._path = path

    def add(self, row: Row) -> None:
        """Append a row; it is on the disk when this returns. Raises TableError."""
        try:
            self._file.write(msgspec.json.encode(row) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self.rows.append(row)
        self.done.add(_cell(row))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def alone(path: Path, directory: Path) -> Iterator[None]:
    """Hold a table for one evaluation, by a lock in the data directory. Raises TableError where another holds it."""
    directory.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(str(path.resolve()).encode(errors="replace")).hexdigest()[:16]
    with (directory / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TableError(f"{path} is being written by another evaluation; wait for it, or name another --out") from error
        yield


def _cell(row: Row) -> tuple[str, str]:
    return row["prompt_id"], row["model"]


def _read(path: Path) -> tuple[list[Row], bool]:
    """Return the rows of a table, and whether its last line was cut. No file: none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], False
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror}); name another --out") from error
    lines = data.split(b"\n")
    torn = bool(lines.pop())  # after the last newline there is nothing, unless a line was cut
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        row = _decoded(line)
        if row is None:
            if number == len(lines) and not torn:  # a disk may keep a length and lose what stood there
                return rows, True
            raise TableError(f"{path}, line {number}: is no row of an evaluation; name another file with --out")
        rows.append(row)
    return rows, torn


def _decoded(line: bytes) -> Row | None:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    whole = isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("prompt_id", "model", KEY))
    return row if whole else None


def _rewrite(path: Path, rows: list[Row]) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        for row in rows:
            file.write(msgspec.json.encode(row) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _unwritable(path: Path, error: OSError) -> TableError:
    return TableError(f"{path} cannot be written ({error.strerror}); make room, or name another place with --out")
