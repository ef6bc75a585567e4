"""A running gateway: the data plane in this process, further workers and the control process beside it.

Strategy: publish what the configuration says (keeping what was accepted and learned), bind the port once for each worker
(SO_REUSEPORT: the kernel spreads connections) or take its sockets over from the gateway that serves it (``handover``), then
serve while one task follows newly published snapshots and others keep the control process and the workers alive.

Laws: nothing serves before a good snapshot is in use, the last good one where the store does not work; the socket is bound
before anything is announced; on a signal no new request is taken, streams under way get ``GRACE_S`` to finish, then the
journal is written out; a new gateway that takes over drops nothing.
"""

import asyncio
import datetime as dt
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pointsman.control.compile import compile_snapshot
from pointsman.control.config import Config, is_loopback
from pointsman.control.publish import publish
from pointsman.core import snapshot as snapshots
from pointsman.core.errors import ConfigError, ForeignStoreError, StoreError
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.admission import MAKE_ONE
from pointsman.gateway.server.listener import BACKLOG
from pointsman.gateway.telemetry import otlp
from pointsman.gateway.telemetry.pages import Page, Pages
from pointsman.serve.child import ControlProcess
from pointsman.serve.data_plane import Leaving, either, serve_until_told
from pointsman.serve.encoding import opened
from pointsman.serve.handover import Predecessor, Succession, offered
from pointsman.serve.samples import SampleQueue
from pointsman.serve.workers import RELIEVED, Workers
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Published, Store
from pointsman.store.last_good import LastGood


@dataclass(frozen=True)
class Installation:
    """What a gateway is started from. ``config_path`` is watched for changes; None where the configuration was found."""

    config: Config
    config_path: Path | None
    data: Path
    store: Store


def begin(installation: Installation, made_by: str) -> tuple[str, ...]:
    """Publish the configuration, and return what the owner is told.

    A store that is locked, full or damaged does not keep a gateway from starting that has a good snapshot, in the store or
    in the copy beside it: it is served then, and the configuration is taken up once the store works. Raises StoreError
    where there is none, ForeignStoreError, and as ``publish_configuration`` does.
    """
    store, copy = installation.store, LastGood(installation.data, keeps=True)
    notes: tuple[str, ...] = ()
    try:
        current = store.snapshots.current()
        mended = copy.put_back(store.snapshots, current, _now_ms())
        if mended is not None:
            notes = (
                f"the last good snapshot was {mended.made_by} (it is in {copy.path}: without that file all begins anew)",
            )
        elif current is not None:
            Workspace(data_path=installation.data).decoded(current)  # says which snapshot cannot be used, and where
        return (*notes, *publish_configuration(installation, made_by))
    except ForeignStoreError:
        raise
    except StoreError as error:
        found = _servable(store) or copy.read()
        if found is None:
            raise
        when = dt.datetime.fromtimestamp(found.at_ms / 1000, dt.UTC)
        instead = (
            f"served is the last good snapshot, {found.hash} of {when:%Y-%m-%d %H:%M} UTC; what is recorded meanwhile waits "
            "in memory, and the configuration is taken up once the store works"
        )
        return (*notes, f"THE STORE DOES NOT WORK: {error}", instead)


def _servable(store: Store) -> Published | None:
    """Return what is current in a store that can be read, and only that."""
    try:
        found = store.snapshots.current()
    except StoreError:
        return None
    return None if found is None or snapshots.damaged(found.data) else found


def _now_ms() -> int:
    return int(time.time() * 1000)


def publish_configuration(installation: Installation, made_by: str) -> tuple[str, ...]:
    """Publish the configuration and return a note for each thing of the previous snapshot that could not be kept.

    Raises StoreError, SnapshotError, and ConfigError where the encoder cannot be opened.
    """
    opened(installation.config.encoder)
    otlp.check(installation.config.traces)
    today, now_ms = dt.datetime.now(dt.UTC).date(), _now_ms()
    notes: tuple[str, ...] = ()

    def change(previous: Snapshot) -> Snapshot:
        nonlocal notes
        compiled = compile_snapshot(installation.config, previous, today=today, made_by=made_by, now_ms=now_ms)
        notes = compiled.notes
        return compiled.snapshot

    publish(installation.store, change, made_by=made_by, now_ms=now_ms)
    return notes


def keyed(config: Config, store: Store, copy: LastGood) -> bool:
    """Return whether clients need a key: one is configured, or was made once, by what the store says or its copy."""
    try:
        return bool(config.keys) or any(not key.admin for key in copy.of_keys(store.keys).all())
    except StoreError:
        return False


