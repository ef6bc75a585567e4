"""Asking twice: several models asked one after another, where the answer of one is not believed enough.

What is measured is ``policy/rehearsal``: the pool, the plan and the worth of a right answer are chosen inside the fit part,
under the objective ``budget`` with 1.1 times the best single model's mean cost there; where none certainly pays, the best
single model serves alone. On ``routerbench_part`` only the prompts take part of which at least one model gave an answer that
can be compared (multiple choice).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from msgspec.structs import replace

from choosing import rows
from choosing.floors import Floor, at_least, at_most, plain, points
from choosing.kept import digest, sources
from choosing.parts import Found
from choosing.statistics import Floats, Indices, Interval, averaged, drawn, interval, ratio
from pointsman.control.learn import expected
from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Objective
from pointsman.policy.bound import holds
from pointsman.policy.cascade import follow
from pointsman.policy.rehearsal import Graded, graded, outcome, rehearsed
from pointsman.policy.teach import Lesson, teach
from pointsman.policy.trade import choices, resolve

NAME: Final = "twice"
TABLES: Final = ("mmlu_pro", "routerbench_part")
SEEDS: Final = range(10)
BUDGET: Final = 1.1  # of the best single model's mean cost
GAIN: Final = 0.02
ERROR: Final = 0.05
OWN: Final = "asking twice"
WAYS: Final = (
    "best single", OWN, "one model per request", "two that agree, else best single", "majority of the three best",
    "best possible",
)  # fmt: skip
FLOOR: Final = "mmlu_pro"


@dataclass(frozen=True)
class Split:
    """What came of one split: score and cost of every way (WAYS, 2, q) on the groups (q,) that were asked."""

    asked: Indices
    results: Floats
    calls: Floats
    models: tuple[str, ...]


def measure(tables: Path, cache: Path, tell: Callable[[str], None]) -> Found:
    """Measure every table that is there."""
    return over(tables, cache, tell, SEEDS)


def over(tables: Path, cache: Path, tell: Callable[[str], None], seeds: range) -> Found:
    """Measure on other seeds than those of the document."""
    found: dict[str, tuple[int, list[Split]]] = {}
    for name in TABLES:
        if (tables / f"{name}.parquet").exists():
            table = _answered(rows.read(tables, name))
            stamp = digest([tables / f"{name}.parquet", tables / f"{name}.prompts.parquet", *sources("choosing.twice")])
            found[name] = len(table), [_kept(cache, table, seed, stamp, tell) for seed in seeds]
    absent = ", ".join(name for name in TABLES if name not in found)
    figures = {name: _Figures.of(*each) for name, each in found.items()}
    section = _HEAD.format(first=seeds.start, last=seeds.stop - 1) + "\n\n".join(
        _section(name, figures[name], each) for name, (_, each) in found.items()
    )
    return Found(section, _floors(figures), f"twice: {absent} absent" if absent else "")


def _answered(table: rows.Table) -> rows.Table:
    """Return the prompts of which at least one model gave an answer that can be compared."""
    assert table.rows.said is not None
    some = np.flatnonzero((table.rows.said >= 0).any(axis=1))
    return rows.Table(
        name=table.name,
        rows=table.rows.rows(some),
        texts=tuple(table.texts[row] for row in some.tolist()),
        score=table.score[some],
        seen=table.seen[some],
        paid=table.paid[some],
        left_out=table.left_out,
    )


def _kept(cache: Path, table: rows.Table, seed: int, stamp: str, tell: Callable[[str], None]) -> Split:
    path = cache / f"{table.name}.{seed}.twice.{stamp}.npz"
    if not path.exists():
        tell(f"asking twice: {table.name}, seed {seed}")
        split = _measured(table, seed)
        draft = path.with_suffix(".draft.npz")
        np.savez_compressed(draft, **vars(split))
        draft.replace(path)
    with np.load(path) as kept:
        return Split(kept["asked"], kept["results"], kept["calls"], tuple(kept["models"].tolist()))


def _measured(table: rows.Table, seed: int) -> Split:
    fit, asked = rows.split(len(table), seed)
    lesson = teach(table.rows.rows(fit))
    known = graded(lesson.outcomes, lesson.quality, lesson.cost_nano, lesson.spent_nano)
    score, paid = table.score[asked], table.paid[asked]
    single = int(table.score[fit].mean(axis=0).argmax())
    most = BUDGET * float(table.paid[fit, single].mean())
    budget = Objective("budget", usd_per_1000=most * 1000 / NANO_PER_USD)
    found = rehearsed(known, known.deployments[single], budget)
    given = table.rows.rows(asked)
    quality, cost = expected(lesson.policy, given, {})
    seen = Graded(
        known.deployments, quality.astype(np.float64), cost, _said(given.said), given.output_tokens, score, paid,
        np.zeros(len(asked), dtype=np.int64),
    )  # fmt: skip
    here = np.arange(len(asked))
    chosen = _choice(lesson, budget, single, seen.quality, cost)
    alone = score[:, single], paid[:, single]
    results = np.array([
        alone,
        alone if found is None else outcome(found.plan, seen),
        (score[here, chosen], paid[here, chosen]),
        _agreeing(table, fit, asked, single, most),
        _majority(seen, np.argsort(-table.score[fit].mean(axis=0), kind="stable")[:3]),
        _possible(score, paid),
    ])  # fmt: skip
    if found is None:
        return Split(asked, results, np.ones(len(asked)), (known.deployments[single],))
    pool = [known.deployments.index(name) for name in found.plan.models]
    calls = follow(found.plan, seen.heard(pool), cost[:, np.array(pool)]).asked.sum(axis=1)
    return Split(asked, results, calls, found.plan.models)


def _said(said: Indices | None) -> Indices:
    assert said is not None
    return said


def _choice(lesson: Lesson, budget: Objective, single: int, quality: Floats, cost: Floats) -> Indices:
    """Return the one model that is chosen for each prompt asked, within the same budget."""
    names = lesson.policy.deployments
    trade = resolve(replace(budget, caution=0.0), lesson.evidence, names[single], np.random.default_rng(0))
    if trade.one_model is not None:
        return np.full(len(quality), names.index(trade.one_model))
    return choices(quality, cost, trade.value_nano)


def _agreeing(table: rows.Table, fit: Indices, asked: Indices, single: int, most: float) -> tuple[Floats, Floats]:
    """Return what two models come to that are always asked, and best single where they do not agree.

    The pair is the best on the fit part of those that keep the budget there.
    """
    said, others = _said(table.rows.said), [model for model in range(table.score.shape[1]) if model != single]

    def result(places: Indices, one: int, other: int) -> tuple[Floats, Floats]:
        agree = (said[places, one] == said[places, other]) & (said[places, one] >= 0)
        both = table.paid[places, one] + table.paid[places, other]
        score = np.where(agree, table.score[places, one], table.score[places, single])
        return score, both + np.where(agree, 0.0, table.paid[places, single])

    fitted = {pair: result(fit, *pair) for pair in combinations(others, 2)}
    kept = {pair: float(score.mean()) for pair, (score, paid) in fitted.items() if paid.mean() <= most}
    if not kept:
        return table.score[asked, single], table.paid[asked, single]
    return result(asked, *max(kept, key=kept.__getitem__))


def _majority(seen: Graded, three: Indices) -> tuple[Floats, Floats]:
    """Return what the answer of two of the three best models comes to, the first one's where none agree; all are paid."""
    first, second, third = (seen.said[:, model] for model in three)
    outvoted = (second == third) & (second >= 0) & (first != second)
    score = np.where(outvoted, seen.score[:, three[1]], seen.score[:, three[0]])
    return score, seen.spent_nano[:, three].sum(axis=1)


