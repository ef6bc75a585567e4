"""Two arms of live traffic: what a gate promises, on values whose truth is known."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.routing import Gates
from pointsman.policy.gates import ERROR, LEVELS, Bet, Blocks, Gate, Sums, dearer, sizes, soonest

SHARES = st.floats(0.001, 0.999)
Arrivals = list[tuple[list[float], list[float]]]


def sums(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Sums:
    return Sums(len(values), float(values.sum()), float(np.square(values).sum()))


def test_the_errors_of_all_gates_are_five_percent_together() -> None:
    assert math.fsum(LEVELS.values()) == pytest.approx(ERROR)


@given(SHARES)
def test_a_block_has_the_proportion_of_the_shares(share: float) -> None:
    ours, theirs = sizes(share)
    assert min(ours, theirs) == 1
    assert 1 <= max(ours, theirs) <= 99
    assert sizes(1 - share) == (theirs, ours) or max(ours, theirs) > 1


@given(SHARES, st.lists(st.tuples(st.lists(st.floats(0, 1)), st.lists(st.floats(0, 1))), max_size=8))
def test_every_value_is_in_one_block_in_order_or_waits(
    share: float, arrivals: list[tuple[list[float], list[float]]]
) -> None:
    blocks = Blocks(share)
    out = [blocks.take(*each) for each in arrivals]
    for arm, size in enumerate(blocks.sizes):
        came = [value for each in arrivals for value in each[arm]]
        went = [value for each in out for value in each[arm].ravel().tolist()]
        assert went == came[: len(went)]
        assert all(each[arm].shape == (len(each[0]), size) for each in out)
    waits = [sum(len(each[arm]) for each in arrivals) - sum(each[arm].size for each in out) for arm in (0, 1)]
    assert any(wait < size for wait, size in zip(waits, blocks.sizes, strict=True))


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), max_size=30), st.integers(1, 29))
def test_a_bet_is_the_same_in_parts(values: list[float], cut: int) -> None:
    whole, parts = Bet(0.1, 0.3), Bet(0.1, 0.3)
    whole.take(np.array(values))
    for part in (values[:cut], values[cut:]):
        parts.take(np.array(part))
    assert (whole.won, whole.n) == (parts.won, parts.n)


@pytest.mark.parametrize(("mean", "level"), [(Fraction(0), Fraction(1, 4)), (Fraction(1, 5), Fraction(1, 3))])
def test_a_bet_is_won_by_chance_no_more_often_than_its_level(mean: Fraction, level: Fraction) -> None:
    """All 4,096 ways in which twelve values of plus or minus one can come, each with its exact chance."""
    up = (1 + mean) / 2
    won = Fraction(0)
    for way in range(2**12):
        values = [1.0 if way >> place & 1 else -1.0 for place in range(12)]
        bet = Bet(float(mean), float(level))
        if bet.take(np.array(values)):
            ups = values.count(1.0)
            won += up**ups * (1 - up) ** (12 - ups)
    assert 0 < won <= level


def test_values_outside_are_refused() -> None:
    for value in (1.1, math.nan):
        with pytest.raises(ValueError, match="lies in"):
            Bet(0.0, 0.05).take(np.array([value]))


def test_a_canary_without_failures_is_sound_as_soon_as_said() -> None:
    for errors in (0.02, 0.05):
        gate, after = Gate(0.5, 0.05, Gates(errors=errors)), soonest(errors)
        gate.failed([0.0] * (after - 1), [0.0] * after)
        early = gate.sound
        gate.failed([0.0], [])
        assert (early, gate.sound) == (False, True)
        assert gate.worse is None


def test_equal_arms_are_left_alone_and_each_fault_is_found() -> None:
    rng = np.random.default_rng(7)
    n = 4000

    def shown(*, failing: float = 0.02, grade: float = 0.8, slower: float = 1.0) -> Gate:
        gate = Gate(0.5, 0.05, Gates())
        gate.failed(rng.random(n) < failing, rng.random(n) < 0.02)
        gate.took(slower * rng.lognormal(0, 1, n), rng.lognormal(0, 1, n))
        gate.graded("exact", (rng.random(n) < grade).astype(float).tolist(), (rng.random(n) < 0.8).astype(float).tolist())
        return gate

    assert [shown().worse for _ in range(20)].count(None) >= 19
    assert shown(grade=0.65).worse == "quality"
    assert shown(failing=0.10).worse == "errors"
    assert shown(slower=3.0).worse == "latency"
    assert shown(slower=1.8).worse is None  # slower, and within what is tolerated
    assert shown(grade=0.77).worse is None


def test_a_judges_pairs_need_no_control() -> None:
    gate = Gate(0.95, 0.05, Gates())
    gate.graded("judge:z/judge", [0.25] * 200, [], paired=True)
    assert gate.worse == "quality"
    even = Gate(0.95, 0.05, Gates())
    even.graded("judge:z/judge", [0.5, 0.0, 1.0] * 200, [], paired=True)
    assert even.worse is None


def test_each_graders_grades_are_compared_with_its_own() -> None:
    gate = Gate(0.5, 0.0, Gates())
    gate.graded("exact", [0.2] * 300, [0.2] * 300)
    gate.graded("feedback:thumbs", [0.9] * 300, [0.9] * 300)
    assert gate.worse is None
    gate.graded("feedback:thumbs", [0.1] * 300, [0.9] * 300)
    assert gate.worse == "quality"


def test_dearer_is_said_of_what_is_and_needs_enough() -> None:
    rng = np.random.default_rng(3)
    base = rng.lognormal(0, 1, 3000)
    same, double = rng.lognormal(0, 1, 3000), 2 * rng.lognormal(0, 1, 3000)
    assert dearer(sums(double), sums(base))
    assert not dearer(sums(double[:99]), sums(base))
    assert not dearer(sums(same), sums(base))
    assert not dearer(sums(base), sums(double))
    assert not dearer(sums(double), sums(base), by=1.5)
