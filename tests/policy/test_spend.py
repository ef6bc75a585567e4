"""What a learned amount keeps: bounds, the mean of what was seen, NaN for what was not, and no chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.policy import spend
from pointsman.policy.linear import Folded
from pointsman.policy.outcomes import Floats
from pointsman.policy.spend import SpendModel


def folded(rows: int, axes: int = 3, seed: int = 0) -> Folded:
    rng = np.random.default_rng(seed)
    coordinates = rng.normal(size=(rows, axes))
    return Folded.of(coordinates - coordinates.mean(axis=0), np.arange(rows) % 5)


def fit(amounts: Floats, where: Folded) -> tuple[SpendModel, Floats]:
    """Learn from rows of one kind of task."""
    return spend.fit(amounts, np.zeros(len(amounts), dtype=np.int64), np.ones((len(amounts), 1)), where)


def predicted(model: SpendModel, coordinates: Floats) -> Floats:
    """As ``SpendModel`` says."""
    with np.errstate(over="ignore"):  # infinity is cut to what was seen
        return np.asarray(np.minimum(np.exp(model.intercept + coordinates @ model.slopes + model.table[0]), model.most))


def skewed(where: Folded, seed: int, noise: float | Floats = 0.3) -> Floats:
    """Amounts of two deployments that follow the first coordinate, one in each direction."""
    rng = np.random.default_rng(seed)
    first = where.coordinates[:, :1]
    return np.asarray(np.exp(5 + first * np.array([1.0, -0.5]) + noise * rng.normal(size=(len(first), 2))))


def test_it_learns_what_the_features_tell() -> None:
    where = folded(400)
    amounts = skewed(where, 1)
    model, held = fit(amounts, where)
    for column in range(2):
        assert np.corrcoef(np.log(held[:, column]), np.log(amounts[:, column]))[0, 1] > 0.8
    assert model.slopes[0] == pytest.approx([1.0, -0.5], abs=0.1)


def test_the_mean_of_the_predictions_is_the_mean_of_what_was_seen() -> None:
    """The exponential of a mean logarithm is too small by half a variance: what the factor is for."""
    where = folded(500)
    amounts = skewed(where, 2, noise=1.0)
    amounts[::3, 1] = np.nan
    model, held = fit(amounts, where)
    for column in range(2):
        seen = np.isfinite(amounts[:, column])
        mean = amounts[seen, column].mean()
        assert held[seen, column].mean() == pytest.approx(mean, rel=0.02)
        assert predicted(model, where.coordinates[seen])[:, column].mean() == pytest.approx(mean, rel=0.1)


@given(st.integers(0, 10**6), st.integers(2, 60), st.floats(0, 0.9), st.floats(0.01, 3))
@settings(max_examples=40)
def test_predictions_are_positive_and_never_above_what_was_seen(seed: int, rows: int, missing: float, noise: float) -> None:
    where = folded(rows, seed=seed)
    rng = np.random.default_rng(seed)
    amounts = skewed(where, seed, noise)
    amounts[rng.random(amounts.shape) < missing] = np.nan
    model, held = fit(amounts, where)
    for guess in (held, predicted(model, 50 * where.coordinates)):
        for column in range(2):
            if np.isnan(model.intercept[column]):
                assert np.isnan(guess[:, column]).all()
                continue
            assert (guess[:, column] >= 0).all()
            assert (guess[:, column] <= np.nanmax(amounts[:, column])).all()


@pytest.mark.parametrize("nothing", [np.nan, 0.0, -1.0, np.inf])
def test_a_deployment_of_which_nothing_was_seen_has_no_prediction_and_spoils_no_other(nothing: float) -> None:
    where = folded(60)
    amounts = skewed(where, 3)
    alone = fit(amounts[:, :1], where)
    model, held = fit(np.column_stack((amounts[:, :1], np.full(60, nothing))), where)
    assert np.isnan(held[:, 1]).all()
    assert np.isnan(model.intercept[1])
    assert np.isnan(model.most[1])
    assert np.isnan(model.quantiles[:, 1]).all()
    assert held[:, 0].tolist() == pytest.approx(alone[1][:, 0].tolist())
    empty, held = fit(np.full((60, 2), nothing), where)
    assert np.isnan(held).all()
    assert np.isnan(predicted(empty, where.coordinates)).all()


def test_held_out_predictions_have_not_seen_their_row() -> None:
    """A row's own amount moves its own prediction by the common factor only, not by a fit to it."""
    where = folded(200)
    amounts = skewed(where, 4)
    _, before = fit(amounts, where)
    amounts[7, 0] *= 1.5
    _, after = fit(amounts, where)
    moved = np.log(after[:, 0] / before[:, 0])
    others = np.delete(moved, 7)
    assert abs(moved[7] - np.median(others)) <= np.abs(others - np.median(others)).max() + 1e-12


def test_a_kind_of_task_that_is_more_skewed_than_others_is_priced_at_its_own_mean() -> None:
    """Both kinds have the same logarithms on average; the mean of the second is far larger."""
    where = folded(2000)
    labels = np.arange(2000) % 2
    rng = np.random.default_rng(6)
    amounts = np.exp(5 + np.where(labels, 1.2, 0.2)[:, None] * rng.normal(size=(2000, 2)))
    chances = np.eye(2)[labels]
    model, held = spend.fit(amounts, labels, chances, where)
    for label in range(2):
        mine = labels == label
        assert held[mine].mean(axis=0) == pytest.approx(amounts[mine].mean(axis=0), rel=0.1)
    assert (model.table[1] > 0.2).all()
    assert (model.table[0] < -0.2).all()


def test_half_of_what_comes_is_below_the_median_and_nine_of_ten_below_the_90th_percentile() -> None:
    """Of rows that were not learned from; the deployments differ in how skewed they are, and one has gaps."""
    where, later = folded(1500), folded(1500, seed=8)
    noise = np.array([0.3, 1.0])
    amounts, asked = (skewed(each, 7 + n, noise) for n, each in enumerate((where, later)))
    amounts[::3, 1] = np.nan
    model, _ = fit(amounts, where)
    mean = predicted(model, later.coordinates)
    for quantile, share in zip(model.quantiles, spend.QUANTILES, strict=True):
        assert (asked <= mean * quantile).mean(axis=0) == pytest.approx([share, share], abs=0.04)


def test_there_is_no_chance_in_it() -> None:
    where = folded(80)
    amounts = skewed(where, 5)
    first, second = fit(amounts, where), fit(amounts.copy(), where)
    assert first[1].tobytes() == second[1].tobytes()
    assert first[0].slopes.tobytes() == second[0].slopes.tobytes()
