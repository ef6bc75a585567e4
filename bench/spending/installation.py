"""A whole ``pointsman up`` on one port: its first process, with further workers and the control process, can be killed."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_BACK_S, _LEAVE_S = 90.0, 60.0


class Installation:
    """One installation, which is started again and again. ``longest_s``: until it served, or served again."""

    def __init__(self, config: Path, data: Path, port: int, workers: int) -> None:
        command = (sys.executable, "-m", "pointsman", "up", "--config", config, "--data", data)
        self._command = [*map(str, command), "--port", str(port), "--workers", str(workers)]
        self._said = config.with_name("said")
        self._left: list[int] = []  # what first processes that were killed have left behind: a handle for each
        self._process: subprocess.Popen[bytes] | None = None
        self.longest_s = 0.0

    def start(self) -> None:
        """Start it, again where the port is still taken: workers without a first process take a moment to leave."""
        began = time.monotonic()
        while not self._started():
            assert time.monotonic() - began < _BACK_S, self._said.read_text()
            time.sleep(0.1)
        self.longest_s = max(self.longest_s, time.monotonic() - began)

    def kill(self, *, every: bool) -> None:
        """Kill the first process, or every one."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        handles = [os.pidfd_open(int(pid)) for pid in children]  # a child that ended is not waited for by then
        self._process.kill()
        self._process.wait()
        for handle in handles if every else ():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        self._left += handles

    def settle(self) -> None:
        """Wait until all that a first process has left behind has ended."""
        for handle in self._left:
            assert select.select([handle], [], [], _LEAVE_S)[0], "a process outlives its first process"
            os.close(handle)
        self._left.clear()

    def stop(self) -> None:
        """Let it end in order."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(_LEAVE_S) == 0, self._said.read_text()

    def _started(self) -> bool:
        """Start it, and say whether it serves; false where the port is taken."""
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(self._command, stdout=said, stderr=subprocess.STDOUT)
        while self._process.poll() is None:
            if "serves at" in self._said.read_text():
                return True
            time.sleep(0.05)
        assert "cannot listen" in self._said.read_text(), self._said.read_text()
        return False
