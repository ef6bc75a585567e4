"""A running gateway: the data plane in this process, the control process beside it.

Strategy: publish what the configuration says (keeping what was accepted and learned), bind the socket, then
serve while one task follows newly published snapshots and another keeps the control process alive.

Laws: nothing serves before a good snapshot is in use; the socket is bound before anything is announced; on a signal no new
request is taken, streams under way get ``GRACE_S`` to finish, then the journal is written out.
"""

import asyncio
import contextlib
import datetime as dt
import fcntl
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from pointsman.control.compile import compile_snapshot
from pointsman.control.config import Config, is_loopback
from pointsman.control.publish import publish
from pointsman.core.errors import ConfigError, StoreError
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.app import Gateway
from pointsman.gateway.exchange import Equipment
from pointsman.gateway.health import Breakers
from pointsman.gateway.ids import Ids
from pointsman.gateway.journal import JournalWriter
from pointsman.gateway.live import Live
from pointsman.gateway.server.listener import BACKLOG, Server
from pointsman.serve.child import ControlProcess
from pointsman.serve.samples import SampleQueue
from pointsman.store.interfaces import Store
from pointsman.upstream.credentials import credential_for
from pointsman.upstream.transport import HttpTransport

GRACE_S = 30.0
LOCK_FILE = "gateway.lock"
SWITCH_S = 0.0005
"""How long the journal's thread may keep the interpreter from the event loop. Python's own 5 ms were the 99th percentile."""

log = logging.getLogger("pointsman")


@dataclass(frozen=True)
class Installation:
    """What a gateway is started from. ``config_path`` is watched for changes; None where the configuration was found."""

    config: Config
    config_path: Path | None
    data: Path
    store: Store


def publish_configuration(installation: Installation, made_by: str) -> tuple[str, ...]:
    """Publish the configuration and return a note for each thing of the previous snapshot that could not be kept.

    Raises StoreError, SnapshotError.
    """
    today = dt.datetime.now(dt.UTC).date()
    notes: tuple[str, ...] = ()

    def change(previous: Snapshot) -> Snapshot:
        nonlocal notes
        compiled = compile_snapshot(installation.config, previous, today=today, made_by=made_by)
        notes = compiled.notes
        return compiled.snapshot

    publish(installation.store, change, made_by=made_by, now_ms=int(time.time() * 1000))
    return notes


@contextlib.contextmanager
def claim(data: Path) -> Iterator[bool]:
    """Hold a data directory for a gateway; yields False where another one holds it. The system lets go when we die.

    Raises StoreError.
    """
    try:
        held = (data / LOCK_FILE).open("w")
    except OSError as error:
        raise StoreError(f"{data} cannot be written to ({error.strerror}); name another directory with --data") from error
    with held as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def bind(config: Config, host: str | None, port: int | None) -> socket.socket:
    """Return the listening socket, port 0 being any free one. Raises ConfigError with the remedy.

    Whatever can be reached from other machines needs client keys: without them it is refused.
    """
    host, port = host or config.host, config.port if port is None else port
    if not is_loopback(host) and not config.keys:
        raise ConfigError(
            f"{host} can be reached from other machines, and no client needs a key: anyone could spend your money; "
            "add [keys.NAME] to the configuration, or listen on 127.0.0.1"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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


async def serve(installation: Installation, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; a second one does not wait for the streams under way."""
    sys.setswitchinterval(SWITCH_S)
    async with _gateway(installation) as gateway:
        server = Server(gateway, gateway.limits)
        asked, hurried = asyncio.Event(), asyncio.Event()

        def stop() -> None:
            (hurried if asked.is_set() else asked).set()

        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, stop)
        await server.start(listener)
        await asked.wait()
        if gateway.under_way:
            log.info("requests under way: %d; they get %.0f s, Ctrl-C again stops at once", gateway.under_way, GRACE_S)
        stopping = asyncio.create_task(server.stop(GRACE_S))
        hurrying = asyncio.create_task(hurried.wait())
        await asyncio.wait((stopping, hurrying), return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        stopping.cancel()
        await server.stop(0)


@contextlib.asynccontextmanager
async def _gateway(installation: Installation) -> AsyncIterator[Gateway]:
    store = installation.store
    transport = HttpTransport()
    queue = SampleQueue()
    journal = JournalWriter(store.journal)
    live = Live(store.snapshots, credential_for)
    live.refresh()
    control = ControlProcess(queue, config=installation.config_path, data=installation.data)
    equipment = Equipment(transport, journal, queue.offer, Breakers(), Ids())
    tasks = [asyncio.create_task(live.follow()), asyncio.create_task(control.run())]
    try:
        yield Gateway(live, equipment)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await transport.close()
        await asyncio.to_thread(journal.close)
