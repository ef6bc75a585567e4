"""Several processes on one port: all serve, a dead one comes back, and all end together."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx

from tests.serve.conftest import Up


def children(pid: int) -> dict[int, str]:
    """Return the processes that a process has started, and their commands; it, or any of them, may end meanwhile."""
    found: dict[int, str] = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for name in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found[int(name)] = Path(f"/proc/{name}/cmdline").read_text().replace("\0", " ")
    return found


def workers(pid: int) -> set[int]:
    return {child for child, command in children(pid).items() if "pointsman.serve.workers" in command}


def until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def listeners(port: int, pids: set[int]) -> int:
    """Count the connections to a port that each of some processes has accepted, and return how many have one."""
    inodes = {
        fields[9]
        for fields in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[1].endswith(f":{port:04X}") and fields[3] == "01"
    }
    names = {f"socket:[{inode}]" for inode in inodes}
    return sum(any(str(link.readlink()) in names for link in Path(f"/proc/{pid}/fd").iterdir()) for pid in pids)


def metrics(base: str) -> str:
    return httpx.get(f"{base}/metrics", timeout=20).text


def test_workers_share_the_port_come_back_and_end_together(start: Callable[..., Up]) -> None:
    up = start("--workers", "3")
    base = up.base_url.removesuffix("/v1")
    until(lambda: len(workers(up.process.pid)) == 2)
    first = workers(up.process.pid)
    pids = {up.process.pid, *first}
    until(lambda: all("ready" in httpx.get(f"{base}/readyz").text for _ in range(5)))
    clients = [httpx.Client() for _ in range(60)]
    for client in clients:
        assert client.get(f"{base}/readyz").status_code == 200
    assert listeners(int(base.rpartition(":")[2]), pids) == 3
    for client in clients:
        client.close()

    (killed, *_) = first
    os.kill(killed, signal.SIGKILL)
    up.hears(lambda line: "a worker ended" in line)
    until(lambda: len(workers(up.process.pid) - {killed}) == 2)
    with up.client() as client_:
        exchange = client_.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": "hi"}]
        )
    (record,) = up.recorded(str(exchange.headers["x-pointsman-exchange"]))
    assert record.outcome == "ok"
    until(lambda: 'pointsman_resident_bytes{process="2"}' in (shown := metrics(base)) and "pointsman_workers 3" in shown)
    # A scrape of any worker shows what any other has served, and the control process.
    until(lambda: all("pointsman_attempts_total{" in metrics(base) for _ in range(20)))
    assert 'pointsman_resident_bytes{process="control"}' in metrics(base)
    left = workers(up.process.pid)
    assert up.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in left)


def test_workers_do_not_outlive_a_first_process_that_is_killed(start: Callable[..., Up]) -> None:
    """Whoever starts the gateway again finds its port free."""
    up = start("--workers", "2")
    base = up.base_url
    until(lambda: len(workers(up.process.pid)) == 1)
    ready = f"{base.removesuffix('/v1')}/readyz"
    until(lambda: all("ready" in httpx.get(ready, timeout=60).text for _ in range(8)), 60)
    left = workers(up.process.pid)
    assert up.stop(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))
    again = start("--workers", "2", "--port", base.split(":")[2].split("/")[0])
    assert again.base_url == base
