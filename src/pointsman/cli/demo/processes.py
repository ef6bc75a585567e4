"""The demo's two servers, as real processes: the simulated zoo, and a gateway in front of it.

Laws: both listen on free loopback ports; both are gone when the demo ends, however it ends; what a server had to say is in
its log file, whose name is shown when it does not start.
"""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pointsman.core.errors import PointsmanError

START_S: Final = 30.0
STOP_S: Final = 20.0


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(arguments: list[str], ready: str, log: Path) -> Iterator[None]:
    """Run a ``pointsman`` command until the block ends. ``ready`` is a URL that answers 200 once it serves."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", "pointsman", *arguments]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)  # noqa: S603
    try:
        _wait(process, ready, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(ready, timeout=1):  # noqa: S310 - a loopback URL of our own making
                return
        except OSError:
            time.sleep(0.05)
    raise PointsmanError(f"{' '.join(map(str, process.args[2:]))} did not start; what it said is in {log}")  # type: ignore[index]
