"""What the gates of live traffic promise and what they find, by simulation; writes its tables into docs/releases.md.

    python bench/gates.py [--runs 1000] [--power 200] [--no-write]

Every run goes through ``policy/gates.Gate`` itself, which looks after every block; costs are looked at after every hundred
exchanges, as sums. Answers of both arms are drawn independently: grades and failures right or wrong, latency and cost
lognormal.

Questions: how often 20,000 exchanges whose arms are alike, or differ by exactly what is tolerated, are sent back all the
same; how often and how late a true loss is found; how often a canary is promoted that fails more often than is tolerated.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import marked
from pointsman.core.routing import Gates
from pointsman.policy.gates import Gate, Sums, dearer
from verdicts import share

Array = NDArray[np.float64]

DOCS = Path(__file__).parent.parent / "docs" / "releases.md"
SEED = 20261128
EXCHANGES = 20_000
LABELLED = 3_000
LOOK = 100
TOLERANCE = 0.05
SPREAD = 1.0  # of the logarithm of costs and latencies: one in six answers is 2.7 times the median or more


@dataclass(frozen=True)
class World:
    """What the policy's arm differs by: points of quality and failures as fractions, cost and latency as factors."""

    grade: float = 0.8
    failing: float = 0.02
    loss: float = 0.0
    failures: float = 0.0
    cost: float = 1.0
    latency: float = 1.0

    def draw(self, rng: np.random.Generator, n: int, *, policy: bool) -> tuple[Array, Array, Array, Array]:
        """Return failures, grades, latencies and costs of ``n`` exchanges."""
        failing = self.failing + policy * self.failures
        grade = self.grade - policy * self.loss
        slower, dear = (self.latency, self.cost) if policy else (1.0, 1.0)
        return (
            (rng.random(n) < failing).astype(float),
            (rng.random(n) < grade).astype(float),
            slower * rng.lognormal(0, SPREAD, n),
            dear * rng.lognormal(0, SPREAD, n),
        )


def sent_back(rng: np.random.Generator, world: World, acting: float, tolerance: float, exchanges: int = EXCHANGES) -> str:
    """Return what a run of so many exchanges was sent back for first, by measure; empty: it was not."""
    gates = Gates()
    gate = Gate(acting, tolerance, gates)
    ours = int(rng.binomial(exchanges, acting))
    policy, control = world.draw(rng, ours, policy=True), world.draw(rng, exchanges - ours, policy=False)
    gate.failed(policy[0], control[0])
    gate.graded("exact", policy[1].tolist(), control[1].tolist())
    gate.took(policy[2], control[2])
    return gate.worse or ("cost" if found_dear(policy[3], control[3], acting, exchanges) else "")


def found_dear(policy: Array, control: Array, acting: float, exchanges: int) -> bool:
    """Whether the costs are called dearer at any look."""
    sums = [np.stack([arm.cumsum(), (arm * arm).cumsum()]) for arm in (policy, control)]
    for seen in range(LOOK, exchanges + 1, LOOK):
        ends = min(round(seen * acting), len(policy)), min(seen - round(seen * acting), len(control))
        ours, theirs = (
            Sums(end, float(arm[0, end - 1]), float(arm[1, end - 1])) for arm, end in zip(sums, ends, strict=True)
        )
        if min(ends) and dearer(ours, theirs):
            return True
    return False


def false_alarms(rng: np.random.Generator, runs: int) -> tuple[list[str], list[str]]:
    """How often what is no worse than tolerated is sent back; lines, and what failed."""
    lines = ["| the arms | share that acts | sent back | of these for quality, errors, cost, latency |", "|---|---|---|---|"]
    failed = []
    edge = World(loss=TOLERANCE, failures=Gates().errors, latency=Gates().latency)
    for name, world in (("alike", World()), ("differ by exactly what is tolerated, at equal cost", edge)):
        for acting in (0.1, 0.5, 0.95):
            found = [sent_back(rng, world, acting, TOLERANCE) for _ in range(runs)]
            why = ", ".join(str(found.count(each)) for each in ("quality", "errors", "cost", "latency"))
            hits = runs - found.count("")
            lines.append(f"| {name} | {100 * acting:.0f} % | {share(hits, runs)} | {why} |")
            if hits / runs > 0.05:
                failed.append(lines[-1])
    return lines, failed


