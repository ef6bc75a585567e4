"""Decisions as a function of everything that goes into them: probabilities that do not lie, filters that fail closed."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Media, Message, Output, Text, Tool
from pointsman.core.errors import GatewayError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import (
    Context,
    Decision,
    Deployment,
    Mode,
    Needs,
    Objective,
    Plan,
    Pool,
    Prediction,
    Provider,
    Route,
)
from pointsman.core.snapshot import Limits, Snapshot, decode, encode
from pointsman.policy import model
from pointsman.policy.balance import Load
from pointsman.policy.decide import State, decide
from pointsman.policy.fitness import needs_of, unfit
from pointsman.policy.naming import Target, deployment, plan_for, resolve

PRICE = Price(Rates(Decimal(1), Decimal(2)))
NAMES = ("a/big", "b/big", "c/big", "a/small", "b/small", "a/tiny")
MODES: tuple[Mode, ...] = ("observe", "trial", "canary", "auto")
HOME = "a/big"
NOTHING = Needs()


def a_deployment(name: str, **fields: object) -> Deployment:
    provider, _, vendor_name = name.partition("/")
    return replace(Deployment(name, provider, vendor_name, vendor_name, PRICE), **fields)


def a_snapshot(plan: Plan, *changed: Deployment, fallbacks: int = 2) -> Snapshot:
    deployments = {name: a_deployment(name) for name in NAMES} | {one.name: one for one in changed}
    route = Route("auto", HOME, NAMES, Objective(), 0.05, {"*": plan})
    return Snapshot(
        {name: Provider(name, "http://x") for name in "abc"},
        deployments,
        {"auto": route},
        limits=Limits(fallbacks=fallbacks),
    )


def decided(
    snapshot: Snapshot,
    *,
    u: float = 0.5,
    cooling: frozenset[str] = frozenset(),
    needs: Needs = NOTHING,
    asked: str = "auto",
) -> Decision:
    return decide(snapshot, resolve(snapshot, asked), None, Context("f", needs), State(cooling, "hash"), u)


def decided_if_any(snapshot: Snapshot, **options: Any) -> Decision | None:
    """The decision, None where nothing is left that can serve: which is for an own test."""
    try:
        return decided(snapshot, **options)
    except GatewayError:
        return None


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> dict[str, Prediction]:
    """What a learned policy predicts, set by the test; only the names in it were learned."""
    predictions: dict[str, Prediction] = {}

    def predict(_policy: object, _context: object, deployments: tuple[Deployment, ...], _: object) -> tuple[Prediction, ...]:
        return tuple(predictions.get(one.name, Prediction(one.name)) for one in deployments)

    monkeypatch.setattr(model, "predict", predict)
    return predictions


def by_policy(snapshot: Snapshot, **options: object) -> Decision:
    cooling, idle = options.get("cooling", frozenset()), bool(options.get("idle"))
    failing = options.get("failing", frozenset())
    target, state = resolve(snapshot, "auto"), State(cooling, "hash", idle=idle, failing=failing)  # type: ignore[arg-type]
    return decide(snapshot, target, object(), Context("f", Needs()), state, float(str(options.get("u", 0.0))))  # type: ignore[arg-type]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    accepted = tuple(draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True)))
    return Plan(
        "*",
        mode=draw(st.sampled_from(MODES)),
        reference=draw(st.sampled_from(NAMES)),
        accepted=accepted,
        acting_share=draw(st.sampled_from([0.0, 0.05, 0.1, 0.95, 1.0]) | st.floats(0, 1)),
        one_model=draw(st.none() | st.sampled_from(accepted or (HOME,))),
    )


def test_what_a_request_needs_is_recorded_so_that_it_can_be_decided_again() -> None:
    asked = Needs(12, 34, tools=True)
    assert decided(a_snapshot(Plan("*", reference=HOME)), needs=asked).needs == asked
    assert decided(a_snapshot(Plan("*")), asked="a/big").needs is None  # named by the client: there was nothing to decide


@given(plans(), st.frozensets(st.sampled_from(NAMES)), st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_probabilities_sum_to_one_and_are_those_of_the_draw(plan: Plan, cooling: frozenset[str], us: list[float]) -> None:
    snapshot = a_snapshot(plan)
    first = decided_if_any(snapshot, u=us[0], cooling=cooling)
    if first is None:
        return
    assert sum(first.probabilities) == pytest.approx(1.0, abs=1e-15)
    assert all(0 <= chance <= 1 for chance in first.probabilities)
    chances = dict(zip(first.eligible, first.probabilities, strict=True))
    for u in us:
        one = decided(snapshot, u=u, cooling=cooling)
        assert dict(zip(one.eligible, one.probabilities, strict=True)) == chances
        assert chances[one.chosen] > 0


@given(plans(), st.frozensets(st.sampled_from(NAMES)))
def test_the_draw_is_a_step_exactly_at_the_acting_share(plan: Plan, cooling: frozenset[str]) -> None:
    """Below it the policy's pick, from it on the control: so frequencies are the stated ones, for uniform u."""
    snapshot = a_snapshot(plan)
    low, high = (decided_if_any(snapshot, u=u, cooling=cooling) for u in (0.0, 1 - 2**-53))
    if low is None or high is None:
        return
    chances = dict(zip(low.eligible, low.probabilities, strict=True))
    if low.chosen == high.chosen:
        assert chances[low.chosen] == pytest.approx(1.0, abs=1e-15)
        return
    share = plan.acting_share
    assert (low.arm, high.arm) == ("policy", "control")
    assert (chances[low.chosen], chances[high.chosen]) == (share, 1 - share)
    assert decided(snapshot, u=share, cooling=cooling).chosen == high.chosen
    assert decided(snapshot, u=share - 2**-53, cooling=cooling).chosen == low.chosen


