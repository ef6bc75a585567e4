"""What a sentence encoder adds to the hashed words: the way that ships, with its encodings and without, on the same splits.

    python bench/encoders.py --tables DIR --onnx DIR --cache DIR [--only NAME,...] [--seeds 0:3] [--unlabelled]
    python bench/encoders.py --tables DIR --characters                  character n-grams in an encoder's place

``--onnx`` is a directory with ``model.onnx`` and ``tokenizer.json`` (``bench/minilm.py`` makes one). Encodings are kept in
``--cache``, so that a text is encoded once. Differences are paired: averaged over the splits for each group of equal
prompts, and bootstrapped over groups; choices are an even bet (``caution = 0``), as in ``bench/routing.py``. With
``--unlabelled`` the tables' labels do not teach either. Tables that are absent are skipped, and named. Prints Markdown;
needs the extra ``encoder``.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.progress import Progress

from choosing import characters, rows
from choosing.measured import Measured
from choosing.rows import NAMES, Table
from choosing.runs import OWN, Result, Source, _measured
from choosing.statistics import Floats, Interval, drawn, interval
from pointsman.control.encodings import Encode
from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.snapshot import Encoder
from pointsman.policy import encoding
from pointsman.serve.encoding import encoding_with
from pointsman.upstream.encoders import OnnxEncoder

Advance = Callable[[int], None]
WITH = "with an encoder"
TIMED = 60
HEAD = """
| table | prompts | area, or accuracy without costs | accuracy, cost ignored | Brier score | learning takes |
|---|---|---|---|---|---|"""


def bare(table: Table, *, labelled: bool) -> Table:
    """Return a table whose labels may not teach either, where that is asked for."""
    if labelled:
        return table
    return replace(table, rows=replace(table.rows, task=np.full(len(table), -1), tasks=()))


def measured(table: Table, seeds: range, told: Callable[[], None]) -> tuple[Measured, float]:
    """Return what both ways come to on some splits, and how many times as long learning with encodings takes."""
    source = Source(Path(), table.name)
    source.__dict__["table"] = table
    plain = replace(table, rows=table.rows.plain())
    results: dict[int, dict[str, Result]] = {}
    took = {OWN: 0.0, WITH: 0.0}
    for seed in seeds:
        problem = source.bare(seed)
        results[seed] = {}
        for way, each in ((OWN, plain), (WITH, table)):
            began = time.process_time()
            results[seed][way] = _measured(each, OWN, seed, *problem)
            took[way] += time.process_time() - began
            told()
    return Measured.of(source, results), took[WITH] / took[OWN]


def lead(found: Measured, of: Callable[[int, str], Floats]) -> Interval:
    """Return how much more one way has than the other, group by group."""
    values = found.by_group(lambda seed: of(seed, WITH) - of(seed, OWN))
    values = values[np.isfinite(values)][:, None]
    return interval(float(values.mean()), drawn(values)[:, 0])


def lines(
    directory: Path,
    encoding_by: Callable[[Callable[[int], None]], Encode],
    names: list[str],
    seeds: range,
    *,
    labelled: bool,
) -> Iterator[str]:
    yield HEAD
    with Progress(console=Console(stderr=True)) as bar:
        for name in names:
            if not (directory / f"{name}.parquet").exists():
                yield f"| {name} | absent: skipped | | | | |"
                continue
            reading = bar.add_task(f"{name}: encoding", total=None)
            encode = encoding_by(partial(bar.advance, reading))
            table = bare(rows.read(directory, name, encode), labelled=labelled)
            learning = bar.add_task(f"{name}: learning", total=2 * len(seeds))
            found, times = measured(table, seeds, partial(bar.advance, learning))
            cells = [shown(lead(found, each), 100) for each in (found.headline, found.accuracy)]
            brier = shown(lead(found, found.brier), 1000)
            yield f"| {name} | {len(table):,} | {' | '.join(cells)} | {brier} | {times:.1f} times as long |"


def shown(found: Interval, size: float) -> str:
    mark = "*" if found.low > 0 or found.high < 0 else ""
    return f"{size * found.mean:+.2f} [{size * found.low:+.2f}, {size * found.high:+.2f}]{mark}"


async def milliseconds(onnx: Path, texts: list[str]) -> tuple[float, float]:
    """Return the median and the 90th percentile of the CPU time of encoding one text after the other, on one core."""
    encoder = OnnxEncoder(onnx)
    await encoder.encode(texts[:3])
    took = []
    for text in texts:
        began = time.process_time()
        await encoder.encode([text])
        took.append(1e3 * (time.process_time() - began))
    return median(took), float(np.quantile(took, 0.9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--onnx", type=Path)
    way.add_argument("--characters", action="store_true")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only", default=",".join(NAMES))
    parser.add_argument("--seeds", default="0:3")
    parser.add_argument("--unlabelled", action="store_true")
    asked = parser.parse_args()
    first, end = (int(each) for each in asked.seeds.split(":"))
    names = asked.only.split(",")

    def encoding_by(advance: Advance) -> Encode:
        found = None if asked.characters else encoding_with(Encoder(onnx=str(asked.onnx)), asked.cache, advance)
        return found or characters.encode

    for line in lines(asked.tables, encoding_by, names, range(first, end), labelled=not asked.unlabelled):
        print(line, flush=True)
    print("\nPoints; the Brier score in thousandths, lower is better. * : the interval excludes 0.\n")
    if asked.characters:
        return
    known = [name for name in names if (asked.tables / f"{name}.parquet").exists()]
    for name in known:
        texts = [
            encoding.text_of(ChatRequest("", (Message("user", (Text(text),)),)))
            for text in rows.read(asked.tables, name).texts[:TIMED]
        ]
        usual, high = asyncio.run(milliseconds(asked.onnx, texts))
        print(f"{name}: one text takes {usual:.1f} ms of CPU at the median, {high:.1f} ms at the 90th percentile")


if __name__ == "__main__":
    main()
