"""What verdicts promise and what they take, measured by simulation; writes its tables into docs/trials.md.

    python bench/verdicts.py [--seeds 400] [--no-write]

Every run is looked at after every judgement. A candidate is *ready* at the first look at which the capital against
``-tolerance`` has reached 40 (``policy/guarantee``), which is when the lower bound passes ``-tolerance``; so the path of
that capital is worked out at once. A sample of runs goes through ``ConfidenceSequence`` itself, to check that this is so.

Three questions: how often a candidate that is worse than the tolerance is called ready; the same on the simulated zoo's
features; how many judgements it takes until a candidate that is as good as the reference is called ready.
"""

import argparse
import math
import sys
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

import marked
from pointsman.policy.guarantee import ConfidenceSequence, growth, verdict
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.models import models

Array = NDArray[np.float64]

DOCS = Path(__file__).parent.parent / "docs" / "trials.md"
TOLERANCES = (0.01, 0.02, 0.03, 0.05)
DISAGREEMENTS = (0.02, 0.05, 0.1, 0.2, 0.4)
GOAL = math.log(2 / 0.05)
VALUES = np.array([-1.0, 0.0, 1.0])
LONGEST = 60_000
NEVER = 10**9


def drawn(rng: np.random.Generator, disagree: float, mean: float, shape: tuple[int, int]) -> NDArray[np.intp]:
    """Differences of right-or-wrong grades as places in VALUES; they differ with chance ``disagree``."""
    u = rng.random(shape)
    return np.where(u < (disagree - mean) / 2, 0, np.where(u < disagree, 2, 1))


def first_ready(places: NDArray[np.intp], tolerance: float) -> NDArray[np.int64]:
    """Return, for each row of differences, at which look it is called ready first (NEVER where it is not)."""
    steps = growth(VALUES, -tolerance)
    found = np.full(len(places), NEVER)
    for row, line in enumerate(places):
        logs = np.cumsum(steps[:, line], axis=1)
        top = logs.max(axis=0)
        reached = np.flatnonzero(top + np.log(np.exp(logs - top).mean(axis=0)) >= GOAL)
        if len(reached):
            found[row] = reached[0] + 1
    return found


def clopper_pearson(hits: int, n: int, level: float = 0.05) -> tuple[float, float]:
    """Return the exact interval for a share (Clopper and Pearson 1934), by bisection on the binomial tails."""

    def tail(p: float, start: int, stop: int) -> float:
        logs = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(start, stop))
        return math.fsum(
            math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))
            for k, log in zip(range(start, stop), logs, strict=True)
        )

    def root(start: int, stop: int, *, rising: bool) -> float:
        low, high = 1e-12, 1 - 1e-12
        for _ in range(60):
            middle = (low + high) / 2
            if (tail(middle, start, stop) < level / 2) == rising:
                low = middle
            else:
                high = middle
        return low

    return (
        root(hits, n + 1, rising=True) if hits else 0.0,
        root(0, hits + 1, rising=False) if hits < n else 1.0,
    )


def share(hits: int, n: int) -> str:
    """Return a share in per cent with its exact interval."""
    low, high = clopper_pearson(hits, n)
    return f"{100 * hits / n:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def false_ready(rng: np.random.Generator, seeds: int) -> tuple[list[str], list[str]]:
    """How often a candidate barely worse than the tolerance is called ready within 5,000 looks; lines, and what failed."""
    lines = ["| tolerance | answers differ | true change | called ready |", "|---|---|---|---|"]
    failed = []
    for tolerance in TOLERANCES:
        for disagree in DISAGREEMENTS:
            truth = -tolerance - 0.0001
            if -truth > disagree:
                continue
            hits = int((first_ready(drawn(rng, disagree, truth, (seeds, 5000)), tolerance) < NEVER).sum())
            case = f"| {_points(tolerance)} | {100 * disagree:.0f} % | {100 * truth:.2f} points |"
            lines.append(f"{case} {share(hits, seeds)} |")
            if hits / seeds > 0.05:
                failed.append(case)
    return lines, failed


