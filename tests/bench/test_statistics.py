import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from choosing.statistics import area, averaged, calibration_error, chance, drawn, holm, hull, interval, ratio

UNIT = st.floats(0, 1, allow_subnormal=False).map(lambda value: round(value, 3))


def points(count: int = 6) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(np.float64, (2, count), elements=UNIT)


@given(points())
def test_no_point_is_above_the_hull(given_points: np.ndarray) -> None:
    cost, quality = given_points
    kept = hull(cost, quality)
    assert (np.diff(cost[kept]) > 0).all()
    assert (np.diff(quality[kept]) > 0).all()
    slopes = np.diff(quality[kept]) / np.diff(cost[kept])
    assert (np.diff(slopes) < 1e-9).all()
    assert quality[kept[-1]] == quality.max()
    inside = cost >= cost[kept[0]]
    assert (quality[inside] <= np.interp(cost[inside], cost[kept], quality[kept]) + 1e-9).all()


@given(points())
def test_the_area_is_the_mean_height_of_the_hull(given_points: np.ndarray) -> None:
    cost, quality = given_points
    kept = hull(cost, quality)
    at = np.linspace(0.2, 0.7, 20_001)
    middle = (at[1:] + at[:-1]) / 2
    found = area(quality[None, :], cost[None, :], 0.2, 0.7)
    assert found[0] == pytest.approx(np.interp(middle, cost[kept], quality[kept]).mean(), abs=1e-3)


def test_the_parts_of_an_area_add_up_to_it_and_follow_its_changes() -> None:
    rng = np.random.default_rng(5)
    spent = np.array([0.1, 0.4, 0.9]) * rng.uniform(0.5, 1.5, (400, 3))
    score = (rng.uniform(size=(400, 3)) < np.array([0.3, 0.6, 0.7])).astype(float)
    parts = area(score, spent, 0.1, 0.9)
    assert parts.mean() == pytest.approx(area(score.mean(axis=0)[None], spent.mean(axis=0)[None], 0.1, 0.9)[0])
    # A prompt's part is the derivative of the area by its weight (infinitesimal jackknife).
    for row in range(0, 400, 57):
        weight = np.ones(400)
        weight[row] += 1e-4
        weight /= weight.sum()
        moved = area((weight @ score)[None], (weight @ spent)[None], 0.1, 0.9)[0]
        derivative = (moved - parts.mean()) / (1e-4 / 400)
        assert derivative == pytest.approx(parts[row] - parts.mean(), abs=1e-2)


def test_an_area_has_the_spread_that_the_bootstrap_of_the_whole_has() -> None:
    rng = np.random.default_rng(6)
    spent = np.array([0.1, 0.5, 0.9]) * rng.uniform(0.5, 1.5, (500, 3))
    score = (rng.uniform(size=(500, 3)) < np.array([0.3, 0.6, 0.65])).astype(float)
    linear = drawn(area(score, spent, 0.1, 0.9)[:, None], 1000)[:, 0]
    whole = []
    for _ in range(1000):
        rows = rng.integers(0, 500, 500)
        whole.append(area(score[rows], spent[rows], 0.1, 0.9).mean())
    assert linear.std() == pytest.approx(np.std(whole), rel=0.1)


def test_one_trade_off_alone_is_as_high_everywhere() -> None:
    assert area(np.full((3, 1), 0.4), np.full((3, 1), 7.0), 1.0, 9.0) == pytest.approx(0.4)
    assert area(np.full((3, 1), 0.4), np.full((3, 1), 20.0), 1.0, 9.0) == pytest.approx(0.4)


def test_a_mixture_of_two_models_lies_halfway() -> None:
    assert area(np.array([[0.2, 0.8]]), np.array([[1.0, 3.0]]), 1.0, 3.0)[0] == pytest.approx(0.5)
    assert area(np.array([[0.2, 0.8]]), np.array([[1.0, 3.0]]), 1.0, 5.0)[0] == pytest.approx(0.65)


@given(arrays.arrays(np.float64, (2, 20), elements=st.floats(0.1, 1)))
def test_the_parts_of_a_ratio_add_up_to_it(given_values: np.ndarray) -> None:
    above, below = given_values
    assert ratio(above, below).mean() == pytest.approx(above.mean() / below.mean())


def test_values_are_averaged_over_the_splits_that_have_them() -> None:
    splits = [(np.array([0, 1]), np.array([1.0, 2.0])), (np.array([1, 3]), np.array([4.0, 8.0]))]
    np.testing.assert_equal(averaged(4, splits), [1.0, 3.0, np.nan, 8.0])


def test_columns_are_drawn_alike() -> None:
    values = np.random.default_rng(1).uniform(size=(50, 1))
    means = drawn(np.hstack((values, values + 0.25)), 300)
    assert means[:, 1] - means[:, 0] == pytest.approx(0.25)
    assert drawn(values, 300)[:, 0] == pytest.approx(means[:, 0])


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(2).normal(size=(2000, 1))
    found = interval(float(values.mean()), drawn(values)[:, 0])
    error = values.std() / np.sqrt(2000)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_a_difference_that_never_changes_its_sign_is_as_unlikely_as_the_draws_can_tell() -> None:
    assert chance(np.full(99, 0.5)) == pytest.approx(0.02)
    assert chance(np.zeros(99)) == 1.0
    assert chance(np.array([-1.0, 1.0] * 50)) == 1.0


def test_holm_on_the_example_of_a_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_plain_and_the_bonferroni_values(chances: list[float]) -> None:
    adjusted = holm(chances)
    assert all(
        plain <= found <= min(plain * len(chances), 1.0) + 1e-12 for plain, found in zip(chances, adjusted, strict=True)
    )
    for (one, found), (other, further) in itertools.combinations(zip(chances, adjusted, strict=True), 2):
        assert (one <= other) == (found <= further) or found == further


def test_calibrated_expectations_have_a_small_error() -> None:
    rng = np.random.default_rng(3)
    expected = rng.uniform(size=30_000)
    seen = (rng.uniform(size=30_000) < expected).astype(float)
    assert calibration_error(expected, seen) < 0.01
    assert calibration_error(np.full(100, 0.7), np.full(100, 0.5)) == pytest.approx(0.2)
