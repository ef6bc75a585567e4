"""A new model: how much of what it is worth is had after k prompts, and what one costs that should not be used.

Strategy: each release (``releases``) is taken away, a policy is learned from the fit part without it, and one with all of
its outcomes; the difference of their utilities on the prompts set aside, a right answer being worth ``WORTH`` mean calls of
the dearest model, is what it is worth in full. Then the shipped code (``policy/onboard``) takes it in after k prompts of the
fit part, chosen by it or at random; it is told of which model a made release was made (``like``), unless *unnamed*.
UniRoute's rule (arXiv:2502.08773): prompts are clustered, every model is its mean score by cluster, the new one's from k
random prompts, its overall mean where it has none; choose score less cost by the nearest cluster.

Laws: nothing is tuned here; UniRoute's number of clusters is the best of four on the prompts set aside, which flatters it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from choosing import baselines, rows
from choosing.gains import ASKED, UNIROUTE, Gain, floors, section
from choosing.kept import digest, sources
from choosing.parts import Found
from choosing.releases import Release, releases
from choosing.runs import Source
from choosing.statistics import Floats, Indices
from pointsman.control.learn import expected
from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Objective
from pointsman.policy import onboard
from pointsman.policy.outcomes import Outcomes, sums
from pointsman.policy.teach import Lesson, teach
from pointsman.policy.trade import choices, resolve

NAME: Final = "onboard"
TABLES: Final = ("mmlu_pro", "routerbench_part")
SEEDS: Final = range(3)
WORTH: Final = 10.0  # mean calls of the dearest model, that a right answer is worth
CHANCES: Final = 3  # draws of random prompts
CLUSTERS: Final = (4, 8, 16, 32)
WAYS: Final = ("chosen", "random", "unnamed", "plain", *(f"{UNIROUTE} {count}" for count in CLUSTERS))


@dataclass(frozen=True)
class Split:
    """One split of a table: its prompts' clusters (N,) by their number, and the worth of a right answer in nano-dollars."""

    table: rows.Table
    fit: Indices
    asked: Indices
    clusters: dict[int, Indices]
    value: float

    def utility(self, score: Floats, paid: Floats, picks: Indices) -> float:
        """Return the mean utility of what was picked of outcomes (q, M), in units of quality."""
        here = np.arange(len(picks))
        return float((score[here, picks] - paid[here, picks] / self.value).mean())

    def served(self, lesson: Lesson, home: str) -> tuple[Indices, tuple[str, ...]]:
        """Return what the policy with its resolved objective chooses for each prompt set aside."""
        names = lesson.policy.deployments
        aim = Objective("worth", usd_per_answer=self.value / NANO_PER_USD)
        trade = resolve(aim, lesson.evidence, home, np.random.default_rng(0))
        if trade.one_model is not None:
            return np.full(len(self.asked), names.index(trade.one_model)), names
        quality, cost = expected(lesson.policy, self.table.rows.rows(self.asked), {})
        serving = np.array([place for place, name in enumerate(names) if name in trade.chosen or name == home])
        return serving[choices(quality[:, serving], cost[:, serving], trade.value_nano)], names


def measure(tables: Path, cache: Path, tell: Callable[[str], None]) -> Found:
    """Measure every table that is there; the gains of each release are kept as they come."""
    there = [name for name in TABLES if (tables / f"{name}.parquet").exists()]
    found = [gain for name in there for seed in SEEDS for gain in gains(Source(tables, name), seed, cache, tell)]
    absent = ", ".join(name for name in TABLES if name not in there)
    if not found:
        return Found("## A new model\n\nNot measured: no table.", skipped=f"onboard: {absent} absent")
    return Found(section(found), floors(found), f"onboard: {absent} absent" if absent else "")


def gains(source: Source, seed: int, cache: Path, tell: Callable[[str], None]) -> Iterator[Gain]:
    """Yield the gains of the releases of one split, measuring those that are not kept."""
    files = [source.directory / f"{source.name}.parquet", source.directory / f"{source.name}.prompts.parquet"]
    stamp = digest([*files, *sources("choosing.onboard")])
    path = cache / f"onboard.{source.name}.{seed}.{stamp}.json"
    if not path.exists():
        found = list(measured(source, seed, lambda name: tell(f"onboard: {source.name}, seed {seed}, {name}")))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(found))
        draft.replace(path)
    yield from msgspec.json.decode(path.read_bytes(), type=list[Gain])


def measured(source: Source, seed: int, tell: Callable[[str], None], ways: Sequence[str] = WAYS) -> Iterator[Gain]:
    """Measure the releases of one split."""
    problem, fit, asked = source.problem(seed)
    table = source.table
    coordinates = np.empty((len(table), problem.known.shape[1]))
    coordinates[fit], coordinates[asked] = problem.known, problem.asked
    clusters = {count: _clusters(coordinates, fit, count) for count in CLUSTERS}
    split = Split(table, fit, asked, clusters, WORTH * float(table.paid[fit].mean(axis=0).max()))
    tell("all models")
    whole = teach(table.rows.rows(fit))
    for release in releases(table, fit, seed, whole.evidence, split.value):
        tell(release.name)
        yield _gain(split, release, whole, seed, ways)


