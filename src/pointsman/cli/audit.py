"""``pointsman audit``: what was done to this installation, by whom."""

import sys

import click
import msgspec

from pointsman.cli.figures import moment, paper, read_moment, table
from pointsman.core.errors import StoreError
from pointsman.serve.workspace import Workspace, workspace_option


@click.command("audit")
@workspace_option
@click.argument("about", default="")
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many, newest first.")
@click.option("--since", callback=read_moment, help="From this moment on: 24h, 7d, 2026-11-01.")
@click.option("--verify", is_flag=True, help="Check the chain of all acts and show its last link.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
def command(workspace: Workspace, about: str, limit: int, since: int | None, *, verify: bool, as_json: bool) -> None:
    """Show administrative acts, newest first: all, or those that have ABOUT in their actor, act, object or detail.

    \b
    pointsman audit
    pointsman audit "key revoke" --since 7d
    pointsman audit --verify
    """
    log = workspace.existing.audit
    if verify:
        count, last, broken = log.checked()
        if broken is not None:
            raise StoreError(f"the log of acts was tampered with: act {broken} does not follow from those before it")
        click.echo(f"{count} acts, each linked to the one before; the last link is {last or 'not there yet'}")
        return
    acts = log.acts(limit=limit, since_ms=since, about=about)
    if as_json:
        for act in acts:
            sys.stdout.write(msgspec.json.encode(act).decode() + "\n")
        return
    console = paper()
    if not acts:
        console.print("No such act.")
        return
    made = table("time", "who", "act", "on", "detail", whole=("time",))
    for act in acts:
        made.add_row(moment(act.at_ms), act.actor, act.act, act.object, act.detail)
    console.print(made)
