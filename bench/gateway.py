"""What forwarding costs: CPU per request and added latency of Pointsman, against nginx as a plain reverse proxy, in one run.

Strategy: a C upstream with canned answers and a C load generator (``bench/gateway/*.c``, built at run time) on one core; on
another nginx, and Pointsman as people start it: ``pointsman up -c FILE``, journal on. Every round measures every target, so
that a noisy neighbour disturbs all alike; medians over rounds are reported. CPU is user + system time of the whole process
tree from /proc, divided by the requests served: on a busy machine it is the figure to trust, and the ratio more so.

    bench/gateway/install.sh                          # once: nginx and gcc from Debian's packages
    .venv/bin/python bench/gateway.py [--rounds 3] [--streams 500] [--write]

``auto`` is measured with a policy that acts: features, predictions for eight deployments, a draw, for every request.
Exit status 1 when a floor is not met; 0 with the reason when nginx, gcc or a second core is missing.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from pointsman.control.publish import publish
from pointsman.core.snapshot import Snapshot
from pointsman.policy import features, model
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach
from pointsman.store.sqlite import open_store

SOURCES = Path(__file__).parent / "gateway"
DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- bench/gateway.py: begin -->", "<!-- bench/gateway.py: end -->"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
CONNECTIONS, RATE, PACE_MS = 64, 100, 20
IDLE_S = 3
SETTLE_S = 0.7  # longer than the journal's flush interval: writing is part of what a request costs
DEPLOYMENTS = tuple(f"model-{number}" for number in range(8))
PROMPT = (
    "You are the assistant of a railway museum. A visitor asks: why do the points at the western junction have to be set "
    "by hand, and who decides which train goes first when two arrive at the same time? Answer in two sentences."
)


@dataclass(frozen=True)
class Target:
    """What is measured: where requests go, the model they name, and the process that answers (None: the upstream itself)."""

    name: str
    port: int
    model: str
    pid: int | None


class Results:
    """Measured values by metric and target, one per round."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = {}

    def add(self, metric: str, target: Target, value: float) -> None:
        self._values.setdefault((metric, target.name), []).append(value)

    def median(self, metric: str, target: str) -> float | None:
        found = self._values.get((metric, target))
        return statistics.median(found) if found else None


