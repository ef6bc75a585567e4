"""The demo itself, in a reduced size: real processes, real sockets, the real openai client."""

import os
import re
import signal
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from pointsman.cli.demo.run import run
from pointsman.cli.demo.story import Sizes
from pointsman.store.interfaces import Filter
from pointsman.store.sqlite import open_store
from pointsman.upstream.simulated.features import features


def ports(out: Path) -> list[int]:
    return [int(found) for found in re.findall(r"(?:port = |127\.0\.0\.1:)(\d+)", (out / "pointsman.toml").read_text())]


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.long
def test_from_observe_to_auto(tmp_path: Path) -> None:
    told = {name: feature for name, feature in features().items() if name in ("extraction", "coding")}
    printed = StringIO()
    sizes = Sizes(observed=5, tried=400, tried_until_s=80, measured=40)
    run(Console(file=printed, width=80, highlight=False), tmp_path, tmp_path / "data", 1, told=told, sizes=sizes)
    text = printed.getvalue()
    assert [line for line in text.splitlines() if cell_len(line) > 80] == []
    assert re.search(r"extraction sim-eagle-xl +sim-finch-s +180 \S+ \[\S+\] +-98 % ready", text)
    assert re.search(r"coding +sim-eagle-xl +sim-finch-s +140 \S+ \[\S+\] +-99 % stay", text)
    assert "cannot tell:" in text
    ways = ("today's models", "cheapest: sim-gnat-xs", "best fixed model per feature", "auto", "out of reach")
    for said in ("simulated", *ways, "Three decisions explained", 'model="auto"', "up --reference PROVIDER/MODEL"):
        assert said in text
    for name in ("spend.png", "verdicts.png", "cost_and_quality.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert not any(map(listening, ports(tmp_path)))
    store = open_store(tmp_path / "data", vector_key=None)
    arms = {(line.feature, line.mode, line.arm): line.requests for line in store.journal.spend(Filter())}
    store.close()
    acted, held = arms["extraction", "auto", "policy"], arms.get(("extraction", "auto", "control"), 0)
    assert acted + held == 40
    assert acted > 20  # 95 % of 40 are expected
    assert arms["extraction", "canary", "policy"] >= 200
    assert arms["extraction", "canary", "control"] > 100  # half of all, by chance
    assert arms["coding", "observe", "reference"] == 40


@pytest.mark.long
def test_ctrl_c_in_the_middle_ends_everything_with_one_clear_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pointsman", "demo", "--out", str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "2. Trial" in line:
            break
    assert all(map(listening, ports(tmp_path)))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the servers get it too
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert rest.strip().splitlines()[-1].startswith("Stopped before the end")
    assert "Traceback" not in "".join(lines) + rest
    assert not any(map(listening, ports(tmp_path)))
