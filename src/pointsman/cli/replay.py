"""``pointsman replay``: what would have happened if."""

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pointsman.cli import answers
from pointsman.cli.figures import paper, read_moment
from pointsman.control.replay.answer import Replay
from pointsman.control.replay.question import Question, read_factors, read_objective, read_prices
from pointsman.serve.replaying import replay, replay_table
from pointsman.serve.workspace import Workspace, workspace_option


@click.command("replay")
@workspace_option
@click.option("--since", callback=read_moment, help="From this moment on: 24h, 7d, 2026-11-01 [default: the beginning].")
@click.option("--until", callback=read_moment, help="Up to this moment.")
@click.option("--feature", help="This feature only.")
@click.option("--snapshot", type=int, help="Decide by the snapshot of this number [default: today's].")
@click.option("--as-of", callback=read_moment, help="Decide by the snapshot that was in force at this moment.")
@click.option("--without", multiple=True, metavar="NAME", help="As if this provider, deployment or model were gone.")
@click.option("--with", "beside", multiple=True, metavar="NAME", help="As if this one were accepted too.")
@click.option("--price", multiple=True, metavar="NAME=FACTOR", help="As if it cost so many times as much: openai=2x.")
@click.option("--prices", type=click.Path(path_type=Path, dir_okay=False), help="New prices: [[prices]] in a TOML file.")
@click.option("--objective", help='As if this were wanted: best, "match 2", "budget 2" or "worth 0.01".')
@click.option("--route", default="", help="As if what clients named themselves, and imported calls, had asked this route.")
@click.option("--grader", default="", help="Whose grades count [default: of each feature, who graded most].")
@click.option("--table", type=click.Path(path_type=Path), help="Decide an outcome table again, not the journal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value; money in nano-dollars (1e-9 US dollars).")
def command(  # noqa: PLR0913, PLR0917 - one parameter per option
    workspace: Workspace,
    since: int | None,
    until: int | None,
    feature: str | None,
    snapshot: int | None,
    as_of: int | None,
    without: tuple[str, ...],
    beside: tuple[str, ...],
    price: tuple[str, ...],
    prices: Path | None,
    objective: str | None,
    route: str,
    grader: str,
    table: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say what would have happened under another policy, pool, price list or objective. Nobody is called.

    \b
    pointsman replay --price openai=2x --since 30d
    pointsman replay --without anthropic
    pointsman replay --objective "budget 2"
    pointsman replay --as-of 2026-10-28
    """
    question = Question(
        since_ms=since,
        until_ms=until,
        feature=feature,
        snapshot=snapshot,
        as_of_ms=as_of,
        without=without,
        beside=beside,
        prices=read_factors(price),
        price_list=read_prices(prices) if prices is not None else {},
        objective=read_objective(objective) if objective is not None else None,
        route=route,
        grader=grader,
    )
    found = replay_table(workspace, question, table) if table is not None else answered(workspace, question)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return
    answers.show(paper(), found)


def answered(workspace: Workspace, question: Question) -> Replay:
    """Return the answer to a question, with a progress bar on the terminal meanwhile."""
    columns = (TextColumn("replaying"), BarColumn(), TextColumn("{task.completed:,} of {task.total:,}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("", total=0)
        return replay(workspace, question, advance=lambda done, of: bar.update(line, completed=done, total=of))
