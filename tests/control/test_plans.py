"""Observe, trial, canary, auto and back, as values."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.control.plans import (
    PlanError,
    Serving,
    accept,
    is_current,
    plan_of,
    promote,
    rollback,
    start_trial,
    stop_trial,
    trial_id,
)
from pointsman.control.publish import faults
from pointsman.control.verdict import Ratio, Row
from pointsman.core.price import Price, Rates
from pointsman.core.routing import BoundTest, Deployment, Grader, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot, decode, encode
from pointsman.policy.guarantee import Interval, VerdictKind

PRICE = Price(Rates(Decimal(1), Decimal(2)))
NAMES = ("zoo/big", "zoo/small", "zoo/tiny", "zoo/judge")

JUDGED = trial_id("auto", "extraction", "zoo/big", Grader("exact"))


def snapshot(grader: Grader | None = Grader("exact"), reference: str | None = "zoo/big") -> Snapshot:  # noqa: B008
    route = Route("auto", reference, NAMES[:3], Objective(), 0.05, {"*": Plan("*", reference=reference, grader=grader)})
    return Snapshot(
        providers={"zoo": Provider("zoo", "http://127.0.0.1:1/v1")},
        deployments={name: Deployment(name, "zoo", name[4:], name[4:], price=PRICE) for name in NAMES},
        routes={"auto": route},
        policies={"auto": b"before"},
    )


def barred() -> Snapshot:
    before = snapshot()
    plan = replace(before.routes["auto"].plans["*"], allow=("zoo/big",))
    return replace(before, routes={"auto": replace(before.routes["auto"], plans={"*": plan})})


def row(candidate: str = "zoo/small", kind: VerdictKind = "ready", cost: float = 0.3, reference: str = "zoo/big") -> Row:
    change = Interval(-0.004, -0.021, 0.013, 612)
    return Row("extraction", reference, candidate, JUDGED, change, 0, Ratio(cost, cost, cost, 612), kind, 0.05)


def only(name: str) -> Serving:
    return Serving((name,), one_model=name)


def in_canary() -> Snapshot:
    trying = start_trial(snapshot(), "auto", "extraction", cap_nano=5_000_000_000)
    return accept(trying, "auto", "extraction", row(), only("zoo/small"), now_ms=7)


def test_a_trial_starts_with_the_routes_candidates() -> None:
    after = start_trial(snapshot(), "auto", "extraction", share=0.3, cap_nano=9, tolerance=0.03)
    plan = plan_of(after, "auto", "extraction")
    assert plan.mode == "trial"
    assert plan.trial is not None
    assert (plan.trial.candidates, plan.trial.share, plan.trial.cap_nano) == (("zoo/small", "zoo/tiny"), 0.3, 9)
    assert plan.tolerance == 0.03
    assert plan_of(after, "auto", "another").mode == "observe"
    assert decode(encode(after)) == after


def test_a_trial_taken_up_again_goes_on_with_its_evidence_and_another_check_starts_afresh() -> None:
    first = plan_of(start_trial(snapshot(), "auto", "x", cap_nano=1), "auto", "x").trial
    again = plan_of(start_trial(snapshot(), "auto", "x", cap_nano=2, candidates=["zoo/tiny"]), "auto", "x").trial
    assert first is not None
    assert again is not None
    assert first.id == again.id
    assert first.id != trial_id("auto", "x", "zoo/big", Grader("numeric"))
    assert first.id != trial_id("auto", "x", "zoo/small", Grader("exact"))
    assert first.id != trial_id("auto", "x", "zoo/big", Grader("exact"), fresh="2")


def test_the_plans_reference_may_be_the_routes() -> None:
    before = snapshot()
    bare = replace(before.routes["auto"], plans={"*": Plan("*", grader=Grader("exact"))})
    after = start_trial(replace(before, routes={"auto": bare}), "auto", "x", cap_nano=1)
    assert plan_of(after, "auto", "x").reference == "zoo/big"


@pytest.mark.parametrize(
    ("before", "options", "words"),
    [
        (snapshot(grader=None), {}, "no check is declared"),
        (snapshot(reference=None), {}, "no reference is named"),
        (snapshot(), {"candidates": ["zoo/big"]}, "no candidates"),
        (snapshot(), {"candidates": ["zoo/nobody"]}, "no deployment of the configuration"),
        (snapshot(Grader("judge", "zoo/nobody")), {}, "no deployment of the configuration"),
        (snapshot(Grader("judge", "zoo/big")), {}, "zoo/big cannot judge a trial that it takes part in"),
        (snapshot(Grader("judge", "zoo/tiny")), {}, "zoo/tiny cannot judge"),
        (snapshot(Grader("regex", "(")), {}, "regular expression"),
        (barred(), {"candidates": ["zoo/small"]}, "zoo/small may not be tried"),
        (barred(), {}, "no candidates"),
        (snapshot(), {"share": 0.0}, "share"),
        (snapshot(), {"tolerance": 5.0}, "tolerance"),
    ],
)
def test_a_trial_that_cannot_work_is_refused(before: Snapshot, options: dict[str, object], words: str) -> None:
    with pytest.raises(Exception, match=words):
        start_trial(before, "auto", "extraction", cap_nano=1, **options)  # type: ignore[arg-type]


def test_a_judge_that_takes_no_part_may_judge() -> None:
    before = snapshot(Grader("judge", "zoo/tiny"))
    assert plan_of(start_trial(before, "auto", "x", candidates=["zoo/small"], cap_nano=1), "auto", "x").mode == "trial"


def test_a_cap_of_money_needs_prices() -> None:
    before = snapshot()
    free = {**before.deployments, "zoo/tiny": replace(before.deployments["zoo/tiny"], price=None)}
    with pytest.raises(PlanError, match="no price is known for zoo/tiny"):
        start_trial(replace(before, deployments=free), "auto", "extraction", cap_nano=1)


def test_an_unknown_route_names_those_there_are() -> None:
    with pytest.raises(PlanError, match="routes: auto"):
        plan_of(snapshot(), "automatic", "x")


def test_stopping_a_trial_returns_to_observe() -> None:
    trying = start_trial(snapshot(), "auto", "extraction", cap_nano=1)
    plan = plan_of(stop_trial(trying, "auto", "extraction"), "auto", "extraction")
    assert (plan.mode, plan.trial) == ("observe", None)
    with pytest.raises(PlanError, match="no trial is running"):
        stop_trial(snapshot(), "auto", "extraction")


def test_accept_moves_to_canary_and_keeps_the_evidence_in_its_name() -> None:
    after = in_canary()
    plan = plan_of(after, "auto", "extraction")
    assert (plan.mode, plan.accepted, plan.one_model) == ("canary", ("zoo/small",), "zoo/small")
    assert (plan.acting_share, plan.since_ms) == (0.1, 7)
    assert plan.trial is not None
    assert (plan.trial.candidates, plan.trial.share) == ((), 1.0)
    assert plan.tested == BoundTest(612, row().tolerance, 0.95)
    assert "612 judged" in after.made_by
    assert "-70 %" in after.made_by
    assert after.policies["auto"] == b"before"


def test_what_is_not_ready_takes_a_reason_and_keeps_it() -> None:
    with pytest.raises(PlanError, match="not ready"):
        accept(snapshot(), "auto", "extraction", row(kind="stay"), only("zoo/small"), now_ms=1)
    after = accept(snapshot(), "auto", "extraction", row(kind="stay"), only("zoo/small"), now_ms=1, despite="by hand")
    assert "despite the verdict: by hand" in after.made_by
    assert plan_of(after, "auto", "extraction").tested is None


def test_choosing_per_request_brings_its_policy_which_goes_with_it() -> None:
    serving = Serving(("zoo/small", "zoo/tiny"), policy=b"learned", value_nano=5)
    after = accept(in_canary(), "auto", "extraction", row("per request"), serving, now_ms=9)
    plan = plan_of(after, "auto", "extraction")
    assert (plan.accepted, plan.one_model, plan.value_nano) == (("zoo/small", "zoo/tiny"), None, 5)
    assert plan.policy == "auto/extraction"
    assert after.policies == {"auto": b"before", "auto/extraction": b"learned"}
    for later in (
        rollback(after, "auto", "extraction", now_ms=10),
        accept(after, "auto", "extraction", row(), only("zoo/small"), now_ms=10),
    ):
        assert plan_of(later, "auto", "extraction").policy == ""
        assert later.policies == {"auto": b"before"}


def test_a_verdict_against_another_reference_is_no_evidence() -> None:
    with pytest.raises(PlanError, match="compared with zoo/old"):
        accept(snapshot(), "auto", "extraction", row(reference="zoo/old"), only("zoo/small"), now_ms=1)


@pytest.mark.parametrize(
    ("trial", "taken"),
    [
        (JUDGED, True),
        (trial_id("auto", "extraction", "zoo/big", Grader("exact"), "1764000000"), True),
        (trial_id("auto", "extraction", "zoo/big", Grader("exact"), "standing"), True),
        (trial_id("auto", "*", "zoo/big", Grader("exact")), True),
        (trial_id("auto", "support", "zoo/big", Grader("exact")), False),
        (trial_id("auto", "extraction", "zoo/big", Grader("numeric")), False),
        (trial_id("auto", "extraction", "zoo/big", Grader("exact", against="reference"), "standing"), False),
        (trial_id("other", "extraction", "zoo/big", Grader("exact")), False),
        (trial_id("auto", "extraction", "zoo/old", Grader("exact")), False),
    ],
)
def test_a_verdict_by_another_check_or_for_another_route_is_no_evidence(trial: str, *, taken: bool) -> None:
    assert is_current(snapshot(), "auto", "extraction", trial) == taken
    judged = replace(row(), trial=trial)
    if taken:
        accept(snapshot(), "auto", "extraction", judged, only("zoo/small"), now_ms=1)
        return
    with pytest.raises(PlanError, match="by another check, or for another route"):
        accept(snapshot(), "auto", "extraction", judged, only("zoo/small"), now_ms=1, despite="whatever")


def test_without_a_check_or_a_route_no_trial_is_of_today() -> None:
    assert not is_current(snapshot(grader=None), "auto", "extraction", JUDGED)
    assert not is_current(snapshot(), "automatic", "extraction", JUDGED)


def test_a_deployment_that_is_gone_cannot_be_accepted() -> None:
    with pytest.raises(PlanError, match="zoo/gone is no deployment"):
        accept(snapshot(), "auto", "extraction", row("zoo/gone"), only("zoo/gone"), now_ms=1)


def test_promotion_leaves_the_control_share() -> None:
    plan = plan_of(promote(in_canary(), "auto", "extraction", now_ms=8), "auto", "extraction")
    assert plan.mode == "auto"
    assert plan.acting_share == pytest.approx(0.95)
    with pytest.raises(PlanError, match="not in canary"):
        promote(snapshot(), "auto", "extraction", now_ms=8)


@pytest.mark.parametrize("steps", [0, 1])
def test_rollback_is_back_on_the_reference_at_once(steps: int) -> None:
    before = in_canary() if steps == 0 else promote(in_canary(), "auto", "extraction", now_ms=8)
    plan = plan_of(rollback(before, "auto", "extraction", now_ms=10), "auto", "extraction")
    assert (plan.mode, plan.accepted, plan.acting_share, plan.one_model, plan.trial) == ("observe", (), 0.0, None, None)
    assert plan.reference == "zoo/big"
    assert plan.tested is None
    with pytest.raises(PlanError, match="nothing to roll back"):
        rollback(snapshot(), "auto", "extraction", now_ms=1)


STEPS: dict[str, Callable[[Snapshot], Snapshot]] = {
    "trial": lambda s: start_trial(s, "auto", "extraction", cap_nano=5),
    "trial of another": lambda s: start_trial(s, "auto", "support", cap_nano=5),
    "stop": lambda s: stop_trial(s, "auto", "extraction"),
    "accept": lambda s: accept(s, "auto", "extraction", row(), only("zoo/small"), now_ms=1),
    "accept per request": lambda s: accept(
        s, "auto", "extraction", row(), Serving(("zoo/small", "zoo/tiny"), policy=b"p", value_nano=3), now_ms=1
    ),
    "not ready": lambda s: accept(s, "auto", "extraction", row(kind="cannot tell"), only("zoo/tiny"), now_ms=1),
    "promote": lambda s: promote(s, "auto", "extraction", now_ms=2),
    "roll back": lambda s: rollback(s, "auto", "extraction", now_ms=3),
}


@settings(max_examples=300)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_whatever_the_order_of_acts_every_snapshot_can_be_published_and_the_reference_serves(acts: list[str]) -> None:
    """A model of the modes beside the real ones: what may follow on what, and what each leaves."""
    now, mode, trying = replace(snapshot(), policies={}), "observe", False
    for act in acts:
        allowed = {
            "stop": trying,
            "not ready": False,
            "promote": mode == "canary",
            "roll back": mode != "observe",
        }.get(act, True)
        try:
            now = STEPS[act](now)
        except PlanError:
            assert not allowed, act
            continue
        assert allowed, act
        if act == "trial":
            mode, trying = ("trial", True) if mode in ("observe", "trial") else (mode, True)
        elif act == "stop":
            mode, trying = ("observe" if mode == "trial" else mode), False
        elif act.startswith("accept"):
            mode, trying = "canary", True  # the check goes on, on what is served
        elif act == "promote":
            mode = "auto"
        elif act == "roll back":
            mode, trying = "observe", False
        plan = plan_of(now, "auto", "extraction")
        assert plan.reference == "zoo/big"
        assert (plan.mode, plan.trial is not None) == (mode, trying)
        assert bool(plan.accepted) == bool(plan.acting_share) == (mode in ("canary", "auto"))
        assert plan.acting_share == {"canary": 0.1, "auto": 0.95}.get(mode, 0.0)
        assert set(now.policies) == ({plan.policy} if plan.policy else set())
        assert [fault for fault in faults(now) if "cannot be read" not in fault] == []
        assert decode(encode(now)) == now


def test_a_transition_of_one_feature_leaves_all_others_alone() -> None:
    before = start_trial(snapshot(), "auto", "support", cap_nano=3)
    after = accept(before, "auto", "extraction", row(), only("zoo/small"), now_ms=1)
    for other in ("support", "*", "unheard of"):
        assert plan_of(after, "auto", other) == plan_of(before, "auto", other)
    assert replace(after, routes=before.routes, made_by=before.made_by) == before