def bind(
    config: Config, host: str | None, port: int | None, workers: int = 1, *, keyed: bool = False
) -> tuple[socket.socket, ...]:
    """Return a listening socket for each worker, all on one port, 0 being any free one. Raises ConfigError with the remedy.

    Whatever can be reached from other machines needs client keys (``keyed``): without them it is refused.
    """
    host, port = host or config.host, config.port if port is None else port
    _refuse_open(host, keyed=keyed)
    return _with_more((_listening(host, port),), workers)


def adopt(
    listeners: Sequence[socket.socket],
    config: Config,
    host: str | None,
    port: int | None,
    workers: int = 1,
    *,
    keyed: bool = False,
) -> tuple[socket.socket, ...]:
    """Return the listening sockets of the gateway before, and further ones where there are more workers.

    Raises ConfigError where another address is asked for than theirs, or one that may not be used without keys.
    """
    there, now = listeners[0].getsockname()[:2]
    host, port = host or config.host, config.port if port is None else port
    if port not in (0, now) or (host != there and {host, there} != {"localhost", "127.0.0.1"}):
        raise ConfigError(
            f"the gateway to take over from listens on {there}:{now}, and {host}:{port} is asked for: a takeover keeps the "
            "address; name the same one, or stop that gateway and start this one"
        )
    _refuse_open(there, keyed=keyed)
    return _with_more(listeners, workers)


def _refuse_open(host: str, *, keyed: bool) -> None:
    if not is_loopback(host) and not keyed:
        raise ConfigError(
            f"{host} can be reached from other machines, and no client needs a key: anyone could spend your money; "
            f"make one first: {MAKE_ONE}; or listen on 127.0.0.1"
        )


def _with_more(listeners: Sequence[socket.socket], workers: int) -> tuple[socket.socket, ...]:
    """Return listening sockets on one port, at least one for each worker."""
    host, port = listeners[0].getsockname()[:2]
    if len(listeners) < workers:
        for listener in listeners:  # bound alone, so that nobody else is there unnoticed; from now on one of several
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return (*listeners, *(_listening(host, port, shared=True) for _ in range(workers - len(listeners))))


def _listening(host: str, port: int, *, shared: bool = False) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port") from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the base URL that clients use."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/v1"


async def serve(
    installation: Installation,
    listeners: Sequence[socket.socket],
    *,
    workers: int = 1,
    lock: int | None = None,
    before: Predecessor | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until another process has taken over: this one and its workers.

    ``lock`` is held by us (``serve/lock``); ``before`` is the gateway that the sockets are from.
    """
    queue, leaving, serving = SampleQueue(), Leaving(), asyncio.Event()
    hands = [listeners[place::workers] for place in range(workers)]
    pages = Pages.made(workers + 1)
    others = Workers(hands[1:], data=installation.data, offer=queue.offer, pages=pages)
    control = ControlProcess(queue, config=installation.config_path, data=installation.data, page=Page(pages, workers))
    working = asyncio.create_task(others.run())
    relief = asyncio.create_task(_relieve(before, serving, others))
    controlling = asyncio.create_task(_after(relief, control.run))

    async def relieved() -> None:
        leaving.relieve()
        controlling.cancel()
        await asyncio.wait([controlling])

    beside = [working, relief, controlling, asyncio.create_task(_tell(others, leaving))]
    if lock is not None:
        succession = partial(Succession, installation.data, lock, listeners, relieved)
        beside.append(asyncio.create_task(_after(relief, partial(offered, succession))))
    try:
        copy = LastGood(installation.data, keeps=True)
        await serve_until_told(installation.store, copy, hands[0], queue.offer, leaving, serving.set, Page(pages, 0))
        if not leaving.asked.is_set():  # relieved: workers end once what they have to answer is answered
            await either(asyncio.wait([working]), leaving.asked.wait())
    finally:
        # First the control process: that it has ended is what a new gateway waits for, on a line that ends with the others.
        if not controlling.cancelling():  # a second time would interrupt how it ends
            controlling.cancel()
        await asyncio.wait([controlling])
        await asyncio.sleep(0)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        pages.close()


async def _relieve(before: Predecessor | None, serving: asyncio.Event, workers: Workers) -> None:
    """Relieve the gateway before, once every process of this one serves; returns when its control process has ended."""
    if before is not None:
        await serving.wait()
        await workers.ready()
        await before.relieve()
        before.close()


async def _after(first: asyncio.Task[None], then: Callable[[], Awaitable[None]]) -> None:
    await asyncio.wait([first])
    await then()


async def _tell(workers: Workers, leaving: Leaving) -> None:
    """Pass on to the workers what this process is told."""
    await leaving.told.wait()
    if not leaving.asked.is_set():
        workers.stop(RELIEVED)
        await leaving.asked.wait()
    workers.stop()
