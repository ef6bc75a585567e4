"""Trying others: the owner's share and money are never passed, and the stated chances are those of the draw."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Media, Message, Text, Tool
from pointsman.core.price import Price, Rates
from pointsman.core.routing import (
    Context,
    Decision,
    Deployment,
    Explore,
    Needs,
    Objective,
    Plan,
    Pool,
    Prediction,
    Provider,
    Route,
    Variant,
)
from pointsman.core.snapshot import Snapshot
from pointsman.policy import explore, model
from pointsman.policy.conversation import Course
from pointsman.policy.decide import State, decide
from pointsman.policy.fitness import bounded, needs_of
from pointsman.policy.naming import resolve

PRICE = Price(Rates(Decimal(1), Decimal(2)))
HOME, PICK, TRIED, OTHER = "a/big", "a/small", "a/new", "a/odd"
NAMES = (HOME, PICK, TRIED, OTHER)
RICH = 10**12
NEEDS = Needs(input_tokens=100, max_output_tokens=1000)
PLAN = Plan(
    "*",
    "auto",
    HOME,
    accepted=(PICK,),
    acting_share=0.9,
    one_model=PICK,
    explore=Explore(0.1, RICH, "auto"),
    explorable={TRIED: 0.75, OTHER: 0.25},
)


def a_snapshot(plan: Plan, *changed: Deployment, pools: tuple[Pool, ...] = ()) -> Snapshot:
    deployments = {name: Deployment(name, "a", name[2:], name[2:], PRICE) for name in NAMES}
    deployments |= {one.name: one for one in changed}
    route = Route("auto", HOME, NAMES[1:], Objective(), 0.1, {"*": plan})
    return Snapshot({"a": Provider("a", "http://x")}, deployments, {"auto": route}, pools=pools)


def decided(
    snapshot: Snapshot, u: float = 0.0, *, left: int = RICH, context: Context | None = None, **state: object
) -> Decision:
    known = State(explore_nano=left, snapshot="hash", **state)  # type: ignore[arg-type]
    return decide(snapshot, resolve(snapshot, "auto"), None, context or Context("f", NEEDS), known, u)


def chances(decision: Decision) -> dict[str, float]:
    return dict(zip(decision.eligible, decision.probabilities, strict=True))


def test_every_arm_has_its_stated_share_of_the_draws() -> None:
    snapshot = a_snapshot(PLAN)
    count = 4000
    found = Counter((one.arm, one.chosen) for one in (decided(snapshot, (n + 0.5) / count) for n in range(count)))
    expected = {("explore", TRIED): 0.075, ("explore", OTHER): 0.025, ("policy", PICK): 0.8, ("control", HOME): 0.1}
    assert {key: number / count for key, number in found.items()} == pytest.approx(expected, abs=1 / count)
    assert chances(decided(snapshot)) == pytest.approx({HOME: 0.1, PICK: 0.8, TRIED: 0.075, OTHER: 0.025})


@pytest.mark.parametrize("acting", [0.02, 0.1, 0.15])
def test_nobody_is_tried_in_a_canary(acting: float) -> None:
    plan = replace(PLAN, mode="canary", acting_share=acting)
    found = Counter(decided(a_snapshot(plan), (n + 0.5) / 400).arm for n in range(400))
    assert found.keys() == {"policy", "control"}


@pytest.mark.parametrize("acting", [0.02, 0.1, 0.15])
def test_half_of_a_small_share_is_left_to_the_policy(acting: float) -> None:
    plan = replace(PLAN, acting_share=acting)
    count = 4000
    found = Counter(decided(a_snapshot(plan), (n + 0.5) / count).arm for n in range(count))
    assert found["policy"] / count == pytest.approx(acting / 2, abs=1 / count)
    assert found["control"] / count == pytest.approx(1 - acting, abs=1 / count)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    parts = draw(st.lists(st.floats(0, 1), min_size=4, max_size=4))
    whole = max(sum(parts), 1.0)
    return Plan(
        "*",
        draw(st.sampled_from(["observe", "trial", "canary", "auto"])),
        HOME,
        accepted=tuple(draw(st.lists(st.sampled_from(NAMES[1:]), unique=True))),
        acting_share=draw(st.sampled_from([0.0, 0.01, 0.1, 0.9, 1.0]) | st.floats(0, 1)),
        explore=Explore(draw(st.floats(0.001, 0.5)), RICH, "auto"),
        explorable={name: part / whole for name, part in zip(NAMES, parts, strict=True)},
    )


@given(plans(), st.frozensets(st.sampled_from(NAMES[1:])), st.floats(0, 1, exclude_max=True))
def test_chances_add_up_and_what_is_tried_stays_within_the_share(plan: Plan, cooling: frozenset[str], u: float) -> None:
    one = decided(a_snapshot(plan), u, cooling=cooling)
    assert sum(one.probabilities) == pytest.approx(1.0, abs=1e-12)
    assert all(-1e-15 <= chance <= 1 + 1e-12 for chance in one.probabilities)
    assert chances(one)[one.chosen] > 0
    assert not cooling & {one.chosen, *one.eligible}
    off = decided(a_snapshot(replace(plan, explore=None)), u, cooling=cooling)
    assert plan.explore is not None
    acted = {name for name, chance in chances(off).items() if chance > 0}
    tried = sum(chance for name, chance in chances(one).items() if name not in acted)
    assert tried <= plan.explore.share + 1e-12
    assert chances(one)[HOME] >= chances(off)[HOME] - plan.explore.share - 1e-12
    if one.arm == "explore":
        assert plan.mode == "auto"
        assert plan.explorable[one.chosen] > 0
    assert chances(one)[HOME] >= 1 - plan.acting_share - 1e-12 or plan.mode != "auto", "control is left alone"


@given(plans(), st.floats(0, 1, exclude_max=True))
def test_without_leave_or_money_everything_is_as_if_nobody_could_be_tried(plan: Plan, u: float) -> None:
    off = decided(a_snapshot(replace(plan, explore=None)), u)
    assert decided(a_snapshot(plan), u, left=0) == off
    marked = Context("f", NEEDS, no_explore=True)
    assert decided(a_snapshot(plan), u, context=marked) == off


@given(st.integers(0, 10**7), st.integers(0, 10_000), st.integers(0, 10**6) | st.none())
def test_nobody_is_tried_whose_call_might_cost_more_than_is_left(left: int, taken: int, most: int | None) -> None:
    needs = Needs(input_tokens=taken, max_output_tokens=most)
    one = decided(a_snapshot(PLAN), 0.0, left=left, context=Context("f", needs))
    dearest = explore.dearest(a_snapshot(PLAN).deployments[TRIED], needs)
    assert dearest is not None
    assert (one.arm == "explore") == (0 < dearest <= left)


def test_who_has_no_price_is_never_tried() -> None:
    free = Deployment(TRIED, "a", "new", "new", None)
    assert explore.dearest(free, NEEDS) is None
    assert {decided(a_snapshot(PLAN, free), u / 100).chosen for u in range(100)} == {HOME, PICK, OTHER}


def test_a_retry_fits_into_what_a_call_may_cost() -> None:
    one = Deployment(TRIED, "a", "new", "new", Price(Rates(Decimal(1), Decimal(2)), per_request=Decimal("0.001")))
    assert explore.dearest(one, NEEDS) == 2 * (700 * 1000 + 1000 * 2000 + 1_000_000)


def test_choices_tools_and_a_variant_count_in_what_a_call_may_cost() -> None:
    plain = Deployment(TRIED, "a", "new", "new", PRICE)
    once = explore.dearest(plain, NEEDS)
    assert once == 2 * (700 * 1000 + 1000 * 2000)
    assert explore.dearest(plain, replace(NEEDS, choices=20)) == 2 * (700 * 1000 + 20 * 1000 * 2000)
    wordy = replace(plain, variant=Variant(system="x" * 40_000, max_output_tokens=5000))
    assert explore.dearest(wordy, NEEDS) == 2 * (40_700 * 1000 + 5000 * 2000)
    tools = (Tool("look", "finds", Raw(b'{"type":"object"}')),)
    request = ChatRequest("auto", (Message("user", (Text("hi"),)),), tools=tools, max_output_tokens=1000, choices=3)
    needs = bounded(needs_of(request), PLAN, request, 300_000)
    assert (needs.most_input, needs.choices) == (300_000, 3)
    assert explore.dearest(plain, needs) == 2 * (300_500 * 1000 + 3 * 1000 * 2000)
    assert bounded(needs_of(request), replace(PLAN, explore=None), request, 300_000) == needs_of(request)


def test_a_picture_counts_as_its_tokens_and_not_as_its_bytes() -> None:
    parts = (Text("what is it?"), Media("image", data="A" * 900_000), Media("file", data="A" * 50_000))
    request = ChatRequest("auto", (Message("user", parts),))
    assert bounded(needs_of(request), PLAN, request, 951_000).most_input == 53_000


def test_who_is_tried_is_no_fallback_and_falls_back_to_the_reference() -> None:
    one = decided(a_snapshot(PLAN), 0.0)
    assert (one.arm, one.chosen, one.fallbacks) == ("explore", TRIED, (HOME, PICK))
    assert TRIED not in decided(a_snapshot(PLAN), 0.5).fallbacks
    assert one.why == "tried to learn more of it"


def test_a_route_that_asks_twice_tries_nobody() -> None:
    assert decided(a_snapshot(replace(PLAN, asks=(OTHER,))), 0.0).arm == "policy"


def predictions(behind: float, sd: float) -> list[Prediction]:
    return [Prediction(PICK, 0.9, sd, 100), Prediction(TRIED, 0.9 - behind, sd, 100), Prediction(HOME, 0.9, sd, 100)]


def test_the_more_open_the_answer_the_larger_the_chance() -> None:
    open_, fair, clear = (
        explore.chances(PLAN, (TRIED,), predictions(behind, 0.1), PICK, HOME, 10**9)[TRIED] for behind in (0.0, 0.1, 0.19)
    )
    assert open_ == pytest.approx(0.075)
    assert fair == pytest.approx(0.075 * 0.4795, rel=1e-3)  # twice the chance of a normal number beyond 0.1 / 0.1414
    assert explore.FLOOR * 0.075 < clear < fair
    certain = [replace(one, quality_sd=0.0) for one in predictions(0.02, 0.0)]
    assert explore.chances(PLAN, (TRIED,), certain, PICK, HOME, 10**9)[TRIED] == pytest.approx(explore.FLOOR * 0.075)


def test_nobody_is_tried_where_it_is_shown_to_be_worse_than_tolerated() -> None:
    """The plan tolerates 5 points; two standard errors of the difference are 2.8."""
    worse, unsure = predictions(0.08, 0.01), predictions(0.07, 0.01)
    assert explore.chances(PLAN, (TRIED,), worse, PICK, HOME, 10**9)[TRIED] == 0.0
    assert explore.chances(PLAN, (TRIED,), unsure, PICK, HOME, 10**9)[TRIED] > 0.0


def test_a_dear_one_is_tried_less() -> None:
    dear = [replace(one, cost_nano=10**8) if one.deployment == TRIED else one for one in predictions(0.0, 0.1)]
    assert explore.chances(PLAN, (TRIED,), dear, PICK, HOME, 10**9)[TRIED] < 0.075


def test_a_conversation_stays_with_who_was_tried_at_its_start() -> None:
    course = Course(TRIED, "explore", "begun")
    for u in (0.0, 0.5, 0.999):
        one = decided(a_snapshot(PLAN), u, course=course)
        assert (one.chosen, one.arm, one.course) == (TRIED, "explore", "begun")
        assert chances(one)[TRIED] == 1.0


@pytest.mark.parametrize("how", ["no money", "marked", "cooling"])
def test_a_conversation_that_may_not_go_on_with_who_was_tried_goes_the_usual_way(how: str) -> None:
    course, context = Course(TRIED, "explore", "begun"), Context("f", NEEDS, no_explore=how == "marked", loop=True)
    cooling = frozenset({TRIED}) if how == "cooling" else frozenset()
    one = decided(
        a_snapshot(PLAN), 0.5, left=0 if how == "no money" else RICH, context=context, course=course, cooling=cooling
    )
    assert one.chosen in (HOME, PICK)
    assert one.arm == "forced"


def test_a_stuck_one_that_was_tried_gives_its_loop_away(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {HOME: 0.9, PICK: 0.8, TRIED: 0.4, OTHER: 0.3}

    def predict(_policy: object, _context: object, deployments: tuple[Deployment, ...], _: object) -> tuple[Prediction, ...]:
        return tuple(Prediction(one.name, known[one.name], 0.2, 100) for one in deployments)

    monkeypatch.setattr(model, "predict", predict)
    snapshot, course = a_snapshot(PLAN), Course(TRIED, "explore", "begun")
    context = Context("f", NEEDS, loop=True, stuck="the same call three times")
    state = State(explore_nano=RICH, course=course)
    one = decide(snapshot, resolve(snapshot, "auto"), object(), context, state, 0.5)  # type: ignore[arg-type]
    assert one.chosen in (HOME, PICK)
    assert one.arm == "forced"


def test_in_a_pool_the_dearest_of_those_that_would_serve_has_to_fit() -> None:
    twin = Deployment("a/twin", "a", "new", "new", Price(Rates(Decimal(1000), Decimal(2000))))
    pool = Pool(((TRIED, "a/twin"),))
    most = explore.dearest(twin, NEEDS)
    assert most is not None
    assert TRIED not in {decided(a_snapshot(PLAN, twin, pools=(pool,)), u / 50, left=most - 1).chosen for u in range(50)}
    found = {decided(a_snapshot(PLAN, twin, pools=(pool,)), u / 100, left=most).chosen for u in range(100)}
    assert {TRIED, "a/twin"} <= found


def test_a_request_that_only_seems_too_long_still_goes_to_the_reference() -> None:
    """How long it is was guessed: that somebody else could be tried on it takes no answer away."""
    short = [Deployment(name, "a", name[2:], name[2:], PRICE, context_tokens=50) for name in (HOME, PICK)]
    snapshot = a_snapshot(PLAN, *short)
    context = Context("f", Needs(input_tokens=100, max_output_tokens=10))
    assert decided(snapshot, 0.5, context=context).chosen == HOME
