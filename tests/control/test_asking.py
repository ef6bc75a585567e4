"""Learning to ask twice: what is published, what has to be beaten, and what a test says."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from msgspec import structs
from tests.control.test_compile import TODAY, config
from tests.policy.test_belief import RIGHT, voters
from tests.policy.test_model import vectors

from pointsman.control.asking import with_asking
from pointsman.control.bound import learn_tested
from pointsman.control.compile import compile_snapshot
from pointsman.control.learn import EVERY, Taught, act_on, learn
from pointsman.control.publish import faults
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.live import Current
from pointsman.policy import cascade
from pointsman.policy.outcomes import Outcomes
from pointsman.upstream.credentials import credentials, fetching
from pointsman.upstream.transport import HttpTransport

NAMES = ("p/dear", "p/cheap", "p/cheaper")
RATES = (("10", "10"), ("1.5", "1.5"), ("1", "1"))
KNOWN = {
    name: Deployment(name, "p", name[2:], name, Price(Rates(Decimal(given), Decimal(made))))
    for name, (given, made) in zip(NAMES, RATES, strict=True)
}
MATCH = Objective("match", tolerance=0.02)


def table(count: int = 1200, *, copies: bool = False) -> Outcomes:
    """Three models that err independently, or of which two say what the dear one says."""
    rng, none = np.random.default_rng(1), np.full(count, -1)
    said = voters(rng, count, np.array([0.8, 0.7, 0.68]))
    if copies:
        said = said[:, :1].repeat(3, axis=1)
    return Outcomes(
        deployments=NAMES,
        groups=np.array([f"{place:04}" for place in range(count)]),
        vectors=vectors(count),
        score=(said == RIGHT).astype(np.float64),
        cost_nano=np.full(said.shape, np.nan),
        input_tokens=np.full(count, 100.0),
        output_tokens=np.full(said.shape, 10.0),
        task=none, tasks=(), feature=none, features=(), said=said,
    )  # fmt: skip


def snapshot(**changes: object) -> Snapshot:
    route = Route("auto", "p/dear", (), MATCH, 0.05, {EVERY: Plan(EVERY, reference="p/dear")}, ask_twice="exact")
    return Snapshot({"p": Provider("p", "http://127.0.0.1:9/v1")}, KNOWN, {"auto": structs.replace(route, **changes)})


def taught(rows: Outcomes, objective: Objective = MATCH, *, tested: bool = False) -> Taught:
    way = learn_tested if tested else learn
    return with_asking(way(rows, objective, reference="p/dear", known=KNOWN), rows, KNOWN)


@pytest.fixture(scope="module")
def paying() -> Taught:
    """Learned where asking twice pays: a frozen value, so it is learned once."""
    return taught(table())


async def test_a_plan_that_pays_is_published_and_taken_up(paying: Taught) -> None:
    found = paying
    assert found.asked is not None
    assert found.asked.cost_nano < found.asked.other[1]
    assert found.asked.quality >= 0.8 - MATCH.tolerance
    after = act_on(snapshot(), "auto", found, now_ms=1)
    plan = after.routes["auto"].plans[EVERY]
    assert (plan.mode, set(plan.asks)) == ("auto", {"p/cheap", "p/cheaper"})
    assert plan.acting_share == pytest.approx(0.95)
    assert list(faults(after)) == []
    transport = HttpTransport()
    current = Current(1, "", after, credentials(fetching(transport)))
    assert current.askings["auto"] == found.asked.plan
    await transport.close()


def test_where_nobody_else_is_right_more_often_nothing_is_asked_twice() -> None:
    assert taught(table(copies=True), Objective("best")).asked is None


def test_without_answers_or_leave_it_is_not_asked(paying: Taught) -> None:
    assert taught(replace(table(), said=None)).asked is None
    for before in (snapshot(ask_twice=None), snapshot(plans={EVERY: Plan(EVERY, reference="p/dear", allow=("p/dear",))})):
        after = act_on(before, "auto", paying, now_ms=1)
        assert (after.askings, after.routes["auto"].plans[EVERY].asks) == ({}, ())


def test_a_tolerance_that_is_tested_is_tested_of_the_plan_too() -> None:
    """With few prompts set apart and much certainty asked for nothing can pass; with many a plan that loses nothing does."""
    found = taught(table(2400), tested=True)
    assert found.asked is not None
    assert found.asked.tested is not None
    assert act_on(snapshot(), "auto", found, now_ms=1).routes["auto"].plans[EVERY].tested == found.asked.tested
    strict = Objective("match", tolerance=0.0, confidence=0.999)
    assert taught(table(460), strict).asked is not None
    assert taught(table(460), strict, tested=True).asked is None


def test_a_plan_goes_with_what_it_was_learned_for(paying: Taught) -> None:
    """Learning without a plan, taking the leave away, and a deployment that goes: each ends it."""
    after = act_on(snapshot(), "auto", paying, now_ms=1)
    assert act_on(after, "auto", replace(paying, asked=None), now_ms=2).askings == {}


def test_configuring_again_keeps_a_plan_as_long_as_it_is_allowed(paying: Taught) -> None:
    text = """
[providers.p]
base_url = "http://127.0.0.1:9/v1"
[deployments."p/dear"]
[deployments."p/cheap"]
[deployments."p/cheaper"]
[routes.auto]
reference = "p/dear"
objective = "match"
ask_twice = "exact"
"""
    before = compile_snapshot(config(text), None, today=TODAY, made_by="").snapshot
    acting = act_on(before, "auto", paying, now_ms=1)
    again = compile_snapshot(config(text), acting, today=TODAY, made_by="").snapshot
    assert again.askings == acting.askings != {}
    assert again.routes["auto"].plans[EVERY].asks == acting.routes["auto"].plans[EVERY].asks
    for changed in (config(text, ('ask_twice = "exact"\n', "")), config(text, ('"exact"', '"numeric"'))):
        without = compile_snapshot(changed, acting, today=TODAY, made_by="").snapshot
        assert (without.askings, without.routes["auto"].plans[EVERY].asks) == ({}, ())
        assert list(faults(without)) == []


def test_a_damaged_plan_is_not_published(paying: Taught) -> None:
    after = act_on(snapshot(), "auto", paying, now_ms=1)
    broken = structs.replace(after, askings={"auto": after.askings["auto"][:-3]})
    assert any("asking twice is damaged" in fault for fault in faults(broken))
    strange = cascade.encode(structs.replace(cascade.decode(after.askings["auto"]), models=("p/dear", "p/cheap", "p/none")))
    assert any("names p/none" in fault for fault in faults(structs.replace(after, askings={"auto": strange})))
