"""``pointsman eval``: cases against deployments through the gateway, and cases proposed from traffic."""

import os
import sys
from pathlib import Path
from typing import cast

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pointsman.cli import files
from pointsman.cli.figures import duration, money, paper, read_moment, table
from pointsman.control.cases.case import KINDS, Check, CheckKind
from pointsman.control.cases.estimate import GUESSED_TOKENS, Line
from pointsman.control.cases.growing import Looked, expectations, propose, row_of
from pointsman.control.cases.reading import read_cases
from pointsman.control.cases.running import CONCURRENCY, Report
from pointsman.control.cases.summary import Interval, Summary, summaries
from pointsman.control.plans import plan_of
from pointsman.core.errors import TableError
from pointsman.core.price import NANO_PER_USD
from pointsman.serve import evaluations
from pointsman.serve.evaluations import Prepared, Wanted
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.store.interfaces import Filter

_INTERRUPTED = 130  # what shells call a program that Ctrl-C ended


@click.group("eval")
def command() -> None:
    """Ask models a file of cases through the gateway and grade the answers; or propose cases from traffic.

    See docs/evaluations.md.
    """


@command.command("run")
@workspace_option
@click.argument("cases", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--models", required=True, help="Deployments, by comma; the others are compared with the first.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The outcome table [default: CASES.outcomes.jsonl]."
)
@click.option("--grader", type=click.Choice(KINDS), help="How answers of cases are graded that say no grader.")
@click.option("--spec", default="", help="What that grader wants to know: a tolerance, an expression, provider/model ...")
@click.option("--feature", help="Take the grader from this feature's check, and label cases that have no feature.")
@click.option("--route", default="auto", show_default=True, help="The route that the feature belongs to.")
@click.option(
    "--cap-usd", type=click.FloatRange(0, 1e6), default=5.0, show_default=True, help="US dollars at most, from now on."
)
@click.option("--concurrency", type=click.IntRange(1, 256), default=CONCURRENCY, show_default=True, help="Calls at a time.")
@click.option("--seed", type=int, help="Ask with this seed: another one is another question.")
@click.option(
    "--max-output", type=click.IntRange(1), default=4096, show_default=True, help="Tokens, for cases that set no limit."
)
@click.option("--gateway", "url", help="Base URL of the running gateway [default: the configuration's].")
@click.option("--key-env", default="POINTSMAN_KEY", show_default=True, help="The variable that holds your client's key.")
@click.option("--without-isolation", is_flag=True, help="Run models' code where it cannot be isolated.")
@click.option("--yes", is_flag=True, help="Do not ask before money is spent.")
def run(  # noqa: PLR0913 - one parameter per option
    workspace: Workspace,
    cases: Path,
    *,
    models: str,
    out: Path | None,
    grader: str | None,
    spec: str,
    feature: str | None,
    route: str,
    cap_usd: float,
    concurrency: int,
    seed: int | None,
    max_output: int,
    url: str | None,
    key_env: str,
    without_isolation: bool,
    yes: bool,
) -> None:
    """Ask deployments every case of a file (.jsonl, .csv) and grade the answers, for an outcome table.

    What it will cost is said first. Interrupted, the same command goes on where it stopped; what was asked before is not
    paid for again.

    \b
    pointsman eval run cases.jsonl --models openai/big,openai/small --cap-usd 2
    pointsman learn cases.outcomes.jsonl
    """
    console = paper()
    default = _default(workspace, grader, spec, feature, route)
    wanted = Wanted(
        cases=evaluations.labelled(read_cases(cases, default), feature, seed),
        deployments=_names(models),
        out=out or cases.with_suffix(".outcomes.jsonl"),
        url=url or evaluations.gateway_url(workspace),
        key=os.environ.get(key_env, ""),
        output_tokens=max_output,
        concurrency=concurrency,
        isolated=not without_isolation,
    )
    cap_nano = round(cap_usd * NANO_PER_USD)
    with evaluations.prepare(workspace, wanted) as ready:
        _tell_before(console, ready, cap_nano)
        if ready.todo:
            if not yes and any(line.likely_nano for line in ready.lines):
                click.confirm("Go on?", abort=True)
            _go(console, workspace, ready, cap_nano)
        show(console, summaries(ready.table.rows, wanted.deployments))
        if len(ready.table.done) < len(wanted.cases) * len(wanted.deployments):
            sys.exit(1)
        if len(wanted.deployments) > 1:
            console.print(f"Next: pointsman evaluate {wanted.out}, pointsman learn {wanted.out}", soft_wrap=True)