class Bench:
    """The built programs, the cores, and the directory that everything happens in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.proxy_core, self.load_core = sorted(os.sched_getaffinity(0))[:2]
        for program in ("upstream", "load"):
            source, built = SOURCES / f"{program}.c", directory / program
            subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", built, source], check=True)

    @contextlib.contextmanager
    def running(self, core: int, *command: str | Path, port: int) -> Iterator[int]:
        """Run a server on one core until the block ends; yield its pid once it listens."""
        log = (self.directory / f"{Path(command[0]).name}.log").open("w")
        process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=log, stderr=log, cwd=self.directory)
        try:
            _until(lambda: _listens(port), f"{command[0]} listens", process, Path(log.name))
            yield process.pid
        finally:
            process.terminate()
            process.wait(timeout=60)
            log.close()

    def load(self, target: Target, kind: str, **options: float) -> dict[str, float]:
        """Send one kind of request (whole, burst, paced) and return the load generator's report."""
        body: dict[str, Any] = {"model": target.model, "messages": [{"role": "user", "content": PROMPT}], "temperature": 0.2}
        if kind != "whole":
            body["stream"] = True
        if kind == "paced":
            body["messages"].append({"role": "user", "content": f"pace={PACE_MS}"})
        file = self.directory / f"{kind}-{target.name}.json"
        file.write_bytes(json.dumps(body, separators=(",", ":")).encode())
        words = [word for key, value in options.items() for word in (f"-{key}", f"{value:g}")]
        core, program, port = str(self.load_core), self.directory / "load", str(target.port)
        command: list[str | Path] = ["taskset", "-c", core, program, "-p", port, "-b", file, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        report: dict[str, float] = json.loads(done.stdout)
        return report


def main() -> int:
    options = _options()
    options.load = os.getloadavg()[0]
    if options.load > 0.5:
        print(f"the machine is busy (load average {options.load:.1f}): trust CPU and ratios, not the latencies")
    missing = [tool for tool in ("gcc", "nginx", "taskset") if shutil.which(tool) is None]
    if missing:
        print(f"skipped: {', '.join(missing)} not found; run bench/gateway/install.sh")
        return 0
    if len(os.sched_getaffinity(0)) < 2:
        print("skipped: two cores are needed, one for the proxy, one for upstream and load")
        return 0
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        bench = Bench(Path(directory))
        targets = _start(bench, stack)
        memory = {target.name: [_resident_mb(target.pid)] for target in targets if target.pid}
        results, errors = Results(), 0
        for target in targets[:3]:  # the fourth is the third's process
            before = _cpu_us(target.pid)
            time.sleep(IDLE_S)
            results.add("idle", target, (_cpu_us(target.pid) - before) / IDLE_S / 1e4)
        for target in targets:  # warm: connections open, caches filled
            bench.load(target, "whole", c=CONNECTIONS, n=2000)
            bench.load(target, "burst", c=CONNECTIONS, n=300)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            for target in targets:
                errors += _measure(bench, target, results, options)
        for target in targets:
            if target.pid:
                memory[target.name].append(_resident_mb(target.pid))
        streams = {target.name: _streams(bench, target, options.streams) for target in targets if target.pid}
    table = _table(results, memory)
    verdicts = _floors(results, streams, errors, options.streams)
    print("\n" + table + "\n")
    for met, sentence in verdicts:
        print(f"{'met    ' if met else 'NOT MET'}  {sentence}")
    if options.write:
        _write(table, verdicts, options)
    return 0 if all(met for met, _ in verdicts) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which medians are taken [3]")
    parser.add_argument("--requests", type=int, default=8000, help="whole requests per round and target [8000]")
    parser.add_argument("--seconds", type=float, default=5, help=f"of {RATE} requests/s for the latencies [5]")
    parser.add_argument("--streams", type=int, default=500, help="concurrent paced streams, at the end [500]")
    parser.add_argument("--write", action="store_true", help=f"write the table into docs/{DOCUMENT.name}")
    return parser.parse_args()


def _start(bench: Bench, stack: contextlib.ExitStack) -> list[Target]:
    """Start upstream, nginx and Pointsman, and return what there is to measure."""
    upstream, proxy, gateway = (_free_port() for _ in range(3))
    stack.enter_context(bench.running(bench.load_core, bench.directory / "upstream", str(upstream), port=upstream))
    (bench.directory / "nginx.conf").write_text(_nginx(bench.directory, proxy, upstream))
    nginx = stack.enter_context(
        bench.running(bench.proxy_core, "nginx", "-p", bench.directory, "-c", bench.directory / "nginx.conf", port=proxy)
    )
    file = bench.directory / "pointsman.toml"
    file.write_text(_configuration(upstream))
    command = (sys.executable, "-m", "pointsman", "up", "-c", file, "--port", str(gateway))
    pointsman = stack.enter_context(bench.running(bench.proxy_core, *command, port=gateway))
    _until(lambda: _answers(f"http://127.0.0.1:{gateway}/readyz"), "the gateway is ready")
    _act_on_evidence(bench.directory, gateway)
    return [
        Target("direct", upstream, "model-0", None),
        Target("nginx", proxy, "model-0", nginx),
        Target("pinned", gateway, "fast/model-0", pointsman),
        Target("auto", gateway, "auto", pointsman),
    ]


def _nginx(directory: Path, port: int, upstream: int) -> str:
    text = (SOURCES / "nginx.conf").read_text()
    text = text if os.geteuid() == 0 else text.replace("user root;", "")
    return text.replace("@DIRECTORY@", str(directory)).replace("@PORT@", str(port)).replace("@UPSTREAM@", str(upstream))


def _configuration(upstream: int) -> str:
    declared = "".join(
        f'[deployments."fast/{name}"]\nprice = {{input = {number + 1}, output = {4 * number + 4}}}\n'
        for number, name in enumerate(DEPLOYMENTS)
    )
    candidates = json.dumps([f"fast/{name}" for name in DEPLOYMENTS[:-1]])
    return f"""
[providers.fast]
base_url = "http://127.0.0.1:{upstream}/v1"
{declared}
[routes.auto]
reference = "fast/{DEPLOYMENTS[-1]}"
candidates = {candidates}
"""


def _act_on_evidence(directory: Path, port: int) -> None:
    """Publish a policy that decides 95 % of the requests for ``auto``, and wait until the gateway acts on it."""
    random = np.random.default_rng(1)
    names = tuple(f"fast/{name}" for name in DEPLOYMENTS)
    rows, count = 200, len(names)
    policy = teach(
        Outcomes(
            deployments=names,
            groups=np.array([f"prompt {row}" for row in range(rows)]),
            vectors=random.integers(0, 256, (rows, features.LENGTH), dtype=np.uint8),
            score=random.random((rows, count)),
            cost_nano=np.full((rows, count), np.nan),
            input_tokens=np.full(rows, 300.0),
            output_tokens=random.uniform(100, 300, (rows, count)),
            task=np.full(rows, -1),
            tasks=(),
            feature=np.full(rows, -1),
            features=(),
        )
    ).policy

    def change(before: Snapshot) -> Snapshot:
        route = before.routes["auto"]
        plan = replace(
            route.plans["*"], mode="auto", accepted=names[:-1], acting_share=0.95, value_nano=50_000_000, since_ms=1
        )
        routes = {**before.routes, "auto": replace(route, plans={"*": plan})}
        return replace(before, routes=routes, policies={"auto": model.encode(policy)})

    store = open_store(directory / ".pointsman", vector_key=None)
    published = publish(store, change, made_by="benchmark", now_ms=1)
    store.close()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        data=json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).encode(),
        headers={"content-type": "application/json"},
    )

    def acts() -> bool:
        with urllib.request.urlopen(request) as reply:  # noqa: S310 - our own address
            return bool(
                reply.headers["x-pointsman-snapshot"] == published.hash and reply.headers["x-pointsman-mode"] == "auto"
            )

    _until(acts, "the gateway acts on the published policy")


