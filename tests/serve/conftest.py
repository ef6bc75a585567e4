"""A real ``pointsman up`` in front of a real simulated zoo."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from pointsman.core.record import ExchangeRecord
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter
from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.setup import config_toml
from pointsman.upstream.simulated.zoo import Zoo

SERVES = re.compile(r"serves at (http://\S+/v1)")


class Up:
    """One gateway process. ``said`` are the lines that it printed so far."""

    def __init__(self, config: Path, *options: str) -> None:
        self.config = config
        self.said: list[str] = []
        self._heard = threading.Condition()
        command = [sys.executable, "-m", "pointsman", "up", "--config", str(config), "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._heard:
                self.said.append(line)
                self._heard.notify_all()

    def hears(self, wanted: Callable[[str], object], timeout: float = 20) -> str:
        """Wait for a line and return it."""
        with self._heard:
            assert self._heard.wait_for(lambda: any(wanted(line) for line in self.said), timeout), self.said
            return next(line for line in self.said if wanted(line))

    @property
    def base_url(self) -> str:
        found = SERVES.search(self.hears(SERVES.search))
        assert found
        return found[1]

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.base_url, api_key="unused", max_retries=0, timeout=20)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.config)

    def recorded(self, *exchanges: str, timeout: float = 10) -> list[ExchangeRecord]:
        """Return the records of exchanges, once they are on the disk."""
        until = time.monotonic() + timeout
        workspace = self.workspace
        try:
            while True:
                journal = workspace.store.journal
                found = [record for one in exchanges for record in journal.exchanges(Filter(exchange=one))]
                if len(found) == len(exchanges) or time.monotonic() > until:
                    return found
                time.sleep(0.02)
        finally:
            workspace.close()

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(sign)
        status = self.process.wait(30)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def zoo() -> Zoo:
    return Zoo(seed=7)


@pytest.fixture
def config(zoo: Zoo, tmp_path: Path) -> Iterator[Path]:
    """A configuration in front of a running zoo."""
    with serving(zoo) as url:
        path = tmp_path / "pointsman.toml"
        path.write_text(config_toml(zoo, url, data="data"), "utf-8")
        yield path


@pytest.fixture
def start(config: Path) -> Iterator[Callable[..., Up]]:
    """Start gateways on the configuration; all are gone after the test."""
    started: list[Up] = []

    def begin(*options: str) -> Up:
        started.append(Up(config, *options))
        return started[-1]

    yield begin
    for one in started:
        one.stop(signal.SIGKILL)
