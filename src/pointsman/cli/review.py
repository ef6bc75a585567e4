"""``pointsman review``: people judge the answers that matter, blind, by keyboard; and what their judgements come to."""

import getpass
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import msgspec
from click.core import ParameterSource
from rich.console import Console

from pointsman.cli.figures import paper, percent, table
from pointsman.cli.fit import fitted
from pointsman.cli.review_screen import Screen, review
from pointsman.control.plans import PlanError
from pointsman.control.review.docket import Docket
from pointsman.control.review.intake import expire
from pointsman.control.review.people import Report, Seen, report
from pointsman.control.review.piles import Pile, piles
from pointsman.control.review.sheets import sheet, take
from pointsman.control.review.veil import brands
from pointsman.core.errors import StoreError
from pointsman.policy.powered import LEAST
from pointsman.serve.workspace import Workspace, workspace_option

SHOWN: Final = 10
_NUMBERS: Final = ("judged", "open", "machine", "people", "agree", "saved")


def _now_ms() -> int:
    return int(time.time() * 1000)


def _reviewer(_: click.Context, param: click.Parameter, value: str | None) -> str:
    try:
        name = (value or getpass.getuser()).strip()
    except (KeyError, ImportError, OSError) as error:  # a container's user may have no name
        raise click.BadParameter("name yourself: your user has no name on this machine", param=param) from error
    if not name.isprintable() or not name or ":" in name or len(name) > 40:
        raise click.BadParameter("a name has 1 to 40 printable characters and no colon", param=param)
    return name


