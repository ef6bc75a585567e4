"""The C load generator, and what is sent with it.

A request is of one ``Kind``: a whole reply, a stream of 50 chunks that come in one burst, or one whose chunks come
``PACE_MS`` apart. Its body is about 420 bytes, or, where deciding is measured, about 200
tokens of prompt.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.machine import Machine

SOURCES = Path(__file__).parents[1] / "gateway"
CONNECTIONS, CHUNKS, PACE_MS = 64, 50, 20
KEY = "sk-bench-0000000000000000"
"""What load.c presents to every proxy."""

Kind = Literal["whole", "burst", "paced"]
Dialect = Literal["openai", "anthropic"]

PROMPT = (
    "You are the assistant of a railway museum. A visitor asks: why do the points at the western junction have to be set "
    "by hand, and who decides which train goes first when two arrive at the same time? Answer in two sentences, for a child "
    "of ten years who has never seen a signal box, and name the year in which the box was built."
)
LONG_PROMPT = PROMPT + (
    " The museum keeps the box as it was: forty levers in one frame, each with a brass plate that says which point or"
    " signal it moves, a block instrument with two needles, and a bell. Before a signalman could clear the home "
    "signal, he had to ask the next box with three beats of the bell, wait for the needle to show line clear, and set"
    " every point on the way; the locking below the floor let no lever move that would have put two trains on one "
    "track. The visitor also wants to know what happened when the wire of a signal broke in frost, whether the trains"
    " could still run at night or in fog, and how many people worked a shift."
)
"""About 200 tokens together with what the dialect adds."""


@dataclass(frozen=True)
class Target:
    """What is measured: where requests go, what they say, and the process tree that answers (None: the upstream itself).

    ``path`` is the dialect's own where it is empty.
    """

    name: str
    port: int
    model: str
    pid: int | None
    dialect: Dialect = "openai"
    headers: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True)
class Report:
    """What the load generator saw. Times are microseconds, ``open`` the most answers under way at one time."""

    requests: int
    seconds: float
    p50: float
    p99: float
    first_p50: float
    first_p99: float
    errors: int
    events: int
    late: int
    open: int


def build(machine: Machine, *programs: str) -> None:
    """Compile C programs of the benchmark into the machine's directory."""
    for program in programs:
        source, built = SOURCES / f"{program}.c", machine.directory / program
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", built, source], check=True)


def closed(machine: Machine, target: Target, kind: Kind, requests: int, *, connections: int = CONNECTIONS) -> Report:
    """Send requests as fast as they are answered, one at a time on each connection."""
    return _run(machine, target, _body(target, kind, PROMPT, PACE_MS), ["-c", str(connections), "-n", str(requests)])


def numbered(machine: Machine, target: Target, kind: Kind, requests: int, first: int) -> Report:
    """Send requests as fast as they are answered, each with a prompt of its own: its number, from ``first`` on."""
    words = ["-c", str(CONNECTIONS), "-n", str(requests), "-f", str(first)]
    return _run(machine, target, _body(target, kind, f"Visitor NNNNNNNNN asks. {PROMPT}", PACE_MS), words)


def decided(machine: Machine, target: Target, requests: int) -> Report:
    """Send whole requests with a prompt of about 200 tokens, as fast as they are answered."""
    return _run(machine, target, _body(target, "whole", LONG_PROMPT, PACE_MS), ["-c", str(CONNECTIONS), "-n", str(requests)])


def steady(machine: Machine, target: Target, kind: Kind, rate: float, seconds: float) -> Report:
    """Send ``rate`` requests a second, whatever becomes of them."""
    words = ["-c", str(CONNECTIONS), "-r", f"{rate:g}", "-t", f"{seconds:g}"]
    return _run(machine, target, _body(target, kind, PROMPT, PACE_MS), words)


def held(machine: Machine, target: Target, streams: int, pace_ms: int) -> "subprocess.Popen[str]":
    """Begin to hold that many streams open at once, one chunk every ``pace_ms`` milliseconds on each; see ``reported``."""
    words = ["-c", str(streams), "-n", str(streams)]
    command = _command(machine, target, _body(target, "paced", PROMPT, pace_ms), words)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def reported(line: str) -> Report:
    """Return what the load generator printed."""
    return Report(**json.loads(line))


def _run(machine: Machine, target: Target, body: bytes, words: list[str]) -> Report:
    done = subprocess.run(_command(machine, target, body, words), stdout=subprocess.PIPE, text=True, check=True)
    return reported(done.stdout)


def _command(machine: Machine, target: Target, body: bytes, words: list[str]) -> list[str | Path]:
    file = machine.directory / f"request-{target.name}.json"
    file.write_bytes(body)
    said = [word for header in target.headers for word in ("-H", header)]
    if target.path:
        said += ["-P", target.path]
    if target.dialect == "anthropic":
        said += ["-P", "/v1/messages", "-e", "message_stop", "-H", "anthropic-version: 2023-06-01"]
    program = machine.directory / "load"
    return ["taskset", "-c", str(machine.load_core), program, "-p", str(target.port), "-b", file, *said, *words]


def _body(target: Target, kind: Kind, prompt: str, pace_ms: int) -> bytes:
    content = f"{prompt} (pace={pace_ms})" if kind == "paced" else prompt
    body: dict[str, Any] = {"model": target.model, "messages": [{"role": "user", "content": content}], "temperature": 0.2}
    if target.dialect == "anthropic":
        body["max_tokens"] = 400
    if kind != "whole":
        body["stream"] = True
    return json.dumps(body, separators=(",", ":")).encode()
