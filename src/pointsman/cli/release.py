"""``pointsman release``: a new model by stages, and the wave of those that came."""

import datetime as dt
import time
from functools import partial
from pathlib import Path

import click
from rich.table import Table

from pointsman.cli.arrival import Arrival, ask_first, introduce
from pointsman.cli.figures import moment, money, paper, table
from pointsman.control import releases
from pointsman.control.compile import compile_snapshot
from pointsman.control.plans import plan_of, trial_id
from pointsman.control.purse import account
from pointsman.control.releases import Line
from pointsman.control.verdict import points, spell
from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Trial
from pointsman.core.snapshot import Snapshot
from pointsman.serve import onboard
from pointsman.serve.workspace import Workspace, workspace_option

_NUMBERS = ("judged", "served")
_USD = click.FloatRange(0, 1e6, min_open=True)
_ROUTE = click.option("--route", default="auto", show_default=True, help="The route that it arrives on.")


@click.group("release")
def command() -> None:
    """Take in a new model by stages: a few prompts, shadow, canary, full. See docs/releases.md.

    \b
    pointsman release add acme/new --features support,extraction --cap 5
    pointsman release list
    pointsman release drop acme/new
    """


@command.command("add")
@workspace_option
@click.argument("deployment")
@click.option("--features", default="", help="Where to try it, by comma [default: wherever there is a check or judge].")
@click.option("--table", "tables", multiple=True, type=click.Path(path_type=Path), help="Outcomes of others; repeatable.")
@click.option("--prompts", "count", type=click.IntRange(1, 2000), default=32, show_default=True, help="To ask first.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Keep what it answered here (.jsonl).")
@click.option("--prompts-cap", type=_USD, default=1.0, show_default=True, help="US dollars at most for the prompts.")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=0.2, show_default=True, help="Share to copy.")
@click.option("--cap", type=_USD, default=5.0, show_default=True, help="US dollars at most for each feature's trial.")
@click.option("--auto", is_flag=True, help="Let it serve where it passes, without asking you.")
@click.option("--yes", is_flag=True, help="Do not ask before the prompts are sent.")
@_ROUTE
def add(  # noqa: PLR0913 - one parameter per option
    workspace: Workspace,
    *,
    deployment: str,
    features: str,
    tables: tuple[Path, ...],
    count: int,
    out: Path | None,
    prompts_cap: float,
    share: float,
    cap: float,
    auto: bool,
    yes: bool,
    route: str,
) -> None:
    """Announce DEPLOYMENT: what is expected of it, a few prompts that tell most, then the trial of live requests.

    \b
    pointsman release add acme/new
    pointsman release add acme/new --table table.parquet --prompts 32 --auto
    """
    console = paper()
    now = _taken_up(workspace, workspace.snapshot())
    releases.check(now, route, deployment)
    wanted = tuple(dict.fromkeys(one.strip() for one in features.split(",") if one.strip()))
    wanted = wanted or releases.testable(now, route, deployment)
    caps = {one: _spent(workspace, now, route, one) + round(cap * NANO_PER_USD) for one in wanted}
    now_ms = int(time.time() * 1000)

    def announce(before: Snapshot) -> Snapshot:
        taken = _taken_up(workspace, before)
        return releases.add(taken, route, deployment, wanted, share=share, caps_nano=caps, auto=auto, now_ms=now_ms)

    announce(now)  # says what is wrong before anything is paid
    arrival = Arrival(console, workspace, now, route, deployment, wanted)
    introduce(arrival)
    if tables:
        ask_first(
            arrival, tables, count, prompts_cap, out or workspace.data / f"{deployment.replace('/', '-')}.jsonl", yes=yes
        )
    workspace.publish(announce, made_by=f"pointsman release add {deployment}")
    console.print(
        f"Shadow: {deployment} answers copies of {100 * share:.0f} % of the requests of {', '.join(wanted)}, after the "
        f"reply, for at most ${cap:.2f} each. Your users notice nothing."
    )
    console.print(
        "Where it passes it serves a canary share by itself, and goes back by itself if it does worse."
        if auto
        else "Where it passes you are told; let it serve with: pointsman accept FEATURE"
    )
    console.print("Next: pointsman release list")


