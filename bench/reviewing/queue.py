"""What is the queue's order worth? The value of what an owner accepts after so many judgements, against random labelling.

An installation has ``FEATURES`` features with traffic as 1, 1/2, 1/3, ...; each has ``CANDIDATES`` that save 10 to 80 % of
the reference's cost and lean by a normal number (some are better than tolerated, some are not). A judge compared ``JUDGED``
answers of each; its bias differs from candidate to candidate. Whatever the order, what is then accepted for a feature is the
candidate with the highest expected utility (``policy/queue``: the shipped belief), or the reference. The value of a seed is
the true utility of what is accepted in ``INSTALLATIONS`` of them, as a share of what somebody who knows the truth would get.

Orders: ``queue`` (the shipped gains, worths, numbers and chances), ``random`` (any open question, each as likely), and
``uncertain`` (the candidate whose belief is widest, then its closest call), which many tools call active learning.
"""

from collections.abc import Callable

import numpy as np

from pointsman.policy.queue import Asked, Belief, Standing, believe, chances, gains, worth
from reviewing.pairs import Array, Judge, compare, truth

FEATURES, CANDIDATES, JUDGED, INSTALLATIONS = 12, 3, 300, 15
TOLERANCE = 0.05
COUNTS = (50, 100, 200, 400)
BIAS = 0.15
"""How far judges' biases spread from candidate to candidate, in units of the margin: 8 points of wins minus losses."""


class Candidate:
    """One candidate of one feature in the world, with what was asked about it so far."""

    def __init__(self, rng: np.random.Generator, traffic: float, bias: float) -> None:
        lean = float(rng.normal(-0.03, 0.12))
        judge = Judge("", float(rng.normal(0.0, bias)), 0.7, 0.1)
        self.traffic, self.saving, self.true = traffic, float(rng.uniform(0.1, 0.8)), truth(lean)
        self.people, self.judge = compare(rng, lean, judge, JUDGED)
        self.judge_mean = float(self.judge.mean())
        self.worths = np.array([worth((one + 1) / 2) for one in self.judge])
        self.open = np.ones(JUDGED, dtype=bool)
        self.asked: list[int] = []
        self.events: list[Asked] = []
        self.by_priority = False
        self._standing: Standing | None = None

    def ask(self, place: int, following: float) -> None:
        """Have a person answer one question."""
        self.open[place] = False
        self.asked.append(place)
        self.events.append(Asked(len(self.events), float(self.worths[place]), following))
        self._standing = None

    def _belief(self) -> Belief:
        errors = (self.people - self.judge)[self.asked]
        chance = chances(self.events) if self.by_priority else np.ones(len(self.asked))
        return believe(self.judge_mean, errors, chance)

    @property
    def standing(self) -> Standing:
        """How things stand now."""
        if self._standing is None:
            left = JUDGED - len(self.asked)
            self._standing = Standing(self._belief(), self.saving, self.traffic, TOLERANCE, left)
        return self._standing

    @property
    def utility(self) -> float:
        """What serving it is truly worth, for one request."""
        return self.saving * (1 + self.true / TOLERANCE)


class World:
    """The candidates of every feature of one installation; ``numbers`` are the questions' own."""

    def __init__(self, seed: int, installation: int, bias: float = BIAS) -> None:
        rng = np.random.default_rng((seed, installation))
        self.features = [[Candidate(rng, 1 / (place + 1), bias) for _ in range(CANDIDATES)] for place in range(FEATURES)]
        of_asking = np.random.default_rng((seed, installation, 1))
        self.numbers = 1.0 - of_asking.random((FEATURES, CANDIDATES, JUDGED))
        self.shuffled = of_asking.permutation(self.numbers.size)
        self.gains: list[list[float]] = [[] for _ in self.features]

    @property
    def asked(self) -> int:
        """How many questions were asked."""
        return sum(len(one.asked) for row in self.features for one in row)

    @property
    def best(self) -> float:
        """The utility of who knows the truth."""
        return sum(row[0].traffic * max(0.0, *(one.utility for one in row)) for row in self.features)

    @property
    def value(self) -> float:
        """The true utility of what would be accepted now."""
        accepted = (max(row, key=lambda one: one.standing.utility) for row in self.features)
        return sum(one.traffic * one.utility for one in accepted if one.standing.utility > 0)


def ask_by_queue(world: World) -> None:
    """Ask the question that the shipped queue would."""
    for row, feature in enumerate(world.features):
        if not world.gains[row]:
            world.gains[row] = gains([one.standing for one in feature])
    row, column = max(
        ((row, column) for row in range(FEATURES) for column in range(CANDIDATES) if world.features[row][column].open.any()),
        key=lambda at: world.gains[at[0]][at[1]],
    )
    one = world.features[row][column]
    one.by_priority = True
    priorities = np.where(one.open, one.worths / world.numbers[row, column], -1.0)
    first = int(priorities.argmax())
    priorities[first] = 0.0
    one.ask(first, float(priorities.max()))
    world.gains[row] = []


def ask_at_random(world: World) -> None:
    """Ask any open question."""
    row, column, question = np.unravel_index(world.shuffled[world.asked], world.numbers.shape)
    world.features[row][column].ask(int(question), 0.0)


def ask_uncertain(world: World) -> None:
    """Ask the closest call of the candidate of which least is known."""
    everyone = [one for row in world.features for one in row if one.standing.left]
    one = max(everyone, key=lambda each: (each.standing.belief.sd, each.worths[each.open].max()))
    one.ask(int(np.where(one.open, one.worths, -1.0).argmax()), 0.0)


ORDERS: dict[str, Callable[[World], None]] = {
    "queue": ask_by_queue,
    "random": ask_at_random,
    "uncertain": ask_uncertain,
}


def values(
    order: str, seeds: range, counts: tuple[int, ...] = COUNTS, installations: int = INSTALLATIONS, bias: float = BIAS
) -> Array:
    """Return the value after so many judgements in each installation, as a share of the best: seeds by counts."""
    found = np.empty((len(seeds), len(counts)))
    for row, seed in enumerate(seeds):
        worlds = [World(seed, installation, bias) for installation in range(installations)]
        best = sum(world.best for world in worlds)
        asked = 0
        for column, count in enumerate(counts):
            for world in worlds:
                for _ in range(count - asked):
                    ORDERS[order](world)
            asked = count
            found[row, column] = sum(world.value for world in worlds) / best
    return found
