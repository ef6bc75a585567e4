"""Linear algebra of learning: against known truths and against solutions by other means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.policy.linear import Axes, Folded, classify, completed, regress, softmax

SEEDS = st.integers(0, 10_000)


def drawn(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def squares(coordinates: np.ndarray) -> np.ndarray:
    return np.append(np.square(coordinates).sum(axis=0), len(coordinates))


@settings(max_examples=30)
@given(SEEDS, st.integers(2, 30), st.integers(1, 20))
def test_axes_keep_distances_and_are_uncorrelated(seed: int, rows: int, columns: int) -> None:
    features = drawn(rows, columns, seed)
    axes = Axes.of(features)
    np.testing.assert_allclose(axes.coordinates, (features - axes.centre) @ axes.directions, atol=1e-8)
    products = axes.coordinates.T @ axes.coordinates
    np.testing.assert_allclose(products, np.diag(np.diag(products)), atol=1e-6 * max(products.max(), 1))
    np.testing.assert_allclose(
        axes.coordinates @ axes.coordinates.T, (features - axes.centre) @ (features - axes.centre).T, atol=1e-2
    )


def test_equal_rows_have_no_axes() -> None:
    assert Axes.of(np.ones((5, 3))).directions.shape[1] <= 1
    np.testing.assert_allclose(Axes.of(np.ones((5, 3))).coordinates, 0, atol=1e-9)


def folded(coordinates: np.ndarray, folds: int = 5) -> Folded:
    return Folded.of(coordinates, np.arange(len(coordinates)) % folds)


def test_a_linear_truth_is_found_and_held_out_predictions_are_as_good_as_they_say() -> None:
    x = drawn(2000, 6)
    truth = np.array([[1.0, 0.5], [-1.0, 0.0], [0.5, -0.5], [0, 0], [0, 0], [0, 0]])
    y = 3.0 + x @ truth + 0.5 * drawn(2000, 2, 1)
    found = regress(folded(x), y)
    np.testing.assert_allclose(found.slopes, truth, atol=0.05)
    np.testing.assert_allclose(found.intercept, y.mean(axis=0))
    assert np.square(y - found.held_out).mean() == pytest.approx(0.25, rel=0.1)


def test_where_there_is_nothing_to_learn_nothing_is_learned() -> None:
    silent = sum(not regress(folded(drawn(300, 20, seed)), drawn(300, 1, 1000 + seed)).slopes.any() for seed in range(40))
    assert silent >= 34


def test_each_direction_has_its_own_shrinkage() -> None:
    """What all outputs share is learned, though most of what sets them apart is noise."""
    x, ratios = drawn(600, 5), []
    for seed in range(12):
        y = 5 * x @ np.array([[1.0], [1.0], [0], [0], [0]]) + 2.0 * drawn(600, 4, seed + 3) @ (np.eye(4) - 0.25)
        found = regress(folded(x), y)  # the noise cancels in the sum
        np.testing.assert_allclose(found.slopes.mean(axis=1)[:2], 5.0, rtol=0.05)
        plain = np.linalg.lstsq(x, y, rcond=None)[0]
        ratios.append(
            np.square(found.slopes - found.slopes.mean(axis=1, keepdims=True)).sum()
            / np.square(plain - plain.mean(axis=1, keepdims=True)).sum()
        )
    assert np.mean(ratios) < 0.5


def test_held_out_predictions_have_not_seen_their_rows() -> None:
    x, y = drawn(100, 3), drawn(100, 1, 5) + 3 * drawn(100, 3)[:, :1]
    folds = np.arange(100) % 5
    changed = y.copy()
    changed[folds == 2] = 3.0 + 2 * changed[folds == 2]
    first, second = (regress(Folded.of(x, folds), each - each.mean(), penalties=(1e-9,)) for each in (y, changed))
    scale = first.held_out[folds == 2] / second.held_out[folds == 2]
    assert scale.std() < 0.2 * np.abs(scale.mean())  # but for the slope and the mean, which all share


def test_with_one_fold_the_mean_is_all() -> None:
    y = drawn(10, 2, 1)
    found = regress(folded(drawn(10, 3), 1), y)
    assert not found.slopes.any()
    np.testing.assert_allclose(found.held_out, np.tile(y.mean(axis=0), (10, 1)))
    np.testing.assert_allclose(found.variance, y.var(axis=0) / 10)


def test_outputs_that_do_not_vary_are_predicted_as_they_are() -> None:
    found = regress(folded(drawn(50, 4)), np.full((50, 2), 0.7))
    np.testing.assert_allclose(found.held_out, 0.7)
    assert np.isfinite(found.variance).all()


def test_the_stated_variance_covers_the_error_of_the_mean() -> None:
    """Over seeds, the error of the fitted value at the centre is as large as its variance says, and no larger than twice."""
    errors, stated = [], []
    for seed in range(60):
        found = regress(folded(drawn(200, 4, seed)), 1.0 + drawn(200, 1, 500 + seed))
        errors.append((found.intercept[0] - 1.0) ** 2)
        stated.append(found.variance[0])
    assert np.mean(errors) < 2.5 * max(np.mean(stated), 1 / 200)


def test_missing_cells_become_their_expectation_given_the_others() -> None:
    shared = drawn(4000, 1)
    residuals = shared + 0.3 * drawn(4000, 3, 1)
    gaps = np.random.default_rng(2).random(residuals.shape) < 0.3
    gaps[gaps.all(axis=1)] = False
    filled = completed(np.where(gaps, np.nan, residuals))
    np.testing.assert_array_equal(filled[~gaps], residuals[~gaps])
    assert np.corrcoef(filled[gaps], residuals[gaps])[0, 1] > 0.85
    assert np.square(filled[gaps] - residuals[gaps]).mean() < 0.3


@settings(max_examples=20)
@given(SEEDS)
def test_completion_is_finite_whatever_is_missing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    residuals = np.where(rng.random((30, 4)) < rng.random(), np.nan, rng.normal(size=(30, 4)))
    filled = completed(residuals)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[np.isfinite(residuals)], residuals[np.isfinite(residuals)])


def test_classes_that_a_rare_word_tells_apart_are_told_apart() -> None:
    """One small coordinate decides among large ones that do not: what a single step size for all does not find in time."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1500)
    x = np.column_stack((20 * rng.normal(size=(1500, 3)), 0.1 * (2 * labels - 1.0) + 0.02 * rng.normal(size=1500)))
    axes = Axes.of(x)
    slopes, intercept = classify(axes.coordinates, labels, 2, squares(axes.coordinates))
    assert (softmax(axes.coordinates @ slopes + intercept).argmax(axis=1) == labels).mean() > 0.98


