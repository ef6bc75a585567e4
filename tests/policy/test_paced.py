"""A day's budget in a decision: whoever is expected to cost more than the rest of the day can take back is not chosen."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.price import Price, Rates
from pointsman.core.routing import Context, Decision, Deployment, Explore, Needs, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import features
from pointsman.policy.decide import State, decide
from pointsman.policy.naming import resolve
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach

DEAR, FAIR, CHEAP = NAMES = ("p/dear", "p/fair", "p/cheap")
OUTPUT_USD = {DEAR: 100, FAIR: 10, CHEAP: 1}  # of a million tokens; input costs nothing, and an answer has ten
PLAN = Plan("*", "auto", DEAR, accepted=(FAIR, CHEAP), acting_share=0.9, value_nano=10**9)
VECTOR = bytes((features.VERSION,)).ljust(features.LENGTH, b"\0")


def learned() -> object:
    """Return a policy that knows: the dearer one is, the better."""
    rng, n = np.random.default_rng(0), 120
    vectors = np.zeros((n, features.LENGTH), dtype=np.uint8)
    vectors[:, 0] = features.VERSION
    nothing = np.full(n, -1)
    groups, right = np.array([f"{place:04}" for place in range(n)]), rng.random((n, 3)) < (0.95, 0.6, 0.2)
    gaps, tokens = np.full((n, 3), np.nan), np.full((n, 3), 10.0)
    rows = Outcomes(
        NAMES, groups, vectors, right.astype(np.float64), gaps, np.full(n, 100.0), tokens, nothing, (), nothing, ()
    )
    return teach(rows).policy


POLICY = learned()


def decided(most_nano: int | None, plan: Plan = PLAN, *, u: float = 0.5, pace: float = 1.0) -> Decision:
    prices = {name: Price(Rates(Decimal(0), Decimal(usd))) for name, usd in OUTPUT_USD.items()}
    deployments = {name: Deployment(name, "p", name[2:], name[2:], prices[name]) for name in NAMES}
    route = Route("auto", DEAR, (FAIR, CHEAP), Objective("budget", usd_per_1000=0.1), 0.1, {"*": plan})
    snapshot = Snapshot({"p": Provider("p", "http://x")}, deployments, {"auto": route})
    state = State(pace=pace, most_nano=most_nano, explore_nano=10**12)
    context = Context("f", Needs(100, 10), VECTOR)
    return decide(snapshot, resolve(snapshot, "auto"), POLICY, context, state, u)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("most_nano", "chosen"), [(None, DEAR), (10**7, DEAR), (500_000, FAIR), (50_000, CHEAP), (1, CHEAP), (-5, CHEAP)]
)
def test_the_best_of_those_within_the_limit_is_chosen_and_the_cheapest_where_nobody_is(
    most_nano: int | None, chosen: str
) -> None:
    found = decided(most_nano)
    assert (found.chosen, found.arm, found.most_nano) == (chosen, "policy", most_nano)


def test_the_one_model_that_suffices_gives_way_too() -> None:
    alone = replace(PLAN, accepted=(FAIR, CHEAP), one_model=FAIR)
    assert decided(None, alone).chosen == FAIR
    assert decided(500_000, alone).chosen == FAIR
    assert decided(50_000, alone).chosen == CHEAP


def test_nobody_is_tried_who_may_not_be_chosen() -> None:
    tried = replace(PLAN, accepted=(CHEAP,), tolerance=1.0, explore=Explore(0.2, 10**12, "auto"), explorable={FAIR: 1.0})
    assert decided(500_000, tried, u=0.0).chosen == FAIR
    found = decided(50_000, tried, u=0.0)
    assert found.arm == "policy"
    assert dict(zip(found.eligible, found.probabilities, strict=True))[FAIR] == 0.0


@given(st.none() | st.integers(-(10**7), 10**7), st.floats(0, 1, exclude_max=True), st.floats(0.01, 100))
def test_what_is_held_on_the_reference_is_never_touched_and_chances_add_up(
    most_nano: int | None, u: float, pace: float
) -> None:
    found = decided(most_nano, u=u, pace=pace)
    chance = dict(zip(found.eligible, found.probabilities, strict=True))
    assert chance[DEAR] >= 0.1 - 1e-9
    assert sum(chance.values()) == pytest.approx(1)
    assert (found.arm == "control") == (u >= 0.9)
    assert {found.chosen, *found.fallbacks} <= {*NAMES}
