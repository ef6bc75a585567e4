"""Outcome tables as commands read and write them: with progress, and whole or not at all."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.progress import Progress, TextColumn, TimeElapsedColumn

from pointsman.control.encodings import Encode
from pointsman.control.tables import Prompts, read_outcomes, read_prompts
from pointsman.core.errors import TableError
from pointsman.core.snapshot import Encoder
from pointsman.policy.outcomes import Outcomes
from pointsman.serve.encoding import encoding_with


def read(tables: Sequence[Path], encoder: Encoder | None = None, directory: Path | None = None) -> Outcomes:
    """Read outcome tables into one, showing how far it is. Raises TableError.

    With an ``encoder``, texts are encoded too, and encodings kept in a ``directory``; then ConfigError and StoreError too.
    """
    with _progress() as bar:
        return read_outcomes(tables, advance=_line(bar, "reading prompts"), encode=_encode(bar, encoder, directory))


def read_asked(path: Path, encoder: Encoder | None = None) -> Prompts:
    """Read prompts alone, in the same way."""
    with _progress() as bar:
        return read_prompts(path, advance=_line(bar, "reading prompts"), encode=_encode(bar, encoder, None))


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn())


def _line(bar: Progress, name: str) -> Callable[[int], None]:
    line = bar.add_task(name, total=None)
    return lambda count: bar.advance(line, count)


def _encode(bar: Progress, encoder: Encoder | None, directory: Path | None) -> Encode | None:
    return None if encoder is None else encoding_with(encoder, directory, _line(bar, "encoding prompts"))


def write(path: Path, data: bytes) -> None:
    """Write whole or not at all. Raises TableError."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TableError(f"{path} cannot be written ({error.strerror}); name another place with --out") from error