def _possible(score: Floats, paid: Floats) -> tuple[Floats, Floats]:
    """Return the best score of any model, at the cost of the cheapest that reaches it."""
    top = score.max(axis=1)
    return top, np.where(score >= top[:, None], paid, np.inf).min(axis=1)


@dataclass(frozen=True)
class _Figures:
    """Over all splits: change in score against best single and share of its cost, of every way; and how often plans passed.

    ``passed`` counts splits in which the set-aside part itself, as a test, says that asking twice is not worse.
    """

    change: dict[str, Interval]
    share: dict[str, Interval]
    calls: float
    passed: int

    @staticmethod
    def of(groups: int, splits: list[Split]) -> "_Figures":
        def mean(values: Callable[[Split, int], Floats], way: int) -> Interval:
            found = averaged(groups, [(each.asked, values(each, way)) for each in splits])
            known = found[np.isfinite(found)]
            return interval(float(known.mean()), drawn(known[:, None])[:, 0])

        def change(each: Split, way: int) -> Floats:
            return np.asarray(each.results[way, 0] - each.results[0, 0])

        def share(each: Split, way: int) -> Floats:
            return ratio(each.results[way, 1], each.results[0, 1])

        own = WAYS.index(OWN)
        rng = np.random.default_rng(0)
        return _Figures(
            change={way: mean(change, place) for place, way in enumerate(WAYS)},
            share={way: mean(share, place) for place, way in enumerate(WAYS)},
            calls=float(np.mean([each.calls.mean() for each in splits])),
            passed=sum(bool(holds(rng.permutation(change(each, own)), 0.0, ERROR)) for each in splits),
        )


_HEAD: Final = """\
## Asking twice

Several models are asked one after another, until one of the answers is believed enough (`policy/cascade`). Pool, plan and
worth of a right answer are chosen inside the fit part to keep a budget of 1.1 times best single's mean cost there, less one
standard error; where no plan is certainly better than best single, that serves alone. The answers compared are the parsed
ones, and cost is the sum of all calls. Seeds {first} to {last}; change in points and share of cost against best single,
averaged over splits for each group and bootstrapped over groups. *One model per request*: the shipped choice, without
asking again, within the same budget. *Two that agree*: the best pair on the fit part of those within the budget. *Best
possible* knows the outcomes.

"""


def _section(name: str, found: _Figures, splits: list[Split]) -> str:
    pools = Counter(tuple(sorted(each.models)) for each in splits)
    asked = "; ".join(f"{', '.join(pool)} ({count} of {len(splits)} splits)" for pool, count in pools.most_common())
    head = f"### {name}\n\n| way | change, points [95 %] | share of best single's cost [95 %] |\n|---|---|---|\n"
    lines = "\n".join(f"| {way} | {points(found.change[way])} | {plain(found.share[way])} |" for way in WAYS)
    return (
        f"{head}{lines}\n\n{found.calls:.2f} calls a prompt. Who may be asked: {asked}. On {found.passed} of {len(splits)} "
        f"splits the part set aside, as a test at {100 * (1 - ERROR):.0f} % (`policy/bound`), says that quality is higher "
        "than best single's."
    )


def _floors(figures: dict[str, _Figures]) -> tuple[Floor, ...]:
    if FLOOR not in figures:
        return ()
    gain, share = figures[FLOOR].change[OWN], figures[FLOOR].share[OWN]
    what = f"{FLOOR}: asking twice"
    return (
        Floor(
            2, f"{what}, accuracy over best single, at least {100 * GAIN:+.1f} points", points(gain), at_least(gain, GAIN)
        ),
        Floor(2, f"{what}, share of best single's cost there, at most {BUDGET}", plain(share), at_most(share, BUDGET)),
    )