@pytest.mark.parametrize(("mode", "share"), [("auto", 0.95), ("canary", 0.1)])
def test_shares_of_traffic_are_as_stated(mode: Mode, share: float) -> None:
    snapshot = a_snapshot(Plan("*", mode, HOME, accepted=("a/small",), acting_share=share, one_model="a/small"))
    count = 2000
    arms = Counter((one.arm, one.chosen) for one in (decided(snapshot, u=step / count) for step in range(count)))
    assert arms == {("policy", "a/small"): count * share, ("control", HOME): round(count * (1 - share))}


@given(plans(), st.frozensets(st.sampled_from(NAMES)), st.floats(0, 1, exclude_max=True), st.integers(0, 6))
def test_what_is_excluded_is_neither_chosen_nor_a_fallback(
    plan: Plan, cooling: frozenset[str], u: float, fallbacks: int
) -> None:
    snapshot = a_snapshot(plan, a_deployment("a/small", tools=False), fallbacks=fallbacks)
    one = decided_if_any(snapshot, u=u, cooling=cooling, needs=Needs(tools=True))
    if one is None:
        return
    served = (one.chosen, *one.fallbacks)
    assert not {"a/small", *cooling} & {*served, *one.eligible}
    assert len(set(served)) == len(served) <= fallbacks + 1
    assert set(served) <= set(one.eligible)
    assert not one.excluded.keys() & set(one.eligible)
    assert all(one.excluded.values())
    key = plan.reference.split("/")[1] if plan.reference else ""
    acting = set(plan.accepted) if plan.mode in ("canary", "auto") else set()
    others = [name for name in one.eligible if name not in acting]
    assert all(name.endswith(f"/{key}") for name in others), "nothing but the accepted and the same model"


@given(plans(), st.floats(0, 1, exclude_max=True))
def test_the_same_values_give_the_same_decision(plan: Plan, u: float) -> None:
    snapshot = a_snapshot(plan)
    assert decided(snapshot, u=u) == decided(snapshot, u=u)
    assert decided(snapshot, u=u).snapshot == "hash"
    assert decided(snapshot, u=u).mode == plan.mode


@pytest.mark.parametrize("mode", ["observe", "trial"])
@pytest.mark.parametrize("u", [0.0, 0.999])
def test_before_canary_nothing_but_the_reference_serves(mode: Mode, u: float) -> None:
    plan = Plan("*", mode, HOME, accepted=("a/small",), acting_share=1.0, one_model="a/small")
    one = decided(a_snapshot(plan), u=u)
    assert (one.chosen, one.arm) == (HOME, "reference")
    assert one.eligible == (HOME, *one.fallbacks) == (HOME, "b/big", "c/big")
    assert "reference" in one.why


def test_without_evidence_the_reference_is_chosen_in_every_mode() -> None:
    for mode in MODES:
        one = decided(a_snapshot(Plan("*", mode, HOME, accepted=("a/small", "a/tiny"), acting_share=1.0)), u=0.0)
        assert one.chosen == HOME, mode
    cold = decided(a_snapshot(Plan("*", "auto", HOME, accepted=("a/small",), acting_share=1.0)), cooling=frozenset({HOME}))
    assert cold.chosen == "b/big", "the reference's model elsewhere, and no guess"
    assert "same model" in cold.why


