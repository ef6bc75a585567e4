"""What the ways of choosing come to on one table: figures with intervals, and comparisons with Pointsman.

Strategy: for each split and way every figure is one number a prompt (``measured``); these are averaged over the splits for
each group, and all ways share the draws of groups, so that differences are paired.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from choosing import baselines, expectations
from choosing.expectations import Calibration, Lengths
from choosing.measured import CAREFUL, MEANS, Measured
from choosing.runs import OWN, Result, Source
from choosing.statistics import Floats, Interval, chance, drawn, holm, interval

NOT_DEPLOYABLE: Final = (baselines.LABEL, baselines.POSSIBLE)
_PRICED_ONLY: Final = ("cheapest", "zero-router hull")
_EXPECTING_MEANS: Final = (baselines.SINGLE, *_PRICED_ONLY)
_SURE: Final = 0.05


@dataclass(frozen=True)
class Compared:
    """A way's figure, and how much more Pointsman's is: with an interval, and the p-value adjusted by Holm."""

    figure: Interval
    ahead: Interval
    chance: float

    @property
    def verdict(self) -> str:
        """``above``, ``below`` or empty where the difference is not significant."""
        if self.chance >= _SURE:
            return ""
        return "above" if self.ahead.mean > 0 else "below"


@dataclass(frozen=True)
class Measure:
    """One figure of every way: Pointsman's own, the others compared with it, and the redrawn leads (draws,) by way."""

    own: Interval
    others: Mapping[str, Compared]
    leads: Mapping[str, Floats] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Saving:
    """Coming within a point of the best single model: share of its cost, and change in accuracy."""

    share: Interval
    change: Interval


@dataclass(frozen=True)
class Figures:
    """All figures of one table, over some splits.

    ``headline`` is the area, or the accuracy where no cost is known; ``always`` the change in accuracy against the best
    single model if Pointsman took the highest expectation for every prompt, whether or not that was shown to pay; ``sure``
    that under ``best`` with its usual caution; ``alone`` in how many splits one model was said to suffice, under ``best``
    and under ``match``.
    """

    name: str
    groups: int
    models: int
    priced: bool
    seeds: tuple[int, ...]
    left_out: tuple[str, ...]
    singles: tuple[str, ...]
    headline: Measure
    accuracy: Measure
    always: Interval
    sure: Interval
    brier: Measure
    savings: Mapping[str, Saving]
    calibration: Calibration
    lengths: Lengths | None
    curves: Mapping[str, tuple[Floats, Floats]]
    alone: tuple[int, int]


def figures(source: Source, results: Mapping[int, Mapping[str, Result]]) -> Figures:
    """Work out the figures of a table from what was measured."""
    found = Measured.of(source, results)
    table = found.table
    ways = [way for way in found.ways if table.priced or way not in _PRICED_ONLY]
    everyone = [*ways, baselines.POSSIBLE, baselines.RANDOM]
    expecting = [OWN, MEANS, *(way for way in found.ways if way not in (OWN, *_EXPECTING_MEANS))]
    alone = np.sum([each[OWN]["alone"] for each in results.values()], axis=0).tolist()
    return Figures(
        name=table.name,
        groups=len(table),
        models=len(table.rows.deployments),
        priced=table.priced,
        seeds=tuple(results),
        left_out=table.left_out,
        singles=tuple(sorted({table.rows.deployments[problem.single] for problem in found.problems.values()})),
        headline=_compared(found, found.headline, everyone),
        accuracy=_compared(found, found.accuracy, everyone),
        always=_mean(found.by_group(found.always)),
        sure=_mean(found.by_group(found.sure)),
        brier=_compared(found, found.brier, expecting),
        savings={way: _saving(found, way) for way in _matching(found)} if table.priced else {},
        calibration=expectations.calibration(found),
        lengths=expectations.lengths(found),
        curves={way: found.curve(way) for way in [*found.ways, baselines.POSSIBLE]} if table.priced else {},
        alone=(alone[0], alone[1]),
    )


def _matching(found: Measured) -> list[str]:
    """Return the ways that come within a point of best single: Pointsman as an even bet, then with its usual caution."""
    return [OWN, CAREFUL, *(way for way in found.ways if way != OWN)]


def _compared(found: Measured, of: Callable[[int, str], Floats], ways: list[str]) -> Measure:
    """Compare Pointsman with every other way; the best possible choice is shown and takes no part in the adjustment."""
    values = np.stack([found.by_group(lambda seed: of(seed, way)) for way in ways], axis=1)  # noqa: B023 - called at once
    values = values[np.isfinite(values).all(axis=1)]
    means, redrawn = values.mean(axis=0), drawn(values)
    place = {way: column for column, way in enumerate(ways)}
    mine = place[OWN]
    leads = {way: redrawn[:, mine] - redrawn[:, place[way]] for way in ways if way != OWN}
    rivals = [way for way in leads if way != baselines.POSSIBLE]
    chances = dict(zip(rivals, holm([chance(leads[way]) for way in rivals]), strict=True))
    others = {
        way: Compared(
            figure=interval(float(means[place[way]]), redrawn[:, place[way]]),
            ahead=interval(float(means[mine] - means[place[way]]), lead),
            chance=chances.get(way, 1.0),
        )
        for way, lead in leads.items()
    }
    return Measure(interval(float(means[mine]), redrawn[:, mine]), others, leads)


def _mean(values: Floats) -> Interval:
    values = values[np.isfinite(values)]
    return interval(float(values.mean()), drawn(values[:, None])[:, 0])


def _saving(found: Measured, way: str) -> Saving:
    share = found.by_group(lambda seed: found.share(seed, way))
    return Saving(_mean(share), _mean(found.by_group(lambda seed: found.change(seed, way))))
