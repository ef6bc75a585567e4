"""``pointsman budgets``: what is used of each budget in its window, what workers hold of it, and what is left."""

import sys
import time
from typing import Final

import click
import msgspec
from rich.console import Console

from pointsman.cli.figures import moment, paper, table
from pointsman.control.budgets import Line, lines
from pointsman.core.budget import shown
from pointsman.serve.workspace import Workspace, workspace_option

_BAR: Final = 20


@click.command("budgets")
@workspace_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value; money in nano-dollars (1e-9 US dollars).")
def command(workspace: Workspace, *, as_json: bool) -> None:
    """Show each budget: how much of it is used in the window of now, what workers hold of it, and what is left.

    \b
    pointsman budgets
    pointsman budgets --json
    """
    now_ms = int(time.time() * 1000)
    found = lines(workspace.snapshot(), workspace.existing.leases.standing(now_ms), now_ms)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    elif not found:
        paper().print('There are no budgets. Add, for example, [budgets.all] with usd = 20 and window = "day".')
    else:
        _show(paper(), found)


def _show(console: Console, found: list[Line]) -> None:
    made = table("budget", "whose", "used", "of", "", "held", "left", "until", right=("used", "of", "held", "left"))
    for one in found:
        amounts = (_bare(one, amount) for amount in (one.leased, one.left))
        made.add_row(
            one.budget,
            one.whose,
            _bare(one, one.used),
            f"{shown(one.unit, one.limit)} a {one.window}",
            bar(one.used, one.leased, one.limit),
            *amounts,
            moment(one.ends_ms)[:16],
        )
    console.print(made)
    console.print("Held: what running workers may use without asking again. A window is a calendar one, in UTC.")


def _bare(one: Line, amount: int) -> str:
    """Return an amount without the name of its unit."""
    return shown(one.unit, amount) if one.unit == "usd" else f"{amount:,}"


def bar(used: int, leased: int, limit: int) -> str:
    """Return a bar of what is used (#) and held (-) of a limit; what is used at all shows."""
    full = min(max(round(_BAR * used / limit), 1 if used else 0), _BAR)
    held = min(round(_BAR * leased / limit), _BAR - full)
    return "#" * full + "-" * held + "." * (_BAR - full - held)
