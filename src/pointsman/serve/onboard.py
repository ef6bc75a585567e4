"""Asking a new model the prompts that were chosen for it: the calls of ``control/onboard`` with an installation's parts."""

import asyncio
import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from pointsman.control import onboard
from pointsman.control.calls import Calls
from pointsman.control.onboard import Row
from pointsman.control.purse import Purse, account
from pointsman.core.errors import ConfigError
from pointsman.core.routing import Grader, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace
from pointsman.upstream.credentials import credentials, fetching
from pointsman.upstream.transport import HttpTransport


def ask(
    workspace: Workspace, snapshot: Snapshot, rows: Sequence[Row], grader: Grader, cap_nano: int, told: Callable[[], None]
) -> tuple[list[Row], int]:
    """Return the rows answered and graded, and what that cost in nano-dollars; at most ``cap_nano`` are spent.

    Raises ConfigError where the model cannot be called.
    """
    name = rows[0]["model"]
    deployment = snapshot.deployments.get(name)
    if deployment is None or deployment.price is None:
        reason = "is not in the published configuration" if deployment is None else "has no price"
        raise ConfigError(
            f'{name} {reason}: declare it under [deployments."{name}"] with its price, and run `pointsman up` once, '
            "or leave --run out and grade the answers yourself"
        )
    trial = purse_of(name)
    before = account(workspace.store.counters, trial).spent_nano
    trial = replace(trial, cap_nano=before + cap_nano)
    workspace.note("onboard", name, f"{len(rows)} prompts, at most {cap_nano} nano-dollars")
    answered = asyncio.run(_asked(workspace, snapshot, rows, grader, trial, told))
    return answered, account(workspace.store.counters, trial).spent_nano - before


def purse_of(name: str) -> Trial:
    """Return under which trial the money for a deployment's first prompts is counted."""
    return Trial(f"onboard:{name}", (name,), 1.0, 0)


async def _asked(
    workspace: Workspace, snapshot: Snapshot, rows: Sequence[Row], grader: Grader, trial: Trial, told: Callable[[], None]
) -> list[Row]:
    transport = HttpTransport()
    calls = Calls(transport, credentials(fetching(transport)), workspace.store.ledger, lambda: time.time_ns() // 1_000_000)
    try:
        return await onboard.ask(calls, snapshot, rows, grader, Purse(workspace.store.counters, trial), told)
    finally:
        await transport.close()
