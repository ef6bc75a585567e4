"""A simulated year of learning on the job, against other ways of choosing; writes docs/year.md and its picture.

    .venv/bin/python bench/year.py [--seeds 0:20] [--budgets 20] [--requests 100000] [--cache DIR] [--processes 2] [--write]

The world (``bench/seasons``): the zoo's tasks and models, traffic that shifts, six releases of which two promise more than
there is, two price changes, one model that silently becomes worse, one vendor that is out for a day. Pointsman decides,
learns and publishes with its shipped code on a real store. What each seed came to is kept in the cache, so that what was
interrupted goes on where it was. The options of the bandits are chosen on years 100 and 101, which are not shown.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # a process a core: threads of one would only wait for those of the other

from seasons import figures, lives  # noqa: E402 - the number of threads is read when numpy is imported
from seasons.bank import bank  # noqa: E402

DOCS = Path(__file__).parents[1] / "docs"
VALIDATION = (100, 101)


def main() -> None:
    options = _options()
    first, _, last = options.seeds.partition(":")
    seeds = range(int(first), int(last)) if last else range(int(first))
    bank(options.cache)
    tuning = [("tune", seed, options.requests, options.cache, None) for seed in VALIDATION]
    tuned = lives.best(_all(tuning, options.processes, "tuning the bandits"))
    wanted = [(part, seed) for seed in seeds for part in ("others", "worth")]
    wanted += [("budget", seed) for seed in seeds[: options.budgets]]
    tasks = [(part, seed, options.requests, options.cache, tuned) for part, seed in wanted]
    found = dict(zip(wanted, _all(tasks, options.processes, "years"), strict=True))
    done = [lives.together(found["worth", seed], found["others", seed]) for seed in seeds]
    done += [one for (part, _), one in found.items() if part == "budget"]
    document = figures.document(done, tuned)
    print(document)
    if options.write:
        figures.drawn(done, DOCS / "pictures" / "year.svg")
        (DOCS / "year.md").write_text(document, "utf-8")
    sys.exit(0 if figures.ahead(done) else 1)


def _all(tasks: list[Any], processes: int, what: str) -> list[dict[str, Any]]:
    """Return what every task came to, from the cache where it is there."""
    found = []
    text, count = TextColumn(what), MofNCompleteColumn()
    with Progress(text, BarColumn(), count, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        line = bar.add_task("", total=len(tasks))
        for one in _made(tasks, processes):
            found.append(one)
            bar.advance(line)
    return found


def _made(tasks: list[Any], processes: int) -> Iterator[dict[str, Any]]:
    if processes == 1:
        yield from map(_kept, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap(_kept, tasks)


def _kept(task: tuple[str, int, int, Path, dict[str, Any] | None]) -> dict[str, Any]:
    part, seed, requests, cache, tuned = task
    file = cache / f"{part}-{requests}-{seed}.json"
    if not file.exists():
        found = lives.PARTS[part](bank(cache), requests, seed, tuned or {})
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(found), "utf-8")
        fresh.rename(file)
    kept: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return kept


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0:20", help="a number, or first:last")
    parser.add_argument("--budgets", type=int, default=20, help="of how many seeds a year with a budget is lived too")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--cache", type=Path, default=Path(".cache") / "year")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
