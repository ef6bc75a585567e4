"""Every way of choosing on every table and split: measured once, and kept.

Strategy: one file for each table, seed and way, named by a digest of the code and of the table that it depends on, so that
changed code is measured again and an interrupted run goes on where it was. For Pointsman that is what learns and chooses,
and instead of the code of the features what they are on this table: they are made faster more often than they are changed.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from choosing import baselines, rows, text
from choosing.kept import digest, sources
from choosing.problems import Chosen, Problem
from choosing.shipped import own
from choosing.statistics import Indices
from pointsman.policy import features

Result = dict[str, Any]  # arrays by name, as they are kept

OWN: Final = "Pointsman"
WAYS: Final = (OWN, baselines.LABEL, *baselines.DEPLOYABLE)
_HERE: Final = Path(__file__).parent
_SHARED: Final = (
    _HERE / "rows.py",
    _HERE / "problems.py",
    _HERE.parents[1] / "src" / "pointsman" / "control" / "tables.py",
)


@dataclass
class Source:
    """One table, read when it is first needed."""

    directory: Path
    name: str

    @cached_property
    def table(self) -> rows.Table:
        """The table."""
        return rows.read(self.directory, self.name)

    @cached_property
    def counts(self) -> text.Counts:
        """The words of its texts."""
        return text.count(self.table.texts)

    @cached_property
    def vectors(self) -> str:
        """A digest of the features of its texts."""
        return hashlib.sha256(features.dense(self.table.rows.vectors).tobytes()).hexdigest()[:8]

    def problem(self, seed: int) -> tuple[Problem, Indices, Indices]:
        """Return the problem of a split, the rows to fit on and the rows that are asked."""
        fit, asked = rows.split(len(self.table), seed)
        space = text.space(self.counts, fit)
        return self._problem(fit, asked, space.near, space.coordinates), fit, asked

    def bare(self, seed: int) -> tuple[Problem, Indices, Indices]:
        """Return the problem of a split without its texts."""
        fit, asked = rows.split(len(self.table), seed)
        nothing = np.zeros((len(self.table), 0), dtype=np.float32)
        return self._problem(fit, asked, nothing, nothing), fit, asked

    def _problem(self, fit: Indices, asked: Indices, near: text.Matrix, coordinates: text.Matrix) -> Problem:
        table, labels = self.table, self.table.rows.task
        return Problem(
            near=near[asked],
            near_fit=near[fit],
            asked=coordinates[asked],
            known=coordinates[fit],
            score=table.score[fit],
            paid=table.paid[fit],
            labels=labels[fit],
            asked_labels=labels[asked],
        )


def runs(
    source: Source, seeds: Iterable[int], cache: Path, ways: tuple[str, ...], told: Callable[[str], None]
) -> dict[int, dict[str, Result]]:
    """Return the results by seed and way, measuring those that are not kept. ``told`` hears of each that is there."""
    found: dict[int, dict[str, Result]] = {}
    stamp = digest([source.directory / f"{source.name}.parquet", source.directory / f"{source.name}.prompts.parquet"])
    cache.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        found[seed] = {}
        problem: tuple[Problem, Indices, Indices] | None = None
        for way in ways:
            path = cache / f"{source.name}.{seed}.{way.replace(' ', '-')}.{stamp}{_code(way, source)}.npz"
            if not path.exists():
                if problem is None:
                    problem = source.bare(seed) if ways == (OWN,) else source.problem(seed)
                _keep(path, _measured(source.table, way, seed, *problem))
            with np.load(path) as kept:
                found[seed][way] = dict(kept)
            told(f"{source.name}, seed {seed}, {way}")
    return found


def _measured(table: rows.Table, way: str, seed: int, problem: Problem, fit: Indices, asked: Indices) -> Result:
    if way == OWN:
        mine = own(table, problem, fit, asked)
        return {
            "picks": mine.picks.astype(np.uint8),
            "match": mine.match.astype(np.uint8),
            "careful": mine.careful.astype(np.uint8),
            "sure": mine.sure.astype(np.uint8),
            "quality": mine.quality.astype(np.float32),
            "tokens": mine.tokens.astype(np.float32),
            "high": mine.high.astype(np.float32),
            "alone": np.array(mine.alone),
        }
    found: Chosen = (baselines.per_label if way == baselines.LABEL else baselines.DEPLOYABLE[way])(problem, seed)
    return {
        "picks": found.picks.astype(np.uint8),
        "match": found.picks[found.within].astype(np.uint8),
        "quality": found.quality.astype(np.float32),
    }


def _keep(path: Path, result: Result) -> None:
    """Write a result whole or not at all."""
    draft = path.with_suffix(".part.npz")
    np.savez_compressed(draft, allow_pickle=False, **result)
    draft.replace(path)


def _code(way: str, source: Source) -> str:
    """Return the digest of what a way depends on beside the files of the table."""
    if way != OWN:
        return digest([*_SHARED, _HERE / "text.py", _HERE / "baselines.py"])
    return digest([*_SHARED, *sources("choosing.shipped", but=features.__name__)]) + source.vectors
