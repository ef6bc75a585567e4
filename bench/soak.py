"""Whether the gateway's memory grows with what it has served: half a million requests, half of them streams.

Strategy: ``pointsman up`` from the wheel with compiled modules (``--pure``: from the sources) in front of the C upstream,
driven by the C load generator; a whole reply and a stream in turns, a prompt of its own for each request. Memory is that of
the whole process tree, looked at after each of ``--looks`` parts, once all of it is answered. Two fifths are warm-up: caches
and rings fill (the largest remembers 100,000 conversations, and its table grows for the last time after 175,000: in a
shorter run let prompts come again, ``--prompts``).
Of the rest the slope of memory over requests is estimated, with a bound that holds where memory drifts
(``harness/slope``).

    .venv/bin/python bench/soak.py [--requests 500000] [--looks 100] [--pure] [--workers 1] [--out FILE]

Exit status 1 when the upper 95 % bound of the slope is above 10 bytes per request, or a request failed; 0 with the reason
when gcc or a second core is missing.
"""

import argparse
import contextlib
import json
import os
import time
import urllib.request
from pathlib import Path

from harness import load
from harness.load import Kind, Target
from harness.machine import Machine, NotStarted, cpu_us, free_port, machine, missing, resident_mb
from harness.slope import slope
from harness.targets import Upstream, start_pointsman
from harness.wheel import NotBuilt, unpacked

MOST = 10.0
WARM = 0.4
SETTLE_S = 0.5
TARGETS: tuple[tuple[str, Kind], ...] = (("pinned", "whole"), ("pinned", "burst"), ("auto", "whole"), ("auto", "burst"))


def main() -> int:
    options = _options()
    absent = missing("gcc", "taskset")
    if absent:
        print(f"skipped: {absent}")
        return 0
    looks: list[tuple[int, float]] = []
    try:
        with machine() as here, contextlib.ExitStack() as stack:
            if not options.pure:
                try:
                    here.native = unpacked(here.directory)
                except NotBuilt as error:
                    print(f"from the sources, not compiled: {error}")
            failed = _soak(here, stack, options, looks)
    except NotStarted as error:
        print(error)
        return 1
    if options.out:
        options.out.write_text(json.dumps({"requests_and_bytes": looks, "failed": failed}) + "\n")
    warm = looks[int(len(looks) * WARM) :]
    estimate, bound = slope([served for served, _ in warm], [size for _, size in warm])
    told = (
        f"{looks[-1][0]:,} requests, half streams, {failed} failed; memory {looks[0][1] / 1e6:.1f} MB after the first part"
    )
    print(f"{told}, {warm[0][1] / 1e6:.1f} warm, {looks[-1][1] / 1e6:.1f} at the end")
    print(f"slope after warm-up: {estimate:.2f} bytes per request, upper 95 % bound {bound:.2f} (at most {MOST:g})")
    return 1 if failed or bound > MOST else 0


def _soak(here: Machine, stack: contextlib.ExitStack, options: argparse.Namespace, looks: list[tuple[int, float]]) -> int:
    """Serve everything; note the memory after each part. Return how many requests failed."""
    load.build(here, "upstream", "load")
    port, failed, served = free_port(), 0, 0
    stack.enter_context(here.running(here.load_core, here.directory / "upstream", str(port), port=port))
    gateway = start_pointsman(here, stack, Upstream(port, port, Path(os.devnull)), workers=options.workers)
    part, began = max(options.requests // options.looks // 2, 1), time.monotonic()
    for number in range(options.looks):
        for name, kind in (TARGETS[number * 2 % 4], TARGETS[(number * 2 + 1) % 4]):
            target: Target = gateway.target(name)
            failed += load.numbered(here, target, kind, part, served % options.prompts if options.prompts else served).errors
            served += part
        time.sleep(SETTLE_S)  # the journal writes what it holds
        looks.append((served, resident_mb(gateway.pid) * 1e6))
        if number in (int(options.looks * WARM), options.looks - 1):
            _tell(gateway.port)
        if number % 10 == 9:
            spent = cpu_us(gateway.pid) / served
            print(f"{served:,}: {looks[-1][1] / 1e6:.1f} MB, {spent:.0f} us, {time.monotonic() - began:.0f} s", flush=True)
    return failed


def _tell(port: int) -> None:
    """Show what the gateway says of itself: the memory of each process, and how requests ended that were not answered."""
    address = f"http://127.0.0.1:{port}/metrics"
    request = urllib.request.Request(address, headers={"authorization": f"Bearer {load.KEY}"})
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - our own address
        lines = reply.read().decode().splitlines()
    shown = ("pointsman_resident_bytes", "pointsman_refused_total", "pointsman_shed_total", "pointsman_problem")
    for line in lines:
        if line.startswith(shown) or (line.startswith("pointsman_requests_total") and 'outcome="ok"' not in line):
            print(f"  {line.removeprefix('pointsman_')}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500_000, help="in all [500000]")
    parser.add_argument("--looks", type=int, default=100, help="how often memory is looked at, even [100]")
    parser.add_argument("--prompts", type=int, default=0, help="how many differ, before they come again [all]")
    parser.add_argument("--workers", type=int, default=1, help="processes that serve [1]")
    parser.add_argument("--pure", action="store_true", help="from the sources")
    parser.add_argument("--out", type=Path, help="write every look as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