def quality(rng: np.random.Generator, runs: int) -> tuple[list[str], list[str]]:
    """How often a loss of five points is found within so many labelled exchanges of each arm, and after how many."""
    lines = [
        "| grades of the reference | tolerated | true loss | found | half of these after | nine in ten after |",
        "|---|---|---|---|---|---|",
    ]
    failed = []
    cases = [(0.9, 0.0, 0.05), (0.8, 0.0, 0.05), (0.7, 0.0, 0.05), (0.8, 0.02, 0.07), (0.8, 0.05, 0.10), (0.8, 0.05, 0.05)]
    for grade, tolerance, loss in cases:
        delays = []
        for _ in range(runs):
            ours = (rng.random(LABELLED) < grade - loss).astype(float).tolist()
            theirs = (rng.random(LABELLED) < grade).astype(float).tolist()
            delays.append(first(tolerance, ours, theirs))
        found = [one for one in delays if one]
        after = [f"{np.quantile(found, q, method='higher'):,.0f}" if found else "" for q in (0.5, 0.9)]
        lines.append(
            f"| {100 * grade:.0f} % | {100 * tolerance:.0f} points | {100 * loss:.0f} points | {share(len(found), runs)} | "
            f"{after[0]} | {after[1]} |"
        )
        if (grade, tolerance) == (0.8, 0.0) and len(found) < 0.9 * runs:
            failed.append(lines[-1])
    return lines, failed


def first(tolerance: float, ours: list[float], theirs: list[float]) -> int:
    """Return after how many grades of each arm quality is found worse, 0 where it is not."""
    gate = Gate(0.5, tolerance, Gates())
    for start in range(0, len(ours), LOOK):
        gate.graded("exact", ours[start : start + LOOK], theirs[start : start + LOOK])
        if gate.worse:
            return min(start + LOOK, len(ours))
    return 0


def others(rng: np.random.Generator, runs: int) -> list[str]:
    """How often other faults are found within 20,000 exchanges, a tenth of which act, and for what."""
    cases = (
        ("5 % of requests fail instead of 2 %", World(failures=0.03)),
        ("7 % instead of 2 %", World(failures=0.05)),
        ("22 % instead of 2 %", World(failures=0.2)),
        ("cost 1.1 times as much", World(cost=1.1)),
        ("cost 1.25 times as much", World(cost=1.25)),
        ("cost twice as much", World(cost=2.0)),
        ("answers take 2.5 times as long", World(latency=2.5)),
        ("answers take 4 times as long", World(latency=4.0)),
    )
    lines = ["| true fault | within 2,000 exchanges | within 20,000 |", "|---|---|---|"]
    for name, world in cases:
        cells = []
        for exchanges in (2_000, EXCHANGES):
            found = [sent_back(rng, world, 0.1, TOLERANCE, exchanges) for _ in range(runs)]
            cells.append(share(runs - found.count(""), runs))
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    return lines


def promoted(rng: np.random.Generator, runs: int) -> tuple[list[str], list[str]]:
    """How often a canary of a tenth is promoted within 20,000 exchanges, and after how many of its own."""
    lines = [
        "| requests that fail: canary, reference | promoted | half of these after | nine in ten after |",
        "|---|---|---|---|",
    ]
    failed = []
    for ours, theirs in ((0.0, 0.0), (0.001, 0.001), (0.01, 0.01), (0.02, 0.02), (0.02, 0.01), (0.03, 0.01), (0.04, 0.02)):
        delays = []
        for _ in range(runs):
            gate = Gate(0.1, TOLERANCE, Gates())
            after = 0
            for start in range(0, EXCHANGES // 10, 10):
                gate.failed((rng.random(10) < ours).astype(float), (rng.random(90) < theirs).astype(float))
                if gate.sound:
                    after = start + 10
                    break
            delays.append(after)
        found = [one for one in delays if one]
        cells = [f"{np.quantile(found, q, method='higher'):,.0f}" if found else "" for q in (0.5, 0.9)]
        case = f"| {100 * ours:.1f} %, {100 * theirs:.1f} % |"
        lines.append(f"{case} {share(len(found), runs)} | {cells[0]} | {cells[1]} |")
        if ours - theirs >= 0.02 - 1e-9 and len(found) > 0.05 * runs:
            failed.append(case)
    return lines, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--power", type=int, default=200)
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/releases.md alone")
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)
    alarms, wrong = false_alarms(rng, options.runs)
    power, weak = quality(rng, options.power)
    sound, rash = promoted(rng, options.power)
    text = "\n".join(
        [
            f"*Written by `bench/gates.py`: seed {SEED}, {options.runs} runs of 20,000 exchanges for false alarms,",
            f"{options.power} runs elsewhere; exact 95 % intervals.*",
            "",
            "**What is no worse than tolerated, and is sent back all the same** (at most 5 % is promised), looked at all",
            "the time, every answer graded:",
            "",
            *alarms,
            "",
            f"**A loss of quality**, found within {LABELLED:,} graded answers of each arm:",
            "",
            *power,
            "",
            "**Other faults**, of a canary of a tenth:",
            "",
            *others(rng, options.power),
            "",
            "**A canary of a tenth is promoted** within 20,000 exchanges, 2 points more failures being tolerated; after so",
            "many requests of its own:",
            "",
            *sound,
        ]
    )
    print(text)
    if not options.no_write:
        marked.put(DOCS, "gates", text)
    for case in (*wrong, *weak, *rash):
        print("FAILED:", case, file=sys.stderr)
    return 1 if wrong or weak or rash else 0


if __name__ == "__main__":
    sys.exit(main())
