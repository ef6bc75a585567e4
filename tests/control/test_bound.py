"""Learning with a tested bound: what is set apart teaches nothing, what is published passed, and what is not stays."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.policy.test_bound import at_least
from tests.policy.test_teach import PRICED, table

from pointsman.control.bound import Walked, error_of, learn_tested, mixed, set_apart
from pointsman.control.learn import EVERY, Taught, act_on
from pointsman.core.errors import TableError
from pointsman.core.routing import BoundTest, Context, Needs, Objective, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import decide, model, naming
from pointsman.policy.bound import holds
from pointsman.policy.decide import State
from pointsman.policy.outcomes import Floats, Outcomes

ROWS = table(1000)
KNOWN = {one.name: one for one in PRICED}
MATCH = Objective("match", tolerance=0.05)


def taught_on(rows: Outcomes, objective: Objective = MATCH, **said: Any) -> Taught:
    return learn_tested(rows, objective, reference="p/big", known=KNOWN, **said)


TAUGHT = taught_on(ROWS)


def published(taught: Taught) -> Snapshot:
    route = Route("auto", "p/big", ("p/sums", "p/words"), MATCH, 0.05, {EVERY: Plan(EVERY, reference="p/big")})
    return act_on(Snapshot(deployments=KNOWN, routes={"auto": route}), "auto", taught, now_ms=7)


NAMES = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=40)


@given(NAMES, NAMES)
@settings(max_examples=30, deadline=None)
def test_more_rows_never_move_a_group_between_learning_and_test(names: list[str], further: list[str]) -> None:
    def parts(groups: list[str]) -> tuple[set[str], list[str]]:
        one = table(1)
        rows = one.rows(np.zeros(len(groups), dtype=np.int64))
        rest, apart = set_apart(replace(rows, groups=np.array(groups)))
        return set(rest.groups), list(apart.groups)

    (rest, apart), (later_rest, later_apart) = parts(names), parts([*further, *names])
    assert rest.isdisjoint(apart)
    assert rest | set(apart) == set(names)
    assert rest <= later_rest
    assert apart == [name for name in later_apart if name in apart]
    assert len(set(apart)) == len(apart)


def test_about_half_is_set_apart_in_an_order_of_its_own() -> None:
    rest, apart = set_apart(table(1000))
    assert 430 < len(apart) < 570
    assert list(apart.groups) != sorted(apart.groups)
    assert len(rest) + len(apart) == 1000


def test_the_order_of_a_test_follows_from_names_alone() -> None:
    rows = table(300)
    assert list(mixed(rows).groups) == list(mixed(rows.rows(np.arange(300)[::-1])).groups)
    assert list(mixed(rows).groups) != sorted(rows.groups)


def test_what_is_set_apart_teaches_nothing() -> None:
    rows = table(600)
    _, apart = set_apart(rows)
    score = rows.score.copy()
    score[np.isin(rows.groups, apart.groups)] = (0.0, 1.0, 1.0)
    one, other = taught_on(rows), taught_on(replace(rows, score=score))
    assert model.encode(one.lesson.policy) == model.encode(other.lesson.policy)
    assert one.bound is not None
    assert other.bound is not None
    assert one.bound.steps == other.bound.steps
    assert one.bound.change != other.bound.change


def test_what_passes_is_published_with_what_it_was_tested_on() -> None:
    bound = TAUGHT.bound
    assert bound is not None
    assert 0 < bound.passed <= bound.steps
    assert (bound.cheaper, bound.ungraded, bound.more) == (True, 0, 0)
    assert bound.share < 0.5
    plan = published(TAUGHT).routes["auto"].plans[EVERY]
    assert (plan.mode, plan.accepted, plan.acting_share) == ("auto", ("p/sums", "p/words"), 0.95)
    assert plan.tested == BoundTest(bound.judged, 0.05, 0.95)
    assert plan.value_nano == TAUGHT.trade.value_nano
    assert f"tested on {bound.judged} others" in published(TAUGHT).made_by


def test_what_chooses_among_fewer_than_were_tested_is_not_called_tested() -> None:
    route = Route("auto", "p/big", ("p/sums",), MATCH, 0.05, {EVERY: Plan(EVERY, reference="p/big")})
    fewer = Snapshot(deployments={name: KNOWN[name] for name in ("p/big", "p/sums")}, routes={"auto": route})
    plan = act_on(fewer, "auto", TAUGHT, now_ms=7).routes["auto"].plans[EVERY]
    assert (plan.accepted, plan.tested) == (("p/sums",), None)


def test_the_gateway_decides_as_was_tested() -> None:
    taught = TAUGHT
    _, apart = set_apart(ROWS)
    snapshot = published(taught)
    policy = model.decode(snapshot.policies["auto"])
    assert taught.bound is not None
    walked = Walked.of(taught, apart, KNOWN)
    step = walked.steps[taught.bound.passed - 1]
    target = naming.resolve(snapshot, "auto")
    names = taught.deployments
    for place in range(0, 200, 5):
        needs = Needs(input_tokens=int(apart.input_tokens[place]))
        context = Context("", needs, apart.vectors[place].tobytes())
        decision = decide.decide(snapshot, target, policy, context, State(), 0.0)
        change = apart.score[place, names.index(decision.chosen)] - apart.score[place, 0]
        assert change == walked.changes[place, walked.steps.index(step)]


def test_where_too_little_is_judged_it_stays_on_the_reference_and_says_how_much_more() -> None:
    taught = taught_on(table(160), Objective("match", tolerance=0.01))
    bound = taught.bound
    assert bound is not None
    assert (bound.passed, bound.tested) == (0, None)
    assert bound.more is None or bound.more > 100
    plan = published(taught).routes["auto"].plans[EVERY]
    assert (plan.mode, plan.accepted, plan.one_model, plan.tested) == ("observe", (), "p/big", None)


def test_an_answer_without_a_grade_counts_as_wrong_and_a_reference_without_one_not_at_all() -> None:
    rows = ROWS
    _, apart = set_apart(rows)
    score = rows.score.copy()
    mine = np.flatnonzero(np.isin(rows.groups, apart.groups))
    score[mine[:100], 0] = np.nan
    score[mine[100:], 1:] = np.nan
    bound = taught_on(replace(rows, score=score)).bound
    assert bound is not None
    assert bound.judged == len(mine) - 100
    assert bound.ungraded > 0
    assert -bound.ungraded <= bound.change * bound.judged <= -0.9 * bound.ungraded  # the reference is mostly right
    assert bound.tested is None


def test_a_single_model_that_suffices_is_tested_alone() -> None:
    score = np.where(np.arange(600)[:, None] % 10 > 0, (1.0, 1.0, 0.0), 0.0)
    taught = taught_on(replace(table(600), score=score))
    assert taught.bound is not None
    assert (taught.bound.steps, taught.bound.passed) == (1, 1)
    plan = published(taught).routes["auto"].plans[EVERY]
    assert (plan.accepted, plan.one_model) == (("p/sums",), "p/sums")
    assert plan.tested is not None


def test_what_passes_and_is_not_cheaper_stays() -> None:
    rows = ROWS
    _, apart = set_apart(rows)
    tokens = rows.output_tokens.copy()
    tokens[np.isin(rows.groups, apart.groups), 1:] *= 10_000  # as nobody could have foreseen
    bound = taught_on(replace(rows, output_tokens=tokens)).bound
    assert bound is not None
    assert bound.passed
    assert (bound.cheaper, bound.tested) == (False, None)


def test_where_nothing_but_the_reference_is_worth_choosing_nothing_passes() -> None:
    score = (np.random.default_rng(4).random((400, 3)) < (0.9, 0.4, 0.4)).astype(float)
    taught = taught_on(replace(table(400), score=score), Objective("match", tolerance=0.01))
    assert taught.bound is not None
    assert taught.bound.tested is None
    assert taught.serving == ("p/big",)


def test_where_nothing_costs_less_there_is_nothing_to_test() -> None:
    taught = learn_tested(ROWS, MATCH, reference="p/big", known={})  # all answers cost the same in the table
    assert taught.bound is not None
    assert (taught.bound.steps, taught.bound.tested) == (0, None)
    assert taught.serving == ("p/big",)


def test_a_reference_that_was_not_graded_on_what_is_set_apart_is_refused() -> None:
    _, apart = set_apart(ROWS)
    score = ROWS.score.copy()
    score[np.isin(ROWS.groups, apart.groups), 0] = np.nan
    with pytest.raises(TableError, match="no answer of the reference p/big is graded among the prompts set apart"):
        taught_on(replace(ROWS, score=score))


def test_only_match_promises_a_bound() -> None:
    with pytest.raises(TableError, match="only match promises"):
        taught_on(table(), Objective("best"))


def test_the_confidence_is_the_objectives() -> None:
    taught = taught_on(ROWS, structs.replace(MATCH, confidence=0.99))
    assert taught.bound is not None
    assert taught.bound.confidence == 0.99
    assert taught.bound.passed <= (TAUGHT.bound or taught.bound).passed


def test_over_many_tables_what_is_published_is_hardly_ever_worse_than_it_was_tested_for() -> None:
    """The cheap models are 6 points worse on everything, at a tolerance of 5: whatever saves much must not pass."""
    seeds, wrong = 20, 0
    for seed in range(seeds):
        rng = np.random.default_rng(1000 + seed)
        score = (rng.random((300, 3)) < (0.9, 0.84, 0.84)).astype(float)
        taught = taught_on(replace(table(300, seed), score=score))
        bound = taught.bound
        # What it chose truly loses 6 points for each request that it sends away from the reference.
        wrong += bool(bound and bound.tested and taught.trade.one_model != "p/big" and 0.06 * _away(taught) > 0.05)
    assert at_least(wrong, seeds, 0.05) > 0.001


def _away(taught: Taught) -> float:
    picks = np.array([0, 1, 2])[taught.lesson.evidence.choices(taught.trade.value_nano)]
    return 1.0 if taught.trade.one_model else float((picks != 0).mean())


def test_many_tests_on_rows_that_overlap_err_together_as_one_may() -> None:
    """A loss of just the tolerance, tested 40 times on 600 rows of which a tenth is new each time, in 400 worlds."""
    rng = np.random.default_rng(0)

    def fresh(count: int) -> Floats:
        return rng.choice([-1.0, 0.0, 1.0], (count, 400), p=[0.1, 0.85, 0.05])

    rows, shared, alone = fresh(600), np.zeros(400, dtype=np.bool_), np.zeros(400, dtype=np.bool_)
    for number in range(1, 41):
        shared |= holds(rows, 0.05, error_of(0.95, number))
        alone |= holds(rows, 0.05, 0.05)
        rows = np.concatenate((rows[60:], fresh(60)))
    assert shared.mean() < 0.05
    assert alone.mean() > 0.1
