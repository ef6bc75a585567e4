"""A budget is kept while traffic shifts, and no faster than prices move."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.pace import REMEMBERED, WIDEST, Pace, paid

BUDGET = 1000.0
costs = st.lists(st.integers(0, 10**9), max_size=60)


@given(costs)
def test_the_factor_is_bounded_and_what_is_remembered_too(spent: list[int]) -> None:
    pace = Pace()
    for cost in spent:
        pace = paid(pace, cost, BUDGET)
        assert 0.999 / WIDEST <= pace.factor <= 1.001 * WIDEST
        assert abs(pace.debt) <= REMEMBERED


@given(costs, st.integers(0, 10**6), st.integers(1, 10**6))
def test_whoever_spent_more_pays_less_for_quality(spent: list[int], cost: int, more: int) -> None:
    pace = Pace()
    for each in spent:
        pace = paid(pace, each, BUDGET)
    assert paid(pace, cost + more, BUDGET).factor <= paid(pace, cost, BUDGET).factor


def test_what_costs_just_the_budget_changes_nothing() -> None:
    pace = Pace()
    for _ in range(1000):
        pace = paid(pace, 1000, BUDGET)
    assert pace.factor == 1.0


def served(rng: np.random.Generator, prices: np.ndarray, gains: np.ndarray, worth: float, *, paced: bool) -> float:
    """Return the mean cost of choosing a dear model where it is worth it, as a share of the budget."""
    pace, spent = Pace(), 0
    for price, gain in zip(prices, gains, strict=True):
        factor = pace.factor if paced else 1.0
        cost = round(price * rng.lognormal(-0.5, 1.0)) if factor * worth * gain > price else 100
        spent += cost
        pace = paid(pace, cost, BUDGET)
    return spent / len(prices) / BUDGET


@pytest.mark.parametrize("shift", [1.0, 0.4, 2.5])
def test_the_average_is_kept_when_prompts_become_dearer_or_cheaper(shift: float) -> None:
    """Known truth: a dear answer costs 3,000 on average (lognormal), the cheap one 100; how much it gains is uniform.

    From the middle on prices are ``shift`` times what they were. Over 20 seeds the average is within 0.5 % of the budget,
    where a fixed worth misses by far once anything has shifted.
    """
    paced, fixed = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        gains = rng.random(20_000)
        prices = np.full(20_000, 3000.0)
        prices[10_000:] *= shift
        worth = 3000 / (1 - 900 / 2900)  # what keeps the budget before the shift
        paced.append(served(rng, prices, gains, worth, paced=True))
        fixed.append(served(rng, prices, gains, worth, paced=False))
    assert abs(float(np.mean(paced)) - 1) < 0.005
    assert max(abs(each - 1) for each in paced) < 0.01
    assert math.isclose(shift, 1.0) or abs(float(np.mean(fixed)) - 1) > 0.05
