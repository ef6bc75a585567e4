"""The control process as the gateway sees it: a child that is fed samples and started again when it dies.

Laws: its death never stops the gateway, and no request waits for it; it is started again after a pause that grows to a
minute; when the gateway stops, it is given time to finish what it has begun.
"""

import asyncio
import logging
import sys
from pathlib import Path

from pointsman.serve.samples import SampleQueue

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
GRACE_S = 10.0

log = logging.getLogger("pointsman.control")


class ControlProcess:
    """Runs ``pointsman.serve.control_process`` for one data directory."""

    def __init__(self, queue: SampleQueue, *, config: Path | None, data: Path) -> None:
        self._queue = queue
        self._arguments = ["-m", "pointsman.serve.control_process", "--data", str(data)]
        if config is not None:
            self._arguments += ["--config", str(config)]

    async def run(self) -> None:
        """Keep the process running until cancelled; then end it gently."""
        pause = FIRST_PAUSE_S
        while True:
            started = asyncio.get_running_loop().time()
            try:
                status: int | str = await self._run_once()
            except OSError as error:  # too many open files, say: that passes
                status = str(error)
            if asyncio.get_running_loop().time() - started > LONGEST_PAUSE_S:
                pause = FIRST_PAUSE_S
            log.warning("the control process ended with status %s; it starts again in %.0f s", status, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _run_once(self) -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, *self._arguments, stdin=asyncio.subprocess.PIPE)
        if process.stdin is None:
            raise RuntimeError("the control process has no standard input")
        pump = asyncio.create_task(self._queue.pump(process.stdin))
        try:
            return await process.wait()
        except asyncio.CancelledError:
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), GRACE_S)
            except TimeoutError:
                process.kill()
                await process.wait()
            raise
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