def test_a_policy_that_knows_nothing_of_the_accepted_leaves_the_reference(says: dict[str, Prediction]) -> None:
    snapshot = a_snapshot(Plan("*", "auto", HOME, accepted=("a/small",), acting_share=1.0, value_nano=10**9))
    says[HOME] = Prediction(HOME, 0.2, 0.1, 10**8)
    assert by_policy(snapshot).chosen == HOME
    says["a/small"] = Prediction("a/small", 0.2, 0.1, 10**6)
    assert by_policy(snapshot).chosen == "a/small"
    assert by_policy(snapshot).why == "good enough for less"


def test_the_policy_chooses_among_the_accepted_only_and_falls_back_in_its_order(says: dict[str, Prediction]) -> None:
    plan = Plan("*", "auto", HOME, accepted=("a/small", "b/small"), acting_share=0.95, value_nano=10**9)
    snapshot = a_snapshot(plan, fallbacks=9)
    says.update({name: Prediction(name, quality, 0.1, 10**6)
                 for name, quality in {HOME: 0.5, "a/small": 0.7, "b/small": 0.9, "a/tiny": 1.0}.items()})  # fmt: skip
    one = by_policy(snapshot, u=0.0)
    assert (one.chosen, one.arm) == ("b/small", "policy")
    assert one.fallbacks == (HOME, "a/small", "b/big", "c/big")
    assert "a/tiny" not in one.eligible
    held = by_policy(snapshot, u=0.95)
    assert (held.chosen, held.arm) == (HOME, "control")
    assert held.predictions == one.predictions
    assert held.predicted(HOME) == says[HOME]


def test_money_that_is_left_goes_to_what_is_as_good_and_dearer(says: dict[str, Prediction]) -> None:
    plan = Plan("*", "auto", HOME, accepted=("a/small", "b/small"), acting_share=1.0, value_nano=10**9)
    snapshot = a_snapshot(plan)
    says.update({HOME: Prediction(HOME, 0.5, 0.1, 900), "a/small": Prediction("a/small", 0.85, 0.1, 500),
                 "b/small": Prediction("b/small", 0.9, 0.1, 100)})  # fmt: skip
    assert by_policy(snapshot).chosen == "b/small"
    spent = by_policy(snapshot, idle=True)
    assert (spent.chosen, spent.why) == ("a/small", "as good as any, and the budget has money left")
    assert set(spent.fallbacks) == {HOME, "b/small"}
    assert by_policy(snapshot, idle=True, failing=frozenset({"a/small"})).chosen == "b/small"
    assert by_policy(snapshot, idle=True, failing=frozenset({"a/small", "b/small"})).chosen == "b/small"  # nobody is as good
    says["a/small"] = Prediction("a/small", 0.85, 0.1, 50)
    assert by_policy(snapshot, idle=True, failing=frozenset({"b/small"})).chosen == "a/small"


def test_one_model_beats_the_predictions_and_when_it_is_down_they_count(says: dict[str, Prediction]) -> None:
    plan = Plan("*", "auto", HOME, accepted=("a/small", "b/small"), acting_share=1.0, value_nano=10**9, one_model="a/small")
    says.update({name: Prediction(name, 0.9 if name == "b/small" else 0.1, 0.1, 5) for name in NAMES})
    assert by_policy(a_snapshot(plan)).chosen == "a/small"
    assert by_policy(a_snapshot(plan)).why == "one model suffices here"
    assert by_policy(a_snapshot(plan), cooling=frozenset({"a/small"})).chosen == "b/small"


def test_when_the_reference_is_down_its_control_share_is_not_pretended() -> None:
    plan = Plan("*", "auto", HOME, accepted=("a/small",), acting_share=0.9, one_model="a/small")
    down = frozenset({"a/big", "b/big", "c/big"})
    one = decided(a_snapshot(plan), u=0.99, cooling=down)
    assert (one.chosen, one.arm) == ("a/small", "forced"), "it would bias what the control is compared with"
    assert dict(zip(one.eligible, one.probabilities, strict=True)) == {"a/small": 1.0}
    assert set(one.excluded) == down


BIG = Pool((("a/big",), ("b/big",), ("c/big",)))
EVEN = Pool((("a/big", "b/big"),))


