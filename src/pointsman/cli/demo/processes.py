"""The demo's two servers, as real processes: the simulated zoo, and a gateway in front of it.

Laws: both listen on free loopback ports; both are gone when the demo ends, however it ends; what a server had to say is in
its log file, whose name is shown when it does not start or does not last.
"""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pointsman.core.errors import PointsmanError

START_S: Final = 30.0
STOP_S: Final = 10.0


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Child:
    """A server of the demo. ``name`` is for people; ``ready`` is a URL that answers 200 once it serves."""

    name: str
    process: subprocess.Popen[bytes]
    ready: str
    log: Path

    def check(self) -> None:
        """Raise PointsmanError, with what to do, when it has ended."""
        status = self.process.poll()
        if status is not None:
            raise PointsmanError(f"{self.name} has ended with status {status}. {self._remedy}")

    def wait(self) -> None:
        """Wait until it serves. Raises PointsmanError when it does not."""
        ends = time.monotonic() + START_S
        while time.monotonic() < ends:
            self.check()
            try:
                with urllib.request.urlopen(self.ready, timeout=1):  # noqa: S310 - a loopback URL of our own making
                    return
            except OSError:
                time.sleep(0.05)
        raise PointsmanError(f"{self.name} did not start within {START_S:.0f} s. {self._remedy}")

    @property
    def _remedy(self) -> str:
        return f"What it said is in {self.log}. Run the demo again; if that does not help, please report it with this file."


@contextlib.contextmanager
def running(name: str, arguments: list[str], ready: str, log: Path) -> Iterator[Child]:
    """Run a ``pointsman`` command until the block ends; the block need not wait until it serves."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", "pointsman", *arguments]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)  # noqa: S603
    try:
        yield Child(name, process, ready, log)
    finally:
        impatience = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave it behind
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        signal.signal(signal.SIGINT, impatience)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (``kill``, a closed terminal) end the block as Ctrl-C does: no server is left behind."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT)) for number in numbers]
    try:
        yield
    finally:
        for number, old in zip(numbers, before, strict=True):
            signal.signal(number, old)
