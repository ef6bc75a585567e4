"""Prediction-powered estimates against known truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.powered import Powered, powered


def sample(seed: int, *, judged: int, people: int, bias: float, noise: float) -> tuple[np.ndarray, ...]:
    """Judgements in {-1, 0, 1} of mean 0.1; the judge's are those with noise and a bias."""
    rng = np.random.default_rng(seed)
    said = rng.choice([-1.0, 0.0, 1.0], judged, p=[0.3, 0.3, 0.4])
    judge = said + bias + noise * rng.standard_normal(judged)
    asked = np.full(judged, np.nan)
    chosen = rng.choice(judged, people, replace=False)
    asked[chosen] = said[chosen]
    return judge, asked, np.full(judged, people / judged)


@pytest.mark.parametrize("bias", [-0.5, 0.0, 0.5])
def test_the_estimate_is_not_moved_by_a_biased_judge_and_its_interval_covers(bias: float) -> None:
    found = [powered(*sample(seed, judged=600, people=100, bias=bias, noise=0.5)) for seed in range(400)]
    estimates = [one for one in found if one is not None]
    assert len(estimates) == 400
    values = np.array([one.value for one in estimates])
    assert abs(values.mean() - 0.1) < 4 * values.std() / math.sqrt(400)
    covered = sum(one.once[0] <= 0.1 <= one.once[1] for one in estimates)
    assert covered >= 0.93 * 400
    assert sum(one.ever()[0] <= 0.1 <= one.ever()[1] for one in estimates) > covered
    assert np.median([one.error for one in estimates]) == pytest.approx(values.std(), rel=0.15)


def test_a_good_judge_saves_people_and_a_useless_one_costs_nothing() -> None:
    good = powered(*sample(1, judged=5000, people=200, bias=0.3, noise=0.2))
    useless = powered(*sample(1, judged=5000, people=200, bias=0.3, noise=30.0))
    assert good is not None
    assert useless is not None
    assert good.trust > 0.8
    assert good.saved > 1000
    assert good.alone == good.saved + 200
    assert abs(useless.trust) < 0.02
    assert useless.error == pytest.approx(useless.spread / math.sqrt(200), rel=0.1)
    assert 0 <= useless.saved < 30


def test_chances_that_differ_are_weighed() -> None:
    """People are asked ten times as often where they say 1: the plain mean is far off, the estimate is not."""
    values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        said = rng.choice([-1.0, 1.0], 800)
        chance = np.where(said > 0, 0.5, 0.05)
        asked = np.where(rng.random(800) < chance, said, np.nan)
        found = powered(np.zeros(800), asked, chance)
        assert found is not None
        values.append(found.value)
    assert abs(float(np.mean(values))) < 0.03


def test_too_few_or_impossible_chances() -> None:
    assert powered(np.zeros(5), np.array([1.0, 0.0, math.nan, math.nan, math.nan]), np.ones(5)) is None
    with pytest.raises(ValueError, match="lies in"):
        powered(np.zeros(3), np.ones(3), np.zeros(3))


def test_a_judge_without_any_difference_leaves_the_people_alone() -> None:
    found = powered(np.zeros(50), np.array([1.0, 0.0] * 5 + [math.nan] * 40), np.full(50, 0.2))
    assert found is not None
    assert (found.value, found.trust, found.people, found.judged) == (0.5, 0.0, 10, 50)


@given(st.floats(-1, 1), st.floats(0.001, 0.5), st.integers(100, 5000))
def test_bounds_for_all_looks_are_wider_and_hold_the_value(value: float, error: float, people: int) -> None:
    one = Powered(value, error, people, 10 * people, 1.0, 1.0)
    assert one.ever()[0] < one.once[0] <= value <= one.once[1] < one.ever()[1]


def test_how_many_more_would_settle_it() -> None:
    near = Powered(-0.0495, 0.03, 100, 1000, 1.0, 0.8)
    assert near.needed(0.05) is None
    far = Powered(0.05, 0.05, 100, 1000, 1.0, 0.8)
    more = far.needed(0.05)
    assert more is not None
    later = Powered(0.05, 0.05 * math.sqrt(100 / (100 + more)), 100 + more, 1000, 1.0, 0.8)
    assert later.ever()[0] > -0.05
    assert Powered(0.5, 0.01, 100, 1000, 1.0, 0.8).needed(0.05) == 0
