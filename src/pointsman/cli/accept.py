"""``pointsman accept``: let what passed its trial serve, first a little (canary), then all but the control share (auto)."""

import time

import click
from rich.console import Console

from pointsman.cli.verdict_table import savings_table, verdict_table
from pointsman.control.findings import findings, propose
from pointsman.control.gates import LEAST
from pointsman.control.plans import accept, grader_name, plan_of, promote
from pointsman.control.review.people import by_people
from pointsman.control.savings import savings
from pointsman.control.tailor import PER_REQUEST
from pointsman.core.routing import Gates
from pointsman.policy.gates import soonest
from pointsman.serve.workspace import Workspace, workspace_option


@click.command("accept")
@workspace_option
@click.argument("feature")
@click.option("--candidate", help="What to accept: a deployment, or per-request [default: the best that is ready].")
@click.option(
    "--despite-verdict", "despite", metavar="REASON", help="Accept although the verdict is not ready; kept on record."
)
@click.option("--route", default="auto", show_default=True, help="The route whose plan is meant.")
def command(workspace: Workspace, feature: str, candidate: str | None, despite: str | None, route: str) -> None:
    """Let ready candidates serve FEATURE: 10 % of its requests first, and when run again all but the control share.

    \b
    pointsman accept support
    pointsman accept support --candidate openai/small-3
    """
    console = Console()
    now_ms = int(time.time() * 1000)
    before = plan_of(workspace.snapshot(), route, feature)
    if before.acts and candidate is None:
        grader = grader_name(before.grader) if before.grader is not None else None
        measured = savings(workspace.store.journal, feature, since_ms=before.since_ms, route=route, grader=grader)
        console.print(savings_table(measured))
        if measured.at_most is not None and measured.at_most < -before.tolerance:
            console.print(
                f"Quality is certainly (95 %, however often you look) more than {100 * before.tolerance:.3g} points below "
                f"the reference's. Undo it with: pointsman rollback {feature}"
            )
        if before.mode == "canary":
            workspace.publish(lambda now: promote(now, route, feature, now_ms=now_ms), made_by=f"pointsman accept {feature}")
        share = 100 * plan_of(workspace.snapshot(), route, feature).acting_share
        console.print(
            f"{feature} is in auto: {share:.0f} % of its requests are decided, the rest stays on {before.reference} "
            f"to measure against. Undo at once with: pointsman rollback {feature}"
        )
        return
    people = by_people(workspace.store, workspace.snapshot(), route, now_ms=now_ms, feature=feature)
    found = findings(workspace.store.journal, workspace.snapshot(), route, feature, people=people)
    if found.rows:
        console.print(verdict_table(found.rows))
    wanted = PER_REQUEST if candidate in ("per-request", PER_REQUEST) else candidate
    proposal = propose(found, feature, wanted, despite=despite)
    workspace.publish(
        lambda now: accept(now, route, feature, proposal.row, proposal.serving, now_ms=now_ms, despite=despite),
        made_by=f"pointsman accept {feature}",
    )
    console.print(f"Accepted for {feature}: {proposal.row.candidate} ({proposal.why}).")
    after = plan_of(workspace.snapshot(), route, feature)
    if after.tested is not None:
        points = f"{100 * after.tested.tolerance:.3g} points"
        said = f"Tested on {after.tested.judged:,} of your requests: at most {points} below {after.reference}"
        console.print(f"{said}, at {100 * after.tested.confidence:.3g} %.")
    else:
        console.print(f"Not tested: the verdict on {proposal.row.candidate} was not ready.")
    console.print(
        f"{feature} is in canary: {100 * after.acting_share:.0f} % of its requests may go to {', '.join(after.accepted)}, "
        f"the rest stays on {after.reference}.\n"
        f"{_onward(workspace.snapshot().routes[route].gates)}; at once with: pointsman accept {feature}\n"
        f"Undo at once with: pointsman rollback {feature}"
    )


def _onward(gates: Gates) -> str:
    """Say what comes after the canary."""
    sound = f"certainly fail at most {100 * gates.errors:.3g} points more often than the rest"
    after = f"(after {max(LEAST, soonest(gates.errors))} or more)"
    if not gates.promote:
        return f"When such requests {sound} {after} you are told that it is ready for auto"
    return f"When such requests {sound} {after} it moves to auto by itself"
