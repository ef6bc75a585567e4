"""``pointsman import``: past calls from other programs' logs into the journal, for the report."""

from functools import partial
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from pointsman.cli.figures import money, paper
from pointsman.cli.fit import fitted
from pointsman.control.imports.formats import FORMATS
from pointsman.control.imports.run import AUTO, Reading, Tally, import_file
from pointsman.core.errors import TableError
from pointsman.serve.workspace import Workspace, workspace_option

SHOWN: Final = 10
_NUMBERS: Final = (
    "calls", "new", "no calls", "not read", "errors", "input tokens", "output tokens", "cost", "without a cost",
)  # fmt: skip


@click.command("import")
@workspace_option
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--format", "format_", type=click.Choice((AUTO, *FORMATS)), default=AUTO, show_default=True,
    help="The log's format; auto looks at each line.",
)  # fmt: skip
@click.option("--feature-from", default="", metavar="KEY", help="Metadata, tag or attribute that names a call's feature.")
@click.option("--provider", default="", metavar="NAME", help="Whose calls they are where the log does not say.")
def command(workspace: Workspace, files: tuple[Path, ...], format_: str, feature_from: str, provider: str) -> None:
    """Read past calls from FILE... into the journal. Prompts are not stored; a file may be imported again.

    JSON Lines or a JSON array: our own format, OpenAI requests and responses, LiteLLM, Langfuse, OpenTelemetry GenAI spans
    (see docs/imports.md).

    \b
    pointsman import calls.jsonl
    pointsman import completions.jsonl --provider openai
    pointsman import spend_logs.json --feature-from team_id
    """
    published = workspace.published()
    snapshot = workspace.decoded(published) if published else None
    reading = Reading(format_, provider, feature_from)
    console = paper()
    tallies = []
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for path in files:
            task = progress.add_task(path.name, total=path.stat().st_size)
            complaints = Complaints(progress.console, path)
            tallies.append(
                import_file(
                    path, workspace.store.journal, snapshot, reading,
                    advance=partial(progress.advance, task), complain=complaints.add,
                )
            )  # fmt: skip
            complaints.close()
    _show(console, tallies)
    for tally in tallies:
        workspace.note("import", tally.source.removeprefix("import:"), f"{tally.new:,} new calls")
    if not any(tally.calls for tally in tallies):
        raise TableError("no calls were found; the formats and their fields are in docs/imports.md")
    console.print("See them with `pointsman report`.")


class Complaints:
    """Prints the first few values of a file that could not be read, and how many more there were."""

    def __init__(self, console: Console, path: Path) -> None:
        self._console = console
        self._path = path
        self._count = 0

    def add(self, line: int, reason: str) -> None:
        """Take one in, and print it where it is among the first."""
        self._count += 1
        if self._count <= SHOWN:
            self._console.print(f"{self._path}, line {line}: {reason}", soft_wrap=True)

    def close(self) -> None:
        """Say how many more there were."""
        if self._count > SHOWN:
            self._console.print(f"{self._path}: {self._count - SHOWN:,} more could not be read")


def _show(console: Console, tallies: list[Tally]) -> None:
    rows = [
        (
            tally.source.removeprefix("import:"), ", ".join(name for name, calls in tally.formats.items() if calls),
            *(f"{number:,}" for number in (tally.calls, tally.new, tally.passed_over, tally.problems, tally.errors)),
            f"{tally.input_tokens:,}", f"{tally.output_tokens:,}", money(tally.cost_nano), f"{tally.unpriced:,}",
        )
        for tally in tallies
    ]  # fmt: skip
    for made in fitted(console, ("file", "format"), _NUMBERS, rows):
        console.print(made)
    models = sorted({model for tally in tallies for model in tally.unpriced_models})
    if models:
        more = f" and {len(models) - SHOWN} more" if len(models) > SHOWN else ""
        console.print(
            f"Without a known price: {', '.join(models[:SHOWN])}{more}. A price must be known before the import: "
            "from pointsman.toml (published by `pointsman up`), or from the price list of the --provider. "
            "What is imported already is not priced again: read it into a new place with --data.",
            soft_wrap=True,
        )
