"""Revoking keys: how long after the command's commit does any process of a gateway still let a key in?

    python -m bench.revoking [--keys 20]

A real ``pointsman up`` with two processes in front of the simulated zoo; 16 connections stand open, spread over both, and
each asks for the list of models with one key again and again. The key is revoked in the store as ``pointsman key revoke``
does it. What is measured is the time from before that write to the last reply of 200 that any connection gets.

The floor: at most one second, for each key.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import click
import httpx2 as httpx
from tests.serve.conftest import Up
from tests.serve.test_workers import listeners, until, workers

from pointsman.control import keys as acts
from pointsman.core.keys import Key
from pointsman.serve.workspace import Workspace
from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.setup import config_toml
from pointsman.upstream.simulated.zoo import Zoo

FLOOR_S = 1.0
CONNECTIONS = 16


class Asker(threading.Thread):
    """One connection that asks until it is refused; ``last`` is when it was let in last."""

    def __init__(self, client: httpx.Client, url: str, key: str) -> None:
        super().__init__()
        self._client, self._url, self._header = client, url, {"authorization": f"Bearer {key}"}
        self.let_in = threading.Event()
        self.last = 0.0

    def run(self) -> None:
        """Ask."""
        while True:
            status = self._client.get(self._url, headers=self._header).status_code
            if status == 200:
                self.last = time.monotonic()
                self.let_in.set()
            elif self.let_in.is_set():
                return


def revoked(workspace: Workspace, clients: list[httpx.Client], url: str, number: int) -> float:
    """Make a key, use it on every connection, revoke it; return the seconds until nobody let it in any more."""
    now_ms = int(time.time() * 1000)
    key, whole = acts.made(Key(f"k{number}", ""), now_ms=now_ms)
    workspace.store.keys.add(key, at_ms=now_ms)
    asking = [Asker(client, url, whole) for client in clients]
    for one in asking:
        one.start()
    for one in asking:
        one.let_in.wait(20)
    began = time.monotonic()
    workspace.store.keys.change(key.id, lambda one: acts.revoked(one, now_ms=now_ms), at_ms=now_ms, act="key revoke")
    for one in asking:
        one.join(20)
    return max(one.last for one in asking) - began


def measured(up: Up, count: int) -> tuple[list[float], int]:
    """Return how long each of ``count`` keys was let in after it was revoked, in order, and by how many processes."""
    base = up.base_url
    until(lambda: len(workers(up.process.pid)) == 1)
    ready = f"{base.removesuffix('/v1')}/readyz"
    until(lambda: all("ready" in httpx.get(ready, timeout=60).text for _ in range(8)))
    clients = [httpx.Client(timeout=60) for _ in range(CONNECTIONS)]
    for client in clients:
        client.get(ready)
    both = listeners(int(base.split(":")[2].split("/")[0]), {up.process.pid, *workers(up.process.pid)})
    workspace = up.workspace
    took = sorted(revoked(workspace, clients, f"{base}/models", number) for number in range(count))
    workspace.close()
    for client in clients:
        client.close()
    return took, both


@click.command()
@click.option("--keys", "count", default=20, show_default=True, type=click.IntRange(1))
def main(count: int) -> None:
    """Print the times; the status is 1 where the floor is missed."""
    zoo = Zoo(seed=7)
    with tempfile.TemporaryDirectory() as directory, serving(zoo) as url:
        config = Path(directory) / "pointsman.toml"
        config.write_text(config_toml(zoo, url, data="data"), "utf-8")
        up = Up(config, "--workers", "2")
        try:
            took, both = measured(up, count)
        finally:
            up.stop()
    print(f"{count} keys revoked, {CONNECTIONS} connections to {both} processes: until the last was let in")
    print(f"  median {took[len(took) // 2]:.3f} s, longest {took[-1]:.3f} s (floor {FLOOR_S:g} s)")
    sys.exit(1 if took[-1] > FLOOR_S else 0)


if __name__ == "__main__":
    main()
