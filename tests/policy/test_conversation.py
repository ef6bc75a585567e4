"""Who goes on with a conversation, through whole decisions: chance once, no thrashing, no way down inside a loop."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.price import Price, Rates
from pointsman.core.routing import (
    Context,
    Decision,
    Deployment,
    Needs,
    Objective,
    Outlook,
    Plan,
    Pool,
    Prediction,
    Provider,
    Route,
)
from pointsman.core.snapshot import Snapshot
from pointsman.policy import model
from pointsman.policy.conversation import Course
from pointsman.policy.decide import State, decide
from pointsman.policy.naming import resolve
from pointsman.policy.warmth import Prefix

BIG, MIDDLE, SMALL = "p/big", "p/middle", "p/small"
NAMES = (BIG, MIDDLE, SMALL)
TWIN = "p/small-elsewhere"
SAID = {BIG: (0.9, 900), MIDDLE: (0.8, 300), SMALL: (0.6, 100), TWIN: (0.6, 100)}
"""Quality, and cost in nano-dollars."""


@pytest.fixture(autouse=True)
def says(monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(_policy: object, context: Context, deployments: tuple[Deployment, ...], _: object) -> tuple[Prediction, ...]:
        warm = context.outlook.warm if context.outlook is not None else {}
        return tuple(
            Prediction(one.name, SAID[one.name][0], 0.01, SAID[one.name][1] // (10 if warm.get(one.name) else 1))
            for one in deployments
        )

    monkeypatch.setattr(model, "predict", predict)


def a_snapshot(value: int = 1000, **plan: object) -> Snapshot:
    price = Price(Rates(Decimal(1), Decimal(2)))
    fields: dict[str, object] = {"accepted": (MIDDLE, SMALL), "acting_share": 0.9, "value_nano": value, **plan}
    return Snapshot(
        {"p": Provider("p", "http://x")},
        {name: Deployment(name, "p", name, name, price) for name in NAMES},
        {"auto": Route("auto", BIG, NAMES, Objective(), 0.1, {"*": Plan("*", "auto", BIG, **fields)})},  # type: ignore[arg-type]
    )


def goes_on(
    course: Course | None,
    *,
    value: int = 1000,
    u: float = 0.5,
    cooling: frozenset[str] = frozenset(),
    predicted: bool = True,
    **context: object,
) -> Decision:
    snapshot = a_snapshot(value) if predicted else a_snapshot(value, one_model=SMALL)
    state = State(cooling, "hash", course=course)
    policy = object() if predicted else None
    return decide(snapshot, resolve(snapshot, "auto"), policy, Context("f", Needs(), **context), state, u)  # type: ignore[arg-type]


def chance(decision: Decision) -> float:
    return dict(zip(decision.eligible, decision.probabilities, strict=True))[decision.chosen]


def held(by: str, arm: str = "policy", **fields: object) -> Course:
    return Course(by, arm, "0001", 3, 0, 3, prefixes={by: Prefix(1000, 0.0)}, **fields)  # type: ignore[arg-type]


WARM = {name: Outlook({name: 950.0}) for name in NAMES}


@given(st.sampled_from(NAMES), st.floats(0, 1, exclude_max=True), st.integers(1, 10_000))
def test_in_the_middle_of_a_loop_it_stays_whatever_is_worth_more(by: str, u: float, value: int) -> None:
    found = goes_on(held(by), u=u, value=value, loop=True)
    assert (found.chosen, found.arm, chance(found), found.why) == (by, "policy", 1.0, "stays with its conversation")
    assert found.course == "0001"


@given(st.floats(0, 1, exclude_max=True), st.booleans(), st.sampled_from(("", "4 calls in a row failed")))
def test_what_chance_held_on_the_reference_is_held_to_the_end(u: float, loop: bool, stuck: str) -> None:
    found = goes_on(held(BIG, "control"), u=u, loop=loop, stuck=stuck)
    assert (found.chosen, found.arm, chance(found)) == (BIG, "control", 1.0)
    assert found.why == "held on the reference, to measure against"


@pytest.mark.parametrize(
    ("by", "value", "to"),
    [(SMALL, 1000, MIDDLE), (SMALL, 100_000, BIG), (MIDDLE, 1000, BIG), (BIG, 1000, BIG)],
)
def test_a_stuck_loop_goes_to_who_is_worth_most_of_the_better(by: str, value: int, to: str) -> None:
    found = goes_on(held(by), value=value, loop=True, stuck="4 calls in a row failed")
    assert (found.chosen, found.arm, chance(found)) == (to, "policy", 1.0)
    assert "4 calls in a row failed" in found.why


def test_where_nothing_was_learned_a_stuck_loop_goes_to_the_reference() -> None:
    assert goes_on(held(SMALL), predicted=False, loop=True).chosen == SMALL
    assert goes_on(held(SMALL), predicted=False, loop=True, stuck="it is").chosen == BIG


def test_who_cannot_go_on_gives_the_loop_to_the_best_that_can() -> None:
    found = goes_on(held(MIDDLE), cooling=frozenset((MIDDLE,)), loop=True)
    assert (found.chosen, found.arm) == (BIG, "policy")
    assert found.why == "takes over a loop: p/middle cannot go on"
    assert goes_on(held(MIDDLE), cooling=frozenset((MIDDLE, BIG)), loop=True).chosen == SMALL


def test_at_a_new_turn_whoever_is_worth_most_with_what_is_warm_goes_on() -> None:
    """A right answer worth 1000: cold, the small one wins by 500 to 500 and 0; the big one's cache turns that round."""
    cold = goes_on(held(BIG))
    assert (cold.chosen, cold.arm, chance(cold)) == (SMALL, "policy", 1.0)
    warm = goes_on(held(BIG), outlook=WARM[BIG])
    assert (warm.chosen, warm.why) == (BIG, "stays with its conversation")


