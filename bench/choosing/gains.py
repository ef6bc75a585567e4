"""What releases brought, as figures: shares of the full gains, what harmful ones cost, the section and the floors.

Strategy: a release of the same name in several splits is one; releases are drawn again with replacement. Counted are real
ones whose full gain is at least ``LEAST``, averaged over splits, and all that were made.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from choosing.floors import Floor, at_least, at_most, plain
from choosing.releases import Kind
from choosing.statistics import Floats, Interval, interval

ASKED: Final = (32, 100, 400)
AIMS: Final = (0.4, 0.7, 0.9)  # of the full gains, after so many prompts
LEAST: Final = 0.005
MOST: Final = 0.003  # that a harmful release may cost
UNIROUTE: Final = "UniRoute"
_PLACES: Final = range(len(ASKED))
_DRAWS: Final = 4000


class Gain(Struct, frozen=True):
    """What a release brings on prompts set aside, in units of quality: in ``full``, and by way, after each of ``ASKED``."""

    table: str
    seed: int
    name: str
    kind: Kind
    full: float
    after: dict[str, tuple[float, ...]]

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two of them the same release."""
        return (self.table, self.name) if self.kind != "made" else (self.table, self.name, str(self.seed))


def counted(found: Sequence[Gain]) -> list[Gain]:
    """Return the gains that count: of what was made, and of what is worth having."""
    full: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for gain in found:
        full[gain.identity].append(gain.full)
    return [g for g in found if g.kind == "made" or (g.kind == "real" and np.mean(full[g.identity]) >= LEAST)]


class _Redrawn:
    """Sums over releases that are drawn again with replacement."""

    def __init__(self, found: Sequence[Gain]) -> None:
        self.found = found
        identities = sorted({gain.identity for gain in found})
        self.which = np.array([identities.index(gain.identity) for gain in found])
        rng = np.random.default_rng(0)
        size = len(identities)
        self.times = np.stack([np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(_DRAWS)])

    def sums(self, what: Callable[[Gain], float]) -> tuple[float, Floats]:
        """Return a sum, and what it is in each draw."""
        values = np.array([what(gain) for gain in self.found])
        by = np.bincount(self.which, weights=values, minlength=self.times.shape[1])
        return float(values.sum()), self.times.astype(np.float64) @ by

    def ratio(self, above: Callable[[Gain], float], below: Callable[[Gain], float]) -> Interval:
        """Return the ratio of two sums."""
        (one, ones), (other, others) = self.sums(above), self.sums(below)
        return interval(one / other, ones / others)


def shares(found: Sequence[Gain], way: str, place: int, less: str = "") -> Interval:
    """Return the share of the full gains that a way has after ``ASKED[place]`` prompts, less that of another."""
    return _Redrawn(found).ratio(
        lambda gain: gain.after[way][place] - (gain.after[less][place] if less else 0.0), lambda gain: gain.full
    )


def harm(found: Sequence[Gain], way: str, place: int) -> Interval:
    """Return what harmful releases cost on average."""
    harmful = [gain for gain in found if gain.kind == "harmful"]
    return _Redrawn(harmful).ratio(lambda gain: -gain.after[way][place], lambda _: 1.0)


def best_uniroute(found: Sequence[Gain], place: int) -> str:
    """Return UniRoute with the number of clusters that came out best."""
    ways = [way for way in found[0].after if way.startswith(UNIROUTE)]
    return max(ways, key=lambda way: sum(gain.after[way][place] for gain in found))


_HEAD: Final = """\
## A new model

Releases of models that the policy had never seen: {real} models of the tables that are worth having (full-data gain at
least {least} points, averaged over seeds; a right answer is worth ten mean calls of the dearest model), and {made} that were
made: a model in use, 3 to 10 points better on half of the tasks. Share of the full gains (sum over releases of what is
gained on prompts set aside, over the same with all data) after so many prompts of the fit part; 95 % intervals over
releases. Of a release that was made it is said which model it is `like`, as its owner would. *At random*: the same
estimate on random prompts, mean of three draws. UniRoute: the best of four numbers of clusters, with hindsight.

| way | {heads} |
|---|{lines}
"""

_COST: Final = """
What {harmful} releases cost that should not be used (a model in use five points worse everywhere; one at twice the price
and no better; models that no choice falls on), in points: mean, and the worst in one split.

| way | {heads} |
|---|{lines}
"""


def section(found: Sequence[Gain]) -> str:
    """Return the section of the document."""
    good = counted(found)
    heads, lines = " | ".join(f"{count} prompts" for count in ASKED), "---|" * len(ASKED)
    real, made = ([gain for gain in good if gain.kind == kind] for kind in ("real", "made"))
    alike = [gain for gain in good if "plain" in gain.after]
    shown = (
        ("as shipped", good, "chosen"),
        ("at random", good, "random"),
        (UNIROUTE, good, UNIROUTE),
        ("as shipped, models of the tables", real, "chosen"),
        ("as shipped, made", made, "chosen"),
        ("the same, not said what they are like", [gain for gain in made if "unnamed" in gain.after], "unnamed"),
        ("at random (seed 0, models of the tables)", alike, "random"),
        ("the same, learned from like any other", alike, "plain"),
    )
    text = _HEAD.format(
        real=len({gain.identity for gain in real}), made=len(made), least=100 * LEAST, heads=heads, lines=lines
    )
    for title, some, way in shown:
        if some:
            text += _row(title, [plain(shares(some, *_way(some, way, place))) for place in _PLACES])
    harmful = sum(gain.kind == "harmful" for gain in found)
    text += _COST.format(harmful=harmful, heads=heads, lines=lines)
    for title, _, way in shown[:3]:
        text += _row(title, [_cost(found, *_way(good, way, place)) for place in _PLACES])
    return text.rstrip()


def _row(title: str, cells: Sequence[str]) -> str:
    return f"| {title} | " + " | ".join(cells) + " |\n"


def _way(found: Sequence[Gain], way: str, place: int) -> tuple[str, int]:
    return best_uniroute(found, place) if way == UNIROUTE else way, place


def _cost(found: Sequence[Gain], way: str, place: int) -> str:
    mean = harm(found, way, place)
    worst = max(-gain.after[way][place] for gain in found if gain.kind == "harmful")
    return f"{100 * mean.mean:+.2f} [{100 * mean.low:+.2f}, {100 * mean.high:+.2f}], {100 * worst:+.2f}"


def floors(found: Sequence[Gain]) -> tuple[Floor, ...]:
    """Judge what was asked for."""
    good = counted(found)
    out = []
    for place, (count, aim) in enumerate(zip(ASKED, AIMS, strict=True)):
        share = shares(good, "chosen", place)
        out.append(
            Floor(5, f"a new model after {count} prompts: {aim:.0%} of the full gains", plain(share), at_least(share, aim))
        )
        for other, title in (("random", "random prompts"), (best_uniroute(good, place), "UniRoute's rule")):
            ahead = shares(good, "chosen", place, less=other)
            what = f"the same: ahead of {title}"
            out.append(Floor(5, what, plain(ahead, "+.2f"), at_least(ahead, 0.0)))
        cost = harm(found, "chosen", place)
        what = f"a harmful release after {count} prompts costs at most 0.3 points, on average"
        out.append(Floor(5, what, _cost(found, "chosen", place), at_most(cost, MOST)))
    return tuple(out)
