"""What the tested bound of ``match`` promises, keeps and needs, on real outcome tables; writes docs/tested-bound.md.

    .venv/bin/python bench/bound.py --tables DIR [--seeds 0:10] [--draws 1000] [--cache DIR] [--only NAME,...] [--write]

On each split 70 % of the groups of equal prompts are learned from, once, against the model that is best there. The others
are the population: n paired judgements are drawn from it with replacement, and the walk that learning fixed is tested on
them by the shipped code (``control/bound``, ``policy/bound``). A draw is a *violation* when what it publishes is, over the
whole population, more than the tolerance worse than the reference. *Hindsight* is the cheapest trade-off of the same walk
that is not; *kept* is the saving of what is published, on average over draws, as a share of hindsight's.

With ``--cache`` a split that was measured is not measured again. Tables that are absent, or have no costs to save, are
skipped and named. Exit status 1 where a table has more violations than it may, or a large one keeps less than 60 %.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import marked
from pointsman.control.bound import CONFIDENCE, Walked
from pointsman.control.evaluate import _comparable, _split
from pointsman.control.learn import learn, weighable
from pointsman.control.tables import read_outcomes
from pointsman.core.routing import Objective
from pointsman.policy.bound import holds, passed
from pointsman.policy.outcomes import Outcomes

DOCS = Path(__file__).parent.parent / "docs" / "tested-bound.md"
LARGE = ("mmlu_pro", "routerbench_part", "open_llm_lb2_carrot")
TABLES = (*LARGE, "alpaca_eval2", "routerdc7", "llmrouter_uiuc")
TOLERANCES = (0.01, 0.02, 0.03, 0.05)
PROMISED, JUDGED = 0.03, 2000  # the tolerance and the number of judgements that the promise is measured at
MOST, LEAST = 0.067, 0.6  # 5 %, and what 1,000 draws may show of it by chance; share of hindsight's saving to keep
SIZES = tuple(round(125 * 2 ** (step / 2)) for step in range(17))  # 125 to 32,000
SIZE_SEEDS, SIZE_DRAWS, AT_ONCE = 3, 100, 50
Array = NDArray[Any]
Split = dict[str, Any]


class Population:
    """The prompts of one split that nothing was learned from: what each step of the walk does there."""

    def __init__(self, rows: Outcomes, seed: int) -> None:
        fit, other = _split(rows, seed)
        best = rows.deployments[int(np.nan_to_num(rows.score[fit]).mean(axis=0).argmax())]
        taught = learn(rows.rows(fit), Objective("match", tolerance=PROMISED), reference=best, known={})
        walked = Walked.of(taught, rows.rows(other), {})
        self.changes = walked.changes
        self.change = walked.changes.mean(axis=0)
        self.saving = 1 - walked.paid.mean(axis=0) / walked.home_paid.mean()
        self._rng = np.random.default_rng(seed)

    def hindsight(self, tolerance: float) -> float:
        """Return the largest saving of a step that is truly within the tolerance."""
        return float(max(0.0, *self.saving[self.change >= -tolerance], 0.0))

    def published(self, tolerance: float, judged: int, draws: int) -> Array:
        """Return how many steps pass in each of so many draws of paired judgements; 0: the reference serves alone."""
        found = []
        for start in range(0, draws, AT_ONCE):
            drawn = self._rng.integers(len(self.changes), size=(judged, min(AT_ONCE, draws - start)))
            found.append(passed(holds(self.changes[drawn], tolerance, 1 - CONFIDENCE)))
        return np.concatenate(found)

    def saved(self, reached: Array) -> Array:
        """Return the saving of what each draw publishes."""
        return np.concatenate(([0.0], self.saving))[reached]

    def violated(self, reached: Array, tolerance: float) -> Array:
        """Say of each draw whether it publishes what is truly beyond the tolerance."""
        return np.concatenate(([0.0], self.change))[reached] < -tolerance


def measured(rows: Outcomes, seed: int, draws: int) -> Split:
    """Return what one split shows."""
    here = Population(rows, seed)
    reached = here.published(PROMISED, JUDGED, draws)
    found: Split = {
        "population": len(here.changes),
        "steps": here.changes.shape[1],
        "draws": draws,
        "violations": int(here.violated(reached, PROMISED).sum()),
        "hindsight": here.hindsight(PROMISED),
        "saved": float(here.saved(reached).mean()),
        "nothing": float((reached == 0).mean()),
    }
    if seed < SIZE_SEEDS:
        found["sizes"] = {str(tolerance): sizes(here, tolerance) for tolerance in TOLERANCES}
    return found


def sizes(here: Population, tolerance: float) -> dict[str, int | None]:
    """Return the fewest judgements with which half and nine in ten draws publish anything, and 60 % of hindsight is kept."""
    wanted: dict[str, Callable[[Array], bool]] = {
        "half": lambda reached: bool((reached > 0).mean() >= 0.5),
        "nine in ten": lambda reached: bool((reached > 0).mean() >= 0.9),
        "kept": lambda reached: bool(here.saved(reached).mean() >= LEAST * here.hindsight(tolerance) > 0),
    }
    found: dict[str, int | None] = dict.fromkeys(wanted)
    for judged in SIZES:
        missing = [name for name, size in found.items() if size is None]
        if not missing:
            break
        reached = here.published(tolerance, judged, SIZE_DRAWS)
        found |= {name: judged for name in missing if wanted[name](reached)}
    return found


def splits(rows: Outcomes, name: str, seeds: range, draws: int, cache: Path | None) -> Iterator[Split]:
    """Yield every split's results, from the cache where they are there."""
    for seed in seeds:
        path = None if cache is None else cache / f"bound.{name}.{seed}.{draws}.json"
        if path is not None and path.exists():
            yield json.loads(path.read_text("utf-8"))
            continue
        found = measured(rows, seed, draws)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found), "utf-8")
        yield found


