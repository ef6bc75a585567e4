"""Two cores, processes that end with the benchmark, and what they cost.

CPU is user + system time of a whole process tree, from the kernel's own clock of each process (nanoseconds, not ticks), its
ended threads included; children that have ended count in ticks of a hundredth of a second.
"""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
START_S, END_S = 90.0, 5.0


class NotStarted(Exception):  # noqa: N818 - it is what happened
    """A process did not begin to serve; the text says what it printed last."""


class Machine:
    """A directory for everything, a core for the proxy and one for what stands around it.

    ``native`` is where the gateway's compiled packages are, None where it runs from its sources.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.native: Path | None = None
        self.proxy_core, self.load_core = sorted(os.sched_getaffinity(0))[:2]

    @contextlib.contextmanager
    def running(
        self,
        core: int,
        *command: str | Path,
        port: int = 0,
        ready: Callable[[], bool] | None = None,
        name: str = "",
        directory: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Iterator[int]:
        """Run a server on one core until the block ends, and all that it started; yield its pid once it listens.

        ``ready`` says whether it does, where its port is not known. Raises NotStarted.
        """
        log = self.directory / f"{name or Path(command[0]).name}-{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=directory or self.directory,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        try:
            until(ready or (lambda: _listens(port)), f"{name or command[0]} listens", process, log)
            yield process.pid
        finally:
            _end(process)


@contextlib.contextmanager
def machine() -> Iterator[Machine]:
    """Yield a machine whose directory goes when the block ends. SIGTERM ends the block as Ctrl-C does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as directory:
            yield Machine(Path(directory))
    finally:
        signal.signal(signal.SIGTERM, before)


def missing(*tools: str) -> str:
    """Return what a measurement lacks here, in words; empty where nothing is missing."""
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if absent:
        return f"{', '.join(absent)} not found; run bench/gateway/install.sh"
    if len(os.sched_getaffinity(0)) < 2:
        return "two cores are needed, one for the proxy, one for upstream and load"
    return ""


def cpu_us(pid: int | None) -> float:
    """Return user and system time of a process tree so far, in microseconds; 0 for None."""
    return sum(_own_cpu_us(one) for one in _tree(pid)) if pid else 0.0


def resident_mb(pid: int | None) -> float:
    """Return the resident memory of a process tree, in millions of bytes; pages that processes share count in each."""
    return sum(int(stat[21]) for one in _tree(pid) if (stat := _stat(one))) * PAGE / 1e6 if pid else 0.0


def peak_mb(pid: int | None) -> float:
    """Return the most resident memory that each process of a tree has had so far, added up, in millions of bytes."""
    peaks = []
    for one in _tree(pid) if pid else ():
        with contextlib.suppress(OSError):  # gone since
            found = Path(f"/proc/{one}/status").read_text().partition("VmHWM:")[2].split(maxsplit=1)
            peaks.append(int(found[0]) if found else 0)
    return sum(peaks) * 1024 / 1e6


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still live."""
    return [one for one in _tree(pid)[1:] if (stat := _stat(one)) and int(stat[1]) == pid]


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> bool:
    """Whether an address of this machine answers with 200."""
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - our own address
        return bool(reply.status == 200)


def until(
    holds: Callable[[], bool], what: str, process: "subprocess.Popen[bytes] | None" = None, log: Path | None = None
) -> None:
    """Wait until something holds, at most ``START_S`` seconds. Raises NotStarted."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            break
        with contextlib.suppress(OSError):  # not yet
            if holds():
                return
        time.sleep(0.05)
    said = f":\n{log.read_text(errors='replace')[-2000:]}" if log else ""
    raise NotStarted(f"waited in vain until {what}{said}")


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process gently, then whatever is left of its session."""
    try:
        process.terminate()
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            parents.setdefault(int(stat[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, ()))
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name (proc(5): state, ppid, ...); empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _own_cpu_us(pid: int) -> float:
    """Return the time of one process and of those of its children that have ended and were waited for."""
    stat = _stat(pid)
    if not stat:
        return 0.0
    ended = sum(map(int, stat[13:15])) / TICKS * 1e6
    try:
        # clock_getcpuclockid(3): the clock of a process is the complement of its pid, shifted, with CPUCLOCK_SCHED (2).
        return time.clock_gettime_ns(~pid << 3 | 2) / 1e3 + ended
    except OSError:  # gone since
        return 0.0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
