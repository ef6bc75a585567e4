"""How even a budget's days end, and what that costs in quality; writes its table into docs/exploration.md.

    .venv/bin/python bench/pace.py [--seeds 5] [--cache DIR] [--no-write]

The simulated year (``bench/seasons``), its prompts, prices, releases and bills; who is right is predicted with an error
drawn for each request and model, costs as their mean over five days, so that only ``policy/pace`` is measured. One request
in a hundred is held on the reference. Ends with 1 where a day of the year's 274 requests is 3 % off its budget, or 30 days
are 0.5 % off.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

import marked
from pointsman.policy import pace as pacing
from pointsman.policy.pace import Pace, paid
from seasons import bandits
from seasons.bank import Bank, bank
from seasons.lives import AFFORDED, BUDGET_USD, MONTH
from seasons.world import DAYS, Floats, year

DOCS: Final = Path(__file__).parents[1] / "docs" / "exploration.md"
BUDGET: Final = BUDGET_USD * 1e6  # nano-dollars of one request
FIRST: Final = 5  # days that are left out: the pace begins with a worth found on as many requests
ERROR: Final = 0.7  # standard deviation of predicted log-odds
HELD: Final = 0.01
AS_GOOD: Final = 0.03  # what stands for a prediction's standard error


@dataclass(frozen=True)
class Way:
    """One way of pacing: requests a day, and whether it knows of days, and limits what a request may cost."""

    name: str
    each: int = 274
    daily: bool = True
    limited: bool = True


WAYS: Final = (
    Way("the long run alone", daily=False, limited=False),
    Way("by the rest of the day", limited=False),
    Way("**and with a limit for one request, as shipped**"),
    Way("as shipped, 50 requests a day", 50),
    Way("as shipped, 100", 100),
    Way("as shipped, 200", 200),
    Way("as shipped, 1,000", 1000),
)


def lived(prompts: Bank, way: Way, seed: int) -> tuple[Floats, float]:
    """Return how far each day is from its budget, as a share of it, and the share of right answers."""
    world = year(prompts, way.each * DAYS, seed)
    rng = np.random.default_rng([seed, 8])
    chance = np.clip(world.chance, 0.001, 0.985)
    guess = 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + rng.normal(0, ERROR, chance.shape))))
    guess = np.where(world.there, guess, -np.inf)
    cost = bandits.Scene.of(world).cost * 1e9
    value, home = _worth(guess[:2000], cost[:2000]), world.names.index(AFFORDED)
    held = rng.random(len(world)) < HELD
    pace, picks = Pace(), np.zeros(len(world), dtype=np.int64)
    for place, at in enumerate(world.at_ms.tolist()):
        if held[place]:
            picks[place] = home
        else:
            factor = pace.factor(at) if way.daily else math.exp(-pace.debt / pacing.HORIZON - pace.debts / pacing.DAMPING)
            utility = value * factor * guess[place] - cost[place]
            within = cost[place] <= pace.most(at) * BUDGET if way.limited else np.ones(len(utility), dtype=bool)
            picks[place] = int(np.where(within, utility, -np.inf).argmax() if within.any() else cost[place].argmin())
            if way.limited and within.any() and pace.idle(at):
                good = within & (guess[place] >= guess[place, picks[place]] - AS_GOOD)
                picks[place] = int(np.where(good, cost[place], -np.inf).argmax())
        pace = paid(pace, int(world.nano[place, picks[place]]), BUDGET, at if way.daily else 1)
    rows = np.arange(len(world))
    over = world.nano[rows, picks] / BUDGET - 1
    return over.reshape(DAYS, way.each).mean(axis=1)[FIRST:], float(world.chance[rows, picks].mean())


def _worth(guess: Floats, cost: Floats) -> float:
    """Return the worth of a right answer at which the first requests would have kept the budget."""
    low, high = 1e3, 1e11
    for _ in range(60):
        middle = math.sqrt(low * high)
        mean = float(np.take_along_axis(cost, (middle * guess - cost).argmax(axis=1)[:, None], axis=1).mean())
        low, high = (middle, high) if mean < BUDGET else (low, middle)
    return low


def line(way: Way, found: list[tuple[Floats, float]]) -> tuple[str, float, float]:
    """Return a line of the table, and the worst day and the worst 30 days, as shares of the budget."""
    days = np.concatenate([each for each, _ in found])
    months = np.concatenate([np.convolve(each, np.ones(MONTH) / MONTH, "valid") for each, _ in found])
    day, month = float(np.abs(days).max()), float(np.abs(months).max())
    return (
        (
            f"| {way.name} | {100 * day:.1f} % | {100 * days.std():.2f} % | {100 * (np.abs(days) <= 0.03).mean():.1f} % | "
            f"{100 * month:.2f} % | {100 * np.mean([quality for _, quality in found]):.2f} % |"
        ),
        day,
        month,
    )


def main() -> int:
    """Measure, print and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path(".cache") / "year")
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/exploration.md alone")
    options: Any = parser.parse_args()
    prompts, lines, missed = bank(options.cache), [], False
    for way in WAYS:
        text, day, month = line(way, [lived(prompts, way, seed) for seed in range(options.seeds)])
        missed |= way.daily and way.limited and way.each == 274 and (day > 0.03 or month > 0.005)
        print(text, flush=True)
        lines.append(text)
    head = [
        f"*Written by `bench/pace.py`: {options.seeds} years (seeds from 0), of 274 requests a day unless said otherwise.*",
        "",
        "| pace | worst day | standard deviation of days | days within 3 % | worst 30 days | right answers |",
        "|---|---|---|---|---|---|",
    ]
    if not options.no_write:
        marked.put(DOCS, "pace", "\n".join(head + lines))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