def _measure(bench: Bench, target: Target, results: Results, options: argparse.Namespace) -> int:
    """Measure one target once; return the number of failed requests."""
    runs = {
        "whole": {"c": CONNECTIONS, "n": options.requests},
        "burst": {"c": CONNECTIONS, "n": options.requests / 4},
        "paced": {"c": CONNECTIONS, "n": CONNECTIONS * 2},
        "latency": {"c": CONNECTIONS, "r": RATE, "t": options.seconds},
    }
    errors = 0
    for run, load in runs.items():
        before = _cpu_us(target.pid)
        report = bench.load(target, "whole" if run == "latency" else run, **load)
        time.sleep(SETTLE_S)
        spent = _cpu_us(target.pid) - before
        errors += int(report["errors"])
        if target.pid and run != "latency":
            results.add(f"{run} cpu", target, spent / (report["events"] if run == "paced" else report["requests"]))
        if run in ("whole", "burst"):
            results.add(f"{run} rate", target, report["requests"] / report["seconds"])
        if run == "latency":
            results.add("p50", target, report["p50"])
            results.add("p99", target, report["p99"])
    return errors


def _streams(bench: Bench, target: Target, count: int) -> int:
    """Hold many paced streams open at once and return how many of them failed."""
    return int(bench.load(target, "paced", c=count, n=count)["errors"]) if count else 0


