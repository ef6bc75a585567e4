"""What people's judgements are worth: estimates with a biased judge, and the order of the queue.

    python bench/review.py [--parts powered,queue,bias] [--seeds 1000] [--worlds 20] [--write]

``powered``: with at least 100 judgements by people, how often does the interval cover, how wide is it beside a normal one
with the true variance, and how many judgements by people alone would be as sharp (``reviewing/powered``)? ``queue``: the
value of what is accepted after 50, 100, 200 and 400 judgements in the queue's order, against random labelling, paired
(``reviewing/queue``). ``bias``: the same where judges are better or worse
than expected. With ``--write`` the figures go into docs/review-benchmarks.md. Exit status 1: a floor is not held.
"""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from msgspec import Struct

from pointsman.policy.powered import Z95
from reviewing import powered, queue
from reviewing.pairs import Array

DOCS = Path(__file__).parent.parent / "docs" / "review-benchmarks.md"
PEOPLE = (100, 200, 400)
COVERAGE, WIDTH = 0.93, 1.3


class Found(Struct, frozen=True):
    """Lines for the document, and the floors that were not held."""

    lines: list[str]
    failed: list[str]


def measure_powered(seeds: int, judged: int = 2000, counts: tuple[int, ...] = PEOPLE) -> Found:
    """Return the table of estimates."""
    lines = [
        "| judge | asked | people | covers | judge alone | width, points | over ideal | people alone | needed | saved |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    failed = []
    for one in powered.figures(seeds=seeds, judged=judged, counts=counts):
        covered, ratio = one.covered / one.seeds, one.width / one.ideal
        cells = (
            one.judge, one.order, f"{one.people}", f"{100 * covered:.1f} %", f"{100 * one.naive / one.seeds:.0f} %",
            f"{100 * one.width:.1f}", f"{ratio:.2f}", f"{100 * one.alone:.1f}", f"{one.needed:.0f}",
            f"{one.needed - one.people:.0f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
        if covered < COVERAGE:
            failed.append(f"{one.judge}, {one.order}, {one.people}: covers in {100 * covered:.1f} %")
        if ratio > WIDTH:
            failed.append(f"{one.judge}, {one.order}, {one.people}: {ratio:.2f} times the ideal width")
        if one.ever < one.covered:
            failed.append(f"{one.judge}, {one.order}, {one.people}: the bounds for all looks cover less")
    return Found(lines, failed)


def measure_queue(worlds: int, installations: int = queue.INSTALLATIONS) -> Found:
    """Return the table of the queue's order against the others, paired by seed."""
    seeds = range(worlds)
    found = {order: queue.values(order, seeds, installations=installations) for order in queue.ORDERS}
    lines = [
        "| judgements | queue's order | at random | difference [95 %] | ratio [95 %] | over uncertain |",
        "|---|---|---|---|---|---|",
    ]
    ahead, behind = [], []
    for column, count in enumerate(queue.COUNTS):
        of = {order: values[:, column] for order, values in found.items()}
        change, half = paired(of["queue"], of["random"])
        cells = (
            f"{count}", *(f"{100 * of[order].mean():.1f} %" for order in ("queue", "random")), interval(change, half),
            ratio(of["queue"], of["random"]), interval(*paired(of["queue"], of["uncertain"])),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
        ahead += [count] if change > half else []
        behind += [count] if change < 0 else []
    failed = [] if len(ahead) >= 2 else [f"significantly ahead of random labelling only at {ahead}"]
    return Found(lines, failed + [f"behind random labelling at {count}" for count in behind])


def measure_bias(worlds: int, installations: int = 5) -> Found:
    """Return the table of worlds in which judges are far better, or far worse, than the queue expects beforehand."""
    lines = [
        "| judges' biases spread by | judgements | queue's order | at random | difference [95 %] |",
        "|---|---|---|---|---|",
    ]
    counts = (0, *queue.COUNTS)
    for bias, points in ((0.03, "2 points"), (0.45, "24 points")):
        found = {order: queue.values(order, range(worlds), counts, installations, bias) for order in ("queue", "random")}
        for column, count in enumerate(counts):
            ours, theirs = found["queue"][:, column], found["random"][:, column]
            cells = (points, f"{count}", f"{100 * ours.mean():.1f} %", f"{100 * theirs.mean():.1f} %")
            lines.append(f"| {' | '.join((*cells, interval(*paired(ours, theirs))))} |")
    return Found(lines, [])


def paired(ours: Array, theirs: Array) -> tuple[float, float]:
    """Return the mean difference and half of its 95 % interval over seeds."""
    change = ours - theirs
    return float(change.mean()), student(len(change) - 1) * float(change.std(ddof=1)) / math.sqrt(len(change))


def ratio(ours: Array, theirs: Array) -> str:
    """Return the ratio of the means with its 95 % interval, by the delta method on its log, paired."""
    value = float(ours.mean() / theirs.mean())
    error = float((ours / ours.mean() - theirs / theirs.mean()).std(ddof=1)) / math.sqrt(len(ours))
    wide = math.exp(student(len(ours) - 1) * error)
    return f"{value:.3f} [{value / wide:.3f}, {value * wide:.3f}]"


def student(degrees: int) -> float:
    """Return Student's 97.5 % quantile, by two terms of its expansion (Abramowitz and Stegun, 26.7.5); for 5 and more."""
    z = Z95
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def interval(value: float, half: float) -> str:
    """Return points with their interval; a star where it leaves out 0."""
    star = "\\*" if abs(value) > half else ""
    return f"{100 * value:+.1f} [{100 * (value - half):+.1f}, {100 * (value + half):+.1f}]{star}"


def written(part: str, lines: list[str], text: str) -> str:
    """Return the document with a part's table replaced, between its two marks."""
    start, end = f"<!-- {part}:start -->", f"<!-- {part}:end -->"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n" + "\n".join(lines) + f"\n{end}{after}"


def main() -> int:
    """Measure, print and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--parts", default="powered,queue,bias")
    parser.add_argument("--seeds", type=int, default=1000, help="trials for each line of powered")
    parser.add_argument("--worlds", type=int, default=20, help="seeds of queue")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/review-benchmarks.md")
    options = parser.parse_args()
    parts: dict[str, Callable[[], Found]] = {
        "powered": lambda: measure_powered(options.seeds),
        "queue": lambda: measure_queue(options.worlds),
        "bias": lambda: measure_bias(options.worlds),
    }
    failed = []
    for part in options.parts.split(","):
        found = parts[part]()
        print("\n".join([f"{part}:", *found.lines]), flush=True)
        failed += found.failed
        if options.write:
            DOCS.write_text(written(part, found.lines, DOCS.read_text("utf-8")), "utf-8")
    for one in failed:
        print("FAILED:", one, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    sys.exit(main())
