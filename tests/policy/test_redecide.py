"""Many decisions at once are the decisions one by one, whatever the snapshot, the requests and who is down."""

from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.demands import Demand, Facts
from pointsman.core.errors import GatewayError
from pointsman.core.price import Price, Rates, TierRates
from pointsman.core.routing import Context, Decision, Deployment, Needs, Objective, Plan, Pool, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import decide, features, naming, objective
from pointsman.policy.decide import State
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.redecide import Asked, redecide
from pointsman.policy.teach import teach

NAMES = ("a/big", "b/big", "a/mid", "b/mid", "a/small", "b/free")
LEARNED = ("a/big", "a/mid", "a/small", "b/free")
PRICES = {"a/big": "8", "b/big": "9", "a/mid": "2", "b/mid": "2", "a/small": "0.3"}
TEXTS = [f"add {n} and {n + 3}" if n % 2 else f"写一封短信给 friend {n} about tea" for n in range(40)]


def vector(text: str) -> bytes:
    return features.vector(ChatRequest("", (Message("user", (Text(text),)),)))


@cache
def policy() -> Policy:
    rng = np.random.default_rng(0)
    count = 240
    kind = np.arange(count) % 2
    score = (rng.random((count, 4)) < np.array([[0.95, 0.9, 0.3, 0.2], [0.95, 0.5, 0.9, 0.2]])[kind]).astype(float)
    nothing = np.full(count, -1, dtype=np.int64)
    outcomes = Outcomes(
        deployments=LEARNED,
        groups=np.array([f"g{n:04d}" for n in range(count)]),
        vectors=np.stack([np.frombuffer(vector(f"{TEXTS[n % 40]} {n}"), dtype=np.uint8) for n in range(count)]),
        score=score,
        cost_nano=rng.lognormal(10, 1, (count, 4)),
        input_tokens=np.full(count, 20.0),
        output_tokens=rng.integers(5, 60, (count, 4)).astype(float),
        task=nothing,
        tasks=(),
        feature=kind,
        features=("maths", "post"),
    )
    return teach(outcomes, [a_deployment(name) for name in LEARNED]).policy


def a_deployment(name: str, **fields: object) -> Deployment:
    provider, _, model = name.partition("/")
    flex = (
        TierRates("flex", Rates(Decimal(1), Decimal(1)))
        if name == "a/big"
        else TierRates("flex", Rates(Decimal(5), Decimal(9)))
    )
    price = Price(Rates(Decimal(PRICES[name]), Decimal(PRICES[name]) * 4), tiers=(flex,)) if name in PRICES else None
    return replace(Deployment(name, provider, model, model, price), **fields)


deployments = st.tuples(
    *[
        st.builds(
            a_deployment,
            st.just(name),
            context_tokens=st.sampled_from([None, 50, 500]),
            tools=st.booleans(),
            media=st.sampled_from([(), ("image",)]),
            facts=st.sampled_from([Facts(), Facts("eu")]),
        )
        for name in NAMES
    ]
)
plans = st.builds(
    Plan,
    st.just("*"),
    mode=st.sampled_from(["observe", "canary", "auto"]),
    reference=st.sampled_from(NAMES),
    accepted=st.lists(st.sampled_from(NAMES), max_size=4, unique=True).map(tuple),
    acting_share=st.sampled_from([0.0, 0.1, 0.95, 1.0]),
    value_nano=st.sampled_from([None, 0, 1_000, 100_000, 10_000_000]),
    one_model=st.none() | st.sampled_from(NAMES),
    allow=st.sampled_from([(), ("a/*",), ("a/big", "b/mid")]),
)
needs = st.builds(
    Needs,
    input_tokens=st.sampled_from([10, 49, 60, 700]),
    max_output_tokens=st.sampled_from([None, 1, 40]),
    tools=st.booleans(),
    media=st.sampled_from([frozenset(), frozenset({"image"})]),
    held_by=st.sampled_from(["", "", "a/mid"]),
    tier=st.sampled_from(["", "", "flex", "priority"]),
    demands=st.sampled_from([(), (), (Demand("p", regions=("eu",)),), (Demand("q", vendors=("b",)),)]),
)
requests = st.tuples(needs, st.sampled_from([b"", *[vector(text) for text in TEXTS]]), st.sampled_from([(), ("task:x",)]))
pools = st.sampled_from([(), (Pool((("a/big", "b/big"),)),), (Pool((("a/mid",), ("b/mid",))),)])


@given(
    deployments, plans, st.lists(requests, min_size=1, max_size=12), st.frozensets(st.sampled_from(NAMES)), pools,
    st.booleans(), st.sampled_from(["maths", "other"]),
)  # fmt: skip
@settings(deadline=None, max_examples=300)
def test_decided_at_once_as_one_by_one(
    known: tuple[Deployment, ...],
    plan: Plan,
    asked: list[tuple[Needs, bytes, tuple[str, ...]]],
    cooling: frozenset[str],
    pooled: tuple[Pool, ...],
    learned: bool,
    feature: str,
) -> None:
    route = Route("auto", "a/big", NAMES, Objective(), 0.05, {"*": plan})
    snapshot = Snapshot(
        {name: Provider(name, "http://x") for name in "ab"}, {one.name: one for one in known}, {"auto": route}, pools=pooled
    )
    taught = policy() if learned else None
    again = redecide(snapshot, route, feature, taught, Asked(*zip(*asked, strict=True)), cooling)
    for row, (what, seen, tags) in enumerate(asked):
        way = again.ways[again.way[row]]
        context = Context(feature, what, seen, tags=tags)
        try:
            one = decide.decide(snapshot, naming.resolve(snapshot, "auto"), taught, context, State(cooling), 0.0)
        except GatewayError:
            assert way.chance == {}
            continue
        chances = {name: chance for name, chance in zip(one.eligible, one.probabilities, strict=True) if chance}
        if way.chance != pytest.approx(chances):
            assert tied(plan, one, way.policy, chances)
        assert sum(way.chance.values()) == pytest.approx(1.0)


def tied(plan: Plan, one: Decision, ours: dict[str, float], theirs: dict[str, float]) -> bool:
    """Whether two choices are worth the same within what float32 holds: predicted together, numbers may differ a little."""
    worth: dict[str, Any] = {p.deployment: objective.utility(p, plan.value_nano, priced=True)[0] for p in one.predictions}
    least = min(worth[name] for name in ours)
    best = max(worth[name] for name in theirs)
    return bool(abs(least - best) <= 1e-4 * max(abs(best), 1.0))


def test_where_nobody_is_trusted_nobody_serves() -> None:
    route = Route("auto", None, (), Objective(), 0.05, {"*": Plan("*")})
    again = redecide(Snapshot(routes={"auto": route}), route, "f", None, Asked([Needs()], [b""], [()]), frozenset())
    assert again.ways[0].chance == {}
    assert again.ways[0].excluded == {"": "the route has no reference"}
