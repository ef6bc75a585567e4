"""What a way of choosing is given, and what it gives back.

Strategy: a Problem holds the fit part with its outcomes and the texts of what is asked; ``inner`` makes a smaller one of the
fit part alone, in which options and trade-offs are chosen, as their outcomes are known there.

Laws: a way never sees an outcome of what is asked; labels of what is asked are there for the one baseline that needs them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from choosing.statistics import Floats, Indices, area
from choosing.text import Matrix
from pointsman.policy.trade import choices

# Values of a right answer, in mean costs of the fit part's dearest model; before them stands "cost does not count".
STEPS: Final = np.geomspace(1000.0, 1 / 30, 47)
TRADES: Final = 1 + len(STEPS)
TOLERANCE: Final = 0.01
Option = TypeVar("Option")
_INNER: Final = 0.3


@dataclass(frozen=True)
class Problem:
    """n prompts to fit on and q that are asked, M models.

    ``near`` (q, n) and ``near_fit`` (n, n) are cosines, ``asked`` (q, D) and ``known`` (n, D) coordinates; ``score`` and
    ``paid`` (n, M) are the fit part's outcomes (NaN where no cost is known), ``labels`` and ``asked_labels`` its datasets.
    """

    near: Matrix
    near_fit: Matrix
    asked: Matrix
    known: Matrix
    score: Floats
    paid: Floats
    labels: Indices
    asked_labels: Indices

    @property
    def priced(self) -> bool:
        """Whether costs are known."""
        return bool(np.isfinite(self.paid).all())

    @property
    def values(self) -> list[float | None]:
        """The values of a right answer, in nano-dollars, at which every way chooses; None: cost does not count."""
        dearest = float(self.paid.mean(axis=0).max()) if self.priced else 0.0
        return [None, *(float(step) * dearest for step in STEPS)]

    @property
    def single(self) -> int:
        """The model with the best mean score on the fit part."""
        return int(self.score.mean(axis=0).argmax())

    @property
    def cheapest(self) -> int:
        """The model with the lowest mean cost on the fit part; where no cost is known, the first."""
        return int(self.paid.mean(axis=0).argmin()) if self.priced else 0

    def inner(self, seed: int) -> tuple["Problem", Indices]:
        """Return the problem of telling 30 % of the fit part from the rest, and which rows these are."""
        order = np.random.default_rng(1000 + seed).permutation(len(self.score))
        cut = int(_INNER * len(order))
        held, kept = np.sort(order[:cut]), np.sort(order[cut:])
        rest = self.near_fit[kept]
        return Problem(
            near=self.near_fit[np.ix_(held, kept)],
            near_fit=rest[:, kept],
            asked=self.known[held],
            known=self.known[kept],
            score=self.score[kept],
            paid=self.paid[kept],
            labels=self.labels[kept],
            asked_labels=self.labels[held],
        ), held


@dataclass(frozen=True)
class Chosen:
    """What a way makes of the prompts asked.

    ``picks`` (TRADES, q) are models by value of a right answer, the first with cost not counting; ``quality`` (q, M) what
    it expects, for the Brier score; ``within`` the place of the trade-off that was within a point of the best single model
    on the fit part.
    """

    picks: Indices
    quality: Floats
    within: int = 0


def by_value(problem: Problem, quality: Floats, cost: Floats) -> Chosen:
    """Choose the largest value times quality, less cost; equal qualities by the model's mean on the fit part."""
    untied = quality + 1e-6 * problem.score.mean(axis=0)
    return Chosen(np.stack([choices(untied, cost, value) for value in problem.values]), quality)


def curve(picks: Indices, score: Floats, paid: Floats) -> tuple[Floats, Floats]:
    """Return what each trade-off scores and spends on each prompt (q, TRADES)."""
    here = np.arange(len(score))[:, None]
    return score[here, picks.T], paid[here, picks.T]


def parts(problem: Problem, picks: Indices, score: Floats, paid: Floats) -> Floats:
    """Return each prompt's part (q,) in the figure of a table: the area, or the accuracy where no cost is known.

    The area is between the mean costs of the fit part's cheapest and dearest models, and any way may be mixed with the
    cheapest.
    """
    scores, spent = curve(picks, score, paid)
    if not problem.priced:
        return scores[:, 0]
    cheapest = problem.cheapest
    means = problem.paid.mean(axis=0)
    scores, spent = np.column_stack((scores, score[:, cheapest])), np.column_stack((spent, paid[:, cheapest]))
    return area(scores, spent, float(means[cheapest]), float(means.max()))


def tuned(way: Callable[[Problem, Option], Chosen], options: tuple[Option, ...], problem: Problem, seed: int) -> Chosen:
    """Choose the option and the trade-off inside the fit part, then learn from all of it."""
    inner, held = problem.inner(seed)
    score, paid = problem.score[held], problem.paid[held]
    tried = [way(inner, option) for option in options]
    best = max(range(len(options)), key=lambda place: float(parts(inner, tried[place].picks, score, paid).mean()))
    final = way(problem, options[best])
    scores, spent = curve(tried[best].picks, score, paid)
    enough = scores.mean(axis=0) >= score[:, problem.single].mean() - TOLERANCE
    cost = np.where(enough, spent.mean(axis=0), np.inf)
    within = int(cost.argmin()) if problem.priced and np.isfinite(cost).any() else 0
    return Chosen(final.picks, final.quality, within)
