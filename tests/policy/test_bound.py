"""The tested bound: its chance of error on all small cases exactly, and in simulations; its power; the walk."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pointsman.policy.bound import STRIDE, holds, more, passed, walk
from pointsman.policy.trade import Evidence
from tests.policy.test_trade import chancy, known

Array = NDArray[np.float64]
grades = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]) | st.floats(-1, 1, allow_nan=False)


def drawn(rng: np.random.Generator, disagree: float, mean: float, shape: tuple[int, ...]) -> Array:
    """Differences of two right-or-wrong grades that disagree with this chance, with this mean."""
    u = rng.random(shape)
    return np.where(u < (disagree + mean) / 2, 1.0, np.where(u < disagree, -1.0, 0.0))


def at_least(hits: int, seeds: int, share: float) -> float:
    """The chance of so many hits or more where the truth is ``share`` (Clopper and Pearson 1934)."""
    logs = (math.lgamma(seeds + 1) - math.lgamma(k + 1) - math.lgamma(seeds - k + 1) for k in range(hits, seeds + 1))
    return math.fsum(
        math.exp(log + k * math.log(share) + (seeds - k) * math.log1p(-share))
        for k, log in zip(range(hits, seeds + 1), logs, strict=True)
    )


@given(st.floats(0.0, 0.4), st.floats(0.0, 1.0), st.floats(0.05, 0.6), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_of_all_small_cases_no_larger_share_passes_than_the_error(
    tolerance: float, ties: float, error: float, count: int
) -> None:
    """Every sequence of -1, 0 and +1 with its probability, the true mean being the tolerance below: no chance is left."""
    disagree = tolerance + (1 - tolerance) * ties
    chances = np.array([(disagree + tolerance) / 2, 1 - disagree, (disagree - tolerance) / 2])
    cases = np.array(list(itertools.product(range(3), repeat=count))).T
    probability = chances[cases].prod(axis=0)
    assert probability @ holds(cases - 1.0, tolerance, error) <= error + 1e-9


@pytest.mark.parametrize(("disagree", "tolerance", "count"), [(0.04, 0.03, 2000), (0.3, 0.05, 400), (0.9, 0.2, 60)])
def test_a_loss_as_large_as_the_tolerance_passes_in_no_more_than_the_error(
    disagree: float, tolerance: float, count: int
) -> None:
    seeds = 2000
    hits = int(holds(drawn(np.random.default_rng(20261127), disagree, -tolerance, (count, seeds)), tolerance, 0.05).sum())
    assert at_least(hits, seeds, 0.05) > 0.001
    assert hits > 0.01 * seeds  # and the error is made use of


def test_graded_differences_keep_the_error_too() -> None:
    rng, seeds = np.random.default_rng(6), 2000
    graded = np.clip(np.round(rng.normal(-0.05, 0.3, (500, seeds)) * 4) / 4, -1, 1)
    graded += -0.05 - np.clip(np.round(np.random.default_rng(7).normal(-0.05, 0.3, 10**6) * 4) / 4, -1, 1).mean()
    hits = int(holds(np.clip(graded, -1, 1), 0.05, 0.05).sum())
    assert at_least(hits, seeds, 0.055) > 0.001  # half a percent for the mean, which is known to 0.0003


@pytest.mark.parametrize(("disagree", "tolerance", "count"), [(0.1, 0.03, 700), (0.3, 0.05, 750)])
def test_it_needs_hardly_more_than_a_normal_test(disagree: float, tolerance: float, count: int) -> None:
    """Where the normal test, which promises nothing, would pass in eight of ten runs."""
    room = tolerance * math.sqrt(count / disagree)
    assert room == pytest.approx(1.645 + 0.842, abs=0.1)
    share = holds(drawn(np.random.default_rng(8), disagree, 0.0, (count, 1000)), tolerance, 0.05).mean()
    assert 0.7 < share < 0.85


@given(st.lists(grades, min_size=1, max_size=30), st.floats(0, 0.5), st.floats(0.01, 0.5))
@settings(max_examples=60, deadline=None)
def test_columns_are_tested_by_themselves(differences: list[float], tolerance: float, error: float) -> None:
    own = np.array(differences)
    both = holds(np.column_stack((own, -own, np.zeros(len(own)))), tolerance, error)
    assert both.tolist() == [bool(holds(each, tolerance, error)) for each in (own, -own, np.zeros(len(own)))]


@given(st.lists(grades, min_size=1, max_size=200), st.floats(0, 0.5), st.floats(0.01, 0.9))
@settings(max_examples=60, deadline=None)
def test_what_is_never_better_than_the_tolerance_allows_does_not_pass(
    differences: list[float], tolerance: float, error: float
) -> None:
    assert not holds(np.minimum(differences, -tolerance), tolerance, error)


def test_nothing_judged_passes_nothing() -> None:
    assert not holds(np.zeros((0, 3)), 0.05, 0.05).any()


@given(st.lists(st.booleans(), max_size=8))
def test_a_walk_ends_before_the_first_step_that_fails(held: list[bool]) -> None:
    reached = int(passed(np.array(held, dtype=bool)))
    assert all(held[:reached])
    assert reached == len(held) or not held[reached]


def test_a_step_that_is_truly_beyond_the_tolerance_is_published_in_no_more_than_the_error() -> None:
    """Twenty steps that lose more and more; the first beyond the tolerance loses hardly more than it: the hardest case."""
    rng, seeds, count, tolerance = np.random.default_rng(9), 400, 1600, 0.03
    losses = np.append(np.linspace(0.0, 0.03, 12)[:-1], np.linspace(0.0301, 0.06, 9))
    first_beyond = int((losses <= tolerance).sum())
    u = rng.random((count, seeds, 1))
    steps = np.where(u < 0.05, 1.0, np.where(u > 1 - 0.05 - losses, -1.0, 0.0))  # nested, as those of real walks are
    reached = passed(holds(steps, tolerance, 0.05))
    assert at_least(int((reached > first_beyond).sum()), seeds, 0.05) > 0.001
    assert (reached > 4).mean() > 0.5


@pytest.mark.parametrize("disagree", [0.05, 0.3])
def test_with_as_many_more_as_it_says_it_mostly_passes(disagree: float) -> None:
    rng, first = np.random.default_rng(10), 200
    seen = np.repeat([1.0, -1.0, 0.0], [round(first * disagree / 2)] * 2 + [first - 2 * round(first * disagree / 2)])
    wanted = more(seen, 0.03, 0.05)
    assert wanted is not None
    share = holds(drawn(rng, disagree, 0.0, (first + wanted, 500)), 0.03, 0.05).mean()
    assert 0.65 < share < 0.95


def test_how_many_more_is_unknown_where_the_loss_is_too_large_or_too_near() -> None:
    assert more(np.repeat([0.0, -1.0], [90, 10]), 0.05, 0.05) is None
    assert more(np.repeat([0.0, -1.0, 1.0], [900, 75, 26]), 0.05, 0.05) is None
    assert more(np.zeros(5), 0.01, 0.05) >= math.log(20) / math.log1p(0.01) - 5  # type: ignore[operator]


@pytest.mark.parametrize("tolerance", [0.01, 0.03, 0.1])
def test_where_no_answers_differ_it_says_how_many_such_pass(tolerance: float) -> None:
    wanted = more(np.zeros(0), tolerance, 0.05) or 10**6
    equal = next(n for n in range(1, 1000) if holds(np.zeros(n), tolerance, 0.05))
    few = more(np.zeros(equal - 1), tolerance, 0.05)
    assert few is not None
    assert wanted > few >= 1  # a few equal answers are no certainty
    assert equal - 1 + few >= equal


def cost_of(evidence: Evidence, serving: tuple[str, ...], value: int) -> float:
    columns = [evidence.deployments.index(name) for name in serving]
    utility = value * evidence.quality[:, columns] - evidence.cost_nano[:, columns]
    return float(evidence.cost_nano[:, columns][np.arange(len(utility)), utility.argmax(axis=1)].mean())


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_every_step_of_a_walk_costs_less_than_the_one_before(seed: int) -> None:
    small = chancy(seed)
    evidence = replace(small, cost_nano=10_000 * small.cost_nano)
    base = float(evidence.cost_nano[:, 0].mean())
    steps = walk(evidence, "m0")
    costs = [base]
    for step in steps:
        assert step.value_nano is not None
        assert "m0" in step.serving
        costs.append(cost_of(evidence, step.serving, step.value_nano))
    assert all(after <= before - STRIDE * base + 1e-6 for before, after in itertools.pairwise(costs))
    assert list(steps) == sorted(steps, key=lambda step: -(step.value_nano or 0))


def test_where_the_reference_is_the_cheapest_there_is_nothing_to_walk() -> None:
    rows = np.ones((50, 2))
    assert walk(known(rows * (0.9, 0.95), rows, (10.0, 100.0)), "dear") == ()
    assert walk(known(rows, rows, (np.nan, 1.0)), "dear") == ()


def test_steps_come_closer_where_costs_fall_fast() -> None:
    """Predictions that differ by next to nothing change over at nearly one value; the walk still finds steps between."""
    rng = np.random.default_rng(11)
    quality = np.column_stack((np.full(500, 0.9), rng.uniform(0.8, 0.805, 500)))
    steps = walk(known(quality, np.ones((500, 2)), (100_000.0, 1_000.0)), "dear")
    assert len(steps) > 20


def test_a_step_chooses_among_those_that_may_serve() -> None:
    evidence = chancy(3)
    for step in walk(evidence, "m0"):
        picks = step.picks(evidence.deployments, evidence.quality, evidence.cost_nano)
        assert {evidence.deployments[pick] for pick in picks} <= set(step.serving)