def reviewer_option(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--reviewer``."""
    return click.option(
        "--reviewer", callback=_reviewer, envvar="POINTSMAN_REVIEWER",
        help="Whose judgements these are [default: your user name].",
    )(function)  # fmt: skip


route_option = click.option("--route", default="auto", show_default=True, help="The route whose trials are meant.")
feature_option = click.option("--feature", help="This feature only.")


@click.group("review", invoke_without_command=True)
@workspace_option
@feature_option
@reviewer_option
@route_option
@click.option("-n", "--count", type=click.IntRange(min=1), help="Stop after so many [default: until you quit].")
@click.pass_context
def command(
    ctx: click.Context, workspace: Workspace, feature: str | None, reviewer: str, route: str, count: int | None
) -> None:
    """Judge answers, the most telling first. You are not told whose they are; every choice is one key.

    Trials put questions into the queue where the owner lets prompts be kept: [review] keep_days. See docs/guide/review.md.

    \b
    pointsman review --reviewer ann
    pointsman review export sheet.jsonl --reviewer bob     for somebody who works elsewhere
    pointsman review import sheet.jsonl
    pointsman review report                                what people said, and how far they agree
    """
    if ctx.invoked_subcommand is not None:
        given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
        if given:
            raise click.UsageError(f"write the options behind the word {ctx.invoked_subcommand}", ctx)
        return
    found = _piles(workspace, route, feature)
    docket = Docket(workspace.store, found, reviewer, now_ms=_now_ms)
    if not docket.left:
        raise StoreError(_nothing(workspace, found, feature))
    screen = Screen(Console(highlight=False, markup=False), brands(workspace.snapshot()), time.monotonic)
    review(docket, screen, count)


@command.command("export")
@workspace_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@feature_option
@reviewer_option
@route_option
@click.option("-n", "--count", default=50, show_default=True, type=click.IntRange(min=1), help="How many questions.")
def export(workspace: Workspace, file: Path, feature: str | None, reviewer: str, route: str, count: int) -> None:
    """Write the next questions for one reviewer into FILE, JSON Lines: fill in "choice", send it back, import it.

    The file holds requests and answers in plain text.
    """
    found = _piles(workspace, route, feature)
    lines = list(sheet(workspace.store, found, reviewer, count, brands(workspace.snapshot())))
    if not lines:
        raise StoreError(_nothing(workspace, found, feature))
    try:
        descriptor = click.open_file(str(file), "xb")
    except FileExistsError as error:
        raise StoreError(f"{file} exists; name another file, for what a reviewer wrote into it would be lost") from error
    except OSError as error:
        raise StoreError(f"{file} cannot be written ({error.strerror}); name another place") from error
    with descriptor as out:
        file.chmod(0o600)
        out.writelines(msgspec.json.encode(line) + b"\n" for line in lines)
    click.echo(
        f"{len(lines)} questions for {reviewer} are in {file}, requests and answers in plain text. Write one of the "
        f'"choices" into "choice", then: pointsman review import {file}'
    )


@command.command("import")
@workspace_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def import_(workspace: Workspace, file: Path) -> None:
    """Take the choices that a reviewer wrote into FILE. It may be taken again: what is known stays as it is."""
    store = workspace.existing
    try:
        with file.open("rb") as lines:
            taken = take(store, lines, now_ms=_now_ms())
    except OSError as error:
        raise StoreError(f"{file} cannot be read ({error.strerror})") from error
    click.echo(f"{taken.taken} judgements taken, {taken.known} known already, {taken.blank} without a choice.")
    for problem in taken.problems[:SHOWN]:
        click.echo(f"{file}, line {problem.line}: {problem.why}", err=True)
    if len(taken.problems) > SHOWN:
        click.echo(f"{file}: {len(taken.problems) - SHOWN} more lines were not taken", err=True)
    if taken.problems:
        raise StoreError(
            f"{len(taken.problems)} lines of {file} were not taken; all others were. Correct them, import again"
        )


@command.command("report")
@workspace_option
@feature_option
@route_option
def report_(workspace: Workspace, feature: str | None, route: str) -> None:
    """Show what people's judgements say of each candidate, how far reviewers agree, and the time it took."""
    found = _piles(workspace, route, feature)
    if not found:
        raise StoreError(_nothing(workspace, found, feature))
    _show(paper(), report(found))


def _piles(workspace: Workspace, route: str, feature: str | None) -> list[Pile]:
    """Return what is in the queue, after forgetting what is kept too long."""
    store, snapshot = workspace.existing, workspace.snapshot()
    if route not in snapshot.routes:
        raise PlanError(f"there is no route {route}; routes: {', '.join(snapshot.routes)}")
    expire(store.reviews, snapshot, _now_ms())
    return piles(store, snapshot, route, now_ms=_now_ms(), feature=feature)


def _nothing(workspace: Workspace, found: list[Pile], feature: str | None) -> str:
    kept = any(plan.review_days for route in workspace.snapshot().routes.values() for plan in route.plans.values())
    where = f" of {feature}" if feature else ""
    if not kept:
        return (
            "nothing is kept for review: write [review] keep_days = 14 into pointsman.toml (or review_days = 14 for one "
            "feature), then start a trial: requests and answers of its comparisons are kept, sealed, for so long"
        )
    if found:
        return f"nothing{where} is left to judge; see `pointsman review report`"
    return f"nothing{where} is in the queue yet: trials fill it; start one with `pointsman trial FEATURE`"


def _show(console: Console, made: Report) -> None:
    for lines in fitted(console, ("feature", "candidate", "arm"), _NUMBERS, [_cells(one) for one in made.seen]):
        console.print(lines)
    people = table("reviewer", "judgements", "passed", "time each", "in all", right=("judgements", "passed", "time each"))
    for each in made.reviewers:
        people.add_row(
            each.name, f"{each.said:,}", f"{each.passed:,}", f"{each.median_s:.0f} s", f"{each.seconds / 60:.0f} min"
        )
    if made.reviewers:
        console.print(people)
    if made.agreement is not None:
        found = made.agreement
        console.print(
            f"Reviewers of the same question agree in {percent(found.same)} of {found.items} questions; Krippendorff's "
            f"alpha {found.value:.2f} [{found.low:.2f}, {found.high:.2f}] (1: always, 0: as by chance)."
        )
    else:
        console.print("Too few questions were judged by two reviewers to say how far they agree.")
    if made.saved:
        console.print(f"The judge saved {made.saved:,} judgements by people: so many more would give the same certainty.")
    console.print(
        f"People's estimate covers all answers, the machine's word corrected by people's; 95 % bounds for one look. From "
        f"{LEAST} judgements on, verdicts go by it, with bounds that hold however often one looks."
    )


def _cells(one: Seen) -> tuple[str, ...]:
    scale = 100.0
    people = one.people
    estimate = ""
    if people is not None:
        low, high = people.once
        estimate = f"{scale * people.value:+.1f} [{scale * low:+.1f}, {scale * high:+.1f}]"
    return (
        one.pile.feature, one.pile.deployment or "as served", one.pile.arm, f"{one.judged:,}", f"{one.open:,}",
        "" if one.machine is None else f"{scale * one.machine:+.1f}", estimate, percent(one.agree),
        f"{people.saved:,}" if people is not None and people.people >= LEAST else "",
    )  # fmt: skip