def test_chances_are_the_shares_where_nothing_tells_classes_apart() -> None:
    labels = np.repeat([0, 1, 2], (500, 300, 200))
    axes = Axes.of(drawn(1000, 3) * 1e-3)
    slopes, intercept = classify(axes.coordinates, labels, 3, squares(axes.coordinates))
    np.testing.assert_allclose(softmax(axes.coordinates @ slopes + intercept).mean(axis=0), (0.5, 0.3, 0.2), atol=0.01)


def test_no_step_is_too_long_for_part_of_the_rows() -> None:
    axes = Axes.of(drawn(400, 50, 3) * np.geomspace(10, 0.01, 50))
    labels = np.random.default_rng(1).integers(0, 5, 400)
    part = np.arange(400) < 40
    slopes, intercept = classify(axes.coordinates[part], labels[part], 5, squares(axes.coordinates))
    chance = softmax(axes.coordinates[part] @ slopes + intercept)
    loss = -np.log(chance[np.arange(40), labels[part]]).mean()
    assert loss < np.log(5)


@settings(max_examples=50)
@given(st.lists(st.floats(-700, 700), min_size=1, max_size=8))
def test_softmax_gives_chances(logits: list[float]) -> None:
    found = softmax(np.array([logits]))[0]
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert found.argmax() == np.argmax(logits) or found.max() == pytest.approx(found[np.argmax(logits)])
