"""An evaluation with an installation's parts: its prices, its counters, its kept answers, and its running gateway."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pointsman.control.cases import estimate, rows, running
from pointsman.control.cases.asking import Asking, Gateway, prepared
from pointsman.control.cases.case import Case
from pointsman.control.cases.checking import Checking, must_isolate
from pointsman.control.cases.kept import DIRECTORY, Kept
from pointsman.control.cases.running import Open, Report
from pointsman.control.purse import Purse, account
from pointsman.core.routing import Trial
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace
from pointsman.upstream.transport import HttpTransport

_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - what the configuration may say; it is called by its loopback name


class Wanted(Struct, frozen=True):
    """What to evaluate: cases, deployments (the first one is compared with), and where the table goes.

    ``url`` is the gateway's base URL, ``key`` the client's. ``output_tokens`` limits answers of cases that set no limit.
    """

    cases: list[Case]
    deployments: tuple[str, ...]
    out: Path
    url: str
    key: str = ""
    output_tokens: int = 4096
    concurrency: int = running.CONCURRENCY
    isolated: bool = True

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of labels: those that any case has."""
        return tuple(sorted({label for case in self.cases for label in case.labels}))


@dataclass(frozen=True)
class Prepared:
    """An evaluation that could begin: what is open, what is there, and what it will cost."""

    wanted: Wanted
    snapshot: Snapshot
    todo: list[Open]
    table: rows.Table
    lines: list[estimate.Line]


def gateway_url(workspace: Workspace) -> str:
    """Return the base URL of the gateway that the configuration describes."""
    host = workspace.config.host
    host = "127.0.0.1" if host in _ANYWHERE else host
    return f"http://{f'[{host}]' if ':' in host else host}:{workspace.config.port}/v1"


@contextmanager
def prepare(workspace: Workspace, wanted: Wanted) -> Iterator[Prepared]:
    """Hold everything that a run needs, nothing called yet but the gateway's list of models.

    Raises ConfigError where the gateway, a deployment, a judge or the sandbox is not there; TableError where the table
    cannot be written.
    """
    snapshot = workspace.snapshot()
    opened = running.opened(wanted.cases, wanted.deployments, snapshot, wanted.output_tokens)
    for name in {case.check.spec for case in wanted.cases if case.check.kind == "judge"}:
        prepared(snapshot, name, {"messages": [{"role": "user", "content": ""}]}, wanted.output_tokens)
    asyncio.run(_look(wanted))
    directory = workspace.data / DIRECTORY
    with rows.alone(wanted.out, directory):
        table = rows.Table(wanted.out, {(one.case.id, one.deployment): one.key for one in opened})
        try:
            todo = [one for one in opened if (one.case.id, one.deployment) not in table.done]
            yield Prepared(wanted, snapshot, todo, table, _estimated(todo, wanted, Kept(directory), table, snapshot))
        finally:
            table.close()


def run(workspace: Workspace, ready: Prepared, cap_nano: int, told: Callable[[int], None]) -> tuple[Report, int]:
    """Ask what is open and return how it went, and the nano-dollars spent: at most ``cap_nano``.

    ``told`` hears of each case that is done with what was spent so far. KeyboardInterrupt passes through; rows stay.
    """
    money = Trial(f"eval:{time.time_ns()}:{os.getpid()}", ready.wanted.deployments, 1.0, cap_nano)

    def spent() -> int:
        return account(workspace.store.counters, money).spent_nano

    workspace.note("eval", ", ".join(ready.wanted.deployments), f"{len(ready.todo)} cells, at most {cap_nano} nano-dollars")
    report = asyncio.run(_run(workspace, ready, money, lambda: told(spent())))
    return report, spent()


async def _run(workspace: Workspace, ready: Prepared, money: Trial, told: Callable[[], None]) -> Report:
    wanted = ready.wanted
    transport = HttpTransport()
    try:
        asking = Asking(
            Gateway(transport, wanted.url, wanted.key),
            ready.snapshot,
            Purse(workspace.store.counters, money),
            Kept(workspace.data / DIRECTORY),
            output_tokens=wanted.output_tokens,
        )
        checking = Checking(asking, reference=wanted.deployments[0], isolated=wanted.isolated)
        return await running.run(
            ready.todo, asking, checking, ready.table,
            labels=wanted.labels, concurrency=wanted.concurrency, told=told,
        )  # fmt: skip
    finally:
        await transport.close()


async def _look(wanted: Wanted) -> None:
    """Raise ConfigError where the gateway does not answer, or code cannot be isolated that would have to be."""
    transport = HttpTransport()
    try:
        await Gateway(transport, wanted.url, wanted.key).greet()
    finally:
        await transport.close()
    if wanted.isolated and any(case.check.kind == "code" for case in wanted.cases):
        await must_isolate()


def _estimated(
    todo: Sequence[Open], wanted: Wanted, kept: Kept, table: rows.Table, snapshot: Snapshot
) -> list[estimate.Line]:
    lines = []
    for name in wanted.deployments:
        mine = [one for one in todo if one.deployment == name]
        calls = [one.asked for one in mine if kept.find(one.asked.name) is None]
        lines.append(estimate.answers(name, calls, len(mine) - len(calls), table.rows))
    for name in dict.fromkeys(one.case.check.spec for one in todo if one.case.check.kind == "judge"):
        judged = [one.case for one in todo if one.case.check.kind == "judge" and one.case.check.spec == name]
        price = snapshot.deployments[name].price
        if price is not None:
            lines.append(estimate.judging(name, price, judged))
    return lines


def labelled(cases: Sequence[Case], feature: str | None, seed: int | None) -> list[Case]:
    """Return cases with a feature where they have none, and asked with a seed."""
    more = {} if seed is None else {"seed": seed}
    label = {} if feature is None else {"feature": feature}
    return [replace(case, fields={**case.fields, **more}, labels={**label, **case.labels}) for case in cases]
