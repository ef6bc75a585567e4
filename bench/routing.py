"""How good Pointsman's choices are: against every baseline, on outcome tables, with intervals.

    .venv/bin/python bench/routing.py --tables DIR                                    everything, seeds 0 to 9: half an hour
    .venv/bin/python bench/routing.py --tables DIR --only mmlu_pro --seeds 0:1        one table, one split
    .venv/bin/python bench/routing.py --tables DIR --write                            into docs/routing-benchmarks.md

Each split is measured once for each way of choosing and kept in ``--cache``; changed code is measured again, so after a
change of ``policy`` only Pointsman's own rows are. Tables that are absent are skipped, and named.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from choosing import report
from choosing.figures import Figures, figures
from choosing.rows import NAMES
from choosing.runs import WAYS, Source, runs
from harness.choices import some_of

CACHE = Path(__file__).parents[1] / ".bench" / "routing"


def main() -> None:
    options = _options()
    seeds = range(*options.seeds)
    found, skipped = [], []
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("reading", total=len(options.only) * len(seeds) * len(WAYS))
        for name in options.only:
            if not (options.tables / f"{name}.parquet").exists():
                skipped.append(f"{name}: there is no {name}.parquet in the directory of tables")
                bar.advance(task, len(seeds) * len(WAYS))
                continue
            source = Source(options.tables, name)
            measured = runs(source, seeds, options.cache, WAYS, lambda what: bar.update(task, advance=1, description=what))
            bar.update(task, description=f"{name}, intervals")
            found.append(figures(source, measured))
            if not options.write:
                bar.console.print(f"{name}: measured")
    _told(found, skipped, options.write)


def _told(found: list[Figures], skipped: list[str], write: bool) -> None:
    for reason in skipped:
        print(f"skipped {reason}")
    if not found:
        return
    if write:
        report.write(found, skipped)
    print(report.document(found, skipped))


def _seeds(text: str) -> tuple[int, int]:
    first, _, after = text.partition(":")
    return int(first), int(after or int(first) + 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="directory of the outcome tables")
    parser.add_argument("--only", type=some_of(*NAMES), default="all", help="tables, by comma [all]")
    parser.add_argument("--seeds", type=_seeds, default="0:10", help="first seed, and the one after the last [%(default)s]")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where what was measured is kept [.bench/routing]")
    parser.add_argument("--write", action="store_true", help="write docs/routing-benchmarks.md and its pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
