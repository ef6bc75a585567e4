"""The control process: trials, promotions and the configuration file, beside the gateway and at low priority.

Strategy: ``pointsman up`` starts it as a child and writes samples to its standard input. It publishes snapshots, which the
gateway takes up by itself; nothing else goes back. When its standard input ends, the gateway has stopped: it finishes what
it has begun and ends too.

Laws: it never stops the gateway (a mistake in the configuration is printed and the last good snapshot stays); what it does
again and again is guarded step by step, so that nothing that fails keeps the others from their turn; a trial's cap holds
across restarts, for the money is counted in the store.
"""

import asyncio
import datetime as dt
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import click

from pointsman.control import config as configuration
from pointsman.control.calls import Calls
from pointsman.control.canaries import Canaries
from pointsman.control.compile import compile_snapshot
from pointsman.control.drift import DriftWatch
from pointsman.control.forgetting import Forgetting
from pointsman.control.gates import Gatekeeper
from pointsman.control.joining import join_due
from pointsman.control.onboard import expectations
from pointsman.control.publish import publish
from pointsman.control.releases import Stages
from pointsman.control.repriced import PriceWatch
from pointsman.control.trial import Trials
from pointsman.core import snapshot as snapshots
from pointsman.core.audit import GATEWAY
from pointsman.core.errors import PointsmanError
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.telemetry import metrics, otlp
from pointsman.gateway.telemetry.families import Readings
from pointsman.gateway.telemetry.pages import Page
from pointsman.serve import control_api, logs
from pointsman.serve.encoding import opened
from pointsman.serve.relearning import Relearning
from pointsman.serve.samples import samples
from pointsman.serve.steps import Steps
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Store
from pointsman.upstream.credentials import credentials, fetching
from pointsman.upstream.transport import HttpTransport

NICENESS = 10
LOOK_EVERY_S = 1.0
EXPIRE_EVERY_S = 60.0
_JOINED_AT_ONCE = 5  # pages of feedback: the rest waits its turn


class Current:
    """The snapshot in force, decoded again only when another one was published."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = -1
        self._snapshot = Snapshot()

    def __call__(self) -> Snapshot:
        """Return the snapshot in force. Raises StoreError, SnapshotError."""
        number = self._store.snapshots.current_number()
        if number != self._number:
            published = self._store.snapshots.current()
            if published is not None:
                self._snapshot = snapshots.decode(published.data)
                self._number = published.number
        return self._snapshot


class ConfigFile:
    """A configuration file that is compiled and published whenever it changes.

    The first look compiles it too, since it may have changed while this process was starting, and the first one of a day,
    for prices have dates; what changes nothing is not published, and what failed is tried again. ``config`` is the last one
    that was taken up.
    """

    def __init__(self, path: Path | None, store: Store) -> None:
        self._path = path
        self._store = store
        self._seen: tuple[tuple[int, int], dt.date] | None = None
        self.config = configuration.Config()

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size) if status else None

    def look(self) -> None:
        """Publish the file's content when it has changed. Raises ConfigError, StoreError; the old snapshot stays then."""
        stamp, today = self._stamp(), dt.datetime.now(dt.UTC).date()
        if self._path is None or stamp is None or (stamp, today) == self._seen:
            return
        config = configuration.load(self._path)
        if config.encoder != self.config.encoder:
            opened(config.encoder)
        otlp.check(config.traces)
        made_by = f"configuration {self._path.name} changed"
        number = self._store.snapshots.current_number()
        notes: tuple[str, ...] = ()

        def change(previous: Snapshot) -> Snapshot:
            nonlocal notes
            compiled = compile_snapshot(config, previous, today=today, made_by=made_by, now_ms=_now_ms())
            notes = compiled.notes
            return compiled.snapshot

        published = publish(self._store, change, made_by=made_by, now_ms=_now_ms())
        self.config, self._seen = config, (stamp, today)
        if published.number != number:
            for sentence in (f"took up {self._path.name}", *notes):
                say(sentence)


