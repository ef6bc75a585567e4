"""A route with a budget, over real sockets: what it costs on average is the budget, and every record says how."""

import json
from decimal import Decimal
from typing import Literal

import numpy as np
import pytest
from msgspec.structs import replace
from tests.gateway.conftest import Rig, Start, a_snapshot, answer_whole

from pointsman.core.price import Price, Rates
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.routing import Decision, Deployment, Objective, Plan, Prediction, Route
from pointsman.gateway.pacing import Paces
from pointsman.policy import features, model
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach

DEAR, CHEAP = "p1/model-1", "p2/model-2"
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}).encode()
BUDGET_NANO = 165_000  # between 300,000 and 30,000, the costs of an answer


def learned() -> bytes:
    """Return a policy that knows: the dear one is right nine times in ten, the cheap one half as often."""
    rng, n = np.random.default_rng(0), 80
    vectors = np.zeros((n, features.LENGTH), dtype=np.uint8)
    vectors[:, 0] = features.VERSION
    vectors[:, 1:40] = rng.integers(0, 255, (n, 39))
    nothing = np.full(n, -1)
    rows = Outcomes(
        (DEAR, CHEAP),
        np.array([f"{place:04}" for place in range(n)]),
        vectors,
        (rng.random((n, 2)) < (0.9, 0.45)).astype(np.float64),
        np.full((n, 2), np.nan),
        np.full(n, 100.0),
        np.full((n, 2), 10.0),
        nothing, (), nothing, (),
    )  # fmt: skip
    return model.encode(teach(rows).policy)


@pytest.mark.parametrize("one_model", [None, DEAR])
async def test_a_budget_is_kept_whoever_was_to_serve_it(rig: Rig, upstream_at: Start, one_model: str | None) -> None:
    upstream = await upstream_at(answer_whole)
    plan = Plan("*", "auto", DEAR, accepted=(DEAR, CHEAP), acting_share=0.95, value_nano=10**6, one_model=one_model)
    snapshot = a_snapshot(upstream.port, upstream.port, plan=plan, policies={"auto": learned()})
    cheap = Price(Rates(Decimal("0.25"), Decimal(1), Decimal("0.125")))
    second = Deployment(CHEAP, "p2", "model-2", "another", cheap)
    objective = Objective("budget", usd_per_1000=BUDGET_NANO * 1000 / 1e9)
    route = Route("auto", DEAR, (), objective, 0.05, {"*": plan})
    snapshot = replace(snapshot, deployments={**snapshot.deployments, CHEAP: second}, routes={"auto": route})
    rig.publish(snapshot)
    for _ in range(600):
        status, _, body = await rig.post(BODY)
        assert status == 200, body
    records = await rig.records()
    costs = [record.cost_nano for record in records]
    assert set(costs) == {300_000, 30_000}
    assert sum(cost or 0 for cost in costs) / len(costs) == pytest.approx(BUDGET_NANO, rel=0.1)
    paces = [record.decision.pace for record in records if record.decision is not None]
    assert min(paces) < 1 <= max(paces)


def test_other_objectives_have_no_pace() -> None:
    route = Route("auto", DEAR, (), Objective("match"), 0.05, {})
    assert Paces().now(route, 1) == (1.0, None, False)
    assert Paces().now(None, 1) == (1.0, None, False)


@pytest.mark.parametrize(
    ("outcome", "cost_nano", "dearer"), [("error", None, False), ("client_gone", None, True), ("error", 10**6, True)]
)
def test_what_failed_costs_nothing_and_what_nobody_counted_what_was_expected(
    outcome: Literal["error", "client_gone"], cost_nano: int | None, dearer: bool
) -> None:
    route = Route("auto", DEAR, (), Objective("budget", usd_per_1000=0.165), 0.05, {"*": Plan("*", "auto", DEAR)})
    chosen = Decision(DEAR, (), (DEAR,), (1.0,), "auto", "policy", "", predictions=(Prediction(DEAR, 0.9, 0.1, 300_000),))
    attempts = (Attempt(DEAR, "first", 0, cost_nano=cost_nano),)
    paces = Paces()
    paces.note(route, ExchangeRecord("1", 0, "auto", "f", outcome, 500, chosen, attempts, "auto"))
    assert (paces.now(route, 1)[0] < 1) == dearer


def test_what_one_model_leaves_of_a_budget_is_not_spent_later() -> None:
    """Where nothing dearer was shown to be better; else the first thing learned otherwise would spend it all at once."""
    budget = Objective("budget", usd_per_1000=1.0)
    for one_model in (None, CHEAP):
        plan = Plan("*", "auto", DEAR, accepted=(CHEAP,), one_model=one_model)
        route, paces = Route("auto", DEAR, (), budget, 0.05, {"*": plan}), Paces()
        chosen = Decision(CHEAP, (), (CHEAP,), (1.0,), "auto", "policy", "")
        for number in range(50):
            attempts = (Attempt(CHEAP, "first", number, cost_nano=30_000),)
            paces.note(route, ExchangeRecord(str(number), number, "auto", "f", "ok", 200, chosen, attempts, "auto"))
        assert (paces.now(route, 50)[0] > 2) == (one_model is None)
