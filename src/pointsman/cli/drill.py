"""``pointsman drill``: what the loss of a vendor would mean."""

import sys
from collections.abc import Iterator

import click
import msgspec
from rich.console import Console

from pointsman.cli.answers import cost, evidence, interval
from pointsman.cli.figures import money, paper, percent, read_moment
from pointsman.cli.fit import Row, fitted
from pointsman.cli.replay import answered
from pointsman.control.drill import Drill, Exposure, vendors
from pointsman.control.replay.question import Question
from pointsman.serve.replaying import drilled
from pointsman.serve.workspace import Workspace, workspace_option


@click.command("drill")
@workspace_option
@click.argument("names", nargs=-1, metavar="VENDOR...")
@click.option("--all", "every", is_flag=True, help="Ask it of every provider in turn.")
@click.option("--since", callback=read_moment, help="From this moment on: 24h, 7d, 2026-11-01 [default: the beginning].")
@click.option("--until", callback=read_moment, help="Up to this moment.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value; money in nano-dollars (1e-9 US dollars).")
def command(
    workspace: Workspace, names: tuple[str, ...], since: int | None, until: int | None, *, every: bool, as_json: bool
) -> None:
    """Say what the loss of a VENDOR would mean: a provider, a deployment or a model. Nobody is called.

    What depends on it, who would take that by today's snapshot, for how much, on what evidence, and what nobody could serve.

    \b
    pointsman drill openai --since 30d
    pointsman drill --all
    """
    snapshot = workspace.snapshot()
    wanted = tuple(dict.fromkeys((*names, *(vendors(snapshot) if every else ()))))
    if not wanted:
        raise click.UsageError(f"name a vendor, or --all; providers: {', '.join(vendors(snapshot)) or 'none'}")
    found = [drilled(workspace, name, Question(since_ms=since, until_ms=until), answered) for name in wanted]
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return
    for each in found:
        show(paper(), each)


def show(console: Console, found: Drill) -> None:
    """Print a drill."""
    console.print(f"Without {found.vendor}")
    if not found.requests:
        console.print(f"Nothing of {found.of:,} exchanges was answered by it: its loss would change nothing here.\n")
        return
    lost = f"; {found.lost:,} nobody could serve" if found.lost else ""
    console.print(
        f"{found.requests:,} of {found.of:,} exchanges ({percent(found.requests / found.of)}) were answered by "
        f"{', '.join(found.deployments)}, for {money(found.nano_then)}{lost}."
    )
    columns = ("requests", "share", "cost then", "cost without it")
    for shown in fitted(console, ("feature", "taken by"), columns, _rows(found)):
        console.print(shown)
    for each in found.exposures:
        for line in _remarks(each):
            console.print(line)
    if found.dearer is not None:
        console.print(
            f"At {found.dearer.times} times its prices everything would cost ~{money(found.dearer.nano)} instead of "
            f"{money(found.dearer.nano_then)}, and {found.dearer.moved:,.0f} requests would go elsewhere."
        )
    console.print(
        "~ is expected: other models' tokens were never counted on these requests. Try the plan before it is needed: "
        "`pointsman trial FEATURE --candidates NAME`.\n"
    )


def _rows(found: Drill) -> Iterator[Row]:
    for each in found.exposures:
        yield each.feature, "", f"{each.requests:,}", percent(each.share), money(each.nano_then), ""
        for taker in each.takers:
            part = percent(taker.requests / each.requests)
            yield "", taker.deployment, f"{taker.requests:,.0f}", part, "", cost(taker.nano, taker.expected_nano)
        for lost in each.unserved:
            yield "", "(nobody)", f"{lost.requests:,}", percent(lost.requests / each.requests), "", ""


def _remarks(each: Exposure) -> Iterator[str]:
    for lost in each.unserved:
        yield f"{each.feature}: {lost.requests:,} requests of {lost.deployment} could not be served: {lost.reason}."
    if each.quality is None or not each.takers:
        return
    if not each.quality.remedy:
        then, now = interval(each.quality.then, 100, "%"), interval(each.quality.now, 100, "%")
        yield f"{each.feature}: quality {now} without it, {then} with it."
    yield from evidence(each.feature, each.quality)
