"""The parts of the benchmark: what is sent to whom, and what is noted.

    whole     CPU per whole request, and requests per second, 64 connections
    burst     CPU per stream of 50 chunks that come at once
    paced     CPU per chunk of streams whose chunks come 20 ms apart
    deciding  CPU per whole request with a prompt of about 200 tokens
    latency   p50 and p99 of whole requests at 100 a second
    first     p50 and p99 of the time to the first byte of a burst's body, at 100 a second
    workers   CPU per whole request with two workers and with one, on one core
    memory    resident memory idle and after many requests; CPU when idle
    streams   many streams open at once: errors, and memory for each
    peers     other gateways, one by one, with the upstream, nginx and Pointsman beside each

The first seven are measured in every round, target after target within a part, so that whatever slows the machine down slows
down what is compared as well. The others start every target anew, once.
"""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness import load, peers
from harness.load import CHUNKS, CONNECTIONS, Report, Target
from harness.machine import Machine, NotStarted, children, cpu_us, resident_mb
from harness.results import Results
from harness.targets import Gateway, Upstream, direct, start_nginx, start_pointsman

ROUND_PARTS = ("whole", "burst", "paced", "deciding", "latency", "first")
ONCE_PARTS = ("workers", "memory", "streams")
SETTLE_S = 0.7
"""Longer than the journal's flush interval: writing is part of what a request costs."""
STARTED_S, IDLE_S = 5.0, 5.0
"""How long a process is left alone before its memory is called idle, and how long its CPU is then watched."""
STREAM_PACE_MS = 1000
PEER_PARTS: Sequence[str] = ("whole", "burst", "paced", "latency", "first")
DECIDED = ("nginx", "pinned", "single", "auto", "nginx-tls", "pinned-tls", "auto-tls")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Sizes:
    """How much is sent: per round and target, except ``after`` (the memory part) and ``streams``."""

    requests: int = 8000
    bursts: int = 2000
    paced: int = 2 * CONNECTIONS
    paced_connections: int = CONNECTIONS
    seconds: float = 5.0
    rate: float = 100
    burst_rate: float = 100
    after: int = 100_000
    streams: int = 2000


