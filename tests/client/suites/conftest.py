"""One real gateway process in front of one scripted provider; every suite runs in five cells.

``direct``: the client talks to the scripted provider itself, so that a wrong script cannot hide a wrong gateway. The other
four: the client talks to the gateway, which talks to the provider in the dialect that the cell is named after. After each
test everything that the gateway translated is checked against the schema that the provider's own SDK publishes.

These tests run in the clients' environment (see ``install.sh``), which does not know the gateway's package: it is started as
a program. A suite names what its client speaks in ``SPEAKS``: a dialect, or several; without, its tests run for all four.
One with several clients of a dialect has a fixture ``speaks`` of its own.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.client.scripted.server import DIALECTS, Upstream, serving
from tests.client.suites.schema import check_request

ROOT: Final = Path(__file__).parents[3]
KEY: Final = "key-of-the-shop"
PROVIDER_KEY: Final = "key-of-the-provider"
VERSIONS: Final = {"openai_chat": "v1", "openai_responses": "v1", "anthropic": "v1", "gemini": "v1beta"}
POINTSMAN: Final = (os.environ.get("POINTSMAN_PYTHON", str(ROOT / ".venv/bin/python")), "-m", "pointsman")
Recorded = Callable[[str, int], list[dict[str, Any]]]
_SERVES: Final = re.compile(r"serves at (http://[^/\s]+)/v1")
# The gateway remembers failures for a while, so each kind of failure has a model of its own.
MODELS: Final = ("scripted", *(f"fails-{status}" for status in (400, 401, 404, 429, 500, 529)), "cut", "error", "hold")


@dataclass(frozen=True)
class Cell:
    """Where a client calls, and who answers there. ``address`` is scheme, host and port; ``provider`` its dialect."""

    address: str
    key: str
    provider: str
    direct: bool

    @property
    def v1(self) -> str:
        return f"{self.address}/v1"

    @property
    def model(self) -> str:
        return self.named("scripted")

    def named(self, model: str) -> str:
        return model if self.direct else f"{self.provider}/{model}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    speaks = getattr(metafunc.module, "SPEAKS", tuple(DIALECTS))
    if "speaks" in metafunc.fixturenames and not isinstance(speaks, str) and not hasattr(metafunc.module, "speaks"):
        metafunc.parametrize("speaks", speaks)
    if "cell" in metafunc.fixturenames:
        metafunc.parametrize("cell", ["direct", *DIALECTS], indirect=True)


@pytest.fixture(scope="session")
def scripted() -> Iterator[Upstream]:
    with serving() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def home(scripted: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the gateway runs in."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "pointsman.toml").write_text(_configuration(scripted.address), "utf-8")
    return folder


@pytest.fixture(scope="session")
def gateway(home: Path) -> Iterator[str]:
    """The address of a gateway process."""
    command = [*POINTSMAN, "up", "--config", "pointsman.toml", "--port", "0"]
    environment = os.environ | {"SCRIPTED_KEY": PROVIDER_KEY}
    said: list[str] = []
    serves = threading.Event()
    with subprocess.Popen(
        command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:  # fmt: skip

        def listen() -> None:
            for line in process.stdout or ():
                said.append(line)
                if _SERVES.search(line):
                    serves.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            assert serves.wait(30), said
            yield next(found[1] for line in said if (found := _SERVES.search(line)))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, said
            listener.join(10)
    assert not any("Traceback" in line for line in said), said


def _configuration(address: str) -> str:
    lines = ['[gateway]\ndata = "data"\n', f'[keys.shop]\nsha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"\n']
    for dialect in DIALECTS:
        where = f'base_url = "{address}/{VERSIONS[dialect]}"\ncredential = "env:SCRIPTED_KEY"\n'
        lines.append(f'[providers.{dialect}]\n{where}dialect = "{dialect}"\n')
        lines += [f'[deployments."{dialect}/{model}"]\nprice = {{input = 1, output = 2}}\n' for model in MODELS]
        lines.append(f'[routes.{dialect}-first]\nreference = "{dialect}/scripted"\n')
    lines.append('[routes.auto]\nreference = "openai_chat/scripted"\n')
    lines.append("[limits]\nretry_share = 0\n")  # each scripted turn is for one call
    return "\n".join(lines)


@pytest.fixture
def speaks(request: pytest.FixtureRequest) -> str:
    """The dialect of the suite's client."""
    dialect: str = request.module.SPEAKS
    return dialect


@pytest.fixture
def cell(request: pytest.FixtureRequest, scripted: Upstream, speaks: str) -> Cell:
    if request.param == "direct":
        return Cell(scripted.address, PROVIDER_KEY, speaks, direct=True)
    return Cell(request.getfixturevalue("gateway"), KEY, request.param, direct=False)


@pytest.fixture
def upstream(scripted: Upstream, cell: Cell, speaks: str) -> Iterator[Upstream]:
    """The scripted provider, with nothing to say yet."""
    scripted.reset()
    yield scripted
    assert not scripted.unexpected, [seen.body for seen in scripted.unexpected]
    assert not scripted.unplayed
    for seen in scripted.seen:
        assert seen.dialect == cell.provider
        assert _credential(seen.dialect, seen.headers) == PROVIDER_KEY
        assert KEY not in str(seen)
        if speaks != cell.provider:  # else it is the client's own body
            check_request(seen)


@pytest.fixture
def recorded(home: Path) -> Recorded:
    """Return what the gateway has recorded of a conversation, as soon as it has so many exchanges of it."""

    def recorded(conversation: str, count: int) -> list[dict[str, Any]]:
        command = [*POINTSMAN, "journal", "--config", "pointsman.toml", "--json", "--limit", "50"]
        for _ in range(20):  # it writes a moment after it has answered
            lines = subprocess.run(command, cwd=home, capture_output=True, text=True, check=True).stdout.splitlines()
            found = [record for record in map(json.loads, lines) if record["conversation"] == conversation]
            if len(found) >= count:
                break
        assert len(found) == count
        return found

    return recorded


def _credential(dialect: str, headers: dict[str, str]) -> str:
    """Return the key where the dialect's provider looks for it. Anthropic's own SDK sends it either way."""
    names = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}
    found = headers.get(names.get(dialect, "authorization")) or headers.get("authorization", "")
    return found.removeprefix("Bearer ")
