"""How honest estimates of another policy are: a thousand simulated logs whose truth is known.

    .venv/bin/python bench/offpolicy.py             1,000 logs: about a minute
    .venv/bin/python bench/offpolicy.py --logs 100  fewer
    .venv/bin/python bench/offpolicy.py --write     the table into docs/what-if.md

A log has 400 kinds of requests, two to six deployments and 800 to 20,000 graded exchanges. Each deployment is right with a
probability of its own on each kind; one policy drew, and says with what probability, another one is asked about. Predictions
are good, bad or mere noise, a third of the logs each. The kinds of logs:

    near     the other policy differs little from the one that drew
    good     both choose by the request, with a fifth of the requests explored
    rare     good, and all deployments fail on 0.1 to 2 % of requests
    poor     8 % explored, otherwise sharp
    heavy    2 % explored of five times as many, the other policy goes its own way on a third: heavy tails of weights
    none     one deployment was never drawn, which the other policy uses
    few      50 to 190 graded exchanges

What is supported is decided on the truth: the expected effective sample size is at least 200, and at most 1 % of what the
other policy would do was never tried, or so rarely that it counts as that. An ideal interval is normal, with the true
variance of the doubly robust estimator.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pointsman.policy.estimate import FEWEST, OUTSIDE, Estimate, Graded, Way, estimate, largest, sums

Floats = NDArray[np.float64]
PAGE: Final = Path(__file__).parents[1] / "docs" / "what-if.md"
BEGIN, END = "<!-- bench/offpolicy.py -->", "<!-- end -->"
KINDS: Final = ("near", "good", "rare", "poor", "heavy", "none", "few")
WAYS: Final[tuple[Way, ...]] = ("doubly robust", "self-normalised", "weighted")
Z: Final = 1.959964
_REQUESTS: Final = 400
_SHARP: Final = {"near": 0.3, "good": 0.7, "rare": 0.7, "poor": 1.5, "heavy": 2.0, "none": 0.7, "few": 0.7}
_EXPLORED: Final = {"near": 0.5, "good": 0.2, "rare": 0.2, "poor": 0.08, "heavy": 0.02, "none": 0.2, "few": 0.2}


@dataclass(frozen=True)
class Log:
    """T kinds of requests with shares ``kinds`` (T,), K deployments: all else is (T, K). ``kind`` and ``drawn`` are (n,)."""

    kinds: Floats
    right: Floats
    then: Floats
    now: Floats
    predicted: Floats
    kind: NDArray[np.int64]
    drawn: NDArray[np.int64]
    grade: Floats

    @property
    def able(self) -> NDArray[np.bool_]:
        """What was tried often enough to say anything about."""
        return np.asarray((self.now > 0) & (self.now <= self.then * largest(len(self.grade))))

    @property
    def weight(self) -> Floats:
        return np.where(self.able, self.now / np.where(self.then > 0, self.then, 1.0), 0.0)

    @property
    def base(self) -> Floats:
        return np.asarray((self.now * self.able * self.predicted).sum(axis=1))

    @property
    def expected(self) -> Floats:
        return np.asarray((self.now * self.able).sum(axis=1))

    @property
    def square(self) -> Floats:
        return np.asarray((self.now * self.able * self.weight).sum(axis=1))


def a_log(kind: str, seed: int) -> Log:
    """Return a log of a kind."""
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    width, count = int(rng.integers(2, 7)), int(np.exp(rng.uniform(np.log(800), np.log(20_000))))
    if kind in ("few", "heavy"):
        count = int(rng.integers(50, 190)) if kind == "few" else 5 * count
    shape = (_REQUESTS, width)
    kinds = rng.dirichlet(np.full(_REQUESTS, 2.0))
    right = 1 / (1 + np.exp(-(rng.uniform(-0.5, 2.5, width) + rng.normal(0, 1.2, shape))))
    if kind == "rare":
        right = 1 - rng.uniform(0.001, 0.02, shape)
    liking = rng.normal(0, 1, shape)
    then = _softmax(liking * _SHARP[kind]) if rng.random() < 0.5 else _best(liking)
    then = (1 - _EXPLORED[kind]) * then + _EXPLORED[kind] / width
    if kind == "none":
        then[:, rng.integers(width)] = 0.0
        then /= then.sum(axis=1, keepdims=True)
    other = rng.normal(0, 1, shape)
    if kind == "heavy":
        other = np.where(rng.random((_REQUESTS, 1)) < 0.3, other, liking)
    now = _best(liking + 0.3 * other if kind == "near" else other)
    if rng.random() < 0.5:  # a share is held on the first, as the gateway does
        acting = rng.uniform(0.8, 1.0)
        now = acting * now + (1 - acting) * np.eye(width)[0]
    guesses = (right + rng.normal(0, 0.1, shape), np.full(shape, right.mean()), rng.uniform(0, 1, shape))
    asked = rng.choice(_REQUESTS, count, p=kinds)
    drawn = (rng.random(count)[:, None] > np.cumsum(then[asked], axis=1)).sum(axis=1).clip(0, width - 1)
    grade = (rng.random(count) < right[asked, drawn]).astype(float)
    return Log(kinds, right, then, now, np.clip(guesses[seed % 3], 0, 1), asked, drawn, grade)


def _softmax(logs: Floats) -> Floats:
    odds = np.exp(logs)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _best(liking: Floats) -> Floats:
    return np.asarray(np.eye(liking.shape[1])[liking.argmax(axis=1)])


def rows(log: Log) -> Graded:
    """Return a log as a replay has it."""
    at, outside = (log.kind, log.drawn), 1 - log.expected
    return Graded(
        log.grade, log.predicted[at], log.weight[at], log.expected[log.kind], log.square[log.kind], log.base[log.kind],
        outside[log.kind],
    )  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What is true of a log: the other policy's quality, the ideal standard error of a way, and whether it is supported."""

    quality: float
    error: float
    supported: bool


