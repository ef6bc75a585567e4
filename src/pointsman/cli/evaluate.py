"""``pointsman evaluate``: is there anything to choose, and what is it worth?"""

import datetime as dt
import sys
from pathlib import Path

import click
import msgspec
from msgspec.structs import replace
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pointsman.cli.figures import paper, table
from pointsman.control.compile import all_deployments
from pointsman.control.evaluate import AUTO, LABEL, POSSIBLE, SINGLE, Evaluation, evaluate
from pointsman.control.learn import named
from pointsman.control.tables import read_outcomes
from pointsman.core.routing import Objective
from pointsman.policy.outcomes import Outcomes
from pointsman.serve.encoding import encoding_with
from pointsman.serve.workspace import Workspace, workspace_option


@click.command("evaluate")
@workspace_option
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1, 50), help="How often to split anew.")
@click.option("--objective", default="match", show_default=True, type=click.Choice(["match", "best", "budget", "worth"]))
@click.option("--tolerance", default=1.0, show_default=True, help="For match: points below the best single model.")
@click.option("--usd-per-1000", type=float, help="For budget: average US dollars per 1,000 requests.")
@click.option("--usd-per-answer", type=float, help="For worth: what a right answer is worth, in US dollars.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the cost-quality picture there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def command(  # noqa: PLR0913 - one parameter per option
    workspace: Workspace,
    tables: tuple[Path, ...],
    seeds: int,
    objective: str,
    tolerance: float,
    usd_per_1000: float | None,
    usd_per_answer: float | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Learn on one part of outcome TABLES, report on the other: quality and cost against simpler ways of choosing."""
    known = all_deployments(workspace.config, dt.datetime.now(dt.UTC).date())
    aim = replace(
        Objective(tolerance=tolerance / 100, usd_per_1000=usd_per_1000, usd_per_answer=usd_per_answer),
        kind=objective,
    )
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, disable=as_json) as bar:
        outcomes, _ = named(_read(bar, tables, workspace), workspace.config.models, known)
        line = bar.add_task("learning", total=seeds)
        found = evaluate(outcomes, aim, known=known, seeds=seeds, advance=lambda: bar.advance(line))
    drawn = out is not None and any(way.usd is not None for way in found.ways)
    if out is not None and drawn:
        from pointsman.cli.pictures import cost_quality_curve  # noqa: PLC0415 - it imports matplotlib

        out.mkdir(parents=True, exist_ok=True)
        cost_quality_curve(found, out / "cost_and_quality.png")
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return
    show(found)
    if out is not None:
        paper().print(f"picture: {out / 'cost_and_quality.png'}" if drawn else "no picture: no cost is known")


def _read(bar: Progress, tables: tuple[Path, ...], workspace: Workspace) -> Outcomes:
    reading = bar.add_task("reading prompts", total=None)
    encoding = None if workspace.config.encoder is None else bar.add_task("encoding them", total=None)
    encode = encoding_with(
        workspace.config.encoder, workspace.data, lambda n: None if encoding is None else bar.advance(encoding, n)
    )
    return read_outcomes(tables, advance=lambda n: bar.advance(reading, n), encode=encode)


def show(found: Evaluation) -> None:
    """Print an evaluation."""
    console = paper()
    lines = table(
        "way of choosing", "quality", "against best single [95 %]", "$ per 1,000", "cost share", right=("quality",)
    )
    for each in found.ways:
        mean, low, high = (100 * value for value in each.change)
        name = f"{each.way} (out of reach)" if each.way == POSSIBLE else each.way
        usd = "unknown" if each.usd is None else f"{1000 * each.usd:.4f}"
        share = "" if each.share is None else f"{each.share:.2f}"
        change = f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        lines.add_row(name, f"{100 * each.quality:.1f} %", change, usd, share, style="bold" if each.way == AUTO else "")
    console.print(lines)
    console.print(
        f"{found.prompts:,} prompts, {found.seeds} splits: learned on 70 %, measured on 30 %. The best single model "
        f"({', '.join(dict.fromkeys(found.singles))}) and the best per label were chosen on the part that was learned from."
    )
    if found.left_out:
        console.print(f"Left out, as they did not answer 97 % of the prompts: {', '.join(found.left_out)}.")
    if found.kind == "best":
        console.print("Money is not weighed: only quality counts.")
    if found.kind == "match":
        console.print(
            "The tolerance is kept by estimates, not by a test: `pointsman learn --tested` publishes only what passes one."
        )
    fixed = f"model ({', '.join(dict.fromkeys(found.fixed))})" if found.bar == SINGLE else "model of each label"
    console.print(f"Choosing per request against the best fixed {fixed}: {_gain(found)}.")
    if found.suffices and found.bar == LABEL:
        console.print("A fixed model for each label suffices here: choosing per request was not shown to beat that.")
    elif found.suffices:
        console.print("One model suffices here: choosing per request was not shown to beat the best fixed one.")
    elif found.one_model:
        console.print(f"In {found.one_model} of {found.seeds} splits one model was thought to suffice, and used.")


def _gain(found: Evaluation) -> str:
    """Say what choosing per request adds, in the objective's own terms."""
    if found.kind in ("best", "budget"):
        mean, low, high = (100 * value for value in found.gain)
        return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}] points of quality"
    mean, low, high = (1000 * value for value in found.gain)
    what = "saved" if found.kind == "match" else "worth"
    return f"${mean:.4f} [{low:.4f}, {high:.4f}] {what} per 1,000 requests"
