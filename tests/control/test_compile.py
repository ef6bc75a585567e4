"""Compiling: what the file says, what is kept of the snapshot in force, and a note for each thing that is not."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace

from pointsman.control import plans
from pointsman.control.compile import Compiled, compile_snapshot
from pointsman.control.config import Config, parse
from pointsman.control.publish import faults
from pointsman.core import snapshot as snapshots
from pointsman.core.routing import BoundTest, Ceiling, Explore, Plan, Pool, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.policy import features, model
from pointsman.policy.model import Policy

TODAY = date(2026, 11, 24)
FILE = """\
[providers.openai]
[providers.house]
base_url = "http://127.0.0.1:8000/v1"
[deployments."house/small"]
price = {input = 0.1, output = 0.2}
[deployments."house/mid"]
[routes.auto]
reference = "openai/gpt-5"
candidates = ["house/small", "house/mid"]
[features.plain]
check = {kind = "exact"}
[features.tried]
check = {kind = "exact"}
candidates = ["house/small"]
trial = {share = 0.2, cap_usd = 5}
"""


def config(text: str = FILE, *changes: tuple[str, str]) -> Config:
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return parse(text.encode(), "f")


def compiled(found: Config, previous: Snapshot | None = None, today: date = TODAY) -> Compiled:
    result = compile_snapshot(found, previous, today=today, made_by="test")
    assert list(faults(result.snapshot)) == []
    return result


def with_plan(snapshot: Snapshot, plan: Plan, route: str = "auto") -> Snapshot:
    changed = replace(snapshot.routes[route], plans={**snapshot.routes[route].plans, plan.feature: plan})
    return replace(snapshot, routes={**snapshot.routes, route: changed})


def accepted(snapshot: Snapshot, feature: str = "plain", mode: str = "canary") -> Snapshot:
    plan = snapshot.routes["auto"].plans.get(feature) or replace(snapshot.routes["auto"].plans["*"], feature=feature)
    share = 0.1 if mode == "canary" else 0.95
    kept = replace(
        plan,
        mode=mode,
        accepted=("house/small",),
        acting_share=share,
        one_model="house/small",
        value_nano=7,
        since_ms=9,
        tested=BoundTest(700, 0.05, 0.95),
        tests=3,
    )
    return with_plan(snapshot, kept)


def learned_policy(vector_version: int = features.VERSION) -> bytes:
    """A policy of one model and one task, as a version of the vectors made it."""

    def drawn(*shape: int) -> model.Matrix:
        return np.zeros(shape, dtype=np.float32)

    flags, maps, row = drawn(features.FLAGS), drawn(features.DIMS, 4), drawn(1, 1)
    sums = (drawn(features.DIMS), maps, drawn(4), drawn(1, 3), row, drawn(1), drawn(0, 1), drawn(2, 1), drawn(2, 2))
    return model.encode(Policy(("house/small",), ("all",), (), flags, flags, *sums, vector_version=vector_version))


def test_a_new_installation_observes_and_tries_what_the_file_says() -> None:
    snapshot, notes = compiled(config())
    plans_ = snapshot.routes["auto"].plans
    assert notes == ()
    assert list(plans_) == ["*", "plain", "tried"]
    assert plans_["*"] == Plan("*", reference="openai/gpt-5")
    assert plans_["plain"].mode == "observe"
    assert plans_["tried"].mode == "trial"
    trial = plans_["tried"].trial
    assert trial is not None
    assert (trial.candidates, trial.share, trial.cap_nano) == (("house/small",), 0.2, 5_000_000_000)


def test_deployments_are_those_declared_named_and_listed_with_the_price_of_the_day() -> None:
    dated = '[[prices]]\ndeployment = "openai/gpt-4o-2024-08-06"\nsince = 2026-12-01\ninput = 1\noutput = 1\n'
    text = FILE + dated + '[models]\nx = "openai/gpt-5-nano-2025-08-07"\n'
    before, after = compiled(config(text)).snapshot, compiled(config(text), today=date(2026, 12, 1)).snapshot
    assert list(before.deployments)[:3] == ["house/small", "house/mid", "openai/gpt-5"]
    assert "openai/gpt-5-nano-2025-08-07" in before.deployments, "only named, and matched by the price list"
    assert "openai/gpt-4.1" in before.deployments, "from the catalogue"
    prices = [snapshot.deployments["openai/gpt-4o-2024-08-06"].price for snapshot in (before, after)]
    assert [price and (price.rates.input, price.source[:6]) for price in prices] == [
        (Decimal("2.5"), "genai-"),
        (Decimal(1), "config"),
    ]
    assert before.deployments["house/mid"].price is None
    assert before.deployments["openai/gpt-5"].context_tokens == 400_000


def test_the_owners_context_and_price_win_over_the_list() -> None:
    stated = '[deployments."openai/gpt-5"]\ncontext_tokens = 10\nprice = {input = 3, output = 4}\n'
    found = compiled(config(FILE + stated)).snapshot.deployments["openai/gpt-5"]
    assert found.context_tokens == 10
    assert found.price is not None
    assert (found.price.rates.input, found.price.source) == (Decimal(3), "config")


def test_without_any_file_there_is_auto_without_a_reference() -> None:
    snapshot, _ = compiled(Config())
    assert snapshot.routes["auto"].plans == {"*": Plan("*")}


def test_the_same_inputs_give_the_same_bytes() -> None:
    first = compiled(config()).snapshot
    again = compiled(config(), first).snapshot
    assert snapshots.encode(again) == snapshots.encode(first) == snapshots.encode(compiled(config()).snapshot)


@pytest.mark.parametrize("mode", ["canary", "auto"])
@pytest.mark.parametrize("feature", ["plain", "tried", "only-known-from-the-act", "*"])
def test_what_was_accepted_is_kept(mode: str, feature: str) -> None:
    before = accepted(compiled(config()).snapshot, feature, mode)
    after, notes = compiled(config(), before)
    kept = after.routes["auto"].plans[feature]
    assert notes == ()
    assert kept == before.routes["auto"].plans[feature]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            ('reference = "openai/gpt-5"', 'reference = "openai/gpt-4o"'),
            "its reference was openai/gpt-5 and is openai/gpt-4o",
        ),
        (('candidates = ["house/small", "house/mid"]', 'candidates = ["house/mid"]'), "house/small is no longer configured"),
    ],
)
def test_an_acceptance_falls_with_what_it_was_about(change: tuple[str, str], reason: str) -> None:
    before = accepted(compiled(config()).snapshot)
    after, notes = compiled(config(FILE, change), before)
    plan = after.routes["auto"].plans["plain"]
    assert (plan.mode, plan.accepted, plan.one_model, plan.acting_share) == ("observe", (), None, 0.0)
    assert notes[0] == f"feature plain on route auto goes back from canary to observe: {reason}"
    assert [note for note in notes if "plain" in note] == [notes[0]]


def test_an_acceptance_falls_when_the_feature_no_longer_wants_it() -> None:
    wants = ("[features.plain]\n", '[features.plain]\ncandidates = ["openai/gpt-5-mini"]\n')
    start = compiled(config(FILE, wants)).snapshot
    plan = replace(start.routes["auto"].plans["plain"], mode="canary", accepted=("openai/gpt-5-mini",), acting_share=0.1)
    before = with_plan(start, plan)
    assert compiled(config(FILE, wants), before).snapshot.routes["auto"].plans["plain"].mode == "canary"
    after, notes = compiled(config(), before)
    assert after.routes["auto"].plans["plain"].mode == "observe"
    assert "openai/gpt-5-mini is no longer configured" in notes[0]


def test_an_acceptance_falls_with_its_deployment() -> None:
    before = accepted(compiled(config()).snapshot)
    rest = FILE.replace('[deployments."house/small"]\nprice = {input = 0.1, output = 0.2}\n', "").replace(
        '"house/small", ', ""
    )
    after, notes = compiled(config(rest.split("[features.tried]")[0]), before)
    assert after.routes["auto"].plans["plain"].mode == "observe"
    assert "house/small is no longer configured" in notes[0]


def test_a_changed_control_share_changes_auto_and_not_canary() -> None:
    change = ('reference = "openai/gpt-5"', 'reference = "openai/gpt-5"\ncontrol_share = 0.2')
    start = compiled(config()).snapshot
    before = accepted(accepted(start, "plain", "auto"), "tried", "canary")
    plans_ = compiled(config(FILE, change), before).snapshot.routes["auto"].plans
    assert plans_["plain"].acting_share == pytest.approx(0.8)
    assert plans_["tried"].acting_share == 0.1


def test_what_is_watched_begins_anew_where_the_share_changes_and_only_there() -> None:
    text = FILE.replace('reference = "openai/gpt-5"', 'reference = "openai/gpt-5"\ncontrol_share = 0.2')
    before = accepted(accepted(compiled(config()).snapshot, "plain", "auto"), "tried", "canary")
    first = compile_snapshot(config(text), before, today=TODAY, made_by="test", now_ms=70).snapshot
    again = compile_snapshot(config(text), first, today=TODAY, made_by="test", now_ms=90).snapshot
    for snapshot in (first, again):
        plans_ = snapshot.routes["auto"].plans
        assert (plans_["plain"].since_ms, plans_["tried"].since_ms, plans_["*"].since_ms) == (70, 9, 0)


def test_a_changed_objective_is_noted_for_features_that_act() -> None:
    change = ('reference = "openai/gpt-5"', 'reference = "openai/gpt-5"\nobjective = "best"')
    after, notes = compiled(config(FILE, change), accepted(compiled(config()).snapshot))
    assert after.routes["auto"].plans["plain"].mode == "canary"
    assert notes == (
        "feature plain on route auto still acts by the route's former objective: accept it again to act by the new one",
    )


def test_a_changed_check_or_judge_is_noted_for_features_that_act() -> None:
    before = accepted(accepted(compiled(config()).snapshot, "plain"), "tried", "auto")
    for check in ('check = {kind = "numeric"}', 'judge = "house/mid"'):
        change = ('[features.plain]\ncheck = {kind = "exact"}', f"[features.plain]\n{check}")
        after, notes = compiled(config(FILE, change), before)
        assert after.routes["auto"].plans["plain"].mode == "canary"
        (note,) = notes
        assert note.startswith("feature plain on route auto still acts on a verdict of its former check: ")


def test_a_provider_that_moved_is_noted_for_features_that_act_on_what_it_serves() -> None:
    change = ("127.0.0.1:8000", "127.0.0.1:8001")
    start = compiled(config()).snapshot
    assert compiled(config(FILE, change), start).notes == ()
    (note,) = compiled(config(FILE, change), accepted(start)).notes
    assert note.startswith("feature plain on route auto still acts on a verdict from the former address of provider house")


def test_a_trial_that_an_act_started_goes_on_with_its_tolerance() -> None:
    before = plans.start_trial(
        compiled(config()).snapshot, "auto", "plain", candidates=["house/small"], cap_nano=10, tolerance=0.01
    )
    after, notes = compiled(config(), before)
    assert notes == ()
    assert after.routes["auto"].plans["plain"] == before.routes["auto"].plans["plain"]
    assert after.routes["auto"].plans["plain"].mode == "trial"


def test_a_trial_ends_when_its_check_changes() -> None:
    before = plans.start_trial(compiled(config()).snapshot, "auto", "plain", candidates=["house/small"], cap_nano=10)
    after, notes = compiled(config(FILE, ('[features.plain]\ncheck = {kind = "exact"}', "[features.plain]")), before)
    assert after.routes["auto"].plans["plain"].trial is None
    assert after.routes["auto"].plans["plain"].mode == "observe"
    assert notes == (
        "a trial of feature plain on route auto ends: its check changed, or it or what it tries is no longer configured",
    )


def test_a_standing_trial_goes_on_under_its_id_with_another_cap_and_ends_with_its_lines() -> None:
    first = compiled(config()).snapshot
    raised, notes = compiled(config(FILE, ("cap_usd = 5", "cap_usd = 9")), first)
    before, after = (snapshot.routes["auto"].plans["tried"].trial for snapshot in (first, raised))
    assert before is not None
    assert after == replace(before, cap_nano=9_000_000_000)
    assert notes == ()
    ended, notes = compiled(config(FILE, ("trial = {share = 0.2, cap_usd = 5}\n", "")), first)
    assert ended.routes["auto"].plans["tried"].mode == "observe"
    assert ended.routes["auto"].plans["tried"].trial is None
    assert len(notes) == 1


def test_an_accepted_feature_keeps_measuring_and_no_standing_trial_begins_again() -> None:
    start = accepted(compiled(config()).snapshot, "tried")
    standing = start.routes["auto"].plans["tried"].trial
    assert standing is not None
    measuring = replace(standing, candidates=(), share=1.0)
    for trial in (measuring, None):
        before = with_plan(start, replace(start.routes["auto"].plans["tried"], trial=trial))
        assert compiled(config(), before).snapshot.routes["auto"].plans["tried"].trial == trial


def test_a_rolled_back_feature_takes_up_its_standing_trial_again() -> None:
    before = plans.rollback(accepted(compiled(config()).snapshot, "tried"), "auto", "tried", now_ms=5)
    plan = compiled(config(), before).snapshot.routes["auto"].plans["tried"]
    assert (plan.mode, plan.accepted) == ("trial", ())
    assert isinstance(plan.trial, Trial)


def test_what_only_a_removed_route_had_is_noted() -> None:
    second = FILE + '[routes.second]\nreference = "house/mid"\n'
    start = compiled(config(second)).snapshot
    far = replace(start.routes["second"].plans["*"], mode="canary", accepted=("house/small",), acting_share=0.1)
    learned = learned_policy()
    before = replace(with_plan(start, far, "second"), policies={"second": learned, "auto": learned})
    after, notes = compile_snapshot(config(), before, today=TODAY, made_by="test")
    assert "second" not in after.routes
    assert after.policies == {"auto": learned}
    assert notes == (
        "route second is no longer configured: what was accepted on it is dropped",
        "the policy learned for second is dropped: nothing uses it any more",
    )


def test_policies_of_another_version_are_dropped_and_what_chose_by_them_is_on_the_reference() -> None:
    start = compiled(config()).snapshot
    auto = replace(start.routes["auto"].plans["*"], mode="auto", accepted=("house/small",), acting_share=0.95)
    own = replace(accepted(start).routes["auto"].plans["plain"], one_model=None, policy="auto/plain")
    alone = replace(accepted(start, "tried").routes["auto"].plans["tried"], trial=None)
    before = with_plan(with_plan(with_plan(start, auto), own), alone)
    old = learned_policy(vector_version=features.VERSION - 1)
    after, notes = compiled(config(), replace(before, policies={"auto": old, "auto/plain": old}))
    plans_ = after.routes["auto"].plans
    assert after.policies == {}
    for feature in ("*", "plain"):
        plan = plans_[feature]
        assert (plan.mode, plan.accepted, plan.policy, plan.tested) == ("observe", (), "", None)
    assert (plans_["tried"].mode, plans_["tried"].one_model) == ("canary", "house/small")
    said = "\n".join(notes)
    assert "what was learned for auto is dropped: the learned policy is of another version: learn it again" in said
    assert "feature * on route auto goes back from auto to the reference" in said
    assert "to act again: `pointsman learn --route auto`" in said
    assert "to act again: try and accept plain again" in said
    assert len(notes) == 4
    kept = compiled(config(), replace(before, policies={"auto": learned_policy(), "auto/plain": old}))
    assert [plan.mode for plan in kept.snapshot.routes["auto"].plans.values()] == ["auto", "observe", "canary"]


def test_features_known_only_from_past_acts_disappear_when_nothing_is_left_of_them() -> None:
    before = plans.rollback(accepted(compiled(config()).snapshot, "once"), "auto", "once", now_ms=5)
    before = with_plan(before, replace(before.routes["auto"].plans["once"], value_nano=None))
    after, notes = compiled(config(), before)
    assert "once" not in after.routes["auto"].plans
    assert notes == ()


def test_a_pool_is_in_tiers_by_what_is_paid_for_and_the_prices_of_the_day() -> None:
    text = """