class TestPools:
    """Deployments of one model share its requests; what they do is recorded, and nothing else changes."""

    @staticmethod
    def at(snapshot: Snapshot, u: float, loads: dict[str, Load], *, asked: str = "auto", holder: str = "") -> Decision:
        state = State(frozenset(), "hash", loads, holder)
        return decide(snapshot, resolve(snapshot, asked), None, Context("f", NOTHING), state, u)

    @given(plans(), st.frozensets(st.sampled_from(NAMES)), st.lists(st.floats(0, 1, exclude_max=True), min_size=1))
    def test_probabilities_are_those_of_the_draw(self, plan: Plan, cooling: frozenset[str], us: list[float]) -> None:
        small = Pool((("a/small", "b/small"),))
        snapshot = replace(a_snapshot(plan), pools=(EVEN, small))
        first = decided_if_any(snapshot, u=us[0], cooling=cooling)
        if first is None:
            return
        chances = dict(zip(first.eligible, first.probabilities, strict=True))
        assert sum(chances.values()) == pytest.approx(1.0)
        assert not cooling & chances.keys()
        for u in us:
            one = decided(snapshot, u=u, cooling=cooling)
            assert dict(zip(one.eligible, one.probabilities, strict=True)) == chances
            assert chances[one.chosen] > 0
            assert one.chosen not in one.fallbacks
            assert {one.chosen, *one.fallbacks} <= chances.keys()

    def test_frequencies_are_the_stated_ones_on_both_arms(self) -> None:
        plan = Plan("*", "auto", HOME, accepted=("a/small",), acting_share=0.8, one_model="a/small")
        snapshot = replace(a_snapshot(plan), pools=(EVEN, Pool((("a/small", "b/small"),))))
        count = 2000
        found = [decided(snapshot, u=(step + 0.5) / count) for step in range(count)]
        assert Counter((one.arm, one.chosen) for one in found) == {
            ("policy", "a/small"): 800,
            ("policy", "b/small"): 800,
            ("control", "a/big"): 200,
            ("control", "b/big"): 200,
        }
        chances = dict(zip(found[0].eligible, found[0].probabilities, strict=True))
        assert [chances[name] for name in ("a/small", "b/small", "a/big", "b/big", "c/big")] == pytest.approx(
            [0.4, 0.4, 0.1, 0.1, 0.0]
        )

    def test_a_full_deployment_leaves_its_requests_to_the_next_tier(self) -> None:
        snapshot = replace(a_snapshot(Plan("*", reference=HOME)), pools=(BIG,))
        assert self.at(snapshot, 0.5, {}).chosen == HOME
        full = self.at(snapshot, 0.5, {HOME: Load(quota=0.0)})
        assert (full.chosen, full.arm, full.fallbacks) == ("b/big", "reference", ("a/big", "c/big"))
        assert full.why == "shares the requests of a/big"
        cold = decided(snapshot, cooling=frozenset({HOME}))
        assert (cold.chosen, cold.why) == ("b/big", "the same model as a/big, which is cooling down after failures")

    def test_a_conversation_stays(self) -> None:
        snapshot = replace(a_snapshot(Plan("*", reference=HOME)), pools=(BIG,))
        assert self.at(snapshot, 0.5, {}, holder="c/big").chosen == "c/big"

    def test_a_model_is_chosen_while_any_of_its_deployments_can_serve(self) -> None:
        plan = Plan("*", "auto", HOME, accepted=("a/small",), acting_share=1.0, one_model="a/small")
        snapshot = replace(a_snapshot(plan), pools=(Pool((("a/small",), ("b/small",))),))
        one = decided(snapshot, cooling=frozenset({"a/small"}))
        assert (one.chosen, one.arm) == ("b/small", "policy")
        assert decided(snapshot, cooling=frozenset({"a/small", "b/small"})).chosen == HOME

    def test_its_quality_is_asked_for_under_the_name_that_was_accepted(self, says: dict[str, Prediction]) -> None:
        plan = Plan("*", "auto", HOME, accepted=("a/small",), acting_share=1.0, value_nano=None)
        says.update({"a/small": Prediction("a/small", 0.9, 0.1, 1), HOME: Prediction(HOME, 0.5, 0.1, 9)})
        snapshot = replace(a_snapshot(plan), pools=(Pool((("a/small",), ("b/small",))),))
        assert by_policy(snapshot, cooling=frozenset({"a/small"})).chosen == "b/small"

    def test_a_vendors_name_is_shared_and_a_pinned_one_is_not(self) -> None:
        snapshot = replace(a_snapshot(Plan("*", reference=HOME)), pools=(EVEN,))
        assert [self.at(snapshot, u, {}, asked="big").chosen for u in (0.2, 0.7)] == ["a/big", "b/big"]
        one = self.at(snapshot, 0.2, {}, asked="big")
        assert dict(zip(one.eligible, one.probabilities, strict=True)) == {"a/big": 0.5, "b/big": 0.5, "c/big": 0.0}
        assert self.at(snapshot, 0.7, {}, asked="a/big").chosen == "a/big"
        other = replace(snapshot, pools=(Pool((("b/big", "a/tiny"),)),))
        assert self.at(other, 0.9, {}, asked="big").chosen == "a/big"