async def run(workspace: Workspace, page: Page | None = None) -> None:
    """Work until standard input ends. ``page`` is where the gateway finds this process's figures."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    transport = HttpTransport()
    current = Current(workspace.store)
    calls = Calls(transport, credentials(fetching(transport)), workspace.store.ledger, _now_ms)
    trials = Trials(workspace.store, calls, current=current, now_ms=_now_ms, report=say)
    try:
        async with control_api.listening(workspace, say), asyncio.TaskGroup() as tasks:
            file = ConfigFile(workspace.config_path, workspace.store)
            steps = Steps(say)
            beside = [
                tasks.create_task(_tend(file, workspace.store, current, steps)),
                tasks.create_task(_ask_canaries(file, workspace.store, calls, current, steps)),
            ]
            if page is not None:
                beside.append(tasks.create_task(_show(page, steps)))
            await trials.run(samples(reader))
            for task in beside:
                task.cancel()
    finally:
        await transport.close()


async def _tend(file: ConfigFile, store: Store, current: Current, steps: Steps) -> None:
    """Look at the file, at what acts and at what arrived, again and again."""
    watching = [each(store, now_ms=_now_ms, say=say) for each in (Gatekeeper, Stages, PriceWatch, DriftWatch)]
    relearning, forgetting = Relearning(store, say), Forgetting(store)
    expired = 0.0

    def watched(watch: Gatekeeper | Stages | PriceWatch | DriftWatch) -> None:
        watch.look(current())

    def look() -> None:
        nonlocal expired
        if time.monotonic() - expired > EXPIRE_EVERY_S:  # before the file: what was promised to be forgotten is
            expired = time.monotonic()
            steps.take("forgetting what was kept long enough", lambda: forgetting.look(current(), _now_ms()))
        steps.take("taking up the configuration", file.look)
        steps.take("joining feedback", lambda: join_due(store, _now_ms(), pages=_JOINED_AT_ONCE))
        for watch in watching:
            steps.take_sparingly(type(watch).__name__, partial(watched, watch))
        if relearning.due(file.config.learn_every_s):
            hopes = partial(expectations, file.config.releases)
            steps.take("learning again", lambda: relearning.look(current(), _now_ms(), hopes=hopes))

    # In a thread: after a restart a long journal is read, and trials go on meanwhile.
    await _again("looking", lambda: asyncio.to_thread(look), steps)


async def _ask_canaries(file: ConfigFile, store: Store, calls: Calls, current: Current, steps: Steps) -> None:
    """Ask the canary prompts that are due, again and again: beside, since a round takes its time."""
    canaries = Canaries(store, calls, now_ms=_now_ms, say=say)
    await _again("asking canaries", lambda: canaries.look(current(), file.config.canaries), steps)


async def _show(page: Page, steps: Steps) -> None:
    """Put this process's figures where a scrape of the gateway finds them, again and again."""

    async def show() -> None:
        found: Readings = {"control_step_failing": {(step,): [1] for step in steps.failing}}
        metrics.publish(page, found | metrics.process_readings("control"), time.time())

    await _again("showing figures", show, steps)


async def _again(name: str, look: Callable[[], Awaitable[None]], steps: Steps) -> None:
    """Look every so often, for ever, whatever happens. What stays wrong is said once."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await look()
        except Exception as error:  # noqa: BLE001 - the control process goes on: others depend on it
            steps.failed(name, error)
        else:
            steps.went_well(name)


def say(sentence: str) -> None:
    """Tell the operator, on standard error."""
    click.echo(logs.sentence("pointsman control", sentence, time.time()), err=True)


def _now_ms() -> int:
    return int(time.time() * 1000)


@click.command()
@click.option("--config", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--page", type=Page.inherited)
def main(config: Path | None, data: Path, page: Page | None) -> None:
    """Run the control process (started by ``pointsman up``, not by hand)."""
    os.nice(NICENESS)
    # Ctrl-C reaches the whole process group, and so does the SIGTERM of a service manager: the gateway ends first, then our
    # standard input does, and what was begun (and paid for) is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    workspace = Workspace(config, data, actor=GATEWAY)
    try:
        asyncio.run(run(workspace, page))
    except PointsmanError as error:
        say(str(error))
        sys.exit(1)
    finally:
        workspace.close()


if __name__ == "__main__":
    main()
