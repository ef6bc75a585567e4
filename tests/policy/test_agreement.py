"""Krippendorff's alpha: known values, its limits, and what its interval covers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.agreement import agreement

shares = st.sampled_from([0.0, 0.5, 1.0])


def test_it_is_what_krippendorff_works_out() -> None:
    """Binary data of two observers, Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section A: 0.095."""
    first, second = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
    found = agreement([[float(a), float(b)] for a, b in zip(first, second, strict=True)])
    assert found is not None
    assert found.value == pytest.approx(0.095, abs=0.001)
    assert found.same == pytest.approx(0.6)
    assert found.items == 10


def test_perfect_agreement_is_one_and_chance_is_near_nothing() -> None:
    rng = np.random.default_rng(3)
    same = agreement([[value, value] for value in rng.choice([0.0, 0.5, 1.0], 50).tolist()])
    assert same is not None
    assert (same.value, same.low, same.high, same.same) == (1.0, 1.0, 1.0, 1.0)
    chance = agreement([pair.tolist() for pair in rng.choice([0.0, 0.5, 1.0], (2000, 2))])
    assert chance is not None
    assert abs(chance.value) < 0.07
    assert chance.low < 0 < chance.high


def test_nothing_is_said_of_too_few_or_of_one_value() -> None:
    assert agreement([[1.0, 0.0], [1.0, 1.0], [0.5]]) is None
    assert agreement([[1.0, 1.0]] * 20) is None


@given(st.lists(st.lists(shares, min_size=1, max_size=4), max_size=30))
def test_it_lies_within_its_bounds_and_does_not_see_the_order(items: list[list[float]]) -> None:
    found = agreement(items)
    if found is not None:
        assert -1 <= found.low <= found.value <= found.high <= 1
        again = agreement([list(reversed(values)) for values in reversed(items)])
        assert again is not None
        assert again.value == pytest.approx(found.value)


def test_its_interval_covers_the_truth() -> None:
    """Two reviewers who see the same value with chance 0.8, else any: alpha is 0.64 for many items."""

    def drawn(rng: np.random.Generator, items: int) -> list[list[float]]:
        truth = rng.choice([0.0, 1.0], items)
        return [[value if rng.random() < 0.8 else float(rng.integers(2)) for _ in range(2)] for value in truth]

    found = [agreement(drawn(np.random.default_rng(seed), 60)) for seed in range(300)]
    covered = sum(one is not None and one.low <= 0.64 <= one.high for one in found)
    assert covered >= 0.91 * 300
