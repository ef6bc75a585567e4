"""The control process as the gateway sees it: a child that is fed samples and started again when it dies.

Laws: its death never stops the gateway, and no request waits for it; it is started again after a pause that grows to a
minute; when the gateway stops, it is given time to finish what it has begun. It computes with one thread.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from pointsman.gateway.telemetry.pages import Page
from pointsman.serve.samples import SampleQueue
from pointsman.serve.threads import one_thread

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
GRACE_S = 10.0

log = logging.getLogger("pointsman.control")


class ControlProcess:
    """Runs ``pointsman.serve.control_process`` for one data directory. ``page`` is where its figures stand."""

    def __init__(self, queue: SampleQueue, *, config: Path | None, data: Path, page: Page | None = None) -> None:
        self._queue = queue
        self._inherits = () if page is None else (page.pages.fd,)
        self._arguments = ["-m", "pointsman.serve.control_process", "--data", str(data)]
        if config is not None:
            self._arguments += ["--config", str(config)]
        if page is not None:
            self._arguments += ["--page", page.argument]

    async def run(self) -> None:
        """Keep the process running until cancelled; then end it gently."""
        await kept_running(self._run_once, log, "the control process ended with status %s; it starts again in %.0f s")

    async def _run_once(self) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            pass_fds=self._inherits,
            env={**os.environ, **one_thread()},
        )
        if process.stdin is None:
            raise RuntimeError("the control process has no standard input")
        pump = asyncio.create_task(self._queue.pump(process.stdin))
        try:
            return await process.wait()
        except asyncio.CancelledError:
            process.stdin.close()
            await ended(process, GRACE_S)
            raise
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)


async def kept_running(
    run_once: Callable[[], Awaitable[int]], logger: logging.Logger, words: str, given_up: Callable[[], bool] = lambda: False
) -> None:
    """Run a process again and again until cancelled or given up, with a pause that grows while it does not last.

    ``words`` say that it ended, with places for its status and for the pause in seconds.
    """
    pause = FIRST_PAUSE_S
    while True:
        started = asyncio.get_running_loop().time()
        try:
            status: int | str = await run_once()
        except OSError as error:  # too many open files, say: that passes
            status = str(error)
        if given_up():
            return
        if asyncio.get_running_loop().time() - started > LONGEST_PAUSE_S:
            pause = FIRST_PAUSE_S
        logger.warning(words, status, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


async def ended(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Wait for a process that was told to end, and kill it when its time is over."""
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
