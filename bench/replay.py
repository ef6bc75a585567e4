"""How fast the journal is decided again: a million recorded exchanges, and what it takes to keep them.

    .venv/bin/python bench/replay.py                      a million exchanges: some minutes, most of them to make the journal
    .venv/bin/python bench/replay.py --exchanges 50000    fewer
    .venv/bin/python bench/replay.py --data DIR           keep the journal there, or measure the one that is there

The journal is made up (``harness/past``, seed 0): 2,000 different tasks of the zoo, asked again and again, decided by the
shipped code, 5 % on the reference, 10 % graded, feature vectors sealed. Each question is asked in a process of its own, from
a closed store; memory is the largest resident set of that process, and that of its largest child for each child.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.past import a_world, past
from pointsman.control.replay.question import Question, read_factors, read_objective
from pointsman.serve.replaying import replay
from pointsman.serve.workspace import Workspace
from pointsman.store.sqlite import FILE

PROMPTS: Final = 2_000
GRADED: Final = 0.1
SECONDS: Final = 30.0
BYTES: Final = 2_000_000_000
_BATCH: Final = 5_000
QUESTIONS: Final = {
    "as it is": Question(),
    "the dearest at twice its price": Question(prices=read_factors(["sim-eagle-xl=2x"])),
    "without the busiest": Question(without=("sim-stork-m",)),
    "a right answer worth $0.01": Question(objective=read_objective("worth 0.01")),
}


def main() -> None:
    options = _options()
    if options.ask:
        print(json.dumps(_asked(Path(options.data), options.ask, options.processes)))
        return
    with tempfile.TemporaryDirectory() as made:
        data = Path(options.data or made)
        if not (data / FILE).exists():
            _write(data, options.exchanges)
        print(f"{options.exchanges:,} exchanges, {(data / FILE).stat().st_size / 1e9:.2f} GB, {os.cpu_count()} cores")
        print(f"{'question':<32} {'seconds':>8} {'CPU':>6} {'memory':>8}")
        for name in QUESTIONS:
            command = [sys.executable, __file__, "--data", str(data), "--ask", name, "--processes", str(options.processes)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            found = json.loads(done.stdout)
            met = "" if found["seconds"] < SECONDS and found["bytes"] < BYTES else "  not met"
            print(f"{name:<32} {found['seconds']:>8.1f} {found['cpu']:>6.1f} {found['bytes'] / 1e6:>5.0f} MB{met}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=1_000_000)
    parser.add_argument("--data", default="")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--ask", default="", choices=("", *QUESTIONS))
    return parser.parse_args()


def _write(data: Path, count: int) -> None:
    """Make the journal."""
    world = a_world(PROMPTS)
    workspace = Workspace(None, data)
    published = workspace.publish(lambda _: world.snapshot, made_by="bench/replay.py")
    journal, rows = workspace.store.journal, past(world, count, graded=GRADED, snapshot=published.hash)
    columns = (TextColumn("writing the journal"), BarColumn(), TextColumn("{task.completed:,} of {task.total:,}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        line = bar.add_task("", total=count)
        while batch := list(itertools.islice(rows, _BATCH)):
            journal.append([record for record, _ in batch])
            journal.judge([judgement for _, judgement in batch if judgement is not None])
            bar.advance(line, len(batch))
    workspace.close()


def _asked(data: Path, name: str, processes: int) -> dict[str, Any]:
    """Ask one question, and measure: seconds on the clock, of CPU (children included), and bytes of memory."""
    workspace, began = Workspace(None, data), time.perf_counter()
    replay(workspace, QUESTIONS[name], processes=processes)
    seconds = time.perf_counter() - began
    workspace.close()
    own, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "cpu": own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime,
        "bytes": 1024 * (own.ru_maxrss + processes * theirs.ru_maxrss),
    }


if __name__ == "__main__":
    main()
