"""``pointsman trial``: start, watch and stop trials, and see the verdicts."""

import math
import time
from functools import partial
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from pointsman.cli.verdict_table import verdict_table
from pointsman.control.plans import EVERY, PlanError, is_current, plan_of, start_trial, stop_trial, trial_id
from pointsman.control.purse import Account, account
from pointsman.control.review.people import by_people
from pointsman.control.verdict import Row, dollars, tolerances, verdicts
from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Plan, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace, workspace_option

_LOOK_S = 1.0


class _Finite(click.FloatRange):
    """A number within bounds; neither infinite nor none at all, which compare as if they were."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


@click.command("trial")
@workspace_option
@click.argument("feature", required=False)
@click.option("--candidates", default="", help="Deployments to try, by comma [default: the route's candidates].")
@click.option(
    "--share",
    type=_Finite(0, 1, min_open=True),
    default=0.2,
    show_default=True,
    help="Share of the feature's requests that is copied.",
)
@click.option(
    "--cap",
    type=_Finite(0, min_open=True),
    default=5.0,
    show_default=True,
    help="US dollars that may be spent from now on.",
)
@click.option(
    "--tolerance",
    type=_Finite(0, 50),
    help="Loss of quality that you accept, in points [default: the configuration's].",
)
@click.option("--route", default="auto", show_default=True, help="The route whose plan is meant.")
@click.option("--watch/--no-watch", default=True, help="Stay and show how it goes.")
@click.option("--fresh", is_flag=True, help="Leave the evidence of earlier trials aside.")
@click.option("--stop", is_flag=True, help="End the feature's trial; what was judged is kept.")
def command(  # noqa: PLR0913 - one parameter per option
    workspace: Workspace,
    feature: str | None,
    candidates: str,
    share: float,
    cap: float,
    tolerance: float | None,
    route: str,
    *,
    watch: bool,
    fresh: bool,
    stop: bool,
) -> None:
    """Try cheaper models on a share of FEATURE's live requests; without FEATURE, show all verdicts.

    Answers are graded by the feature's check or judge, after the reply has gone out. See docs/trials.md.

    \b
    pointsman trial support --candidates openai/small-3,mistral/mid-2 --cap 5
    pointsman trial                        the verdicts so far
    pointsman trial support --stop
    """
    console = Console()
    if feature is None:
        if stop or fresh or candidates or tolerance is not None:
            raise click.UsageError("which feature? For example: pointsman trial support --stop")
        show(console, workspace, route)
        return
    plan_of(workspace.snapshot(), route, feature)  # says what is missing before anything is made
    if stop:
        workspace.publish(lambda now: stop_trial(now, route, feature), made_by=f"pointsman trial {feature} --stop")
        console.print(f"The trial for {feature} is stopped; its judgements are kept.")
        show(console, workspace, route, feature)
        return
    names = [name.strip() for name in candidates.split(",") if name.strip()]
    started = f"{time.time():.0f}" if fresh else None

    def begin(now: Snapshot) -> Snapshot:
        plan = plan_of(now, route, feature)
        return start_trial(
            now,
            route,
            feature,
            candidates=names,
            share=share,
            cap_nano=_spent(workspace, plan, route, started) + round(cap * NANO_PER_USD),
            tolerance=None if tolerance is None else tolerance / 100,
            fresh=started or "",
        )

    workspace.publish(begin, made_by=f"pointsman trial {feature}")
    plan = plan_of(workspace.snapshot(), route, feature)
    if plan.trial is None:
        raise PlanError(f'the trial for "{feature}" was stopped by another command at once')
    console.print(
        f"Trying {', '.join(plan.trial.candidates)} against {plan.reference} on {100 * share:.0f} % of {feature}'s requests "
        f"for at most ${cap:.2f} more. Your users notice nothing."
    )
    if watch:
        _watch(console, workspace, route, plan.trial, feature)
    else:
        console.print("See how it goes with `pointsman trial`.")


def show(console: Console, workspace: Workspace, route: str, feature: str | None = None) -> None:
    """Print the verdict table and what to do next."""
    now = workspace.snapshot()
    people = by_people(workspace.existing, now, route, now_ms=round(time.time() * 1000), feature=feature)
    rows = verdicts(
        workspace.existing.journal,
        tolerances(now, route),
        feature=feature,
        counts=partial(is_current, now, route),
        people=people,
        snapshot=now,
    )
    if not rows:
        console.print("Nothing has been tried yet by the checks of today. Start with: pointsman trial FEATURE")
        return
    console.print(verdict_table(rows))
    for row in rows:
        if row.people is not None:
            console.print(
                f"{row.feature}, {row.candidate}: by {row.people.people:,} judgements of people, and the judge's word on "
                f"{row.people.judged:,} answers, corrected by them; the judge saved {row.people.saved:,} more."
            )
    for line in _running(workspace, route):
        console.print(line)
    for name in sorted({row.feature for row in rows if row.kind == "ready"}):
        if plan_of(workspace.snapshot(), route, name).mode in ("observe", "trial"):
            console.print(f"Next: pointsman accept {name}")


def _running(workspace: Workspace, route: str) -> list[str]:
    found = workspace.snapshot().routes.get(route)
    lines = []
    for name, plan in (found.plans if found else {}).items():
        if plan.trial is not None and plan.trial.candidates:
            lines.append(f"{name}: {_money(account(workspace.store.counters, plan.trial))}")
    return lines


def _money(state: Account) -> str:
    end = "; the cap is reached, go on with --cap" if state.capped else ""
    return f"{dollars(state.spent_nano)} of {dollars(state.cap_nano)} spent{end}"


def _spent(workspace: Workspace, plan: Plan, route: str, started: str | None) -> int:
    """Return what this trial has spent before, when it goes on with its evidence."""
    if plan.reference is None or plan.grader is None:
        return 0  # start_trial says what is missing
    name = trial_id(route, plan.feature, plan.reference, plan.grader, started or "")
    return account(workspace.store.counters, Trial(name, (), 1.0, 1)).spent_nano


def _watch(console: Console, workspace: Workspace, route: str, trial: Trial, feature: str) -> None:
    """Show the verdicts until all are final, the cap is reached, or the user leaves."""
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), console=console)
    task = bar.add_task("money spent", total=trial.cap_nano)
    try:
        with Live(console=console, refresh_per_second=4) as live:
            while True:
                rows = _rows(workspace, route, trial, feature)
                state = account(workspace.store.counters, trial)
                bar.update(task, completed=state.spent_nano, description=_money(state))
                waiting = Text("" if rows else f"Waiting for requests of {feature} ...")
                live.update(Group(verdict_table(rows) if rows else waiting, bar))
                final = len(rows) >= len(trial.candidates) and all(row.settled for row in rows)
                current = plan_of(workspace.snapshot(), route, feature).trial
                if final or state.capped or current is None or current.id != trial.id:
                    break
                time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        console.print(f"\nThe trial goes on. See it with: pointsman trial. End it with: pointsman trial {feature} --stop")
        return
    if state.capped and not final:
        console.print(f"The cap is reached. To go on with the same evidence: pointsman trial {feature} --cap DOLLARS")
    elif not final:
        console.print("The trial was ended by another command.")
    for name in [row.candidate for row in rows if row.kind == "ready"]:
        console.print(f"{name} is ready. Next: pointsman accept {feature} --candidate {name}")
    if final and not any(row.kind == "ready" for row in rows):
        console.print(f"No candidate will do: {feature} stays where it is. End the trial with --stop, or try others.")


def _rows(workspace: Workspace, route: str, trial: Trial, feature: str) -> list[Row]:
    one = None if feature == EVERY else feature
    now = workspace.snapshot()
    people = by_people(workspace.store, now, route, now_ms=round(time.time() * 1000), feature=one)
    found = verdicts(
        workspace.store.journal, tolerances(now, route), feature=one, trial=trial.id, people=people, snapshot=now
    )
    return [row for row in found if row.candidate in trial.candidates]
