"""``pointsman learn``: a policy from outcome tables."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pointsman.cli import files
from pointsman.cli.figures import money, paper
from pointsman.control.asking import with_asking
from pointsman.control.bound import learn_tested
from pointsman.control.compile import all_deployments, compile_snapshot
from pointsman.control.learn import EVERY, STEPS, Bound, Taught, act_on, learn, named, on_its_own, weighable
from pointsman.control.onboard import expectations
from pointsman.control.plans import plan_of
from pointsman.control.verdict import round_up
from pointsman.core import snapshot as snapshots
from pointsman.core.errors import TableError
from pointsman.core.routing import Objective, Plan
from pointsman.policy import onboard
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.trade import FEWEST
from pointsman.serve.workspace import Workspace, workspace_option


@click.command("learn")
@workspace_option
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--route", default="auto", show_default=True, help="The route that the policy is for.")
@click.option(
    "--tested", is_flag=True, help="For match: set half of the prompts apart, and publish only what passes a test on them."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a snapshot file and publish nothing.")
def command(workspace: Workspace, tables: tuple[Path, ...], route: str, out: Path | None, *, tested: bool) -> None:
    """Learn from outcome TABLES which model answers what well enough for least, and publish it.

    A running gateway takes it up within a second. Whether the tolerance of match was tested or only estimated is said, and
    kept with what is published. See docs/outcome-tables.md and docs/tested-bound.md.
    """
    config = workspace.config
    rules = config.routes.get(route)
    if rules is None and (workspace.config_path is not None or not out):
        raise TableError(
            f"there is no route {route}: add [routes.{route}] to the configuration; there are {', '.join(config.routes)}"
        )
    objective = rules.objective if rules else Objective()
    known = all_deployments(config, dt.datetime.now(dt.UTC).date())
    outcomes, unmapped = named(files.read(tables, config.encoder, workspace.data), config.models, known)
    console = paper()
    if unmapped:
        console.print(f"no deployment is known for {len(unmapped)} models of the table: {', '.join(unmapped)}")
        console.print('map them in the configuration, for example: [models] "name in the table" = "provider/model"')
    if out is None:
        outcomes = _callable(outcomes, unmapped)
    if rules is not None and rules.filters.allow is not None:
        outcomes = _allowed(outcomes, rules.filters.allow, route)
    reference = rules.reference if rules else None
    if out is not None and reference is not None and reference not in outcomes.deployments:
        console.print(f"the reference {reference} is not in the table: comparing with its best single model instead")
        reference = None
    if out is not None and not weighable(outcomes, known):
        console.print("no cost is known, by price or in the table: only quality is weighed")
        objective = Objective("best")
    way = learn_tested if tested or objective.confidence is not None else learn
    with _steps() as tell:
        expected = expectations(config.releases, outcomes)
        taught = way(outcomes, objective, reference=reference, known=known, tell=tell, expected=expected)
    if rules is not None and rules.ask_twice is not None:
        console.print("finding out whether asking twice pays")
        taught = with_asking(taught, outcomes, known)
    show(console, taught)
    if rules is not None and rules.ask_twice is not None:
        show_asking(console, taught)
    for line in _new(outcomes, taught, reference):
        console.print(line)
    if out is not None:
        snapshot = replace(on_its_own(route, taught, known, objective), encoder=config.encoder)
        data = snapshots.encode(snapshot)
        files.write(out, data)
        console.print(f"wrote {out}, snapshot {snapshots.snapshot_hash(data)}")
        return
    now_ms = int(time.time() * 1000)
    if workspace.published() is None:
        today = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC).date()
        workspace.publish(
            lambda now: compile_snapshot(config, now, today=today, made_by="configuration", now_ms=now_ms).snapshot,
            made_by="learn",
        )
    published = workspace.publish(
        lambda now: replace(act_on(now, route, taught, now_ms=now_ms), encoder=config.encoder),
        made_by=f"pointsman learn --route {route}",
    )
    plan = plan_of(workspace.decoded(published), route, EVERY)
    what = "is in auto" if plan.accepted or plan.asks else f"stays on {plan.reference} (observe)"
    console.print(
        f"published snapshot {published.hash}: route {route} {what}; a running gateway takes it up within a second"
    )


def show(console: Console, taught: Taught) -> None:
    """Say what was learned, in an owner's words."""
    trade, rows = taught.trade, taught.lesson.policy.learned_from
    low, mean, high = trade.gain
    console.print(f"learned from {rows:,} prompts, {len(taught.deployments)} models; compared with {taught.reference}")
    if taught.bound is not None:
        show_bound(console, taught, taught.bound)
        return
    quality, cost = trade.choosing
    price = "" if cost != cost else f", {money(round(1000 * cost))} per 1,000 requests"  # noqa: PLR0124 - NaN: unknown
    console.print(f"choosing per request, on prompts held out in turn: quality {100 * quality:.1f} %{price}")
    if taught.objective.kind == "match":
        console.print(
            f"at most {_points(taught.objective.tolerance)} below {taught.reference} is estimated, {_kept(taught)}, "
            "not tested: `--tested` tests it on prompts set apart"
        )
    if trade.one_model is not None:
        console.print(f"one model suffices here: {trade.one_model}. Choosing per request was not shown to beat it.")
        if trade.one_model == taught.reference:
            console.print("it is the reference: nothing else is accepted, not even to stand in for it")
        return
    if trade.value_nano is not None and taught.objective.kind != "budget":
        gain = f"{money(round(1000 * mean))} per 1,000 requests [{money(round(1000 * low))}, {money(round(1000 * high))}]"
    else:
        gain = f"{100 * mean:.1f} points of quality [{100 * low:.1f}, {100 * high:.1f}]"
    console.print(f"it beats {trade.fixed} alone by {gain}, measured on the prompts that this trade-off was chosen on:")
    console.print("held out from learning, not from choosing, so it may flatter; `pointsman evaluate` measures on others")
    beside = [name for name in taught.serving if name != taught.reference]
    console.print(f"accepted is what it chose beside the reference: {', '.join(beside)}")


