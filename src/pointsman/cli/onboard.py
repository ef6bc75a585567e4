"""``pointsman onboard``: the few prompts that tell most of a new model."""

import datetime as dt
from collections import Counter
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pointsman.cli import files
from pointsman.cli.figures import money, paper
from pointsman.control.compile import all_deployments, compile_snapshot
from pointsman.control.learn import named
from pointsman.control.onboard import Row, choose, to_ask
from pointsman.control.plans import plan_of
from pointsman.control.tables import read_questions
from pointsman.core.errors import ConfigError, TableError
from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Grader
from pointsman.core.snapshot import Snapshot
from pointsman.serve import onboard
from pointsman.serve.workspace import Workspace, workspace_option


@click.command("onboard")
@workspace_option
@click.argument("deployment")
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--prompts", "count", type=click.IntRange(min=1), default=100, show_default=True, help="How many prompts.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Write them here (.jsonl).")
@click.option("--run", "feature", help="Ask them now, and grade the answers by the check of this feature.")
@click.option("--route", default="auto", show_default=True, help="The route that the feature belongs to.")
@click.option(
    "--cap", type=click.FloatRange(0, 1e6, min_open=True), default=5.0, show_default=True, help="US dollars at most."
)
def command(
    workspace: Workspace, deployment: str, tables: tuple[Path, ...], count: int, out: Path, feature: str | None,
    route: str, cap: float,
) -> None:  # fmt: skip
    """Choose from outcome TABLES the prompts that tell most of DEPLOYMENT, a new model, and write them to be graded.

    With the grades filled in, `pointsman learn TABLES OUT` takes the model in. See docs/new-models.md.

    \b
    pointsman onboard acme/new table.parquet --prompts 100 --out new.jsonl
    pointsman onboard acme/new table.parquet --out new.jsonl --run extraction --cap 2
    pointsman learn table.parquet new.jsonl
    """
    if out.suffix not in (".jsonl", ".ndjson"):
        raise TableError(f"{out}: what is written is JSON Lines; name a file that ends in .jsonl")
    config = workspace.config
    known = all_deployments(config, dt.datetime.now(dt.UTC).date())
    console = paper()
    snapshot, grader = _way_to_ask(workspace, route, feature) if feature is not None else (None, None)
    outcomes, _ = named(files.read(tables), config.models, known)
    with Console().status("choosing"):
        groups = choose(outcomes, deployment, count)
        rows = to_ask(deployment, groups, read_questions(tables, set(groups)))
    if snapshot is not None and grader is not None:
        rows = _ask(console, workspace, snapshot, rows, grader, round(cap * NANO_PER_USD))
    files.write(out, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    console.print(f"wrote {out}: {len(rows):,} prompts for {deployment}")
    if grader is None:
        console.print("ask it these, and fill in score (0 to 1), and completion_tokens or cost_usd where you know them")
    console.print(f"Next: pointsman learn {' '.join(map(str, tables))} {out} --route {route}")


def _way_to_ask(workspace: Workspace, route: str, feature: str) -> tuple[Snapshot, Grader]:
    """Return what is in force, and the feature's check. Raises ConfigError where it has none."""
    now = dt.datetime.now(dt.UTC)
    published = workspace.published()
    before = None if published is None else workspace.decoded(published)
    now_ms = int(now.timestamp() * 1000)
    snapshot = compile_snapshot(workspace.config, before, today=now.date(), made_by="onboard", now_ms=now_ms).snapshot
    grader = plan_of(snapshot, route, feature).grader
    if grader is None:
        raise ConfigError(
            f'{feature} has no check: add one under [features.{feature}], for example check = "exact", '
            "or leave --run out and grade the answers yourself"
        )
    return snapshot, grader


def _ask(
    console: Console, workspace: Workspace, snapshot: Snapshot, rows: list[Row], grader: Grader, cap_nano: int
) -> list[Row]:
    with Progress(TextColumn("asking"), BarColumn(), MofNCompleteColumn()) as bar:
        line = bar.add_task("", total=len(rows))
        answered, spent = onboard.ask(workspace, snapshot, rows, grader, cap_nano, lambda: bar.advance(line))
    scores = [row["score"] for row in answered if row["score"] is not None]
    mean = f", mean grade {100 * sum(scores) / len(scores):.1f} %" if scores else ""
    console.print(f"{len(scores):,} of {len(rows):,} answers graded{mean}; {money(spent)} spent")
    for note, times in Counter(row["note"] for row in answered if "note" in row).most_common(5):
        console.print(f"not graded, {times:,} times: {note}")
    return answered
