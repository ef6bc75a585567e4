"""Estimates from weights: what they add up to, what they cover, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.estimate import (
    FEWEST,
    OUTSIDE,
    CannotTell,
    Estimate,
    Graded,
    Sums,
    estimate,
    largest,
    sums,
)
from pointsman.policy.outcomes import Floats


def drawn(rng: np.random.Generator, count: int, *, then: float, now: float, right: tuple[float, float]) -> Graded:
    """Two deployments of the qualities ``right``: the second was drawn with probability ``then``, now with ``now``."""
    second = rng.random(count) < then
    grade = (rng.random(count) < np.where(second, right[1], right[0])).astype(float)
    weight = np.where(second, now / then, (1 - now) / (1 - then))
    square = now**2 / then + (1 - now) ** 2 / (1 - then)
    ones, half = np.ones(count), np.full(count, 0.5)
    return Graded(grade, half, weight, ones, np.full(count, square), half, np.zeros(count))


def known(found: Estimate | CannotTell) -> Estimate:
    assert isinstance(found, Estimate)
    return found


rows_of = st.integers(0, 2**32 - 1).map(
    lambda seed: drawn(np.random.default_rng(seed), 600, then=0.3, now=0.6, right=(0.7, 0.9))
)


@given(rows_of, st.integers(0, 600))
def test_the_sums_of_parts_are_those_of_the_whole(rows: Graded, at: int) -> None:
    parts = [Graded(**{name: values[cut] for name, values in vars(rows).items()}) for cut in (slice(at), slice(at, None))]
    whole, both = sums(rows), sums(parts[0]) + sums(parts[1])
    assert both.n == whole.n
    assert both.powers == pytest.approx(whole.powers)
    assert known(estimate(both)).mean == pytest.approx(known(estimate(whole)).mean)


def test_the_same_policy_is_worth_its_own_average() -> None:
    rows = drawn(np.random.default_rng(1), 1000, then=0.3, now=0.3, right=(0.7, 0.9))
    found = known(estimate(sums(rows)))
    assert found.mean == pytest.approx(rows.grade.mean())
    assert found.worth == 1000
    assert found.low < found.mean < found.high


@pytest.mark.parametrize("way", ["weighted", "self-normalised", "doubly robust"])
@pytest.mark.parametrize(("then", "now"), [(0.5, 1.0), (0.1, 0.9), (0.3, 0.3)])
@pytest.mark.long
def test_an_interval_covers_the_truth_and_is_no_wider_than_it_has_to_be(way: str, then: float, now: float) -> None:
    right, count, runs = (0.6, 0.85), 3000, 400
    truth = (1 - now) * right[0] + now * right[1]
    spread = np.sqrt(_variance(then, now, right) / count)
    rng, hit, widths = np.random.default_rng(5), 0, []
    for _ in range(runs):
        found = known(estimate(sums(drawn(rng, count, then=then, now=now, right=right), way)))  # type: ignore[arg-type]
        hit += found.low <= truth <= found.high
        widths.append(found.high - found.low)
    assert hit / runs >= 0.925  # three standard errors below 95 %: 0.917
    if way != "weighted":  # which does not use what is known of weights
        assert np.median(widths) <= 1.1 * 2 * 1.96 * spread


def _variance(then: float, now: float, right: tuple[float, float]) -> float:
    """The variance of one row of the self-normalised estimate."""
    truth = (1 - now) * right[0] + now * right[1]
    weights = ((1 - now) / (1 - then), now / then)
    chances = (1 - then, then)
    return sum(
        chance * weight**2 * (mean * (1 - mean) + (mean - truth) ** 2)
        for chance, weight, mean in zip(chances, weights, right, strict=True)
    )


@pytest.mark.long
def test_rare_failures_are_covered_too() -> None:
    rng, hit, runs = np.random.default_rng(7), 0, 600
    for _ in range(runs):
        found = known(estimate(sums(drawn(rng, 800, then=0.4, now=0.8, right=(0.995, 0.996)))))
        hit += found.low <= 0.2 * 0.995 + 0.8 * 0.996 <= found.high
    assert hit / runs >= 0.93


def test_what_was_never_graded_is_not_told() -> None:
    assert estimate(Sums()) == CannotTell("nothing graded", 0, 0.0, 0.0)


def test_what_was_never_tried_is_not_told() -> None:
    rows = drawn(np.random.default_rng(3), 2000, then=0.5, now=0.5, right=(0.7, 0.9))
    some = np.full(2000, 2 * OUTSIDE)
    found = estimate(sums(replace(rows, outside=some, expected=1 - some)))
    assert isinstance(found, CannotTell)
    assert found.why == "never tried"
    assert found.outside == pytest.approx(2 * OUTSIDE)


def test_a_little_that_was_never_tried_may_have_gone_either_way() -> None:
    rows = drawn(np.random.default_rng(3), 2000, then=0.5, now=0.5, right=(0.7, 0.9))
    whole = known(estimate(sums(rows)))
    part = known(estimate(sums(replace(rows, outside=np.full(2000, OUTSIDE / 2)))))
    assert part.low == pytest.approx(whole.low)
    assert part.high == pytest.approx(whole.high + OUTSIDE / 2)


def test_weights_that_are_worth_little_are_too_few() -> None:
    rows = drawn(np.random.default_rng(3), 2000, then=0.05, now=1.0, right=(0.7, 0.9))
    found = estimate(sums(rows))
    assert isinstance(found, CannotTell)
    assert found.why == "too few"
    assert found.worth < FEWEST


def test_a_weight_that_luck_did_not_draw_counts_against_the_sample_all_the_same() -> None:
    rows = drawn(np.random.default_rng(3), 2000, then=0.5, now=0.5, right=(0.7, 0.9))
    assert sums(replace(rows, square=np.full(2000, 50.0))).worth == pytest.approx(2000 / 50)


def test_an_answer_may_weigh_more_among_more() -> None:
    assert largest(100) == largest(0) == 5.0
    assert largest(100_000) == 1000.0


def test_times_have_no_bounds_and_nothing_is_added_to_them() -> None:
    took: Floats = np.random.default_rng(2).lognormal(1.0, 1.0, 4000)
    ones, nothing = np.ones(4000), np.zeros(4000)
    found = known(estimate(sums(Graded(took, nothing, ones, ones, ones, nothing, nothing)), span=None))
    assert found.mean == pytest.approx(took.mean())
    assert found.low < np.exp(1.5) < found.high
    assert found.high - found.mean > found.mean - found.low  # the long tail is on that side


def test_a_difference_is_the_difference_of_the_means() -> None:
    rows = drawn(np.random.default_rng(4), 3000, then=0.5, now=1.0, right=(0.6, 0.9))
    change = known(estimate(sums(rows, less=rows.grade), span=(-1.0, 1.0)))
    assert change.low < 0.15 < change.high
    assert change.mean == pytest.approx(known(estimate(sums(rows))).mean - rows.grade.mean(), abs=0.02)
