"""The control process: trials, promotions and the configuration file, beside the gateway and at low priority.

Strategy: ``pointsman up`` starts it as a child and writes samples to its standard input. It publishes snapshots, which the
gateway takes up by itself; nothing else goes back. When its standard input ends, the gateway has stopped: it finishes what
it has begun and ends too.

Laws: it never stops the gateway (a mistake in the configuration is printed and the last good snapshot stays); a trial's
cap holds across restarts, for the money is counted in the store.
"""

import asyncio
import datetime as dt
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from pointsman.control import config as configuration
from pointsman.control import plans
from pointsman.control.calls import Calls
from pointsman.control.compile import compile_snapshot
from pointsman.control.joining import join_due
from pointsman.control.publish import publish
from pointsman.control.review.intake import expire
from pointsman.control.savings import quality_at_most
from pointsman.control.trial import Trials
from pointsman.core import snapshot as snapshots
from pointsman.core.errors import PointsmanError
from pointsman.core.routing import Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.serve.samples import samples
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter, Store
from pointsman.upstream.credentials import credentials, fetching
from pointsman.upstream.transport import HttpTransport

NICENESS = 10
LOOK_EVERY_S = 1.0
WATCH_EVERY_S = 60.0
_JOINED_AT_ONCE = 5  # pages of feedback: trials wait meanwhile


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

    The first look compiles it too, since it may have changed while this process was starting; what changes nothing is not
    published.
    """

    def __init__(self, path: Path | None, store: Store) -> None:
        self._path = path
        self._store = store
        self._seen: tuple[int, int] | None = None

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size) if status else None

    def look(self) -> None:
        """Publish the file's content when it has changed. Raises ConfigError, StoreError; the old snapshot stays then."""
        stamp = self._stamp()
        if self._path is None or stamp is None or stamp == self._seen:
            return
        self._seen = stamp
        config = configuration.load(self._path)
        today = dt.datetime.now(dt.UTC).date()
        made_by = f"configuration {self._path.name} changed"
        number = self._store.snapshots.current_number()
        notes: tuple[str, ...] = ()

        def change(previous: Snapshot) -> Snapshot:
            nonlocal notes
            compiled = compile_snapshot(config, previous, today=today, made_by=made_by)
            notes = compiled.notes
            return compiled.snapshot

        published = publish(self._store, change, made_by=made_by, now_ms=_now_ms())
        if published.number != number:
            for sentence in (f"took up {self._path.name}", *notes):
                say(sentence)


class Canaries:
    """Moves every canary that has served long enough without more errors than its control to auto.

    One that was found to have more errors stays where it is, until somebody acts on it: that follows from the journal, and
    is remembered here only so that it is said once and not worked out every second.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._worse: set[tuple[str, str, int]] = set()

    def look(self, current: Snapshot) -> None:
        """Look at each canary of the snapshot in force. Raises SnapshotError, StoreError."""
        for route in current.routes.values():
            for plan in route.plans.values():
                if plan.mode == "canary" and (route.name, plan.feature, plan.since_ms) not in self._worse:
                    self._look_at(route, plan)

    def _look_at(self, route: Route, plan: Plan) -> None:
        every = plan.feature == plans.EVERY
        wanted = Filter(feature=None if every else plan.feature, route=route.name, since_ms=plan.since_ms)

        def own(feature: str) -> bool:  # ``*`` stands for all features without a plan of their own
            return feature == plan.feature or feature not in route.plans

        lines = self._store.journal.spend(wanted, by=("feature", "arm"))
        decided = sum(line.requests for line in lines if line.arm == "policy" and own(line.feature))
        if decided < plans.CANARY_EXCHANGES:
            return
        said = plans.canary_history(
            (one.decision.arm, one.outcome in ("error", "cut"))
            for one in self._store.journal.exchanges(wanted)
            if one.decision is not None and own(one.feature)
        )
        if said == "promote":
            made_by = f"{plan.feature} promoted from canary to auto after {decided} requests"
            publish(self._store, _promotion(route.name, plan), made_by=made_by, now_ms=_now_ms())
            say(made_by)
        elif said == "more errors":
            self._worse.add((route.name, plan.feature, plan.since_ms))
            say(
                f"{plan.feature} on route {route.name} had more errors in canary than what was held back, and stays. "
                f"Undo it with: pointsman rollback {plan.feature}; or move it to auto all the same: pointsman accept "
                f"{plan.feature}"
            )


class Watch:
    """Keeps watching what serves: says once when its quality is certainly further below the reference's than tolerated.

    It goes by the answers graded as they were served, and by a bound that holds for all looks together, so that watching for
    ever raises no false alarm in more than 5 % of all cases. It says so and changes nothing: that is the owner's to do.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._said: set[tuple[str, str, int]] = set()

    def look(self, current: Snapshot) -> None:
        """Look at each feature that acts and is graded. Raises StoreError."""
        for route in current.routes.values():
            for plan in route.plans.values():
                known = (route.name, plan.feature, plan.since_ms)
                if plan.mode in ("canary", "auto") and known not in self._said and self._is_worse(route, plan):
                    self._said.add(known)

    def _is_worse(self, route: Route, plan: Plan) -> bool:
        if plan.grader is None:
            return False
        every = plan.feature == plans.EVERY
        most = quality_at_most(
            self._store.journal,
            None if every else plan.feature,
            since_ms=plan.since_ms,
            route=route.name,
            grader=plans.grader_name(plan.grader),
            but=route.plans if every else (),
        )
        tolerance = plan.tolerance if plan.tested is None else plan.tested.tolerance
        if most is None or most >= -tolerance:
            return False
        say(
            f"{'what was learned' if every else plan.feature} on route {route.name}: the answers served are at least "
            f"{-100 * most:.1f} points worse than the reference's, and {100 * tolerance:.3g} are tolerated. "
            f"Undo it with: pointsman rollback {shlex.quote(plan.feature)}"
        )
        return True


