"""How good Pointsman's choices are: against every baseline, on outcome tables, with intervals.

    .venv/bin/python bench/routing.py --tables DIR                                    everything, seeds 0 to 9: half an hour
    .venv/bin/python bench/routing.py --tables DIR --only mmlu_pro --seeds 0:1        one table, one split
    .venv/bin/python bench/routing.py --tables DIR --only none --parts NAME           one part alone (choosing/parts)
    .venv/bin/python bench/routing.py --tables DIR --write                            into docs/routing-benchmarks.md

Each split is measured once for each way of choosing and kept in ``--cache``; changed code is measured again, so after a
change of ``policy`` only Pointsman's own rows are. Tables that are absent are skipped, and named.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from choosing import parts, report
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
        task = bar.add_task("reading", total=len(options.only) * len(seeds) * len(WAYS) + len(options.parts))
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
        beside = []
        for name in options.parts:
            beside += parts.measured([name], options.tables, options.cache, lambda what: bar.update(task, description=what))
            bar.update(task, advance=1)
    _told(found, beside, [*skipped, *(part.skipped for part in beside if part.skipped)], options.write)


def _told(found: list[Figures], beside: list[parts.Found], skipped: list[str], write: bool) -> None:
    for reason in skipped:
        print(f"skipped {reason}")
    if not found and not beside:
        return
    if write and found:
        report.write(found, skipped, beside)
    print(report.document(found, skipped, beside=beside))


def _seeds(text: str) -> tuple[int, int]:
    first, _, after = text.partition(":")
    return int(first), int(after or int(first) + 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="directory of the outcome tables")
    parser.add_argument("--only", type=some_of(*NAMES), default="all", help="tables, by comma [all]")
    parser.add_argument("--parts", type=some_of(*parts.PARTS), default="all", help="what is measured beside, by comma [all]")
    parser.add_argument("--seeds", type=_seeds, default="0:10", help="first seed, and the one after the last [%(default)s]")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where what was measured is kept [.bench/routing]")
    parser.add_argument("--write", action="store_true", help="write docs/routing-benchmarks.md and its pictures")
    options = parser.parse_args()
    if options.write and not options.only:
        parser.error("--write needs tables: the document begins with them")
    return options


if __name__ == "__main__":
    main()