def test_who_took_over_from_one_that_was_stuck_keeps_it_while_it_is_warm() -> None:
    course = held(BIG, escalated=True)
    assert goes_on(course, value=1, outlook=WARM[BIG]).chosen == BIG
    assert goes_on(course, value=1).chosen == SMALL


def test_what_chance_had_no_say_in_stays_so_in_the_loop_and_is_drawn_at_the_next_turn() -> None:
    found = goes_on(held(SMALL, "forced"), loop=True)
    assert (found.chosen, found.arm) == (SMALL, "forced")
    drawn = [goes_on(held(SMALL, "forced"), u=u) for u in (0.5, 0.95)]
    assert [(one.arm, one.course) for one in drawn] == [("policy", ""), ("control", "")]


def test_a_conversation_with_one_of_a_pool_stays_with_it() -> None:
    snapshot = a_snapshot()
    one = replace(snapshot.deployments[SMALL], name=TWIN)
    snapshot = replace(snapshot, deployments={**snapshot.deployments, TWIN: one}, pools=(Pool(((SMALL,), (TWIN,))),))

    def chosen(cooling: frozenset[str]) -> Decision:
        state, context = State(cooling, course=held(TWIN), holder=TWIN), Context("f", Needs(), loop=True)
        return decide(snapshot, resolve(snapshot, "auto"), object(), context, state, 0.5)  # type: ignore[arg-type]

    found = chosen(frozenset())
    assert (found.chosen, found.why, chance(found)) == (TWIN, "stays with its conversation", 1.0)
    assert chosen(frozenset((TWIN,))).chosen == SMALL, "the same model, where it can go on"


def test_before_canary_no_conversation_is_anyones() -> None:
    snapshot = a_snapshot()
    plan = Plan("*", "observe", BIG, accepted=(SMALL,))
    snapshot = Snapshot(
        snapshot.providers, snapshot.deployments, {"auto": Route("auto", BIG, NAMES, Objective(), 0.1, {"*": plan})}
    )
    found = decide(
        snapshot, resolve(snapshot, "auto"), None, Context("f", Needs(), loop=True), State(course=held(SMALL)), 0.5
    )
    assert (found.chosen, found.arm) == (BIG, "reference")