class Bench:
    """Measures targets into results."""

    def __init__(self, machine: Machine, upstream: Upstream, results: Results, sizes: Sizes, progress: Progress) -> None:
        self.machine = machine
        self.upstream = upstream
        self.results = results
        self.sizes = sizes
        self.progress = progress

    def warm(self, targets: Iterable[Target], requests: int = 2000) -> None:
        """Open connections and fill caches."""
        for target in targets:
            self.progress(f"warming {target.name}")
            load.closed(self.machine, target, "whole", requests)
            load.closed(self.machine, target, "burst", max(CONNECTIONS, requests // 8))

    def round(self, number: int, parts: Iterable[str], targets: Iterable[Target], sizes: Sizes | None = None) -> None:
        """Measure every target in every part, once."""
        for part in parts:
            for target in targets:
                if part == "deciding" and target.name not in DECIDED:
                    continue
                self.progress(f"round {number + 1}: {part}, {target.name}")
                getattr(self, f"_{part}")(target, number, sizes or self.sizes)

    def _whole(self, target: Target, number: int, sizes: Sizes) -> None:
        requests = sizes.requests * (3 if target.name in ("direct", "nginx") else 1)  # they are done in a moment
        report = self._cost("whole", target, number, requests, lambda: load.closed(self.machine, target, "whole", requests))
        self.results.add("rate", target.name, number, report.requests / report.seconds)

    def _burst(self, target: Target, number: int, sizes: Sizes) -> None:
        send = sizes.bursts
        self._cost("burst", target, number, send, lambda: load.closed(self.machine, target, "burst", send))

    def _paced(self, target: Target, number: int, sizes: Sizes) -> None:
        def send() -> Report:
            return load.closed(self.machine, target, "paced", sizes.paced, connections=sizes.paced_connections)

        self._cost("paced", target, number, sizes.paced * CHUNKS, send)

    def _deciding(self, target: Target, number: int, sizes: Sizes) -> None:
        requests = sizes.requests // 2
        self._cost("deciding", target, number, requests, lambda: load.decided(self.machine, target, requests))

    def _latency(self, target: Target, number: int, sizes: Sizes) -> None:
        report = load.steady(self.machine, target, "whole", sizes.rate, sizes.seconds)
        self.results.failed(target.name, report.errors + report.late)
        self.results.add("latency p50", target.name, number, report.p50)
        self.results.add("latency p99", target.name, number, report.p99)

    def _first(self, target: Target, number: int, sizes: Sizes) -> None:
        report = load.steady(self.machine, target, "burst", sizes.burst_rate, sizes.seconds)
        self.results.failed(target.name, report.errors + report.late)
        self.results.add("first p50", target.name, number, report.first_p50)
        self.results.add("first p99", target.name, number, report.first_p99)

    def _cost(self, metric: str, target: Target, number: int, units: int, send: Callable[[], Report]) -> Report:
        """Note the CPU that each of some units cost."""
        before = cpu_us(target.pid)
        report = send()
        if target.pid:
            time.sleep(SETTLE_S)
            self.results.add(metric, target.name, number, (cpu_us(target.pid) - before) / units)
        self.results.failed(target.name, report.errors)
        return report

    # What starts its own.

    def peers(self, names: Iterable[str], requests: int) -> None:
        """Measure other gateways once, one by one, with the upstream, nginx and Pointsman beside each of them.

        ``requests``: whole ones to the peer; of bursts a twentieth. One that does not start is noted, and the rest goes on.
        """
        for name in names:
            self.progress(f"starting {name}")
            try:
                with contextlib.ExitStack() as stack:
                    self._peer(name, stack, requests)
            except NotStarted as error:
                self.results.notes.append(str(error))
            except subprocess.CalledProcessError as error:
                self.results.notes.append(f"{name} broke down under load: {error}")

    def _peer(self, name: str, stack: contextlib.ExitStack, requests: int) -> None:
        peer, results = peers.start(name, self.machine, stack, self.upstream), self.results
        results.versions[name] = peers.version(name)
        results.add("resident idle", name, 0, resident_mb(peer.pid))
        nginx = start_nginx(self.machine, stack, self.upstream)
        pinned = start_pointsman(self.machine, stack, self.upstream).target("pinned")
        beside = [replace(one, name=f"{one.name} beside {name}") for one in (direct(self.upstream), nginx, pinned)]
        self.warm(beside)
        self.warm([peer], requests=min(500, requests))
        common = replace(
            self.sizes,
            paced=32,
            paced_connections=16,
            rate=peers.PEERS[name].rate,
            burst_rate=peers.PEERS[name].burst_rate,
        )
        heavy = replace(common, requests=requests, bursts=max(requests // 20, 1))
        results.add("resident requests", name, 0, requests)
        results.add("rates", name, 0, common.rate)
        results.add("burst rates", name, 0, common.burst_rate)
        for part in PEER_PARTS:
            self.round(0, [part], beside, common)
            self.round(0, [part], [peer], heavy)
            if part == "whole":
                results.add("resident after", name, 0, resident_mb(peer.pid))

    def workers(self, rounds: int) -> None:
        """Compare two workers with one, both on the proxy's core."""
        with contextlib.ExitStack() as stack:
            gateways = {count: start_pointsman(self.machine, stack, self.upstream, workers=count) for count in (1, 2)}
            targets = {
                count: Target(f"workers {count}", one.port, "fast/model-0", one.pid) for count, one in gateways.items()
            }
            self.warm(targets.values())
            for number in range(rounds):
                for target in targets.values():
                    self.progress(f"round {number + 1}: {target.name}")
                    before = _apart(target.pid)
                    self._whole(target, number, self.sizes)
                    spent = sorted(after - before.get(pid, 0.0) for pid, after in _apart(target.pid).items())
                    if target is targets[2]:
                        self.results.add("share", target.name, number, spent[-2] / (spent[-1] + spent[-2]))

    def memory(self, names: Iterable[str]) -> None:
        """Measure resident memory idle and after many requests, of processes that have done nothing else."""
        for name in names:
            with self._fresh(name) as target:
                self.progress(f"memory: {name}, idle")
                time.sleep(STARTED_S)
                before = cpu_us(target.pid)
                time.sleep(IDLE_S)
                self.results.add("idle cpu", name, 0, (cpu_us(target.pid) - before) / IDLE_S / 1e4)
                self.remember(target, self.sizes.after)

    def remember(self, target: Target, requests: int) -> None:
        """Note the resident memory of a process that has just started, then after some requests."""
        self.results.add("resident idle", target.name, 0, resident_mb(target.pid))
        self.progress(f"memory: {target.name}, {requests:,} requests")
        report = load.closed(self.machine, target, "whole", requests)
        time.sleep(SETTLE_S)
        self.results.failed(target.name, report.errors)
        self.results.add("resident after", target.name, 0, resident_mb(target.pid))
        self.results.add("resident requests", target.name, 0, requests)

    def streams(self, names: Iterable[str]) -> None:
        """Hold many streams open at once on a fresh, warm process; note what failed and how much memory each took."""
        count = self.sizes.streams
        for name in names:
            with self._fresh(name) as target:
                self.warm([target], requests=500)
                time.sleep(SETTLE_S)
                before = peak = resident_mb(target.pid)
                self.progress(f"streams: {name}, {count:,} open at once")
                process = load.held(self.machine, target, count, STREAM_PACE_MS)
                try:
                    while process.poll() is None:
                        time.sleep(0.25)
                        peak = max(peak, resident_mb(target.pid))
                    report = load.reported(process.communicate()[0])
                finally:
                    _stopped(process)
                self.results.add("streams open", name, 0, report.open)
                self.results.add("streams failed", name, 0, report.errors)
                self.results.add("stream kb", name, 0, (peak - before) * 1e3 / max(report.open, 1))

    @contextlib.contextmanager
    def _fresh(self, name: str) -> Iterator[Target]:
        """Start what a target is measured on, for itself alone."""
        with contextlib.ExitStack() as stack:
            if name.startswith("nginx"):
                yield start_nginx(self.machine, stack, self.upstream, tls=name.endswith("tls"))
            else:
                acting = name.startswith("auto")
                gateway: Gateway = start_pointsman(
                    self.machine, stack, self.upstream, single=name == "single", acting=acting
                )
                yield gateway.target(name)


def _apart(pid: int | None) -> dict[int, float]:
    """Return the CPU of a process alone and of each of its children."""
    if pid is None:
        return {}
    below = {child: cpu_us(child) for child in children(pid)}
    return {pid: cpu_us(pid) - sum(below.values()), **below}


def _stopped(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
