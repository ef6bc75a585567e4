"""Whether a budget is kept while traffic shifts: the objective ``budget``, paced as the gateway paces it.

Each split's own fit part is learned from and gives the worth of a right answer that keeps the budget there. What is asked
is a stream of prompts set aside whose mixture of datasets changes every ``BLOCK`` requests: each block has its own weights
(Dirichlet, all 1). Choosing with that worth for good is compared with the shipped pace (``policy/pace``).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from choosing import rows
from choosing.floors import Floor
from choosing.parts import Found
from choosing.statistics import Floats, Indices
from pointsman.control.learn import expected
from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Objective
from pointsman.policy.pace import Pace, paid
from pointsman.policy.teach import teach
from pointsman.policy.trade import resolve

NAME: Final = "budget"
TABLES: Final = ("mmlu_pro", "routerbench_part", "open_llm_lb2_carrot")
SEEDS: Final = range(5)
LEVELS: Final = (0.25, 0.5, 0.75)  # of the way from the cheapest model's cost to the best one's
REQUESTS: Final = 20_000
BLOCK: Final = 2_000
A_DAY: Final = 1_000
_DAY_MS: Final = 86_400_000
_KEPT: Final = 0.005

Row = tuple[float, float, float, float]
"""Cost as a share of the budget and accuracy, first with a fixed worth, then paced."""


def measure(tables: Path, cache: Path, tell: Callable[[str], None]) -> Found:  # noqa: ARG001 - it takes a minute in all
    """Measure every table that is there."""
    there = [name for name in TABLES if (tables / f"{name}.parquet").exists()]
    found = {name: _table(tables, name, tell) for name in there}
    absent = ", ".join(name for name in TABLES if name not in there)
    return Found(
        _section(found),
        tuple(_floor(name, levels) for name, levels in found.items()),
        f"budget: {absent} absent" if absent else "",
    )


def _table(tables: Path, name: str, tell: Callable[[str], None]) -> dict[float, list[Row]]:
    table = rows.read(tables, name)
    found: dict[float, list[Row]] = {level: [] for level in LEVELS}
    for seed in SEEDS:
        tell(f"budget: {name}, seed {seed}")
        fit, asked = rows.split(len(table), seed)
        lesson = teach(table.rows.rows(fit))
        given = table.rows.rows(asked)
        quality, cost = expected(lesson.policy, given, {})
        means = np.nanmean(lesson.spent_nano, axis=0)
        single = int(lesson.outcomes.score.mean(axis=0).argmax())
        stream = _stream(given.task, np.random.default_rng(seed))
        for level in LEVELS:
            budget = float(means.min() + level * (means[single] - means.min()))
            aim = Objective("budget", usd_per_1000=budget * 1000 / NANO_PER_USD)
            worth = resolve(aim, lesson.evidence, lesson.policy.deployments[single], np.random.default_rng(seed)).value_nano
            truth = (quality.astype(np.float64), cost, table.score[asked], table.paid[asked])
            fixed = _served(stream, truth, worth or 0, budget, paced=False)
            found[level].append((*fixed, *_served(stream, truth, worth or 0, budget, paced=True)))
    return found


def _stream(task: Indices, rng: np.random.Generator) -> Indices:
    """Return the prompts (REQUESTS,) that are asked, in order."""
    weights = [rng.dirichlet(np.ones(task.max() + 2))[task + 1] for _ in range(REQUESTS // BLOCK)]
    return np.concatenate([rng.choice(len(task), BLOCK, p=weight / weight.sum()) for weight in weights])


def _served(
    stream: Indices, truth: tuple[Floats, Floats, Floats, Floats], worth: int, budget: float, *, paced: bool
) -> tuple[float, float]:
    quality, predicted, score, spent = truth
    pace, cost, right = Pace(), 0.0, 0.0
    for place, row in enumerate(stream.tolist()):
        at_ms = place * _DAY_MS // A_DAY
        chosen = int((worth * pace.factor(at_ms) * quality[row] - predicted[row]).argmax())
        cost += spent[row, chosen]
        right += score[row, chosen]
        if paced:
            pace = paid(pace, round(spent[row, chosen]), budget, at_ms)
    return cost / len(stream) / budget, right / len(stream)


_HEAD: Final = f"""\
## A budget, while traffic shifts

Streams of {REQUESTS:,} prompts set aside (drawn with replacement), {A_DAY:,} a day, whose mixture of datasets changes every
{BLOCK:,}; seeds {SEEDS.start} to {SEEDS.stop - 1}. The budget lies between the cheapest model's cost and best single's. Cost
off the budget, mean over seeds with the furthest of them; accuracy.

| table | budget | fixed worth: cost off by | paced: cost off by | accuracy, fixed | accuracy, paced |
|---|---|---|---|---|---|
"""


def _section(found: dict[str, dict[float, list[Row]]]) -> str:
    return _HEAD + "\n".join(
        f"| {name} | {100 * level:.0f} % | {_off(each, 0)} | {_off(each, 2)} | {100 * _mean(each, 1):.2f} "
        f"| {100 * _mean(each, 3):.2f} |"
        for name, levels in found.items()
        for level, each in levels.items()
    )


def _off(each: list[Row], place: int) -> str:
    off = [100 * (row[place] - 1) for row in each]
    return f"{np.mean(off):+.2f} % (furthest {max(off, key=abs):+.2f})"


def _mean(each: list[Row], place: int) -> float:
    return float(np.mean([row[place] for row in each]))


def _floor(name: str, levels: dict[float, list[Row]]) -> Floor:
    furthest = max(abs(_mean(each, 2) - 1) for each in levels.values())
    what = f"{name}: average cost within 0.5 % of the budget as traffic shifts"
    return Floor(2, what, f"{100 * furthest:.2f} % off at most", "met" if furthest <= _KEPT else "not met")
