"""Asking twice: when another answer is worth its cost, and whose answer is given."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.policy import cascade
from pointsman.policy.belief import Heard, believe
from pointsman.policy.cascade import GIVE, Plan, follow, step
from pointsman.policy.outcomes import Floats
from tests.policy.test_belief import RIGHT, heard, voters

NAMES = ("dear", "cheap", "cheaper")
QUALITY = np.array([0.75, 0.65, 0.6])
COST = np.array([1000.0, 150.0, 100.0])


def pool(seed: int, count: int = 1500) -> tuple[Heard, Floats, Floats]:
    """What three independent models would answer, their scores, and their costs."""
    asked = heard(voters(np.random.default_rng(seed), count, QUALITY), QUALITY)
    return asked, (asked.said == RIGHT).astype(np.float64), np.tile(COST, (count, 1))


def made(value: float, seed: int = 0) -> Plan:
    asked, score, cost = pool(seed)
    return cascade.plan(NAMES, believe(asked, score), asked, cost, cost, value)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(1.0, 1e6))
@settings(max_examples=25, deadline=None)
def test_something_is_asked_nobody_twice_and_who_was_asked_answers(seed: int, size: int, value: float) -> None:
    rng = np.random.default_rng(seed)
    said = rng.integers(-1, 3, (80, size))
    asked = Heard(rng.normal(size=said.shape), said, np.full(said.shape, np.nan))
    cost = rng.uniform(1, 1000, said.shape)
    plan = cascade.plan(tuple("abcd"[:size]), believe(asked, (said == RIGHT).astype(np.float64)), asked, cost, cost, value)
    found = follow(plan, asked, cost)
    assert found.asked.any(axis=1).all()
    assert found.asked[np.arange(len(said)), found.given].all()
    assert ((found.chance >= 0) & (found.chance < 1)).all()


def test_one_request_alone_is_treated_as_in_a_batch() -> None:
    plan = made(5000.0)
    asked, _, cost = pool(1, 200)
    found = follow(plan, asked, cost)
    for row in range(len(asked)):
        alone, state, calls = asked.rows(np.array([row])), 0, []
        while (now := step(plan, state, alone, cost[[row]])).ask[0] != GIVE:
            calls.append(int(now.ask[0]))
            state |= 1 << calls[-1]
        assert sorted(calls) == np.flatnonzero(found.asked[row]).tolist()
        assert (now.best[0], now.chance[0]) == (found.given[row], pytest.approx(found.chance[row]))


def test_what_was_not_asked_yet_does_not_count() -> None:
    plan = made(5000.0)
    asked, _, cost = pool(1, 100)
    hidden = Heard(asked.odds, np.where([True, False, False], asked.said, -1), asked.length)
    seen, blind = step(plan, 1, asked, cost), step(plan, 1, hidden, cost)
    assert np.array_equal(seen.ask, blind.ask)
    assert np.array_equal(seen.chance, blind.chance)


def test_two_cheap_models_that_agree_are_believed_and_else_the_dear_one_is_asked() -> None:
    """Agreeing by chance is rare among ten options, so both cheap ones together beat the dear one when they agree."""
    plan = made(5000.0)
    agreed, apart = (heard(np.array([[-1, 4, other]]), QUALITY) for other in (4, 5))
    cost = COST[None, :]
    assert step(plan, 0b110, agreed, cost).ask[0] == GIVE
    assert step(plan, 0b110, apart, cost).ask[0] == NAMES.index("dear")
    assert step(plan, 0, agreed, cost).ask[0] != NAMES.index("dear")


def test_a_right_answer_that_is_worth_little_is_asked_of_the_cheapest_once() -> None:
    asked, _, cost = pool(2, 300)
    found = follow(made(1.0), asked, cost)
    assert found.asked.sum(axis=0).tolist() == [0, 0, 300]


def test_a_plan_is_better_and_cheaper_than_the_dear_model_alone() -> None:
    asked, score, cost = pool(7)
    found = follow(made(5000.0), asked, cost)
    given_score = score[np.arange(len(score)), found.given]
    assert given_score.mean() > score[:, 0].mean() + 0.05
    assert (cost * found.asked).sum(axis=1).mean() < 0.9 * COST[0]
    assert found.chance.mean() == pytest.approx(given_score.mean(), abs=0.02)  # and it knows how good it is


def test_of_those_who_agree_the_best_answers() -> None:
    said = heard(np.array([[2, -1, 2]]), QUALITY)
    assert step(made(5000.0), 0b101, said, COST[None, :]).best[0] == NAMES.index("dear")


def test_a_plan_is_what_it_was_after_it_was_kept() -> None:
    plan = made(5000.0)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan) == plan
