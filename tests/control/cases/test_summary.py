"""Scores with intervals that hold, and differences on the same prompts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.control.cases.summary import paired, summaries, wilson


def row(model: str, group: str, score: float | None, cost: float | None = 0.001, ms: float = 100.0) -> dict[str, object]:
    return {"model": model, "dup_group": group, "score": score, "cost_usd": cost, "latency_ms": ms}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_bounds_stay_within_zero_and_one_and_around_the_mean(grades: list[float]) -> None:
    found = wilson(grades)
    assert 0 <= found.low <= found.mean <= found.high <= 1


@pytest.mark.parametrize(
    ("right", "n", "low", "high"), [(10, 10, 0.7225, 1.0), (0, 20, 0.0, 0.1611), (94, 100, 0.8752, 0.9722)]
)
def test_the_interval_is_wilsons(right: int, n: int, low: float, high: float) -> None:
    """Figures as in Brown, Cai and DasGupta's tables, and any statistics package."""
    found = wilson([1.0] * right + [0.0] * (n - right))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.97])
def test_it_covers_the_truth(truth: float) -> None:
    rng = random.Random(1)
    held = 0
    for _ in range(1000):
        found = wilson([float(rng.random() < truth) for _ in range(60)])
        held += found.low <= truth <= found.high
    assert held >= 930


def test_prompts_of_the_same_text_count_once() -> None:
    rows = [row("a", "same", 1.0) for _ in range(50)] + [row("a", "other", 0.0)]
    (found,) = summaries(rows, ["a"])
    assert found.score is not None
    assert found.score.mean == 0.5
    assert found.graded == 51
    assert found.score.high - found.score.low > 0.8  # of two, whatever the number of rows


def test_differences_are_of_the_same_prompts() -> None:
    rows = [row("a", str(n), 1.0) for n in range(40)] + [row("b", str(n), float(n % 2)) for n in range(80)]
    first, second = summaries(rows, ["a", "b"])
    assert first.change is None
    assert second.change is not None
    assert second.change.mean == pytest.approx(-0.5)
    assert second.change.low < -0.5 < second.change.high
    assert summaries(rows[:9] + rows[40:], ["a", "b"])[1].change is None  # nine pairs are too few


def test_two_that_never_differed_are_not_taken_for_equal() -> None:
    found = paired([0.0] * 20)
    assert found is not None
    assert found.mean == 0
    assert found.high == -found.low > 0.05


@given(st.lists(st.floats(-1, 1), min_size=10, max_size=100))
def test_bounds_of_a_difference_stay_within_one_and_around_the_mean(differences: list[float]) -> None:
    found = paired(differences)
    assert found is not None
    assert -1 <= found.low <= found.mean <= found.high <= 1


@pytest.mark.parametrize(
    ("n", "up", "down"), [(20, 0.0, 0.02), (20, 0.05, 0.1), (30, 0.0, 0.5), (100, 0.01, 0.03), (100, 0.1, 0.4)]
)
def test_the_interval_of_a_difference_covers_the_truth(n: int, up: float, down: float) -> None:
    """Of 2,000 runs; the plain normal interval covers in 33, 86, 96, 93 and 95 % of them."""
    rng = random.Random(5)
    held = 0
    for _ in range(2000):
        found = paired(rng.choices([1.0, -1.0, 0.0], [up, down, 1 - up - down], k=n))
        assert found is not None
        held += found.low <= up - down <= found.high
    assert held >= 1860


def test_what_was_not_graded_is_counted_apart() -> None:
    found = summaries([row("a", "1", None), row("a", "2", 1.0, None, 300.0)], ["a", "b"])
    assert (found[0].graded, found[0].ungraded, found[0].usd_per_1000, found[0].latency_ms) == (1, 1, 1.0, 200.0)
    assert (found[1].score, found[1].usd_per_1000, found[1].latency_ms) == (None, None, None)
