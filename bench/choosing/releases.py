"""Releases of models, on an outcome table: real ones, made ones, and harmful ones.

Strategy: a real release is a model of the table, before which there were only the others. A made one is a model that the
full policy uses, its scores made better on half of the tasks: a share of its wrong answers becomes right, drawn with a
recorded seed; it costs what that model does. Harmful are a model in use that became five points worse everywhere at the same
price, one at twice its price and no better (as many answers turned right as wrong), and the real models that come nearest to
being used without being so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from choosing.rows import Table
from choosing.statistics import Floats, Indices
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.trade import Evidence

MADE: Final = 5
USELESS: Final = 2  # real models that no choice falls on
WORSE: Final = 0.05
BETTER: Final = (0.03, 0.10)
USED: Final = 0.01  # of the prompts, that a model is chosen for to be in use
Kind = Literal["real", "made", "harmful"]


@dataclass(frozen=True)
class Release:
    """A model that was not there before: its outcomes on all N prompts.

    ``column`` is its place in the table, where real; ``like`` what it was made of, where that is another one.
    """

    name: str
    kind: Kind
    score: Floats
    paid: Floats
    column: int | None = None
    like: str | None = None

    def before(self, table: Table) -> Outcomes:
        """Return the table's rows as they were without it."""
        return table.rows if self.column is None else table.rows.columns(self.others(table))

    def others(self, table: Table) -> list[int]:
        """Return the places of all other models in the table."""
        return [place for place in range(len(table.rows.deployments)) if place != self.column]

    def rows(self, table: Table) -> Outcomes:
        """Return its own rows."""
        if self.column is not None:
            return table.rows.columns([self.column])
        return replace(
            table.rows,
            deployments=(self.name,),
            score=self.score[:, None],
            cost_nano=self.paid[:, None],
            output_tokens=np.full((len(table), 1), np.nan),
        )


def releases(table: Table, fit: Indices, seed: int, evidence: Evidence, value: float) -> Iterator[Release]:
    """Yield the releases of a split; ``evidence`` is the full policy's on the fit part, ``value`` that of a right answer."""
    share = np.bincount(evidence.choices(value), minlength=len(evidence.deployments)) / len(fit)
    used = [int(place) for place in np.argsort(-share) if share[place] >= USED]
    utility = np.where(share < USED, value * table.score[fit].mean(axis=0) - table.paid[fit].mean(axis=0), -np.inf)
    useless = np.argsort(-utility)[:USELESS].tolist()
    for column in used:
        yield _real(table, column, "real")
    for column in useless:
        yield _real(table, column, "harmful")
    rng = np.random.default_rng(1000 + seed)
    for number in range(MADE):
        base = int(rng.choice(used))
        yield _made(table, base, f"made {number}", "made", _better(table, base, rng))
    for base in used[:2]:
        worse = _turned(table.score[:, base], WORSE, 0.0, rng)
        yield _made(table, base, f"{table.rows.deployments[base]}, worse", "harmful", worse)
    same = _turned(table.score[:, used[0]], WORSE, 0.0, rng)
    same = _turned(same, 0.0, WORSE, rng)
    yield _made(table, used[0], f"{table.rows.deployments[used[0]]}, dearer", "harmful", same, dearer=2.0)


def _real(table: Table, column: int, kind: Kind) -> Release:
    return Release(table.rows.deployments[column], kind, table.score[:, column], table.paid[:, column], column)


def _made(table: Table, base: int, name: str, kind: Kind, score: Floats, dearer: float = 1.0) -> Release:
    return Release(name, kind, score, dearer * table.paid[:, base], like=table.rows.deployments[base])


def _better(table: Table, base: int, rng: np.random.Generator) -> Floats:
    """Return a model's scores with those on half of the tasks raised."""
    count = len(table.rows.tasks)
    raised, by = rng.permutation(count)[: (count + 1) // 2], rng.uniform(*BETTER)
    score = table.score[:, base].copy()
    for task in raised:
        mine = table.rows.task == task
        score[mine] = _turned(score[mine], 0.0, by, rng)
    return score


def _turned(score: Floats, down: float, up: float, rng: np.random.Generator) -> Floats:
    """Return scores with so many points of them turned wrong, or right, by chance."""
    mean = float(score.mean()) if len(score) else 0.5
    wrong = rng.random(len(score)) < min(down / max(mean, 1e-9), 1.0)
    right = rng.random(len(score)) < min(up / max(1 - mean, 1e-9), 1.0)
    return np.where(right, 1.0, np.where(wrong, 0.0, score))
