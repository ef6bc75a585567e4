"""What the gateway does to itself and to providers when clients read slowly, leave early, or send a great deal.

Strategy: an upstream in this process that sees what becomes of every request (``harness.scripted``), clients over plain
sockets (``harness.misbehaving``), and between them ``pointsman up`` on a core of its own, started anew for each part.

    pressure    streams that nobody reads
    disconnect  clients that leave before the first byte, in a stream, and in a whole reply
    bodies      500 requests of 24 MB at once

    .venv/bin/python bench/limits.py [--only disconnect] [--bodies 100] [--write] [--out FILE]

Exit status 1 when a floor is not met; 0 with the reason when there is no second core.
"""

import argparse
import asyncio
import contextlib
import os
from pathlib import Path

import uvloop

from harness import report
from harness.bodies import MEGABYTES, bodies
from harness.choices import some_of
from harness.disconnect import disconnect
from harness.floors import Floor
from harness.machine import Machine, NotStarted, free_port, machine, missing
from harness.misbehaving import asked, request
from harness.pressure import pressure
from harness.results import Results
from harness.scripted import Scripted
from harness.tables import floors_table
from harness.targets import Upstream, start_pointsman

NAME = "bench/limits.py"
PARTS = ("pressure", "disconnect", "bodies")
TARGETS = ("pinned", "to-anthropic")


def main() -> int:
    options = _options()
    absent = missing("taskset")
    if absent:
        print(f"skipped: {absent}")
        return 0
    busy, notes = os.getloadavg()[0], []
    floors: list[Floor] = []
    with machine() as here:
        os.sched_setaffinity(0, {here.load_core})
        try:
            for part in options.only:
                for name in options.targets:
                    for delay_s in (0.0, options.delay) if part == "bodies" else (0.0,):
                        print(f"{part}, {name}", flush=True)
                        floors += uvloop.run(_tried(here, part, name, options, delay_s))
        except NotStarted as error:
            notes.append(str(error))
        except KeyboardInterrupt:
            notes.append("interrupted")
    table = floors_table(floors)
    print("\n\n".join(["", table, *notes]))
    if options.out:
        options.out.write_text(report.as_json(Results(), floors, {"load": busy, "notes": notes}) + "\n")
    if options.write:
        report.write(NAME, "\n\n".join([report.machine_line(busy), table, *notes]))
    return 1 if notes or any(floor.met is False for floor in floors) else 0


async def _tried(machine: Machine, part: str, name: str, options: argparse.Namespace, delay_s: float) -> list[Floor]:
    """Start an upstream and a gateway, and try one thing with them."""
    upstream, port = Scripted(), free_port()
    with contextlib.ExitStack() as stack:
        gateway = start_pointsman(machine, stack, Upstream(port, port, Path(os.devnull)))
        target = gateway.target(name)
        server = await upstream.start(port)
        try:
            for _ in range(20):
                await asked(gateway.port, *request(target, stream=False))
            upstream.seen.clear()
            upstream.arrivals = asyncio.Queue()
            if part == "pressure":
                return await pressure(upstream, target)
            if part == "disconnect":
                return await disconnect(upstream, target, options.repeats)
            return await bodies(upstream, target, options.bodies, delay_s)
        finally:
            server.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=some_of(*PARTS), default="all", help="parts, by comma [all]")
    parser.add_argument("--targets", type=some_of(*TARGETS), default="all", help="by comma [all]")
    parser.add_argument("--repeats", type=int, default=40, help="of each way to leave [40]")
    parser.add_argument("--bodies", type=int, default=500, help=f"bodies of {MEGABYTES} MB at once [500]")
    parser.add_argument("--delay", type=float, default=30.0, help="seconds of a slow upstream, for the bodies [30]")
    parser.add_argument("--out", type=Path, help="write the floors as JSON")
    parser.add_argument("--write", action="store_true", help=f"write the table into docs/{report.DOCUMENT.name}")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
