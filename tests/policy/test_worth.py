"""What it is expected to be worth to know more: never negative, nothing where nothing is open, and as simulated."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.trade import Evidence
from pointsman.policy.worth import improvement, of_knowing


@given(st.floats(-10, 10), st.floats(0, 5))
def test_it_is_never_negative_and_no_more_than_the_doubt(behind: float, spread: float) -> None:
    found = float(improvement(np.array([behind]), spread)[0])
    assert 0 <= found <= 0.4 * spread + 1e-12


@given(st.floats(0, 3), st.floats(0.1, 2))
def test_it_is_the_same_ahead_as_behind_and_falls_with_the_distance(behind: float, spread: float) -> None:
    here, there, further = improvement(np.array([behind, -behind, behind + 0.5]), spread)
    assert here == there
    assert further <= here


def test_it_is_what_choosing_with_full_knowledge_brings_on_average() -> None:
    rng = np.random.default_rng(0)
    for behind, spread in ((0.0, 1.0), (0.5, 1.0), (-1.0, 0.7), (2.0, 1.5)):
        truth = rng.normal(-behind, spread, 400_000)  # how far it really is ahead
        gain = np.maximum(truth, 0).mean() - max(-behind, 0.0)
        assert float(improvement(np.array([behind]), spread)[0]) == pytest.approx(gain, abs=0.005)


def test_the_tail_is_the_normal_one() -> None:
    z = np.linspace(0, 5, 50)
    exact = [NormalDist().pdf(x) - x * (1 - NormalDist().cdf(x)) for x in z]
    assert improvement(z, 1.0) == pytest.approx(exact, abs=1e-6)


def evidence(quality: list[float], graded: list[int], cost: list[float]) -> Evidence:
    rows = 400
    seen = np.arange(rows)[:, None] < np.array(graded)[None, :]
    quality_of = np.tile(quality, (rows, 1))
    cost_of = np.tile(cost, (rows, 1))
    score = np.where(seen, quality_of, np.nan)
    return Evidence.of(("a", "b", "c"), quality_of, cost_of, score, cost_of)


def test_the_less_is_known_and_the_closer_it_is_the_more_it_is_worth() -> None:
    found = of_knowing(evidence([0.9, 0.85, 0.85], [400, 400, 30], [100.0] * 3), 1000.0)
    assert found["c"] > found["b"] > 0
    far = of_knowing(evidence([0.9, 0.2, 0.85], [400, 30, 30], [100.0] * 3), 1000.0)
    assert far["c"] > 100 * far["b"]


def test_who_is_never_graded_is_worth_knowing_most_and_a_dear_one_hardly() -> None:
    found = of_knowing(evidence([0.9, 0.85, 0.85], [400, 0, 50], [100.0] * 3), 1000.0)
    assert found["b"] > found["c"]
    dear = of_knowing(evidence([0.9, 0.85, 0.85], [400, 50, 50], [100.0, 2000.0, 100.0]), 1000.0)
    assert dear["b"] < 1e-3 * dear["c"]


def test_where_only_quality_counts_cost_does_not() -> None:
    found = of_knowing(evidence([0.9, 0.85, 0.85], [400, 50, 50], [100.0, 2000.0, 100.0]), None)
    assert found["b"] == pytest.approx(found["c"])


def test_one_without_a_cost_among_others_brings_nothing() -> None:
    found = of_knowing(evidence([0.9, 0.85, 0.9], [400, 50, 50], [100.0, np.nan, 100.0]), 1000.0)
    assert found["b"] == 0.0
