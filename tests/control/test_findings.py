"""All that the trials of a route found, worked out from a real journal."""

import pytest
from msgspec.structs import replace

from pointsman.control.findings import findings, propose
from pointsman.control.plans import PlanError, start_trial, trial_id
from pointsman.control.tailor import FIRST, GROWTH, PER_REQUEST
from pointsman.core.chat import ChatRequest, Message, Text, Usage
from pointsman.core.price import Price
from pointsman.core.record import Judgement
from pointsman.core.routing import Deployment, Grader, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import features as vectors
from pointsman.policy.cost import amount
from pointsman.store.interfaces import Filter, Store
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.zoo import Zoo

BIG, CRANE, STORK = "zoo/sim-eagle-xl", "zoo/sim-crane-m", "zoo/sim-stork-m"
ZOO = Zoo(seed=3)


def snapshot(candidates: tuple[str, ...] = (CRANE, STORK)) -> Snapshot:
    plan = Plan("*", reference=BIG, grader=Grader("exact"))
    before = Snapshot(
        {"zoo": Provider("zoo", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "zoo", name[4:], name[4:], price=price(name)) for name in (BIG, CRANE, STORK)},
        {"auto": Route("auto", BIG, (CRANE, STORK), Objective(), 0.05, {"*": plan})},
    )
    return start_trial(before, "auto", "support", candidates=candidates, share=1.0, cap_nano=10**9)


def price(name: str) -> Price:
    rates = ZOO.rates(name[4:])
    assert rates is not None
    return Price(rates)


def judge(store: Store, current: Snapshot, count: int, candidates: tuple[str, ...] = (CRANE, STORK)) -> None:
    """Write what a trial of the zoo's support requests writes: each cheap model is good at a part of them."""
    trial = current.routes["auto"].plans["support"].trial
    assert trial is not None
    rows = []
    for place, task in enumerate(features()["support"].tasks(count, seed=11)):
        messages = (Message("system", (Text(task.system),)), Message("user", (Text(task.user),)))
        vector = vectors.vector(ChatRequest("auto", messages))
        for name in (BIG, *candidates):
            truth = ZOO.truth(name[4:], task)
            usage = Usage(truth.input_tokens, truth.output_tokens, truth.cached_tokens)
            rows.append(
                Judgement(
                    exchange=f"x{place}", at_ms=place, feature="support", deployment=name, trial=trial.id, grader="exact",
                    arm="reference" if name == BIG else "candidate", score=float(truth.right), usage=usage,
                    cost_nano=amount(usage, price(name)), vector=vector,
                )
            )  # fmt: skip
    store.journal.judge(rows)


def test_each_candidate_has_a_row_and_choosing_per_request_one_of_its_own(store: Store) -> None:
    current = snapshot()
    judge(store, current, 900)
    found = findings(store.journal, current, "auto")
    assert [(row.candidate, row.kind) for row in found.rows] == [(CRANE, "stay"), (STORK, "stay"), (PER_REQUEST, "ready")]
    learned_from = found.tailored["support"].learned_from
    assert learned_from in (FIRST, FIRST * GROWTH)
    assert found.rows[-1].change.n == 900 - learned_from  # never tested on what it was learned from
    proposal = propose(found, "support")
    assert proposal.why == "no single model is ready"
    assert set(proposal.serving.accepted) == {CRANE, STORK}


def test_two_features_in_one_trial_are_learned_and_tested_apart(store: Store) -> None:
    current = snapshot()
    judge(store, current, 900)
    alone = findings(store.journal, current, "auto", "support")
    every = trial_id("auto", "*", BIG, Grader("exact"))
    rows = [replace(row, trial=every, at_ms=row.at_ms + 1000) for row in store.journal.judgements(Filter())]
    others = [replace(row, feature="other", exchange=f"o{row.exchange}", score=1.0) for row in rows]
    store.journal.judge([*rows, *others[:600]])
    found = findings(store.journal, current, "auto")
    assert found.tailored["support"].row == replace(alone.tailored["support"].row, trial=every)
    assert found.tailored["support"].choices == alone.tailored["support"].choices
    assert found.tailored["other"].row.change.n == 200 - FIRST


def test_with_one_candidate_there_is_nothing_to_choose_per_request(store: Store) -> None:
    current = snapshot((CRANE,))
    judge(store, current, 200, (CRANE,))
    found = findings(store.journal, current, "auto")
    assert [row.candidate for row in found.rows] == [CRANE]
    assert found.tailored == {}


def test_a_deployment_that_exists_no_more_keeps_its_verdict_and_is_not_learned_from(store: Store) -> None:
    current = snapshot()
    judge(store, current, 200)
    assert PER_REQUEST in [row.candidate for row in findings(store.journal, current, "auto").rows]
    gone = replace(current, deployments={name: one for name, one in current.deployments.items() if name != STORK})
    assert [row.candidate for row in findings(store.journal, gone, "auto").rows] == [CRANE, STORK]


def test_what_another_check_found_is_no_evidence_and_the_trial_judged_last_counts(store: Store) -> None:
    current = snapshot()
    judge(store, current, 200)
    fresh = start_trial(current, "auto", "support", candidates=(CRANE, STORK), share=1.0, cap_nano=10**9, fresh="2")
    judge(store, fresh, 20)
    first, second = (one.routes["auto"].plans["support"].trial for one in (current, fresh))
    assert first is not None
    assert second is not None
    later = next(iter(store.journal.judgements(Filter(trial=first.id))))
    assert {row.trial for row in findings(store.journal, fresh, "auto").rows} == {first.id}, "judged until later"
    pair = [
        replace(later, exchange="late", at_ms=5000, trial=second.id, deployment=name, arm=arm)
        for name, arm in ((BIG, "reference"), (CRANE, "candidate"), (STORK, "candidate"))
    ]
    store.journal.judge(pair)
    assert {row.trial for row in findings(store.journal, fresh, "auto").rows} == {second.id}
    plan = replace(fresh.routes["auto"].plans["support"], grader=Grader("numeric"))
    changed = replace(
        fresh, routes={"auto": replace(fresh.routes["auto"], plans={**fresh.routes["auto"].plans, "support": plan})}
    )
    assert findings(store.journal, changed, "auto").rows == ()
    with pytest.raises(PlanError, match="by the check and against the reference that it has today"):
        propose(findings(store.journal, changed, "auto"), "support")


def test_only_the_feature_that_is_asked_for(store: Store) -> None:
    current = snapshot()
    judge(store, current, 20)
    assert findings(store.journal, current, "auto", "another").rows == ()
    assert {row.feature for row in findings(store.journal, current, "auto", "support").rows} == {"support"}