def _promotion(route: str, canary: Plan) -> Callable[[Snapshot], Snapshot]:
    def promotion(snapshot: Snapshot) -> Snapshot:
        now = plans.plan_of(snapshot, route, canary.feature)
        if (now.mode, now.since_ms) != (canary.mode, canary.since_ms):
            return snapshot  # somebody acted on it meanwhile: what was served says nothing of what is in force now
        return plans.promote(snapshot, route, canary.feature, now_ms=_now_ms())

    return promotion


async def run(workspace: Workspace) -> None:
    """Work until standard input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    transport = HttpTransport()
    current = Current(workspace.store)
    calls = Calls(transport, credentials(fetching(transport)))
    trials = Trials(workspace.store, calls, current=current, now_ms=_now_ms, report=say)
    try:
        async with asyncio.TaskGroup() as tasks:
            tending = tasks.create_task(_tend(workspace, current))
            await trials.run(samples(reader))
            tending.cancel()
    finally:
        await transport.close()


async def _tend(workspace: Workspace, current: Current) -> None:
    """Look at the file, at new feedback and at the canaries, again and again. What stays wrong is said once."""
    file = ConfigFile(workspace.config_path, workspace.store)
    canaries, watch = Canaries(workspace.store), Watch(workspace.store)
    said, watched = "", 0.0
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        problem = ""
        try:
            due = time.monotonic() - watched > WATCH_EVERY_S
            if due:  # before the file: what was promised to be forgotten is, whatever stands in it today
                watched = time.monotonic()
                expire(workspace.store.reviews, current(), _now_ms())
            file.look()
            join_due(workspace.store, _now_ms(), pages=_JOINED_AT_ONCE)
            canaries.look(current())
            if due:
                watch.look(current())
        except PointsmanError as error:
            problem = str(error)
        if problem not in ("", said):
            say(problem)
        said = problem


def say(sentence: str) -> None:
    """Tell the operator, on standard error."""
    click.echo(f"pointsman control: {sentence}", err=True)


def _now_ms() -> int:
    return int(time.time() * 1000)


@click.command()
@click.option("--config", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True)
def main(config: Path | None, data: Path) -> None:
    """Run the control process (started by ``pointsman up``, not by hand)."""
    os.nice(NICENESS)
    # Ctrl-C reaches the whole process group, and so does the SIGTERM of a service manager: the gateway ends first, then our
    # standard input does, and what was begun (and paid for) is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    workspace = Workspace(config, data)
    try:
        asyncio.run(run(workspace))
    except PointsmanError as error:
        say(str(error))
        sys.exit(1)
    finally:
        workspace.close()


if __name__ == "__main__":
    main()
