"""Outcome tables as commands read and write them: with progress, and whole or not at all."""

from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress, TextColumn, TimeElapsedColumn

from pointsman.control.tables import read_outcomes
from pointsman.core.errors import TableError
from pointsman.policy.outcomes import Outcomes


def read(tables: Sequence[Path]) -> Outcomes:
    """Read outcome tables into one, showing how far it is. Raises TableError."""
    with Progress(TextColumn("reading prompts"), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn()) as bar:
        line = bar.add_task("", total=None)
        return read_outcomes(tables, advance=lambda count: bar.advance(line, count))


def write(path: Path, data: bytes) -> None:
    """Write whole or not at all. Raises TableError."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TableError(f"{path} cannot be written ({error.strerror}); name another place with --out") from error