[providers.house]
base_url = "http://127.0.0.1:8000/v1"
[deployments."house/a"]
model_key = "m"
price = {input = 2, output = 2}
[deployments."house/b"]
model_key = "m"
price = {input = 1, output = 1}
[deployments."house/c"]
model_key = "m"
price = {input = 1.04, output = 1.04}
[deployments."house/ours"]
model_key = "m"
[[prices]]
deployment = "house/a"
since = 2026-12-01
input = 0.5
output = 0.5
[pools.m]
deployments = ["house/a", "house/b", "house/c", "house/ours"]
committed = ["house/ours"]
keep_free = 20
"""
    before, after = compiled(config(text)).snapshot, compiled(config(text), today=date(2026, 12, 1)).snapshot
    assert before.pools == (Pool((("house/ours",), ("house/b", "house/c"), ("house/a",)), 0.2),)
    assert after.pools == (Pool((("house/ours",), ("house/a",), ("house/b", "house/c")), 0.2),)
    assert snapshots.decode(snapshots.encode(after)) == after
    assert after.siblings("house/b") == after.pools[0].deployments
    assert after.siblings("house/x") == ("house/x",)


def test_a_pool_may_name_what_only_the_price_list_knows() -> None:
    text = FILE + '[deployments."house/g"]\nmodel_key = "gpt-5"\n[pools.g]\ndeployments = ["openai/gpt-5", "house/g"]\n'
    (pool,) = compiled(config(text)).snapshot.pools
    assert pool == Pool((("openai/gpt-5",), ("house/g",)), 0.1)


def test_a_features_filters_replace_the_routes_one_by_one() -> None:
    text = FILE.replace("[features.plain]\n", '[features.plain]\nallow = ["openai/*", "house/mid"]\nanswer_s = 9\n')
    text = text.replace("[routes.auto]\n", '[routes.auto]\nfirst_token_s = 1.5\nallow = ["openai/gpt-5", "house/*"]\n')
    plans = compiled(config(text)).snapshot.routes["auto"].plans
    assert (plans["*"].allow, plans["*"].ceiling) == (("openai/gpt-5", "house/*"), Ceiling(1.5))
    assert (plans["plain"].allow, plans["plain"].ceiling) == (("openai/*", "house/mid"), Ceiling(1.5, 9.0))
    assert compiled(config()).snapshot.routes["auto"].plans["*"].ceiling is None
    assert [plans["plain"].allows(name) for name in ("openai/x", "house/mid", "house/small")] == [True, True, False]


def test_a_trial_of_the_routes_candidates_leaves_out_who_may_not_answer() -> None:
    text = FILE.replace('candidates = ["house/small"]\ntrial', 'allow = ["openai/*", "house/small"]\ntrial')
    trial = compiled(config(text)).snapshot.routes["auto"].plans["tried"].trial
    assert trial is not None
    assert trial.candidates == ("house/small",), "house/mid, which has no price, is not missed"


def test_what_may_be_tried_is_the_features_own_from_a_purse_of_its_own_else_the_routes() -> None:
    text = FILE.replace("[features.plain]\n", "[features.plain]\nexplore = {share = 0.1, usd_per_day = 0.5}\n")
    text = text.replace("[routes.auto]\n", "[routes.auto]\nexplore = {share = 0.02, usd_per_day = 5}\n")
    plans = compiled(config(text)).snapshot.routes["auto"].plans
    assert plans["plain"].explore == Explore(0.1, 500_000_000, "auto/plain")
    assert plans["tried"].explore == plans["*"].explore == Explore(0.02, 5_000_000_000, "auto")
    assert compiled(config()).snapshot.routes["auto"].plans["*"].explore is None


def test_who_may_be_tried_is_kept_as_long_as_it_is_a_candidate() -> None:
    before = accepted(compiled(config()).snapshot)
    plan = replace(before.routes["auto"].plans["plain"], explorable={"house/mid": 0.75, "house/small": 0.25})
    kept = compiled(config(), with_plan(before, plan)).snapshot.routes["auto"].plans["plain"]
    assert kept.explorable == plan.explorable
    fewer = config(FILE, ('candidates = ["house/small", "house/mid"]', 'candidates = ["house/small"]'))
    left = compiled(fewer, with_plan(before, plan)).snapshot.routes["auto"].plans["plain"]
    assert left.explorable == {"house/small": 0.25}


def test_a_plan_that_only_tries_goes_on_acting() -> None:
    before = accepted(compiled(config()).snapshot)
    plan = replace(before.routes["auto"].plans["plain"], accepted=(), one_model=None, explorable={"house/mid": 1.0})
    kept = compiled(config(), with_plan(before, plan)).snapshot.routes["auto"].plans["plain"]
    assert (kept.mode, kept.accepted, kept.explorable) == ("canary", (), {"house/mid": 1.0})