def _default(workspace: Workspace, kind: str | None, spec: str, feature: str | None, route: str) -> Check | None:
    """Return what grades cases that say nothing. Raises ConfigError where a feature has no check."""
    if kind is not None:
        check = Check(cast("CheckKind", kind), spec)
        check.verify()
        return check
    if spec:
        raise click.UsageError("--spec belongs to a grader: name it with --grader")
    if feature is None:
        return None
    found = plan_of(workspace.snapshot(), route, feature).grader
    return None if found is None else Check(found.kind, found.spec)


def _names(models: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in models.split(",") if name.strip()))
    if not names:
        raise click.UsageError("--models names no deployment: write provider/model, by comma")
    return names


def _tell_before(console: Console, ready: Prepared, cap_nano: int) -> None:
    """Say what is there already and what the rest will cost."""
    wanted, held = ready.wanted, ready.table
    console.print(f"{len(wanted.cases):,} cases, {len(wanted.deployments)} models, through {wanted.url}")
    if held.torn:
        console.print(f"the last line of {wanted.out} was cut short: it is dropped, and asked for again")
    if held.stale:
        console.print(f"{held.stale:,} rows of {wanted.out} are of cases or checks that have changed: graded anew")
    if held.done:
        console.print(f"{len(held.done):,} are in {wanted.out} already")
    if not ready.todo:
        return
    costs = table("model", "calls", "kept", "likely", "at most", right=("calls", "kept", "likely", "at most"))
    for line in ready.lines:
        costs.add_row(line.deployment, f"{line.calls:,}", f"{line.kept:,}", money(line.likely_nano), money(line.most_nano))
    console.print(costs)
    if any(line.guessed for line in ready.lines):
        console.print(f"likely: {GUESSED_TOKENS} tokens for answers of which nothing is known yet")
    console.print(f"about {money(_sum(ready.lines))}; never more than {money(cap_nano)} (--cap-usd)")


def _sum(lines: list[Line]) -> int:
    return sum(line.likely_nano for line in lines)


def _go(console: Console, workspace: Workspace, ready: Prepared, cap_nano: int) -> None:
    """Run with a bar, and say what is missing at the end. Exits where it was interrupted."""
    bar = Progress(
        TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    )
    with bar:
        line = bar.add_task("", total=len(ready.todo))
        try:
            report, spent = evaluations.run(
                workspace, ready, cap_nano, lambda nano: bar.update(line, advance=1, description=money(nano))
            )
        except KeyboardInterrupt:
            bar.stop()
            done = f"{len(ready.table.done):,} answers are in {ready.wanted.out}"
            click.echo(f"interrupted: {done}; the same command goes on from there")
            sys.exit(_INTERRUPTED)
    _tell_after(console, ready, report, spent)


def _tell_after(console: Console, ready: Prepared, report: Report, spent: int) -> None:
    console.print(f"{report.written:,} of {len(ready.todo):,} written to {ready.wanted.out}; {money(spent)} spent")
    for note, times in report.unanswered.most_common(5):
        console.print(f"not answered, {times:,} times: {note}")
    if report.unanswered:
        console.print("the same command asks those again")
    if report.capped:
        most = max(one.asked.most_nano for one in ready.todo)
        console.print(
            "the cap is reached: the same command goes on, with --cap-usd for what it may spend from then on "
            f"(one call is reserved up to {money(most)}; --max-output lowers that)"
        )


