"""Real worker processes on one port, which can be killed and come back at once.

Each serves a listening socket of its own through ``serve/data_plane``, as ``pointsman up --workers`` has them do. They are
forked from a process that has everything imported (``forkserver``), so that two hundred of them are soon started.
"""

import multiprocessing
import random
import signal
import socket
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

from pointsman.control.config import Config
from pointsman.core.record import Sample
from pointsman.serve.data_plane import Leaving, serve_until_told
from pointsman.serve.loop import run
from pointsman.serve.up import bind
from pointsman.store.interfaces import Store
from pointsman.store.last_good import LastGood
from pointsman.store.sqlite import open_store

_STOP_S = 20.0


def _offer(sample: Sample) -> bool:  # noqa: ARG001 - no trial runs here
    return False


def _serve(listener: socket.socket, data: Path) -> None:
    listener.setblocking(False)
    store = open_store(data, vector_key=None)
    try:
        run(partial(_until_told, store, LastGood(data, keeps=False), listener))
    finally:
        store.close()


async def _until_told(store: Store, copy: LastGood, listener: socket.socket) -> None:
    await serve_until_told(store, copy, [listener], _offer, Leaving(), lambda: None)


class Workers:
    """Some workers of one installation. ``killed`` counts those that were."""

    def __init__(self, data: Path, count: int) -> None:
        self._data = data
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", __name__])
        self._listeners = bind(Config(), "127.0.0.1", 0, count)
        self.port = self._listeners[0].getsockname()[1]
        self.killed = 0
        self._processes = [self._started(place) for place in range(count)]

    def kill(self, chance: random.Random) -> int:
        """Kill one of them, or (one time in four) all, with SIGKILL; start others in their place. Return how many died."""
        places = [chance.randrange(len(self._processes))]
        if chance.random() < 0.25:
            places = list(range(len(self._processes)))
        for place in places:
            self._processes[place].kill()
        for place in places:
            self._processes[place].join()
            self._processes[place] = self._started(place)
        self.killed += len(places)
        return len(places)

    def end(self, *, kill: bool) -> None:
        """Stop them all, in order or not."""
        for process in self._processes:
            if process.pid is not None:
                process.kill() if kill else process.terminate()
        for process in self._processes:
            process.join(_STOP_S)
            assert process.exitcode == (-signal.SIGKILL if kill else 0), f"a worker ended with {process.exitcode}"
        for listener in self._listeners:
            listener.close()

    def _started(self, place: int) -> BaseProcess:
        process = self._context.Process(target=_serve, args=(self._listeners[place], self._data), daemon=True)
        process.start()
        return process