def _gain(split: Split, release: Release, whole: Lesson, seed: int, ways: Sequence[str]) -> Gain:
    """``whole`` is what all models of the table teach."""
    table, others = split.table, release.others(split.table)
    before, own = release.before(table).rows(split.fit), release.rows(table).rows(split.fit)
    real = release.column is not None
    lesson = teach(before) if real else whole
    full = whole if real else teach(before.beside(own, own.score))
    score = np.column_stack((table.score[:, others], release.score))[split.asked]
    paid = np.column_stack((table.paid[:, others], release.paid))[split.asked]
    names = (*lesson.policy.deployments, release.name)
    home = names[int(table.score[split.fit][:, others].mean(axis=0).argmax())]

    def gained(taught: Lesson) -> float:
        picks, order = split.served(taught, home)
        places = np.array([names.index(name) for name in order])
        return split.utility(score, paid, places[picks]) - without

    without = 0.0
    without = gained(lesson)
    after: dict[str, tuple[float, ...]] = {}
    if "chosen" in ways:
        chosen = [onboard.prompts(lesson, count) for count in ASKED]
        after["chosen"] = tuple(gained(_taken_in(lesson, own, asked, release.like)) for asked in chosen)
        if "unnamed" in ways and release.like is not None:
            after["unnamed"] = tuple(gained(_taken_in(lesson, own, asked)) for asked in chosen)
    draws = [[_drawn(len(split.fit), count, seed, draw) for count in ASKED] for draw in range(CHANCES)]
    if "random" in ways:
        after["random"] = _mean([[gained(_taken_in(lesson, own, asked, release.like)) for asked in draw] for draw in draws])
    if "plain" in ways and real and seed == 0:
        after["plain"] = tuple(gained(teach(before.beside(own, _only(own.score, asked)))) for asked in draws[0])
    for count in CLUSTERS:
        if (way := f"{UNIROUTE} {count}") in ways:
            rule = _UniRoute.of(split, others, count)
            base = split.utility(score, paid, rule.picks(split))
            taken = [[rule.beside(split, release, asked) for asked in draw] for draw in draws]
            after[way] = _mean([[split.utility(score, paid, one.picks(split)) - base for one in draw] for draw in taken])
    return Gain(table.name, seed, release.name, release.kind, gained(full), after)


def _taken_in(lesson: Lesson, own: Outcomes, asked: Indices, like: str | None = None) -> Lesson:
    """Take a release in after some prompts, as ``pointsman learn`` does."""
    unseen = np.setdiff1d(np.arange(len(own)), asked)
    parts = {name: getattr(own, name).copy() for name in ("score", "cost_nano", "output_tokens")}
    for part in parts.values():
        part[unseen] = np.nan
    name = own.deployments[0]
    return onboard.beside(lesson, replace(own, **parts), expected={name: onboard.Expected(like=like)})


def _only(values: Floats, kept: Indices) -> Floats:
    out = np.full(values.shape, np.nan)
    out[kept] = values[kept]
    return out


def _drawn(size: int, count: int, seed: int, draw: int) -> Indices:
    return np.sort(np.random.default_rng([seed, count, draw]).choice(size, count, replace=False))


def _mean(values: Any) -> tuple[float, ...]:
    return tuple(np.mean(values, axis=0).tolist())


@dataclass(frozen=True)
class _UniRoute:
    """Clusters ``mine`` (N,), scores by cluster (K, M) and mean costs (M,), the new model last."""

    mine: Indices
    score: Floats
    paid: Floats

    @staticmethod
    def of(split: Split, others: list[int], count: int) -> "_UniRoute":
        mine = split.clusters[count]
        score, paid = split.table.score[split.fit][:, others], split.table.paid[split.fit][:, others]
        return _UniRoute(mine, _by_cluster(score, mine[split.fit], count), paid.mean(axis=0))

    def beside(self, split: Split, release: Release, asked: Indices) -> "_UniRoute":
        places = split.fit[asked]
        new = _by_cluster(release.score[places, None], self.mine[places], len(self.score))
        paid = np.append(self.paid, release.paid[places].mean())
        return _UniRoute(self.mine, np.column_stack((self.score, new)), paid)

    def picks(self, split: Split) -> Indices:
        quality = self.score[self.mine[split.asked]]
        return choices(quality, np.broadcast_to(self.paid, quality.shape), split.value)


def _clusters(coordinates: Floats, fit: Indices, count: int) -> Indices:
    centres = baselines.centres(coordinates[fit], count)
    return np.asarray((coordinates @ centres.T - 0.5 * np.square(centres).sum(axis=1)).argmax(axis=1))


def _by_cluster(score: Floats, mine: Indices, count: int) -> Floats:
    number = np.bincount(mine, minlength=count)[:, None]
    return np.where(number > 0, sums(score, mine, count) / np.maximum(number, 1), score.mean(axis=0))
