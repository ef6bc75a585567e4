"""When a change without a word is noticed, and how often none is taken for one; writes its table into docs/releases.md.

    python bench/drift.py [--runs 200] [--no-write]

Every run goes through ``policy/drift.Detector`` itself. Canary prompts: 40 of them, each solved with a chance of its own
(drawn from a beta distribution around 80 %: most are solved always or never), asked in rounds. Live grades: right with 80 %.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import marked
from pointsman.policy.drift import EVERY, Detector, Graded
from verdicts import share

DOCS = Path(__file__).parent.parent / "docs" / "releases.md"
SEED = 20261128
PROMPTS = 40
QUIET = 400  # rounds without a change: more than a year of days
LIVE = 20_000


def canaries(rng: np.random.Generator, rounds: int, drop: float, change: int) -> int | None:
    """Return in which round an alarm is raised: each prompt's chance falls by ``drop`` of it from round ``change`` on."""
    chances = rng.beta(0.8, 0.2, PROMPTS)
    detector = Detector()
    for turn in range(rounds):
        now = chances * (1 - drop / chances.mean()) if turn >= change else chances
        for prompt, right in enumerate(rng.random(PROMPTS) < np.clip(now, 0, 1)):
            if detector.take(Graded(turn, float(right), str(prompt))) is not None:
                return turn
    return None


def live(rng: np.random.Generator, grades: int, drop: float, change: int) -> int | None:
    """Return at which grade an alarm is raised."""
    detector = Detector()
    right = rng.random(grades) < np.where(np.arange(grades) < change, 0.8, 0.8 - drop)
    for place, score in enumerate(right):
        if detector.take(Graded(place, float(score))) is not None:
            return place
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/releases.md alone")
    options = parser.parse_args()
    rng, runs = np.random.default_rng(SEED), options.runs
    quiet = sum(canaries(rng, QUIET, 0.0, QUIET) is not None for _ in range(runs))
    noisy = sum(live(rng, LIVE, 0.0, LIVE) is not None for _ in range(runs))
    lines = [
        "| true loss | canary prompts: within 30 rounds | half of these after | live: within 5,000 grades | half after |"
    ]
    lines.append("|---|---|---|---|---|")
    weak = []
    for drop in (0.05, 0.10, 0.20, 0.40):
        rounds = [canaries(rng, 40, drop, 10) for _ in range(runs)]
        grades = [live(rng, 6000, drop, 1000) for _ in range(runs)]
        delays = [one - 9 for one in rounds if one is not None and one >= 10]
        later = [one - 999 for one in grades if one is not None and one >= 1000]
        middle = [f"{np.quantile(each, 0.5, method='higher'):,.0f}" if each else "" for each in (delays, later)]
        lines.append(
            f"| {100 * drop:.0f} points | {share(len(delays), runs)} | {middle[0]} rounds | {share(len(later), runs)} | "
            f"{middle[1]} grades |"
        )
        if drop >= 0.2 and len(delays) < 0.9 * runs:
            weak.append(lines[-1])
    text = "\n".join(
        [
            f"*Written by `bench/drift.py`: seed {SEED}, {runs} runs each; exact 95 % intervals.*",
            "",
            f"**Without any change**, an alarm was raised in {share(quiet, runs)} of runs of {QUIET} rounds of",
            f"{PROMPTS} canary prompts ({QUIET * PROMPTS:,} grades; one in {EVERY:,} would be",
            f"{100 * QUIET * PROMPTS / EVERY:.0f} %), and in {share(noisy, runs)} of runs of {LIVE:,} live grades.",
            "**With one**, from round 10 or grade 1,000 on:",
            "",
            *lines,
        ]
    )
    print(text)
    if not options.no_write:
        marked.put(DOCS, "drift", text)
    for case in weak:
        print("FAILED:", case, file=sys.stderr)
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main())