class TestNothingCanServe:
    """What the client is told."""

    def test_cooling_is_worth_waiting_for(self) -> None:
        with pytest.raises(GatewayError, match="cooling down") as raised:
            decided(a_snapshot(Plan("*", reference=HOME)), cooling=frozenset(NAMES))
        assert (raised.value.status, raised.value.code, raised.value.retry_after) == (503, "no_deployment_available", 1.0)

    def test_a_request_that_nothing_takes_is_the_requests_fault(self) -> None:
        blind = [a_deployment(f"{key}/big", media=()) for key in "abc"]
        with pytest.raises(GatewayError, match="does not read image") as raised:
            decided(a_snapshot(Plan("*", reference=HOME), *blind), needs=Needs(9, 3, media=frozenset({"image"})))
        assert (raised.value.status, raised.value.code) == (400, "unsupported_request")

    def test_our_guess_of_a_length_never_refuses_what_the_reference_might_take(self) -> None:
        small = [a_deployment(f"{key}/big", context_tokens=5) for key in "abc"]
        snapshot = a_snapshot(Plan("*", reference=HOME), *small)
        one = decided(snapshot, needs=Needs(9, 3))
        assert (one.chosen, one.eligible, one.probabilities) == (HOME, (HOME,), (1.0,))
        assert set(one.excluded) == {"b/big", "c/big"}
        with pytest.raises(GatewayError, match="cooling down"):
            decided(snapshot, needs=Needs(9, 3), cooling=frozenset({HOME}))

    def test_a_longer_copy_of_the_same_model_goes_before_a_guess(self) -> None:
        small = a_deployment(HOME, context_tokens=5)
        one = decided(a_snapshot(Plan("*", reference=HOME), small), needs=Needs(9, 3))
        assert one.chosen != HOME

    def test_no_reference_says_the_line_to_write(self) -> None:
        snapshot = a_snapshot(Plan("*"))
        snapshot = replace(snapshot, routes={"auto": replace(snapshot.routes["auto"], reference=None)})
        with pytest.raises(GatewayError, match=r'reference = "provider/model"` under \[routes\.auto\]') as raised:
            decided(snapshot)
        assert (raised.value.status, raised.value.code, raised.value.param) == (400, "no_reference", "model")