def zoo_false_ready(rng: np.random.Generator, seeds: int) -> tuple[list[str], list[str]]:
    """The same for every pair of models on the zoo's features, at the owner's 5 points and at the hardest tolerance."""
    lines = [
        "| feature | candidates worse than 5 points | called ready | hardest tolerance: candidates | called ready |",
        "|---|---|---|---|---|",
    ]
    failed = []
    zoo = models()
    for name, feature in features().items():
        tasks = [feature.task(Random(f"verdicts/{name}/{place}")) for place in range(3000)]
        right = {model: np.array([zoo[model].chance(t.family, t.language, t.difficulty) for t in tasks]) for model in zoo}
        counts = {"five": [0, 0], "hardest": [0, 0]}
        for model, chances in right.items():
            loss = float((right[feature.today] - chances).mean())
            if model == feature.today or loss <= 0.001:
                continue
            picked = rng.integers(len(tasks), size=(seeds, 2000))
            grades = [(rng.random(picked.shape) < each[picked]).astype(int) for each in (chances, right[feature.today])]
            places = grades[0] - grades[1] + 1
            for kind, tolerance in (("five", 0.05), ("hardest", loss - 0.0001)):
                if loss <= tolerance:
                    continue
                hits = int((first_ready(places, tolerance) < NEVER).sum())
                counts[kind][0] += 1
                counts[kind][1] += hits
                if hits / seeds > 0.05:
                    failed.append(f"{name} {model} {kind}: {hits} of {seeds}")
        cells = [f"{n} | {share(hits, n * seeds) if n else 'none'}" for n, hits in counts.values()]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    return lines, failed


def sizes(rng: np.random.Generator, seeds: int) -> list[str]:
    """Judgements until a candidate that is exactly as good is called ready: median and 90th percentile."""
    lines = [
        "| answers differ | " + " | ".join(map(_points, TOLERANCES)) + " |",
        "|---|" + "---|" * len(TOLERANCES),
    ]
    for disagree in DISAGREEMENTS:
        cells = []
        for tolerance in TOLERANCES:
            horizon = min(LONGEST, max(2000, round(8 * 2 * GOAL * disagree / tolerance**2)))
            found = first_ready(drawn(rng, disagree, 0.0, (seeds, horizon)), tolerance)
            cells.append(" / ".join(_count(float(np.quantile(found, q, method="higher")), horizon) for q in (0.5, 0.9)))
        lines.append(f"| {100 * disagree:.0f} % | " + " | ".join(cells) + " |")
    return lines


def _points(tolerance: float) -> str:
    return f"{100 * tolerance:.0f} point{'s' if tolerance > 0.01 else ''}"


def _count(value: float, horizon: int) -> str:
    return f"over {horizon:,}" if value > horizon else f"{value:,.0f}"


def agrees_with_the_product(rng: np.random.Generator) -> None:
    """Raise AssertionError where the path above and ConfidenceSequence disagree by more than its precision allows."""
    for line in drawn(rng, 0.1, 0.0, (10, 1500)):
        sequence, looked = ConfidenceSequence(), NEVER
        for look, place in enumerate(line, start=1):
            if verdict(sequence.add(float(VALUES[place])), 0.05) == "ready":
                looked = look
                break
        early, late = first_ready(line[None, :], 0.05 + 1e-4)[0], first_ready(line[None, :], 0.05 - 1e-4)[0]
        assert early <= looked <= late, (early, looked, late)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/trials.md alone")
    options = parser.parse_args()
    rng = np.random.default_rng(20261124)
    agrees_with_the_product(rng)
    wrong, failed = false_ready(rng, options.seeds)
    zoo, zoo_failed = zoo_false_ready(rng, options.seeds)
    lines = [
        f"*Written by `bench/verdicts.py`: {options.seeds} seeds per cell, looked at after every judgement.*",
        "",
        "**Judgements until a candidate that is exactly as good is called ready** (half of all runs / nine in ten), by",
        "tolerance and by how often the two models' grades differ:",
        "",
        *sizes(rng, options.seeds),
        "",
        "**How often a candidate that is worse than the tolerance by a hundredth of a point is called ready**, within 5,000",
        "judgements (at most 5 % is promised; exact 95 % intervals):",
        "",
        *wrong,
        "",
        "**The same on the simulated zoo's features**, within 2,000 judgements: at a tolerance of 5 points and, for every",
        "worse candidate, at a tolerance a hundredth of a point below its true loss:",
        "",
        *zoo,
    ]
    text = "\n".join(lines)
    print(text)
    if not options.no_write:
        marked.put(DOCS, "verdicts", text)
    for case in (*failed, *zoo_failed):
        print("FAILED: called ready in more than 5 %:", case, file=sys.stderr)
    return 1 if failed or zoo_failed else 0


if __name__ == "__main__":
    sys.exit(main())
