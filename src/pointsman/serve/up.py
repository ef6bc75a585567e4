"""A running gateway: the data plane in this process, further workers and the control process beside it.

Strategy: publish what the configuration says (keeping what was accepted and learned), bind the port once for each worker
(SO_REUSEPORT: the kernel spreads connections), then serve while one task follows newly published snapshots and others keep
the control process and the workers alive.

Laws: nothing serves before a good snapshot is in use; the socket is bound before anything is announced; on a signal no new
request is taken, streams under way get ``GRACE_S`` to finish, then the journal is written out.
"""

import asyncio
import contextlib
import datetime as dt
import fcntl
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pointsman.control.compile import compile_snapshot
from pointsman.control.config import Config, is_loopback
from pointsman.control.publish import publish
from pointsman.core.errors import ConfigError, StoreError
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.admission import MAKE_ONE
from pointsman.gateway.server.listener import BACKLOG
from pointsman.serve.child import ControlProcess
from pointsman.serve.data_plane import serve_until_signalled
from pointsman.serve.encoding import opened
from pointsman.serve.samples import SampleQueue
from pointsman.serve.workers import Workers
from pointsman.store.interfaces import Store

LOCK_FILE = "gateway.lock"


@dataclass(frozen=True)
class Installation:
    """What a gateway is started from. ``config_path`` is watched for changes; None where the configuration was found."""

    config: Config
    config_path: Path | None
    data: Path
    store: Store


def publish_configuration(installation: Installation, made_by: str) -> tuple[str, ...]:
    """Publish the configuration and return a note for each thing of the previous snapshot that could not be kept.

    Raises StoreError, SnapshotError, and ConfigError where the encoder cannot be opened.
    """
    opened(installation.config.encoder)
    today, now_ms = dt.datetime.now(dt.UTC).date(), int(time.time() * 1000)
    notes: tuple[str, ...] = ()

    def change(previous: Snapshot) -> Snapshot:
        nonlocal notes
        compiled = compile_snapshot(installation.config, previous, today=today, made_by=made_by, now_ms=now_ms)
        notes = compiled.notes
        return compiled.snapshot

    publish(installation.store, change, made_by=made_by, now_ms=now_ms)
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


def keyed(config: Config, store: Store) -> bool:
    """Return whether clients need a key: one is configured, or was made once. Raises StoreError."""
    return bool(config.keys) or any(not key.admin for key in store.keys.all())


def bind(
    config: Config, host: str | None, port: int | None, workers: int = 1, *, keyed: bool = False
) -> tuple[socket.socket, ...]:
    """Return a listening socket for each worker, all on one port, 0 being any free one. Raises ConfigError with the remedy.

    Whatever can be reached from other machines needs client keys (``keyed``): without them it is refused.
    """
    host, port = host or config.host, config.port if port is None else port
    if not is_loopback(host) and not keyed:
        raise ConfigError(
            f"{host} can be reached from other machines, and no client needs a key: anyone could spend your money; "
            f"make one first: {MAKE_ONE}; or listen on 127.0.0.1"
        )
    first = _listening(host, port, shared=workers > 1)
    port = first.getsockname()[1]
    return (first, *(_listening(host, port, shared=True) for _ in range(workers - 1)))


def _listening(host: str, port: int, *, shared: bool) -> socket.socket:
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


async def serve(installation: Installation, listeners: Sequence[socket.socket]) -> None:
    """Serve until SIGINT or SIGTERM, this process on the first socket and a worker on each other one."""
    queue = SampleQueue()
    beside = [asyncio.create_task(ControlProcess(queue, config=installation.config_path, data=installation.data).run())]
    workers = Workers(listeners[1:], data=installation.data, offer=queue.offer)
    if len(listeners) > 1:
        beside.append(asyncio.create_task(workers.run()))
    try:
        await serve_until_signalled(installation.store, listeners[0], queue.offer, workers.stop)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
