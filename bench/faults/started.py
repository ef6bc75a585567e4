"""A gateway as people start it, and what the system says of its process."""

import contextlib
import json
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.machine import Machine, answers, children, free_port, until


@dataclass(frozen=True)
class Gateway:
    """A running gateway: its port, its process and its directory."""

    pid: int
    port: int
    directory: Path

    def ready(self) -> dict[str, Any]:
        """Return what /readyz says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=30) as reply:
            found: dict[str, Any] = json.load(reply)
            return found

    @property
    def sockets(self) -> int:
        """How many sockets it has open."""
        found = 0
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed since
                found += str(entry.readlink()).startswith("socket:")
        return found

    @property
    def resident_mb(self) -> float:
        """Its resident memory in millions of bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024 / 1e6


@contextlib.contextmanager
def gateway(machine: Machine, configuration: str, name: str = "pointsman") -> Iterator[Gateway]:
    """Run ``pointsman up`` with a configuration and a directory of its own. Raises NotStarted."""
    port = free_port()
    directory = machine.directory / f"{name}-{port}"
    directory.mkdir()
    file = directory / "pointsman.toml"
    file.write_text(configuration)
    words = ("-m", "pointsman", "up", "-c", file, "--port", str(port))
    env = {} if machine.native is None else {"PYTHONPATH": str(machine.native)}
    with machine.running(
        machine.proxy_core, sys.executable, *words, port=port, name=name, directory=directory, env=env
    ) as pid:
        until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "the gateway is ready")
        yield Gateway(_serving(pid, port), port, directory)


def _serving(pid: int, port: int) -> int:
    """Return the process that has the port open: the one that was started, or a worker of it."""
    for one in (*children(pid), pid):
        words = Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")
        if str(port).encode() in words and b"up" in words:
            return one
    return pid
