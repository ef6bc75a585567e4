"""The data plane of one process: the gateway on a socket, from a store, until it is told to stop.

Laws: on a signal no new request is taken, streams under way get ``GRACE_S`` to finish, then the journal is written out; a
second signal does not wait for the streams.
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
from collections.abc import AsyncIterator, Callable

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
from pointsman.store.interfaces import Store
from pointsman.upstream.credentials import credentials, fetching
from pointsman.upstream.encoders import encoders
from pointsman.upstream.transport import HttpTransport

GRACE_S = 30.0
SWITCH_S = 0.0005
"""How long the journal's thread may keep the interpreter from the event loop. Python's own 5 ms were the 99th percentile."""

FILES = 65_536
YOUNG = 10_000
"""New objects between two looks for cyclic garbage. Requests make none, so Python's own 700 is mostly looking in vain."""

log = logging.getLogger("pointsman")


async def serve_until_signalled(
    store: Store, listener: socket.socket, offer: Callable[[Sample], bool], stopping: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGINT or SIGTERM. ``offer`` takes samples for running trials; ``stopping`` is called at the signal."""
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    allow_files()
    async with _gateway(store, offer, listener.getsockname()[0]) as gateway:
        gc.freeze()  # what is here now stays: it need not be looked through again and again
        server = Server(gateway, gateway.limits)
        asked, hurried = asyncio.Event(), asyncio.Event()

        def stop() -> None:
            (hurried if asked.is_set() else asked).set()

        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, stop)
        await server.start(listener)
        await asked.wait()
        stopping()
        if gateway.under_way:
            log.info("requests under way: %d; they get %.0f s, Ctrl-C again stops at once", gateway.under_way, GRACE_S)
        ending = asyncio.create_task(server.stop(GRACE_S))
        hurrying = asyncio.create_task(hurried.wait())
        await asyncio.wait((ending, hurrying), return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        ending.cancel()
        await server.stop(0)


def allow_files() -> None:
    """Let this process open up to ``FILES`` files: a request takes two sockets, and most systems begin at 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # a system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.asynccontextmanager
async def _gateway(store: Store, offer: Callable[[Sample], bool], host: str) -> AsyncIterator[Gateway]:
    transport = HttpTransport()
    journal = JournalWriter(store.journal)
    fetch = fetching(transport)
    keyring = Keyring(store.keys, exposed=not is_loopback(host))
    live = Live(store.snapshots, credentials(fetch), encoders(transport, fetch), keyring)
    live.refresh()
    feedback = Intake(store.feedback)
    budgets = Budgets(store.leases, time.monotonic, now_ms)
    equipment = Equipment(transport, journal, offer, Breakers(), Ids(), Conversations(), feedback, budgets=budgets)
    leasing = equipment.allowance.follow(store.counters, live.snapshot, equipment.now_ms)
    shedding = equipment.shedding.follow(equipment.clock)
    following = asyncio.gather(live.follow(), leasing, budgets.follow(live.snapshot), shedding)
    try:
        yield Gateway(live, equipment)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await transport.close()
        await asyncio.to_thread(feedback.close)
        await asyncio.to_thread(journal.close)