def show(console: Console, found: list[Summary]) -> None:
    """Print what was found, one line a deployment."""
    shown = table(
        "model", "score [95 %]", "vs first", "per 1,000", "latency", "n",
        right=("score [95 %]", "vs first", "per 1,000", "latency", "n"),
    )  # fmt: skip
    for one in found:
        shown.add_row(
            one.deployment,
            "" if one.score is None else _percent(one.score),
            "" if one.change is None else _points(one.change),
            "" if one.usd_per_1000 is None else money(round(one.usd_per_1000 * NANO_PER_USD)),
            duration(one.latency_ms),
            f"{one.graded:,}",
        )
    console.print(shown)
    ungraded = {one.deployment: one.ungraded for one in found if one.ungraded}
    for name, count in ungraded.items():
        console.print(f"{name}: {count:,} answers could not be graded; the column note says why")


def _percent(one: Interval) -> str:
    return f"{100 * one.mean:.1f} [{100 * one.low:.0f},{100 * one.high:.0f}]"


def _points(one: Interval) -> str:
    return f"{100 * one.mean:+.1f} [{100 * one.low:+.0f},{100 * one.high:+.0f}]"


@command.command("grow")
@workspace_option
@click.argument("feature")
@click.option("--count", type=click.IntRange(min=1), default=50, show_default=True, help="How many cases at most.")
@click.option("--since", callback=read_moment, help="From traffic of this moment on: 24h, 7d, 2026-11-01.")
@click.option("--route", default="auto", show_default=True, help="The route that the feature belongs to.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file [default: FEATURE.cases.jsonl].")
def grow(workspace: Workspace, feature: str, *, count: int, since: int | None, route: str, out: Path | None) -> None:
    """Propose cases from FEATURE's traffic where models disagree, for a person to complete.

    The most telling come first, each with the reason why it was picked; the right answers are left blank.

    \b
    pointsman eval grow support --count 50
    pointsman eval run support.cases.jsonl --models openai/big,openai/small
    """
    place = out or Path(f"{feature}.cases.jsonl")
    if place.suffix not in (".jsonl", ".ndjson"):
        raise TableError(f"{place}: what is written is JSON Lines; name a file that ends in .jsonl")
    if place.exists():
        raise TableError(f"{place} is there already, and may hold answers that somebody filled in; name another with --out")
    journal = workspace.existing.journal
    wanted = Filter(feature=feature, since_ms=since)
    snapshot = workspace.snapshot()
    grader, expect = plan_of(snapshot, route, feature).grader, expectations(snapshot, route, feature)
    with Console(stderr=True).status("reading the journal"):
        exchanges, judgements = journal.exchanges(wanted, newest_first=True), journal.judgements(wanted)
        proposals, looked = propose(exchanges, judgements, count, expect)
    if not proposals:
        raise TableError(_nothing_to_propose(feature, looked))
    files.write(
        place, b"".join(msgspec.json.encode(row_of(one, feature, grader, snapshot.keeping)) + b"\n" for one in proposals)
    )
    console = paper()
    console.print(
        f"wrote {place}: {len(proposals):,} cases, of {looked.telling:,} requests that tell models apart "
        f"({looked.exchanges:,} in the journal, {looked.prompts:,} with a prompt)"
    )
    what = "expected" if grader is not None else "expected and grader"
    console.print(f"fill in {what} in each line, or delete it; why says why it was picked")
    console.print(f"Next: pointsman eval run {place} --models MODELS", soft_wrap=True)


def _nothing_to_propose(feature: str, looked: Looked) -> str:
    if not looked.exchanges:
        return f"the journal has no request of {feature} in that time: name another feature, or another --since"
    if not looked.prompts:
        return (
            f"no prompt of {feature}'s {looked.exchanges:,} requests is stored, so no case can be made of them: "
            "set prompts = true under [journal] in pointsman.toml, and come back when traffic has passed"
        )
    return (
        f"{looked.prompts:,} prompts of {feature} are stored, and of none it is known that models disagree on it: "
        f"run `pointsman trial {feature}`, or `pointsman learn` a table, and come back"
    )