def promise(results: dict[str, list[Split]]) -> list[str]:
    """The table of violations and savings."""
    titles = (
        "table",
        "splits",
        "population",
        "violations, mean",
        "worst split",
        "nothing published",
        "hindsight saves",
        "kept",
    )
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, found in results.items():
        rates = [1000 * each["violations"] / each["draws"] for each in found]
        cells = (
            name,
            f"{len(found)}",
            f"{found[0]['population']:,}",
            f"{np.mean(rates):.0f}",
            f"{max(rates):.0f}",
            f"{100 * np.mean([each['nothing'] for each in found]):.1f} %",
            f"{100 * np.mean([each['hindsight'] for each in found]):.0f} %",
            f"{100 * kept(found):.0f} %" if any(each["hindsight"] for each in found) else "-",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def kept(found: list[Split]) -> float:
    """Return the share of hindsight's saving that is kept, over all splits together."""
    return float(sum(each["saved"] for each in found) / max(sum(each["hindsight"] for each in found), 1e-9))


def needs(results: dict[str, list[Split]]) -> list[str]:
    """The table of sample sizes: the middle one of the splits."""
    lines = ["| table | " + " | ".join(_points(each) for each in TOLERANCES) + " |", "|---" * (1 + len(TOLERANCES)) + "|"]
    for name, found in results.items():
        cells = []
        for tolerance in TOLERANCES:
            sized = [each["sizes"][str(tolerance)] for each in found if "sizes" in each]
            cells.append(" / ".join(_middle([each[key] for each in sized]) for key in ("half", "nine in ten", "kept")))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _middle(found: list[int | None]) -> str:
    if not found:
        return "not measured"
    middle = sorted(found, key=lambda size: np.inf if size is None else size)[len(found) // 2]
    return f"over {SIZES[-1]:,}" if middle is None else f"{middle:,}"


def _points(tolerance: float) -> str:
    return f"{100 * tolerance:.0f} point{'s' if tolerance > 0.01 else ''}"


def failures(results: dict[str, list[Split]]) -> Iterator[str]:
    """Yield what does not hold."""
    for name, found in results.items():
        worst = max(each["violations"] / each["draws"] for each in found)
        if worst > MOST:
            yield f"{name}: {1000 * worst:.0f} violations in 1,000 draws"
        if name in LARGE and kept(found) < LEAST:
            yield f"{name}: {100 * kept(found):.0f} % of hindsight's saving kept"


def gathered(options: argparse.Namespace) -> tuple[dict[str, list[Split]], list[str]]:
    """Return the results by table, and why tables were skipped."""
    results: dict[str, list[Split]] = {}
    skipped = []
    seeds = range(*map(int, options.seeds.split(":")))
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        for name in options.only.split(","):
            path = options.tables / f"{name}.parquet"
            if not path.exists():
                skipped.append(f"{name}: the table is not there")
                continue
            line = bar.add_task(name, total=len(seeds))
            rows, _ = _comparable(read_outcomes([path]).grouped())
            if not weighable(rows, {}):
                skipped.append(f"{name}: no costs are known, so that there is nothing to save")
                bar.remove_task(line)
                continue
            results[name] = []
            for found in splits(rows, name, seeds, options.draws, options.cache):
                results[name].append(found)
                bar.advance(line)
    return results, skipped


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="directory of the outcome tables")
    parser.add_argument("--only", default=",".join(TABLES), help="names of tables, with commas between")
    parser.add_argument("--seeds", default="0:10", help="first seed, and the one after the last")
    parser.add_argument("--draws", type=int, default=1000, help="for each split")
    parser.add_argument("--cache", type=Path, help="where the results of single splits are kept")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/tested-bound.md")
    options = parser.parse_args()
    results, skipped = gathered(options)
    if not results:
        print("; ".join(skipped))
        return 0
    lines = [
        f"*Written by `bench/bound.py`: {options.draws:,} draws for each split.*",
        "",
        f"**At a tolerance of {_points(PROMISED)}, {100 * (1 - CONFIDENCE):.0f} % of error and {JUDGED:,} judgements**,",
        f"violations in 1,000 draws ({1000 * MOST:.0f} may be seen by chance where 50 are promised):",
        "",
        *promise(results),
        "",
        "**Judgements needed**: half of the draws publish anything / nine in ten do / 60 % of hindsight's saving is kept on",
        f"average, by tolerance (the middle one of {SIZE_SEEDS} splits, {SIZE_DRAWS} draws):",
        "",
        *needs(results),
        "",
        *(f"Skipped: {reason}." for reason in skipped),
    ]
    text = "\n".join(lines).rstrip()
    print(text)
    if options.write:
        marked.put(DOCS, "bound", text)
    failed = list(failures(results))
    for each in failed:
        print("FAILED:", each, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
