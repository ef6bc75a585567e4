"""From a table to a plan: names, references, and what is published."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs
from tests.policy.test_teach import NAMES, PRICED, table, vector

from pointsman.control.learn import EVERY, STEPS, act_on, learn, named, on_its_own, weighable
from pointsman.control.publish import _plan_faults
from pointsman.core.errors import GatewayError, TableError
from pointsman.core.routing import Context, Deployment, Grader, Needs, Objective, Plan, Route, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.policy import decide, model, naming
from pointsman.policy.decide import State
from pointsman.policy.outcomes import Outcomes

KNOWN = {one.name: one for one in PRICED}
MATCH = Objective("match", tolerance=0.03)
TAUGHT = learn(table(), MATCH, reference="p/big", known=KNOWN)


def snapshot(plan: Plan | None = None, reference: str | None = "p/big") -> Snapshot:
    plans = {EVERY: Plan(EVERY, reference=reference)} | ({plan.feature: plan} if plan else {})
    route = Route("auto", reference, ("p/sums", "p/words"), MATCH, 0.05, plans)
    return Snapshot(deployments=KNOWN, routes={"auto": route, "other": structs.replace(route, name="other")})


def test_names_of_the_table_become_deployments_and_strangers_are_named() -> None:
    rows = replace(table(), deployments=("big", "p/sums", "new"))
    found, unmapped = named(rows, {"big": "p/big"}, KNOWN)
    assert found.deployments == ("p/big", "p/sums", "new")
    assert unmapped == ("new",)


def test_two_models_of_one_deployment_are_refused() -> None:
    with pytest.raises(TableError, match="mapped to p/big"):
        named(replace(table(), deployments=("a", "b", "c")), {"a": "p/big", "b": "p/big"}, KNOWN)


def test_an_unknown_reference_is_refused_with_what_there_is() -> None:
    with pytest.raises(TableError, match="p/big, p/sums, p/words"):
        learn(table(), MATCH, reference="p/none", known=KNOWN)


def test_a_reference_without_grades_is_refused() -> None:
    rows = table()
    rows.score[:, 0] = np.nan
    with pytest.raises(TableError, match="no answer of the reference p/big is graded"):
        learn(rows, MATCH, reference="p/big", known=KNOWN)


def test_without_a_reference_the_best_single_model_is_compared_with() -> None:
    assert learn(table(), MATCH, known=KNOWN).reference == "p/big"


def test_each_step_of_learning_is_told_once_as_it_begins() -> None:
    told: list[str] = []
    learn(table(), MATCH, reference="p/big", known=KNOWN, tell=told.append)
    assert tuple(told) == STEPS


def test_few_easy_answers_do_not_make_a_model_the_best() -> None:
    """``p/sums`` answered little but what it is good at: its mean is the highest, and it is not what it would score."""
    rows = table()
    score = rows.score.copy()
    good = np.random.default_rng(0).integers(0, 2, 400) == 0  # the kind of each prompt, as table() draws it
    score[~good & (np.arange(400) % 4 > 0), 1] = np.nan
    score[:, 0] = np.where(np.arange(400) % 4 == 1, 0.0, 1.0)
    sparse = replace(rows, score=score)
    assert np.nanmean(score, axis=0).argmax() == 1
    assert learn(sparse, Objective("best"), known=KNOWN).reference == "p/big"


def test_costs_can_be_weighed_by_price_or_record() -> None:
    rows = table()
    bare = replace(rows, cost_nano=np.full((400, 3), np.nan))
    assert weighable(rows, {})
    assert weighable(bare, KNOWN)
    assert not weighable(bare, {})
    assert not weighable(replace(bare, output_tokens=np.full((400, 3), np.nan)), KNOWN)
    with pytest.raises(TableError, match="weighs money"):
        learn(bare, MATCH, known={})


def test_learning_publishes_a_plan_for_all_features_without_their_own() -> None:
    own = Plan("letters", mode="observe", reference="p/words")
    changed = act_on(snapshot(own), "auto", TAUGHT, now_ms=7)
    plan = changed.routes["auto"].plans[EVERY]
    assert (plan.mode, plan.accepted, plan.acting_share, plan.since_ms) == ("auto", ("p/sums", "p/words"), 0.95, 7)
    assert plan.value_nano == TAUGHT.trade.value_nano
    assert changed.routes["auto"].plans["letters"] == own
    assert changed.routes["other"] == snapshot(own).routes["other"]
    assert model.decode(changed.policies["auto"]).deployments == TAUGHT.deployments
    assert "400 prompts" in changed.made_by


@pytest.mark.parametrize(
    ("grader", "running", "left"),
    [
        (None, None, None),
        (Grader("exact"), None, (1.0, 1)),
        (Grader("judge", "p/judge"), None, None),
        (Grader("judge", "p/judge"), Trial("t", ("p/sums",), 0.1, 500), (0.1, 500)),
    ],
)
def test_what_was_learned_is_graded_as_it_serves_where_that_costs_nothing_or_was_paid_for(
    grader: Grader | None, running: Trial | None, left: tuple[float, int] | None
) -> None:
    before = Plan(EVERY, reference="p/big", grader=grader, trial=running)
    trial = act_on(snapshot(before), "auto", TAUGHT, now_ms=7).routes["auto"].plans[EVERY].trial
    assert (None if trial is None else (trial.share, trial.cap_nano)) == left
    if trial is not None:
        assert trial.candidates == (), "nothing is tried"


def test_only_what_the_table_knows_and_the_snapshot_has_is_accepted() -> None:
    fewer = structs.replace(snapshot(), deployments={name: KNOWN[name] for name in ("p/big", "p/words")})
    assert act_on(fewer, "auto", TAUGHT, now_ms=0).routes["auto"].plans[EVERY].accepted == ("p/words",)


def graded(*chances: float) -> Outcomes:
    """Return a table on which nothing can be told of a prompt."""
    return replace(table(), score=(np.random.default_rng(4).random((400, 3)) < chances).astype(float))


def test_where_the_reference_suffices_nothing_proven_bad_may_even_stand_in_for_it() -> None:
    taught = learn(graded(0.9, 0.5, 0.5), Objective("match", tolerance=0.01), reference="p/big", known=KNOWN)
    changed = act_on(snapshot(), "auto", taught, now_ms=0)
    plan = changed.routes["auto"].plans[EVERY]
    assert (plan.mode, plan.accepted, plan.acting_share, plan.one_model) == ("observe", (), 0.0, "p/big")
    assert model.decode(changed.policies["auto"]).deployments == NAMES
    assert not list(_plan_faults(changed, changed.routes["auto"], plan))
    policy = model.decode(changed.policies["auto"])
    cooling = State(cooling=frozenset({"p/big"}))
    target = naming.resolve(changed, "auto")
    found = decide.decide(changed, target, policy, Context("f", Needs(), vector("sums")), State(), 0.0)
    assert (found.chosen, found.fallbacks) == ("p/big", ())
    with pytest.raises(GatewayError):
        decide.decide(changed, target, policy, Context("f", Needs(), vector("sums")), cooling, 0.0)


def test_where_another_model_suffices_it_alone_is_accepted() -> None:
    taught = learn(graded(0.8, 0.9, 0.2), Objective("match", tolerance=0.05), reference="p/big", known=KNOWN)
    changed = act_on(snapshot(), "auto", taught, now_ms=0)
    plan = changed.routes["auto"].plans[EVERY]
    assert (plan.mode, plan.accepted, plan.one_model) == ("auto", ("p/sums",), "p/sums")
    assert not list(_plan_faults(changed, changed.routes["auto"], plan))


def test_what_the_trade_off_never_chose_is_not_accepted() -> None:
    rows = table()
    score = rows.score.copy()
    score[:, 2] = 0.0
    taught = learn(replace(rows, score=score), MATCH, reference="p/big", known=KNOWN)
    assert taught.trade.one_model is None
    assert act_on(snapshot(), "auto", taught, now_ms=0).routes["auto"].plans[EVERY].accepted == ("p/sums",)


@pytest.mark.parametrize(
    ("route", "reference", "says"), [("none", "p/big", "there is no route"), ("auto", None, "no reference")]
)
def test_a_route_must_be_there_and_have_a_reference(route: str, reference: str | None, says: str) -> None:
    with pytest.raises(TableError, match=says):
        act_on(snapshot(reference=reference), route, TAUGHT, now_ms=0)


def test_on_its_own_a_snapshot_has_every_model_of_the_table() -> None:
    alone = on_its_own("mine", TAUGHT, {"p/big": KNOWN["p/big"]}, MATCH)
    assert set(alone.deployments) == set(KNOWN)
    assert alone.deployments["p/sums"] == Deployment("p/sums", "table", "p/sums", "p/sums")
    assert alone.routes["mine"].plans[EVERY].acting_share == 1.0