def _table(results: Results, memory: dict[str, list[float]]) -> str:
    """Return the results as a Markdown table."""
    rows = [
        ("CPU, µs per whole request", "whole cpu", "{:.0f}"),
        ("CPU, µs per stream of 50 chunks in one burst", "burst cpu", "{:.0f}"),
        ("CPU, µs per event of a paced stream", "paced cpu", "{:.0f}"),
        ("CPU when idle, % of a core", "idle", "{:.1f}"),
        (f"whole requests/s, {CONNECTIONS} connections", "whole rate", "{:,.0f}"),
        (f"burst streams/s, {CONNECTIONS} connections", "burst rate", "{:,.0f}"),
        (f"latency p50 at {RATE} requests/s, µs", "p50", "{:,.0f}"),
        (f"latency p99 at {RATE} requests/s, µs", "p99", "{:,.0f}"),
    ]
    names = ("direct", "nginx", "pinned", "auto")
    lines = [f"| | {' | '.join(names)} | pinned : nginx | auto : nginx |", "|---|" + "---:|" * 6]
    for title, metric, form in rows:
        direct, nginx, pinned, auto = (results.median(metric, name) for name in names)
        cells = [form.format(value) if value is not None else "" for value in (direct, nginx, pinned, auto)]
        ratios = [f"{value / nginx:.1f}" if value and nginx else "" for value in (pinned, auto)]
        lines.append(f"| {title} | {' | '.join(cells + ratios)} |")
    nginx_mb, gateway_mb = (" → ".join(f"{value:.0f}" for value in memory[name]) for name in ("nginx", "pinned"))
    lines.append(f"| resident memory idle → after, MB, all processes | | {nginx_mb} | {gateway_mb} | | | |")
    return "\n".join(lines)


def _floors(results: Results, streams: dict[str, int], errors: int, count: int) -> list[tuple[bool, str]]:
    """Return each floor with whether it is met."""

    def median(metric: str, name: str) -> float:
        return results.median(metric, name) or float("nan")

    ratio = median("whole cpu", "pinned") / median("whole cpu", "nginx")
    more_ms = (median("p50", "auto") - median("p50", "pinned")) / 1000
    failed = streams["pinned"] + streams["auto"]
    return [
        (ratio <= 12, f"a pinned request with the journal on costs {ratio:.1f} times nginx's CPU (floor: 12)"),
        (more_ms <= 1, f"`auto` adds {more_ms:.2f} ms to a pinned request at the median (floor: 1)"),
        (failed == 0, f"of {count} concurrent streams, pinned and then `auto`, {failed} failed (floor: none)"),
        (errors == 0, f"{errors} requests failed in all other measurements (floor: none)"),
    ]


def _write(table: str, verdicts: list[tuple[bool, str]], options: argparse.Namespace) -> None:
    """Replace the generated part of the document."""
    text = DOCUMENT.read_text("utf-8")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip().rpartition("/")[2]
    python = platform.python_version()
    where = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, Python {python}, nginx {nginx}"
    told = "\n".join(f"- {'met' if met else '**not met**'}: {sentence}" for met, sentence in verdicts)
    busy = f"load average of the machine before: {options.load:.1f}"
    when = f"{datetime.now(UTC):%Y-%m-%d}; medians of {options.rounds} rounds; {where}; {busy}"
    DOCUMENT.write_text(f"{head}{BEGIN}\n{when}\n\n{table}\n\n{told}\n{END}{tail}", "utf-8")


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


def _cpu_us(pid: int | None) -> float:
    """User and system time of a process tree so far, children that have ended included, in microseconds."""
    stats = [_stat(one) for one in _tree(pid)] if pid else []
    return sum(sum(map(int, stat[11:15])) for stat in stats if stat) / TICKS * 1e6


def _resident_mb(pid: int | None) -> float:
    return sum(int(stat[21]) for one in _tree(pid or 0) if (stat := _stat(one))) * PAGE_MB


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    with urllib.request.urlopen(url) as reply:  # noqa: S310 - our own address
        return bool(reply.status == 200)


def _until(holds: Any, what: str, process: "subprocess.Popen[bytes] | None" = None, log: Path | None = None) -> None:
    """Wait until something holds, at most 30 s."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            break
        with contextlib.suppress(OSError):  # not yet
            if holds():
                return
        time.sleep(0.05)
    said = f":\n{log.read_text()}" if log else ""
    raise SystemExit(f"waited in vain until {what}{said}")


if __name__ == "__main__":
    raise SystemExit(main())