def truth(log: Log, way: Way) -> Truth:
    """Return what is true, computed over all kinds, deployments and grades."""
    chance = log.kinds[:, None] * log.then
    robust = way == "doubly robust"
    base = log.base[:, None] if robust else np.zeros((_REQUESTS, 1))
    wrong, right = (base + log.weight * (grade - log.predicted * robust) for grade in (0.0, 1.0))
    beyond = log.weight - log.expected[:, None]

    def mean(if_wrong: Floats, if_right: Floats) -> float:
        return float((chance * ((1 - log.right) * if_wrong + log.right * if_right)).sum())

    centre, spread = mean(beyond, beyond), mean(beyond**2, beyond**2)
    slope = 0.0
    if way != "weighted" and spread - centre**2 > 1e-12:
        slope = (mean(wrong * beyond, right * beyond) - mean(wrong, right) * centre) / (spread - centre**2)
    left, kept = wrong - slope * beyond, right - slope * beyond
    variance = mean(left**2, kept**2) - mean(left, kept) ** 2
    worth = min(len(log.grade) / max(float(log.kinds @ log.square), 1e-12), len(log.grade))
    outside = float(log.kinds @ (1 - log.expected))
    quality = float(log.kinds @ (log.now * log.right).sum(axis=1))
    return Truth(quality, (variance / len(log.grade)) ** 0.5, worth >= FEWEST and outside <= OUTSIDE)


@dataclass
class Seen:
    """Counts over logs of one kind."""

    logs: int = 0
    supported: int = 0
    answered: int = 0
    refused: int = 0
    estimates: int = 0
    covered: int = 0
    widths: tuple[float, ...] = ()

    def note(self, found: object, known: Truth) -> None:
        self.logs += 1
        self.supported += known.supported
        if not isinstance(found, Estimate):
            self.refused += not known.supported
            return
        self.answered += known.supported
        self.estimates += 1
        self.covered += found.low <= known.quality <= found.high
        self.widths += ((found.high - found.low) / (2 * Z * known.error),)

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(
            self.logs + other.logs, self.supported + other.supported, self.answered + other.answered,
            self.refused + other.refused, self.estimates + other.estimates, self.covered + other.covered,
            self.widths + other.widths,
        )  # fmt: skip


def measured(logs: int, way: Way) -> dict[str, Seen]:
    """Return what was seen of ``logs`` logs, as many of each kind as divide evenly."""
    found = {kind: Seen() for kind in KINDS}
    for number in range(logs):
        kind = KINDS[number % len(KINDS)]
        log = a_log(kind, number // len(KINDS))
        found[kind].note(estimate(sums(rows(log), way)), truth(log, WAYS[0]))
    return found


def document(logs: int) -> str:
    """Return the tables, in Markdown."""
    lines = [
        f"{logs:,} logs, seeds 0 to {(logs - 1) // len(KINDS)} of each kind; intervals at 95 %, their median width",
        "against an ideal one:",
        "",
        "| logs | supported, answered | not supported, refused | coverage | width |",
        "|---|---|---|---|---|",
    ]
    robust = measured(logs, WAYS[0])
    lines += [_line(kind, seen) for kind, seen in robust.items()]
    lines += [_line(f"**all, {WAYS[0]}**", sum(robust.values(), Seen()))]
    lines += [_line(f"all, {way}", sum(measured(logs, way).values(), Seen())) for way in WAYS[1:]]
    return "\n".join(lines)


def _line(name: str, seen: Seen) -> str:
    def of(part: int, whole: int) -> str:
        return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else "-"

    width = f"{np.median(seen.widths):.2f}" if seen.widths else "-"
    return (
        f"| {name} | {of(seen.answered, seen.supported)} | {of(seen.refused, seen.logs - seen.supported)} "
        f"| {of(seen.covered, seen.estimates)} | {width} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=1000)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    text = document(options.logs)
    print(text)
    if options.write:
        page = PAGE.read_text("utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
