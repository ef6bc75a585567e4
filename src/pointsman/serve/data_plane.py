"""The data plane of one process: the gateway on sockets, from a store, until it is told to leave.

Laws: on a signal no new request is taken, streams under way get ``GRACE_S`` to finish, then the journal is written out; a
second signal does not wait for the streams. Where another process has taken over the sockets, every request on a connection
of ours is answered, and requests under way get all the time that they may take.
"""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from pointsman.control.config import is_loopback
from pointsman.core.record import Sample
from pointsman.gateway.admission import Keyring
from pointsman.gateway.app import Gateway
from pointsman.gateway.budgets import Budgets
from pointsman.gateway.conversations import Conversations
from pointsman.gateway.equipment import Equipment, now_ms
from pointsman.gateway.feedback import Intake
from pointsman.gateway.health import Breakers
from pointsman.gateway.ids import Ids
from pointsman.gateway.journal import JournalWriter
from pointsman.gateway.live import Live
from pointsman.gateway.server.listener import Server
from pointsman.gateway.telemetry.lines import Lines
from pointsman.gateway.telemetry.otlp import Exporter
from pointsman.gateway.telemetry.pages import Page
from pointsman.gateway.telemetry.telling import Telling
from pointsman.serve import logs
from pointsman.serve.redacting import Redactor
from pointsman.store.interfaces import Store
from pointsman.store.last_good import LastGood
from pointsman.upstream.credentials import credentials, fetching
from pointsman.upstream.encoders import encoders
from pointsman.upstream.transport import HttpTransport

GRACE_S = 30.0
IDLE_S = 30.0
"""How long a connection of a process that was relieved may stay unused: its next reply says that it ends."""

RELIEVED = signal.SIGUSR2
"""What a worker is told by when another process has taken over."""

SWITCH_S = 0.0005
"""How long the journal's thread may keep the interpreter from the event loop. Python's own 5 ms were the 99th percentile."""

FILES = 65_536
YOUNG = 10_000
"""New objects between two looks for cyclic garbage. Requests make none, so Python's own 700 is mostly looking in vain."""

log = logging.getLogger("pointsman")


class Leaving:
    """How a process is told to leave: by signals, or because another one has taken over. ``told`` is set by either."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()

    def relieve(self) -> None:
        """Another process serves the sockets from now on."""
        self.told.set()

    def signalled(self) -> None:
        """Somebody asks: soon, and when asked again at once."""
        (self.hurried if self.asked.is_set() else self.asked).set()
        self.told.set()

    def hear(self) -> None:
        """Listen to the signals from now on."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self.signalled)


async def serve_until_told(
    store: Store,
    copy: LastGood,
    listeners: Sequence[socket.socket],
    offer: Callable[[Sample], bool],
    leaving: Leaving,
    serving: Callable[[], None],
    page: Page | None = None,
) -> None:
    """Serve until told to leave. ``offer`` takes samples for running trials; ``serving`` is called once it is so.

    ``page`` is where the figures of this process stand for the others.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    allow_files()
    async with _gateway(store, copy, offer, listeners[0].getsockname()[0], page) as gateway:
        gc.freeze()  # what is here now stays: it need not be looked through again and again
        server = Server(gateway, gateway.limits, gate=gateway.admits)
        leaving.hear()
        for listener in listeners:
            await server.start(listener)
        serving()
        await leaving.told.wait()
        if not leaving.asked.is_set():
            await either(_retired(server, gateway), leaving.asked.wait())
        if gateway.under_way:
            log.info("requests under way: %d; they get %.0f s, Ctrl-C again stops at once", gateway.under_way, GRACE_S)
        await either(server.stop(GRACE_S), leaving.hurried.wait())
        await server.stop(0)


async def _retired(server: Server, gateway: Gateway) -> None:
    """Answer what still comes to this process; then let what is under way end, however long it may take."""
    log.info("another process has taken over; requests under way %d, connections %d", gateway.under_way, server.connections)
    await server.retire(IDLE_S)
    await server.stop(gateway.limits().total_s)


async def either(*ways: Coroutine[Any, Any, object]) -> None:
    """Wait until one of several things has happened, and wait for the others no more."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def allow_files() -> None:
    """Let this process open up to ``FILES`` files: a request takes two sockets, and most systems begin at 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # a system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.asynccontextmanager
async def _gateway(
    store: Store, copy: LastGood, offer: Callable[[Sample], bool], host: str, page: Page | None
) -> AsyncIterator[Gateway]:
    transport = HttpTransport()
    fetch = fetching(transport)
    keyring = Keyring(copy.of_keys(store.keys), exposed=not is_loopback(host))
    live = Live(store.snapshots, credentials(fetch), encoders(transport, fetch), keyring, copy)
    redactor = Redactor(live.snapshot)
    journal = JournalWriter(store.journal, redact=redactor)
    live.refresh()
    feedback = Intake(store.feedback)
    budgets = Budgets(store.leases, time.monotonic, now_ms)
    lines = Lines(logs.write_lines)
    exporter = Exporter(transport, credentials(fetch), lambda: current.traces if (current := live.snapshot()) else None)
    own = (Breakers(), Ids(), Conversations(), feedback)
    telling = Telling(lines.outbox, exporter)
    equipment = Equipment(transport, journal, offer, *own, budgets=budgets, telling=telling)
    leasing = equipment.allowance.follow(store.counters, live.snapshot, equipment.now_ms)
    shedding = equipment.shedding.follow(equipment.clock)
    gateway = Gateway(live, equipment, page)
    telling_all = (gateway.metrics.follow(), exporter.follow())
    following = asyncio.gather(live.follow(), leasing, budgets.follow(live.snapshot), shedding, *telling_all)
    try:
        yield gateway
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await transport.close()
        await asyncio.to_thread(lines.close)
        await asyncio.to_thread(feedback.close)
        await asyncio.to_thread(journal.close)
        redactor.close()
