"""Further workers: processes that serve the same port, one core each.

Strategy: each gets its own listening socket on the shared port, made by the first process, and a pipe on which it sends
samples of running trials. The first process keeps the sockets, so that a worker that is started again serves what has
queued on its socket.

Laws: a worker that dies is started again after a pause that grows to a minute; samples are bounded as they are in the first
process; when the gateway stops, workers are told, and get their time.
"""

import asyncio
import functools
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from pointsman.core.record import Sample
from pointsman.serve.child import ended, kept_running
from pointsman.serve.data_plane import GRACE_S, serve_until_signalled
from pointsman.serve.loop import run
from pointsman.serve.samples import SampleQueue, samples
from pointsman.store.seal import installation_key
from pointsman.store.sqlite import open_store

STOP_S = GRACE_S + 5.0

log = logging.getLogger("pointsman.workers")


class Workers:
    """Keeps a worker alive for each of some listening sockets. ``offer`` takes the samples that they send."""

    def __init__(self, listeners: Sequence[socket.socket], *, data: Path, offer: Callable[[Sample], bool]) -> None:
        self._listeners = listeners
        self._data = data
        self._offer = offer
        self._stopping = False
        self._processes: set[asyncio.subprocess.Process] = set()

    def stop(self) -> None:
        """Tell every worker to end, and start none again."""
        self._stopping = True
        for process in self._processes:
            process.terminate()

    async def run(self) -> None:
        """Keep them running until cancelled; then end them gently."""
        async with asyncio.TaskGroup() as group:
            for listener in self._listeners:
                group.create_task(self._keep(listener))

    async def _keep(self, listener: socket.socket) -> None:
        words = "a worker ended with status %s; it starts again in %.0f s"
        await kept_running(functools.partial(self._run_once, listener), log, words, lambda: self._stopping)

    async def _run_once(self, listener: socket.socket) -> int:
        reading, writing = os.pipe()
        command = [sys.executable, "-m", __name__, str(listener.fileno()), str(writing), str(self._data)]
        try:
            process = await asyncio.create_subprocess_exec(*command, pass_fds=(listener.fileno(), writing))
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        taking = asyncio.create_task(self._take(reading))
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


async def _serve(listener: socket.socket, writing: int, data: Path) -> None:
    queue = SampleQueue()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(writing, "wb", buffering=0)
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    pump = asyncio.create_task(queue.pump(writer))
    try:
        store = open_store(data, vector_key=installation_key(data))
        try:
            await serve_until_signalled(store, listener, queue.offer)
        finally:
            store.close()
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        transport.close()


@click.command()
@click.argument("listening", type=int)
@click.argument("writing", type=int)
@click.argument("data", type=click.Path(path_type=Path))
def main(listening: int, writing: int, data: Path) -> None:
    """Serve one socket of a gateway, as one of its workers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    listener = socket.socket(fileno=listening)
    listener.setblocking(False)
    run(functools.partial(_serve, listener, writing, data))


if __name__ == "__main__":
    main()