@command.command("list")
@workspace_option
def show(workspace: Workspace) -> None:
    """Show the wave: what arrived, in which stage it is, what it won, what it replaced, what trying it cost."""
    console = paper()
    now, store = workspace.snapshot(), workspace.existing
    found = releases.lines(
        store,
        now,
        lambda name: account(store.counters, onboard.purse_of(name)).spent_nano,
        now_ms=round(time.time() * 1000),
    )
    if not found:
        console.print("No release was announced yet. Start with: pointsman release add PROVIDER/MODEL")
        return
    for line in found:
        console.print(_wave(line))
    for name, change in now.changes.items():
        barred = "; it serves nothing until it is tested anew" if change.barred else ""
        console.print(f"{name} answers otherwise since {moment(change.since_ms)}: {change.why}{barred}.")


@command.command("drop")
@workspace_option
@click.argument("deployment")
@click.option("--reason", default="dropped by its owner", help="Kept on record.")
@_ROUTE
def drop(workspace: Workspace, deployment: str, reason: str, route: str) -> None:
    """End a release: it is tried no more, and what it serves goes back to the reference at once."""
    now_ms = int(time.time() * 1000)
    step = partial(releases.drop, route=route, deployment=deployment, why=reason, now_ms=now_ms)
    workspace.publish(step, made_by=f"pointsman release drop {deployment}")
    click.echo(f"{deployment} is tried no more and serves nothing on the route {route}; what was judged is kept.")


@command.command("trust")
@workspace_option
@click.argument("deployment")
def trust(workspace: Workspace, deployment: str) -> None:
    """Say that what is known of DEPLOYMENT was learned after it changed: it may serve again where a table says so."""
    workspace.publish(lambda now: releases.trust(now, deployment), made_by=f"pointsman release trust {deployment}")
    click.echo(f"{deployment} may serve again. What was judged of it before it changed stays unused.")


def _taken_up(workspace: Workspace, before: Snapshot) -> Snapshot:
    """Return the snapshot with the configuration as its file is now: the new model was just written into it."""
    if workspace.config_path is None:
        return before
    now = dt.datetime.now(dt.UTC)
    now_ms = int(now.timestamp() * 1000)
    return compile_snapshot(workspace.config, before, today=now.date(), made_by=before.made_by, now_ms=now_ms).snapshot


def _spent(workspace: Workspace, now: Snapshot, route: str, feature: str) -> int:
    """Return what a feature's trial has spent before, since it goes on with its evidence."""
    plan = plan_of(now, route, feature)
    if plan.reference is None or plan.grader is None:
        return 0  # start_trial says what is missing
    name = trial_id(route, feature, plan.reference, plan.grader)
    return account(workspace.store.counters, Trial(name, (), 1.0, 1)).spent_nano


def _wave(line: Line) -> Table:
    """Return one release as a table: a line for each of its features."""
    whole = ("feature", "stage", "change", "replaced")
    shown = table("feature", "stage", "judged", "change", "served", "replaced", "verdict", right=_NUMBERS, whole=whole)
    shown.title = f"{line.release.deployment}, arrived {moment(line.release.at_ms)[:10]}, tried for {money(line.cost_nano)}"
    shown.title_justify = "left"
    for one in line.standings:
        judged, change = (f"{one.row.change.n:,}", points(one.row.change)) if one.row is not None else ("0", "")
        said = one.ended or (spell(one.row) if one.row is not None else "nothing judged yet")
        shown.add_row(one.feature, one.stage, judged, change, f"{one.served:,}", one.replaced, said)
    return shown