def show_asking(console: Console, taught: Taught) -> None:
    """Say whether asking twice pays, and what is expected of it."""
    asked = taught.asked
    if taught.lesson.outcomes.said is None:
        console.print("asking twice is learned from answers: add a column answer to the table (docs/asking-twice.md)")
    elif asked is None:
        console.print("asking twice was not shown to pay here: every request is answered by the first model asked")
    else:
        (other, dear), quality, cost = asked.other, asked.quality, asked.cost_nano
        console.print(
            f"asking twice: {', '.join(asked.plan.models)}, on {asked.rehearsed_on:,} prompts held out in turn: quality "
            f"{100 * quality:.1f} % for {money(round(1000 * cost))} per 1,000 requests, all calls together; "
            f"without it {100 * other:.1f} % for {money(round(1000 * dear))}"
        )


def _new(outcomes: Outcomes, taught: Taught, reference: str | None) -> Iterator[str]:
    """Yield a line for each model that was taken in as a new one."""
    rows = outcomes.grouped()
    for column in onboard.new(rows, reference):
        name, graded = rows.deployments[column], int(np.isfinite(rows.score[:, column]).sum())
        quality = float(taught.lesson.quality[:, taught.deployments.index(name)].mean())
        yield f"{name} is new here: graded on {graded:,} prompts; {100 * quality:.1f} % is expected over all, with caution"
        if graded < FEWEST:
            yield f"it takes part from {FEWEST} graded prompts on: see `pointsman onboard`"


def show_bound(console: Console, taught: Taught, bound: Bound) -> None:
    """Say what the test on prompts set apart came to, and what would help where nothing passed."""
    claim = f"at most {_points(bound.tolerance)} below {taught.reference}, at {100 * bound.confidence:.3g} %"
    seen = f"{100 * bound.change:+.1f} points at {100 * bound.share:.0f} % of its cost"
    if bound.ungraded:
        seen += f", {bound.ungraded:,} answers without a grade counted as wrong"
    if bound.tested is not None:
        console.print(f"tested on {bound.judged:,} of your requests, which nothing was learned from: {claim}")
        console.print(
            f"seen there: {seen}; accepted: {', '.join(name for name in taught.serving if name != taught.reference)}"
        )
        return
    if not bound.steps:
        console.print(f"nothing to test: no choice is expected to cost less than {taught.reference}")
    elif bound.passed:
        console.print(f"tested on {bound.judged:,} of your requests: {claim}; but it is not certainly cheaper ({seen})")
    else:
        console.print(f"{claim}: did not pass on {bound.judged:,} of your requests (the safest trade-off: {seen})")
        console.print(_needed(bound))
    console.print(f"so nothing but the reference {taught.reference} is accepted, not even to stand in for it")


def _needed(bound: Bound) -> str:
    if bound.more is None:
        return "more judgements would hardly help: more than 20,000 are needed, or the loss itself is too large"
    about = round_up(bound.more)
    return (
        f"about {about:,} more judgements set apart would let it pass: {2 * about:,} more prompts, as half are learned from"
    )


def _kept(taught: Taught) -> str:
    """Say how far the estimate is kept from the tolerance."""
    caution = taught.objective.caution
    return f"with {caution:.3g} standard error{'' if caution == 1 else 's'} to spare" if caution else "as an even bet"


def _points(tolerance: float) -> str:
    return f"{100 * tolerance:.3g} point{'' if tolerance == 0.01 else 's'}"


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """Show how far learning is, for as long as it lasts; what is given is told of each step as it begins."""
    step = TextColumn("{task.description}")
    with Progress(TextColumn("learning"), BarColumn(), MofNCompleteColumn(), step, TimeElapsedColumn()) as bar:
        line = bar.add_task("", total=len(STEPS), completed=-1)
        yield lambda step: bar.update(line, advance=1, description=step)
        bar.update(line, completed=len(STEPS), description="")


def _callable(outcomes: Outcomes, unmapped: tuple[str, ...]) -> Outcomes:
    """Return the columns that can be called. Raises TableError when there is nothing to choose between."""
    kept = [place for place, name in enumerate(outcomes.deployments) if name not in unmapped]
    if len(kept) < 2:
        raise TableError(
            "fewer than two models of the table are deployments of the configuration: map them under [models], "
            "or write a snapshot to look at with --out"
        )
    return outcomes.columns(kept)


def _allowed(outcomes: Outcomes, allow: tuple[str, ...], route: str) -> Outcomes:
    """Return the columns that may answer on the route. Raises TableError when there is nothing to choose between."""
    plan = Plan(EVERY, allow=allow)
    kept = [place for place, name in enumerate(outcomes.deployments) if plan.allows(name)]
    if len(kept) < 2:
        raise TableError(f"fewer than two models of the table may answer on {route}: see allow in [routes.{route}]")
    return outcomes.columns(kept)