class TestAsked:
    """Who names a model gets that model."""

    SNAPSHOT = a_snapshot(Plan("*", reference=HOME))

    def test_pinned_passes_whatever_we_think_of_it(self) -> None:
        narrow = a_snapshot(Plan("*"), a_deployment("a/small", tools=False, context_tokens=1))
        one = decided(narrow, asked="a/small", needs=Needs(99, tools=True), cooling=frozenset(NAMES))
        assert (one.chosen, one.arm, one.mode, one.fallbacks) == ("a/small", "pinned", "observe", ())
        assert (one.eligible, one.probabilities, one.excluded) == (("a/small",), (1.0,), {})

    def test_a_pinned_model_need_not_be_configured(self) -> None:
        one = decided(self.SNAPSHOT, asked="b/new/model:free")
        assert (one.chosen, one.arm) == ("b/new/model:free", "pinned")
        made = deployment(self.SNAPSHOT, one.chosen)
        assert (made.provider, made.model, made.price) == ("b", "new/model:free", None)

    def test_a_vendors_name_fails_over_to_the_same_model_only(self) -> None:
        one = decided(self.SNAPSHOT, asked="big")
        assert (one.chosen, one.fallbacks, one.arm) == ("a/big", ("b/big", "c/big"), "observed")
        assert decided(self.SNAPSHOT, asked="big", cooling=frozenset({"a/big"})).chosen == "b/big"
        assert decided(self.SNAPSHOT, asked="big", cooling=frozenset(NAMES)).chosen == "a/big"

    def test_the_owners_first_provider_answers_after_the_snapshots_way_through_bytes_too(self) -> None:
        first = dict(reversed(self.SNAPSHOT.deployments.items()))
        published = decode(encode(replace(self.SNAPSHOT, deployments=first)))
        assert decided(published, asked="big").chosen == "c/big"
        assert decided(published, asked="auto").fallbacks == ("c/big", "b/big")

    def test_one_name_for_two_models_is_no_failover(self) -> None:
        """Two local servers may both call what they serve "big"."""
        other = a_snapshot(Plan("*", reference=HOME), a_deployment("b/big", model_key="quite another"))
        assert resolve(other, "big").deployments == ("a/big", "c/big")
        assert decided(other, asked="big", cooling=frozenset({"a/big", "c/big"})).chosen == "a/big"
        assert "b/big" not in decided(other, asked="auto").eligible

    def test_a_route_may_shadow_a_vendors_name(self) -> None:
        route = replace(self.SNAPSHOT.routes["auto"], name="big", plans={"*": Plan("*", reference="a/tiny")})
        shadowed = replace(self.SNAPSHOT, routes={"big": route})
        assert decided(shadowed, asked="big").chosen == "a/tiny"
        assert decided(shadowed, asked="a/big").chosen == "a/big"

    @given(st.text(min_size=1, max_size=30))
    def test_with_one_provider_any_name_goes_there_unchanged(self, name: str) -> None:
        lone = Snapshot({"only": Provider("only", "http://x")})
        target = resolve(lone, name)
        pinned = name.startswith("only/") and len(name) > 5
        assert target == Target(None, (name if pinned else f"only/{name}",), "pinned" if pinned else "observed")

    @pytest.mark.parametrize("name", ["gpt-9", "x/big", "a/", "/big", "", "AUTO"])
    def test_an_unknown_name_is_told_what_there_is(self, name: str) -> None:
        with pytest.raises(GatewayError, match=r"route \(auto\).*providers a, b, c") as raised:
            resolve(self.SNAPSHOT, name)
        assert (raised.value.status, raised.value.code, raised.value.param) == (404, "model_not_found", "model")

    def test_a_name_of_any_length_is_not_taken_for_a_providers(self) -> None:
        for name in ("a/" + "x" * 511, "é" * 10_000):
            with pytest.raises(GatewayError) as raised:
                resolve(self.SNAPSHOT, name)
            assert (raised.value.status, len(str(raised.value)) < 100) == (404, True)
        assert resolve(self.SNAPSHOT, "a/" + "x" * 510).deployments == ("a/" + "x" * 510,)


def test_a_feature_has_its_own_plan_or_the_one_for_all() -> None:
    own = Plan("x", reference="a/tiny")
    route = replace(a_snapshot(Plan("*", reference=HOME)).routes["auto"], plans={"*": Plan("*"), "x": own})
    assert plan_for(route, "x") is own
    assert plan_for(route, "y").feature == "*"


@pytest.mark.parametrize(
    ("fields", "needs", "words"),
    [
        ({}, Needs(10**6, 10**6, tools=True, json_schema=True, media=frozenset({"image"})), None),
        ({"tools": False}, Needs(tools=True), "tools"),
        ({"tools": False}, Needs(), None),
        ({"json_schema": False}, Needs(json_schema=True), "JSON schema"),
        ({"media": ("image",)}, Needs(media=frozenset({"image"})), None),
        ({"media": ("image",)}, Needs(media=frozenset({"image", "audio", "file"})), "audio, file"),
        ({"context_tokens": 100}, Needs(90, 10), None),
        ({"context_tokens": 100}, Needs(90, 11), "holds 100 tokens, about 101"),
        ({"context_tokens": 100}, Needs(101), "about 101"),
        ({"context_tokens": None}, Needs(10**9), None),
    ],
)
def test_what_a_deployment_must_be_able_to_do(fields: dict[str, object], needs: Needs, words: str | None) -> None:
    reason = unfit(a_deployment("a/x", **fields), needs)
    assert reason is None if words is None else words in str(reason)


def test_what_a_request_needs() -> None:
    asked = ChatRequest(
        "m",
        (Message("user", (Media("image", url="http://x/y.png"),)),),
        tools=(Tool("f"),),
        max_output_tokens=5,
        output=Output("json_schema"),
    )
    found = needs_of(asked)
    assert replace(found, input_tokens=0) == Needs(0, 5, tools=True, json_schema=True, media=frozenset({"image"}))
    assert found.input_tokens > 0
    plain = needs_of(ChatRequest("m", (Message("user", (Text("hello"),)),)))
    assert replace(plain, input_tokens=0) == Needs()
