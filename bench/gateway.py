"""What forwarding costs: Pointsman against nginx as a plain reverse proxy, and against other gateways, in one run.

Strategy: a C upstream with canned answers and a C load generator (``bench/gateway/*.c``, built at run time) on one core; on
another each proxy, Pointsman as people start it: ``pointsman up -c FILE`` from the wheel with compiled modules, which is
built first (``pure`` runs from the sources), journal and key checks on. Every round measures every target, nginx included,
part by part, and ratios are taken within a round: a noisy neighbour disturbs all alike. CPU is user + system time of the
whole process tree, divided by what was served: on a busy machine it is the figure to trust.

    bench/gateway/install.sh                     once: nginx and gcc, and other gateways in .bench
    .venv/bin/python bench/gateway.py            everything, about fifty minutes
    .venv/bin/python bench/gateway.py --only whole,burst --targets nginx,pinned,auto --rounds 3 --peers none
    .venv/bin/python bench/gateway.py --write --out FILE.json

Parts: see ``harness.measure``; targets: see ``harness.targets``. Exit status 1 when a floor is not met; 0 with the reason
when nginx, gcc, openssl or a second core is missing. Where the wheel cannot be compiled, all is measured from the sources.
"""

import argparse
import contextlib
import dataclasses
import os
import sys
from pathlib import Path

from harness import peers, report
from harness.choices import some_of
from harness.floors import Floor, floors
from harness.load import Target
from harness.machine import NotStarted, machine, missing
from harness.measure import ONCE_PARTS, ROUND_PARTS, Bench, Sizes
from harness.results import Results
from harness.tables import floors_table, tables
from harness.targets import direct, start_nginx, start_pointsman, start_upstream
from harness.wheel import NotBuilt, unpacked

TARGETS = (
    "direct", "nginx", "pinned", "single", "pure", "auto", "to-anthropic", "from-anthropic", "nginx-tls", "pinned-tls",
    "auto-tls",
)  # fmt: skip
REMEMBERED = ("nginx", "pinned")
HELD = ("nginx", "pinned", "to-anthropic", "nginx-tls", "pinned-tls")
NAME = "bench/gateway.py"


def main() -> int:
    options = _options()
    absent = missing("gcc", "nginx", "openssl", "taskset")
    if absent:
        print(f"skipped: {absent}")
        return 0
    busy = os.getloadavg()[0]
    if busy > 0.5:
        print(f"the machine is busy (load average {busy:.1f}): trust CPU and ratios, not the latencies")
    results, interrupted = Results(), False
    try:
        _measure(options, results)
    except KeyboardInterrupt:
        results.notes.append("interrupted: what follows is what was measured until then")
        interrupted = True
    except NotStarted as error:
        results.notes.append(str(error))
        interrupted = True
    _progress("")
    judged = [floor for floor in floors(results, options.streams) if floor.met is not None]
    _print(results, judged)
    if options.out:
        about = {"machine": report.machine_line(busy, options.rounds), "rounds": options.rounds}
        options.out.write_text(report.as_json(results, judged, about) + "\n")
    if options.write:
        told = [
            report.machine_line(busy, options.rounds),
            *tables(results),
            floors_table(judged),
            *results.notes,
        ]
        report.write(NAME, "\n\n".join(told))
    return 1 if interrupted or any(floor.met is False for floor in judged) else 0


def _measure(options: argparse.Namespace, results: Results) -> None:
    """Measure what was asked for."""
    sizes = Sizes(
        requests=options.requests,
        bursts=options.requests // 4,
        seconds=options.seconds,
        after=options.after,
        streams=options.streams,
    )
    with machine() as here, contextlib.ExitStack() as stack:
        _progress("compiling")
        try:
            here.native = unpacked(here.directory)
        except NotBuilt as error:
            results.notes.append(f"Not compiled, all is measured from the sources: {error}.")
        bench = Bench(here, start_upstream(here, stack), results, sizes, _progress)
        parts = [part for part in ROUND_PARTS if part in options.only]
        if parts:
            with contextlib.ExitStack() as proxies:
                targets = _start(bench, proxies, options.targets)
                bench.warm(targets)
                for number in range(options.rounds):
                    bench.round(number, parts, targets)
        if "workers" in options.only:
            bench.workers(options.rounds)
        if "memory" in options.only:
            bench.memory(name for name in REMEMBERED if name in options.targets)
        if "streams" in options.only:
            bench.streams(name for name in HELD if name in options.targets)
        bench.peers(options.peers, options.peer_requests)


def _start(bench: Bench, stack: contextlib.ExitStack, names: list[str]) -> list[Target]:
    """Start the processes of some targets; one gateway serves all of its targets but two."""
    ours = [name for name in names if name not in ("direct", "nginx", "nginx-tls", "single", "pure")]
    mixed = start_pointsman(bench.machine, stack, bench.upstream, acting=True) if ours else None
    found = []
    for name in names:
        if name == "direct":
            found.append(direct(bench.upstream))
        elif name.startswith("nginx"):
            found.append(start_nginx(bench.machine, stack, bench.upstream, tls=name.endswith("tls")))
        elif name in ("single", "pure"):
            single = name == "single"
            found.append(start_pointsman(bench.machine, stack, bench.upstream, single=single, pure=not single).target(name))
        elif mixed is not None:
            found.append(mixed.target(name))
    return found


def _print(results: Results, judged: list[Floor]) -> None:
    for table in [*tables(results), floors_table(judged)]:
        print(f"\n{table}")
    for note in results.notes:
        print(f"\n{note}")


def _options() -> argparse.Namespace:
    defaults = {field.name: field.default for field in dataclasses.fields(Sizes)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=some_of(*ROUND_PARTS, *ONCE_PARTS), default="all", help="parts, by comma [all]")
    parser.add_argument("--targets", type=some_of(*TARGETS), default="all", help="targets, by comma [all]")
    parser.add_argument("--peers", type=some_of(*peers.PEERS), default="all", help="other gateways, by comma [all]")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which medians are taken [5]")
    parser.add_argument("--requests", type=int, default=defaults["requests"], help="whole requests per round [%(default)s]")
    parser.add_argument("--seconds", type=float, default=defaults["seconds"], help="of 100 requests/s [%(default)s]")
    parser.add_argument("--after", type=int, default=defaults["after"], help="requests of the memory part [%(default)s]")
    parser.add_argument("--streams", type=int, default=defaults["streams"], help="streams held open at once [%(default)s]")
    parser.add_argument(
        "--peer-requests", type=int, default=20_000, help="whole requests to another gateway, once [%(default)s]"
    )
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    parser.add_argument("--write", action="store_true", help=f"write the tables into docs/{report.DOCUMENT.name}")
    return parser.parse_args()


def _progress(what: str) -> None:
    """Say what is being measured, on one line where people look on."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}")
        sys.stderr.flush()
    elif what:
        print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
