"""``pointsman rollback``: everything back on the reference, at once."""

import time

import click

from pointsman.control.plans import plan_of, rollback
from pointsman.serve.workspace import Workspace, workspace_option


@click.command("rollback")
@workspace_option
@click.argument("feature")
@click.option("--route", default="auto", show_default=True, help="The route whose plan is meant.")
def command(workspace: Workspace, feature: str, route: str) -> None:
    """Send all of FEATURE's requests to its reference again, within a second. Judgements are kept.

    \b
    pointsman rollback support
    """
    now_ms = int(time.time() * 1000)
    plan_of(workspace.snapshot(), route, feature)  # says what is missing before anything is made
    workspace.publish(lambda now: rollback(now, route, feature, now_ms=now_ms), made_by=f"pointsman rollback {feature}")
    plan = plan_of(workspace.snapshot(), route, feature)
    click.echo(
        f"{feature} is back in observe: every request goes to {plan.reference}. A running gateway takes this up within a "
        f"second.\nWhat was judged is kept: `pointsman trial` shows it, and `pointsman accept {feature}` takes it up again."
    )
