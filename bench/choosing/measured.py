"""What was measured of one table, split by split, as numbers of prompts: what every figure is worked out from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from choosing import baselines
from choosing.problems import Problem, curve, parts
from choosing.rows import Table
from choosing.runs import OWN, Result, Source
from choosing.statistics import Floats, Indices, averaged, ratio

CAREFUL = f"{OWN}, with its usual caution"  # under ``match``
MEANS = "model means"  # what best single, cheapest, random and the hull expect of a model


@dataclass(frozen=True)
class Measured:
    """One table with its results by seed and way; ``asked`` are the rows set aside, ``picks`` (TRADES, q) the choices.

    The methods return one number for each prompt of a split.
    """

    table: Table
    results: Mapping[int, Mapping[str, Result]]
    problems: Mapping[int, Problem]
    asked: Mapping[int, Indices]
    picks: Mapping[int, Mapping[str, Indices]]

    @staticmethod
    def of(source: Source, results: Mapping[int, Mapping[str, Result]]) -> "Measured":
        """Put the outcomes beside the results, and the best possible choice."""
        table = source.table
        problems, asked, picks = {}, {}, {}
        for seed, found in results.items():
            problems[seed], _, rows = source.bare(seed)
            asked[seed] = rows
            picks[seed] = {way: np.asarray(each["picks"], dtype=np.int64) for way, each in found.items()}
            best = baselines.possible(problems[seed], table.score[rows], table.paid[rows])
            picks[seed][baselines.POSSIBLE] = best.picks
        return Measured(table, results, problems, asked, picks)

    @property
    def ways(self) -> list[str]:
        """Every way that was measured, Pointsman first."""
        return list(next(iter(self.results.values())))

    def by_group(self, of: Callable[[int], Floats]) -> Floats:
        """Return numbers of prompts averaged over the splits (N, ...), NaN for groups that none of them asked."""
        return averaged(len(self.table), [(self.asked[seed], of(seed)) for seed in self.results])

    def outcomes(self, seed: int) -> tuple[Floats, Floats]:
        """Return what every model scored and cost on the prompts of a split (q, M)."""
        return self.table.score[self.asked[seed]], self.table.paid[self.asked[seed]]

    def seen(self, seed: int) -> NDArray[np.bool_]:
        """Say which scores (q, M) are real."""
        return self.table.seen[self.asked[seed]]

    def expected(self, seed: int, way: str = OWN) -> Floats:
        """Return the quality (q, M) that a way expects."""
        return np.asarray(self.results[seed][baselines.SINGLE if way == MEANS else way]["quality"], dtype=np.float64)

    def headline(self, seed: int, way: str) -> Floats:
        """Return each prompt's part in the area, or its score where no cost is known."""
        score, paid = self.outcomes(seed)
        problem = self.problems[seed]
        if way != baselines.RANDOM:
            return parts(problem, self.picks[seed][way], score, paid)
        if not problem.priced:
            return np.asarray(score.mean(axis=1))
        # By chance: the means stand in one more column, and every trade-off picks that.
        picks = np.full((1, len(score)), score.shape[1])
        scores, costs = (np.column_stack((each, each.mean(axis=1))) for each in (score, paid))
        return parts(problem, picks, scores, costs)

    def accuracy(self, seed: int, way: str) -> Floats:
        """Return the score of what is chosen while cost does not count."""
        score, _ = self.outcomes(seed)
        if way == baselines.RANDOM:
            return np.asarray(score.mean(axis=1))
        return np.asarray(score[np.arange(len(score)), self.picks[seed][way][0]])

    def always(self, seed: int) -> Floats:
        """Return the change against the best single model if Pointsman's highest expectation were always chosen."""
        score, _ = self.outcomes(seed)
        top = self.expected(seed).argmax(axis=1)
        return np.asarray(score[np.arange(len(score)), top] - score[:, self.problems[seed].single])

    def sure(self, seed: int) -> Floats:
        """Return Pointsman's change against the best single model under ``best`` with its usual caution."""
        score, _ = self.outcomes(seed)
        pick = self.results[seed][OWN]["sure"].astype(np.int64)
        return np.asarray(score[np.arange(len(score)), pick] - score[:, self.problems[seed].single])

    def brier(self, seed: int, way: str) -> Floats:
        """Return the squared error of what a way expects, averaged over the models that were seen."""
        score, _ = self.outcomes(seed)
        seen = self.seen(seed)
        wrong = np.where(seen, np.square(self.expected(seed, way) - score), 0.0)
        return np.asarray(wrong.sum(axis=1) / seen.sum(axis=1))

    def _matched(self, seed: int, way: str) -> Indices:
        found = self.results[seed]
        kept = found[OWN]["careful"] if way == CAREFUL else found[way]["match"]
        return np.asarray(kept, dtype=np.int64)

    def share(self, seed: int, way: str) -> Floats:
        """Return each prompt's part in the share of best single's cost, within a point of its accuracy."""
        _, paid = self.outcomes(seed)
        pick = self._matched(seed, way)
        return ratio(paid[np.arange(len(paid)), pick], paid[:, self.problems[seed].single])

    def change(self, seed: int, way: str) -> Floats:
        """Return the change in score against best single, within a point of its accuracy."""
        score, _ = self.outcomes(seed)
        pick = self._matched(seed, way)
        return np.asarray(score[np.arange(len(score)), pick] - score[:, self.problems[seed].single])

    def curve(self, way: str) -> tuple[Floats, Floats]:
        """Return (cost in US dollars, quality) of every trade-off (TRADES,), averaged over the splits."""
        points = [curve(each[way], *self.outcomes(seed)) for seed, each in self.picks.items()]
        quality, cost = (np.mean([point[side].mean(axis=0) for point in points], axis=0) for side in (0, 1))
        return cost / 1e9, quality
