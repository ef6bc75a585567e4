"""Who may see a request: one by one, and as a property of every decision whatever the snapshot."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.demands import Demand, Facts
from pointsman.core.errors import GatewayError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import (
    Ceiling,
    Context,
    Decision,
    Deployment,
    Explore,
    Needs,
    Objective,
    Plan,
    Pool,
    Provider,
    Route,
)
from pointsman.core.snapshot import Snapshot
from pointsman.policy import decide, naming, permits
from pointsman.policy.balance import Load
from pointsman.policy.conversation import Course
from pointsman.policy.decide import State
from pointsman.policy.fitness import OVER_BUDGET
from pointsman.policy.latency import Speed

EU, ALL = Facts("eu-west-1"), Facts("eu", zero_retention=True, no_training=True)


def one(name: str = "azure/gpt", facts: Facts = EU) -> Deployment:
    provider, _, model = name.partition("/")
    return Deployment(name, provider, model, model, facts=facts)


@pytest.mark.parametrize(
    ("demand", "facts", "said"),
    [
        (Demand("the data policy 'p'"), Facts(), None),
        (Demand("p", regions=("eu",)), EU, None),
        (Demand("p", regions=("us", "eu-west-1")), EU, None),
        (Demand("p", regions=("eu",)), Facts("europe"), "p demands the region eu, and its region is europe"),
        (Demand("p", regions=("eu-west-1",)), Facts("eu"), "its region is eu"),
        (Demand("p", regions=("eu", "ch")), Facts(), "p demands the region eu or ch, and its region is not stated"),
        (Demand("p", zero_retention=True), ALL, None),
        (Demand("p", zero_retention=True), EU, "p demands zero retention, which is not stated of it"),
        (Demand("p", no_training=True), ALL, None),
        (Demand("p", no_training=True), Facts("eu", zero_retention=True), "nothing is trained on"),
        (Demand("p", vendors=("azure", "house")), Facts(), None),
        (Demand("p", vendors=("house",)), ALL, "p approves of the vendors house only"),
        (Demand("p", models=("azure/*",)), Facts(), None),
        (Demand("p", models=("azure/gpt",)), Facts(), None),
        (Demand("p", models=("azure/gp", "gpt")), ALL, "p approves of azure/gp, gpt only"),
    ],
)
def test_what_is_demanded_must_be_stated(demand: Demand, facts: Facts, said: str | None) -> None:
    found = permits.barred(one(facts=facts), (demand,))
    assert (found is None) is (said is None)
    assert said is None or said in str(found)


def test_all_demands_hold_together() -> None:
    both = (Demand("a", regions=("eu",)), Demand("b", no_training=True))
    assert permits.barred(one(facts=ALL), both) is None
    assert permits.barred(one(), both) == "is not permitted: b demands that nothing is trained on, which is not stated of it"


NAMES = ("a/1", "a/2", "b/1", "b/2", "c/1")
facts = st.builds(Facts, st.sampled_from(["", "eu", "eu-west", "us"]), st.booleans(), st.booleans())
demand = st.builds(
    Demand,
    st.just("the data policy 'x'"),
    st.sampled_from([(), ("eu",), ("us",), ("ch", "eu-west")]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), ("a",), ("b", "c")]),
    st.sampled_from([(), ("a/*", "b/1"), ("c/1",), NAMES]),
)
some = st.lists(st.sampled_from(NAMES), unique=True, max_size=4).map(tuple)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Snapshot, State, str, Context]:
    """A snapshot, a state, a model name and what is asked: everything that bears on who is called."""
    price = st.sampled_from([None, Price(Rates(Decimal(1), Decimal(2)))])
    deployments = {
        name: Deployment(
            name, name[0], name[2], draw(st.sampled_from(["k", name])), draw(price),
            draw(st.sampled_from([None, 100, 10_000])), draw(st.booleans()), facts=draw(facts),
        )
        for name in NAMES
    }  # fmt: skip
    reference = draw(st.sampled_from(NAMES))
    plan = Plan(
        "*",
        draw(st.sampled_from(["observe", "canary", "auto"])),
        reference,
        accepted=tuple(name for name in draw(some) if name != reference),
        acting_share=draw(st.sampled_from([0.0, 0.3, 1.0])),
        asks=draw(some),
        allow=draw(st.sampled_from([(), ("a/*",), NAMES])),
        ceiling=draw(st.sampled_from([None, Ceiling(0.5, 2.0)])),
        explore=draw(st.sampled_from([None, Explore(0.5, 10**12, "auto")])),
        explorable=dict.fromkeys(draw(some), 0.2),
        data_policies=draw(st.sampled_from([(), ("x",)])),
    )
    route = Route("auto", reference, tuple(name for name in NAMES if name != reference), Objective(), 0.05, {"*": plan})
    pooled = draw(st.sampled_from([(), ((("a/1", "b/1"), ("c/1",)),)]))
    providers = {name: Provider(name, "http://x", facts=draw(facts)) for name in "abc"}
    pools = tuple(Pool(tiers) for tiers in pooled)
    snapshot = Snapshot(providers, deployments, {"auto": route}, pools=pools, data_policies={"x": draw(demand)})
    state = State(
        frozenset(draw(some)),
        loads={name: Load(under_way=draw(st.integers(0, 3))) for name in draw(some)},
        holder=draw(st.sampled_from(["", *NAMES])),
        speeds={name: Speed(3.0, 10.0, 100.0) for name in draw(some)},
        course=draw(st.sampled_from([None, Course("a/1", "policy", "x", 1)])) if draw(st.booleans()) else None,
        explore_nano=10**12,
        closed=dict.fromkeys(draw(some), OVER_BUDGET),
        stand_ins=draw(some),
    )
    needs = Needs(
        draw(st.sampled_from([10, 1000])), tools=draw(st.booleans()), demands=tuple(draw(st.lists(demand, max_size=2)))
    )
    asked = draw(st.sampled_from(["auto", *NAMES, "a/unlisted", "1"]))
    return snapshot, state, asked, Context("f", needs)


def called(decision: Decision) -> set[str]:
    """Whoever may be called because of a decision, whatever fails."""
    drawn = {name for name, chance in zip(decision.eligible, decision.probabilities, strict=True) if chance > 0}
    return {decision.chosen, *decision.fallbacks, *decision.eligible, *drawn}


@settings(max_examples=200)
@given(worlds(), st.floats(0, 1, exclude_max=True))
def test_nobody_who_may_not_see_a_request_is_ever_called(world: tuple[Snapshot, State, str, Context], u: float) -> None:
    snapshot, state, asked, context = world
    target = naming.resolve(snapshot, asked)
    plan = snapshot.routes["auto"].plans["*"]
    policies = plan.data_policies if target.route is not None else ()
    demands = (*context.needs.demands, *(snapshot.data_policies[name] for name in policies))
    try:
        decision = decide.decide(snapshot, target, None, context, state, u)
    except GatewayError:
        return
    for name in called(decision):
        assert permits.barred(naming.deployment(snapshot, name), demands) is None, name
    for name, reason in decision.excluded.items():
        if reason.startswith(permits.NOT_PERMITTED):
            assert permits.barred(naming.deployment(snapshot, name), demands) is not None
    if target.route is not None or demands:
        assert decision.needs is not None
        assert set(decision.needs.demands) == set(demands)
    if target.route is not None:  # and so it is decided again (``policy/redecide``)
        reference = plan.reference or ""
        again = decide.standing(snapshot, plan, reference, context.needs, state)
        for name in {*again.eligible, *(place for places in again.places.values() for place in places)}:
            assert permits.barred(naming.deployment(snapshot, name), demands) is None, name


@given(worlds())
def test_who_is_refused_for_want_of_a_permit_alone_is_told_whose(world: tuple[Snapshot, State, str, Context]) -> None:
    snapshot, _, asked, context = world
    target = naming.resolve(snapshot, asked)
    if target.route is not None or not context.needs.demands:
        return
    named = [naming.deployment(snapshot, name) for name in target.deployments]
    if snapshot.pools or not all(permits.barred(each, context.needs.demands) for each in named):
        return
    with pytest.raises(GatewayError) as raised:
        decide.decide(snapshot, target, None, context, State(), 0.5)
    assert (raised.value.status, raised.value.code) == (403, "not_permitted")
    assert "the data policy 'x'" in raised.value.message
