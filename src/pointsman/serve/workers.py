"""Further workers: processes that serve the same port, one core each.

Strategy: each gets its own listening sockets on the shared port, made by the first process, a pipe on which it sends
samples of running trials, one that it closes when it serves, and a standard input that ends with the first process. That
one keeps the sockets, so that a worker that is started again serves what has queued on its sockets.

Laws: a worker that dies is started again after a pause that grows to a minute; samples are bounded as they are in the first
process; when the gateway stops, workers are told, and get their time; when another process has taken over, they are told
that, and get all the time that a request may take; when the first process is gone, they leave as if they were told.
"""

import asyncio
import functools
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from pointsman.core.record import Sample
from pointsman.gateway.telemetry.pages import Page, Pages
from pointsman.serve import logs
from pointsman.serve.child import ended, kept_running
from pointsman.serve.data_plane import GRACE_S, Leaving, serve_until_told
from pointsman.serve.loop import run
from pointsman.serve.samples import SampleQueue, samples
from pointsman.store.last_good import LastGood
from pointsman.store.seal import installation_key
from pointsman.store.sqlite import open_store

STOP_S = GRACE_S + 5.0
RELIEVED = signal.SIGUSR1
"""What a worker is told by when another process has taken over."""

log = logging.getLogger("pointsman.workers")


class Workers:
    """Keeps a worker alive for each of some hands of listening sockets. ``offer`` takes the samples that they send.

    The n-th has page n of ``pages``, from 1 on: page 0 is the first process's.
    """

    def __init__(
        self, hands: Sequence[Sequence[socket.socket]], *, data: Path, offer: Callable[[Sample], bool], pages: Pages
    ) -> None:
        self._hands = hands
        self._pages = pages
        self._data = data
        self._offer = offer
        self._stopping = False
        self._processes: set[asyncio.subprocess.Process] = set()
        self._unready = len(hands)
        self._ready = asyncio.Event()

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """Tell every worker to end, and start none again; with ``RELIEVED``, that another process has taken over."""
        self._stopping = True
        for process in self._processes:
            process.send_signal(signum)

    async def ready(self) -> None:
        """Wait until each has served once, or has failed to."""
        if self._hands:
            await self._ready.wait()

    async def run(self) -> None:
        """Keep them running until cancelled, then end them gently; returns when all that were told to end have."""
        async with asyncio.TaskGroup() as group:
            for place, hand in enumerate(self._hands, 1):
                group.create_task(self._keep(hand, Page(self._pages, place)))

    async def _keep(self, hand: Sequence[socket.socket], page: Page) -> None:
        words = "a worker ended with status %s; it starts again in %.0f s"
        await kept_running(functools.partial(self._run_once, hand, page), log, words, lambda: self._stopping)

    async def _run_once(self, hand: Sequence[socket.socket], page: Page) -> int:
        (reading, writing), (serving, ready) = os.pipe(), os.pipe()
        listening = [listener.fileno() for listener in hand]
        given = (str(self._data), str(writing), str(ready), page.argument)
        command = [sys.executable, "-m", __name__, *given, *map(str, listening)]
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, pass_fds=(*listening, writing, ready, page.pages.fd)
            )
        except OSError:
            os.close(reading)
            os.close(serving)
            raise
        finally:
            os.close(writing)
            os.close(ready)
        taking = asyncio.create_task(self._take(reading))
        self._await_closing(serving)
        self._processes.add(process)
        try:
            return await process.wait()
        except asyncio.CancelledError:
            if not self._stopping:
                process.terminate()
            await ended(process, STOP_S)
            raise
        finally:
            self._processes.discard(process)
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    def _await_closing(self, serving: int) -> None:
        """Count a worker as ready once it closes its end of a pipe: it serves then, or is gone."""

        def closed() -> None:
            loop.remove_reader(serving)
            os.close(serving)
            self._unready -= 1
            if self._unready <= 0:
                self._ready.set()

        loop = asyncio.get_running_loop()
        loop.add_reader(serving, closed)

    async def _take(self, reading: int) -> None:
        """Pass on what a worker sends."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
        )
        try:
            async for sample in samples(reader):
                self._offer(sample)
        finally:
            transport.close()


async def _serve(listeners: Sequence[socket.socket], writing: int, ready: int, page: Page, data: Path) -> None:
    queue = SampleQueue()
    loop = asyncio.get_running_loop()
    leaving = Leaving()
    loop.add_signal_handler(RELIEVED, leaving.relieve)
    first = sys.stdin.fileno()

    def alone() -> None:  # nobody could stop us, and a gateway that is started again would not get the port
        loop.remove_reader(first)
        leaving.signalled()

    loop.add_reader(first, alone)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(writing, "wb", buffering=0)
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    pump = asyncio.create_task(queue.pump(writer))
    try:
        store = open_store(data, vector_key=installation_key(data), patient=True)
        try:
            copy = LastGood(data, keeps=False)
            served = functools.partial(os.close, ready)
            await serve_until_told(store, copy, listeners, queue.offer, leaving, served, page)
        finally:
            store.close()
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        transport.close()


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("writing", type=int)
@click.argument("ready", type=int)
@click.argument("page")
@click.argument("listening", type=int, nargs=-1, required=True)
def main(data: Path, writing: int, ready: int, page: str, listening: tuple[int, ...]) -> None:
    """Serve some sockets of a gateway, as one of its workers."""
    logs.begin_child()
    listeners = [socket.socket(fileno=one) for one in listening]
    for listener in listeners:
        listener.setblocking(False)
    run(functools.partial(_serve, listeners, writing, ready, Page.inherited(page), data))


if __name__ == "__main__":
    main()
