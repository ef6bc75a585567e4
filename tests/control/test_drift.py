"""A deployment that changed: what is published, what counts no more, what goes on."""

from msgspec.structs import replace
from tests.control.conftest import current

from pointsman.control.drift import CANARY, DriftWatch, leaned_on, quarantined
from pointsman.control.evidence import today
from pointsman.control.publish import faults, publish
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.release import Change, Release
from pointsman.core.routing import (
    BoundTest,
    Decision,
    Deployment,
    Explore,
    Grader,
    Objective,
    Plan,
    Prediction,
    Provider,
    Route,
)
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Store

NAMES = ("z/big", "z/small", "z/mid", "z/idle")
PLAN = Plan(
    "support", "auto", "z/big", accepted=("z/small",), acting_share=0.95, one_model="z/small", grader=Grader("exact")
)
CHANGE = Change(500, 900, "30 points worse than it was")


def snapshot(*plans: Plan) -> Snapshot:
    named = {"*": Plan("*"), **{plan.feature: plan for plan in plans}}
    return Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "z", name[2:], name[2:]) for name in NAMES},
        {"auto": Route("auto", "z/big", ("z/small",), Objective(), 0.05, named)},
    )


def judged(start: int, count: int, right: int, *, deployment: str = "z/small", arm: str = "candidate") -> list[Judgement]:
    """Grades of which ``right`` of ten are 1, evenly mixed."""
    return [
        Judgement(f"{arm}{n:09}", n, "support", deployment, arm, float(n * 7 % 10 < right), "exact")  # type: ignore[arg-type]
        for n in range(start, start + count)
    ]


def watching(store: Store, said: list[str]) -> DriftWatch:
    return DriftWatch(store, now_ms=lambda: 99_000, say=said.append)


def test_who_gets_worse_serves_no_more_and_what_was_judged_before_counts_no_more(store: Store) -> None:
    publish(store, lambda _: snapshot(PLAN), made_by="a test", now_ms=1)
    said: list[str] = []
    watch = watching(store, said)
    store.journal.judge(judged(0, 1000, 9))
    watch.look(current(store))
    assert not said
    store.journal.judge(judged(1000, 300, 4))
    watch.look(current(store))
    after = current(store)
    change = after.changes["z/small"]
    assert change.barred
    assert 980 <= change.since_ms <= 1010
    assert after.routes["auto"].plans["support"].mode == "observe"
    assert "it serves support no more" in said[0]
    published = store.snapshots.current()
    assert published
    assert published.made_by.startswith("z/small changed: ")
    kept = [one.at_ms for one in today(judged(0, 1300, 9), after)]
    assert kept == list(range(change.since_ms, 1300))
    watch.look(current(store))
    watching(store, said).look(current(store))
    assert len(said) == 1  # what it does now is what is usual


def test_what_was_said_long_before_it_was_written_is_heard(store: Store) -> None:
    publish(store, lambda _: snapshot(PLAN), made_by="a test", now_ms=1)
    said: list[str] = []
    watch = watching(store, said)
    store.journal.judge(judged(0, 1000, 9))
    store.journal.judge([replace(one, at_ms=9_000_000) for one in judged(1000, 1, 9)])
    watch.look(current(store))
    store.journal.judge(judged(1001, 300, 4))
    watch.look(current(store))
    assert len(said) == 1
    assert current(store).changes["z/small"].barred


def test_harder_requests_that_the_policy_sends_are_no_change(store: Store) -> None:
    """Half of what comes is hard; from the 300th grade of the reference on, the hard half is sent to it, beside control."""
    publish(store, lambda _: snapshot(PLAN), made_by="a test", now_ms=1)
    said: list[str] = []
    store.journal.judge(judged(0, 300, 9, deployment="z/big", arm="reference"))
    store.journal.judge(judged(300, 1000, 5, deployment="z/big", arm="policy"))
    store.journal.judge(judged(300, 1000, 5, deployment="z/big", arm="explore"))
    store.journal.judge(judged(300, 1000, 7, deployment="z/big", arm="control"))
    watching(store, said).look(current(store))
    assert not said


def predicted(start: int, count: int, right: int, quality: float) -> tuple[list[ExchangeRecord], list[Judgement]]:
    """Exchanges that the reference served, with what was predicted of the small one, and its grades in a trial."""
    graded = judged(start, count, right)
    foreseen = (Prediction("z/small", quality, 0.1, 1000),)
    decision = Decision("z/big", (), ("z/big",), (1.0,), "auto", "control", "", predictions=foreseen)
    attempts = (Attempt("z/big", "first", 0, 200),)
    records = [
        ExchangeRecord(one.exchange, one.at_ms, "auto", "support", "ok", 200, decision, attempts, "auto") for one in graded
    ]
    return records, graded


def test_requests_that_become_harder_for_all_are_no_change_where_the_policy_knows(store: Store) -> None:
    publish(store, lambda _: snapshot(PLAN), made_by="a test", now_ms=1)
    said: list[str] = []
    watch = watching(store, said)
    for start, right, quality in ((0, 9, 0.9), (1000, 6, 0.6)):
        records, graded = predicted(start, 1000, right, quality)
        store.journal.append(records)
        store.journal.judge(graded)
        watch.look(current(store))
    assert not said
    records, graded = predicted(2000, 400, 1, 0.6)
    store.journal.append(records)
    store.journal.judge(graded)
    watch.look(current(store))
    assert "support, by exact, less what was predicted" in said[0]
    assert 1950 <= current(store).changes["z/small"].since_ms <= 2020


def test_canary_prompts_are_compared_each_with_its_own_answers(store: Store) -> None:
    publish(store, lambda _: snapshot(replace(PLAN, mode="canary")), made_by="a test", now_ms=1)
    said: list[str] = []
    usual = [float(prompt % 2) for prompt in range(40)]  # half of them it never solved
    fewer = [0.0 if prompt % 4 == 1 else score for prompt, score in enumerate(usual)]
    trial = f"{CANARY}support"
    for turn in range(20):
        scores = usual if turn < 8 else fewer
        ids = [f"{CANARY}{prompt:04x}:{turn}" for prompt in range(40)]
        store.journal.judge(
            [
                Judgement(one, turn, "support", "z/small", "candidate", score, "exact", trial)
                for one, score in zip(ids, scores, strict=True)
            ]
        )
        watching(store, said).look(current(store))
        if said:
            break
    assert 8 < turn < 15
    assert "points worse than it was" in said[0]
    assert "canary prompts, by exact" in said[0]
    assert current(store).changes["z/small"].since_ms == 8


def test_the_reference_goes_on_and_that_is_said(store: Store) -> None:
    publish(store, lambda _: snapshot(PLAN), made_by="a test", now_ms=1)
    said: list[str] = []
    store.journal.judge(judged(0, 1000, 9, deployment="z/big", arm="control"))
    store.journal.judge(judged(1000, 400, 3, deployment="z/big", arm="control"))
    watching(store, said).look(current(store))
    assert "it is a reference, and goes on" in said[0]
    assert current(store).routes["auto"].plans["support"] == PLAN
    assert current(store).changes["z/big"].since_ms > 900


def test_what_is_chosen_per_request_goes_on_without_it() -> None:
    tested = BoundTest(500, 0.05, 0.95)
    both = replace(PLAN, accepted=("z/small", "z/mid"), one_model=None, tested=tested)
    released = replace(snapshot(both), releases=(Release("z/small", "auto", 1, ("support",)),))
    after = quarantined(released, "z/small", CHANGE, now_ms=950)
    plan = after.routes["auto"].plans["support"]
    assert (plan.mode, plan.accepted, plan.since_ms) == ("auto", ("z/mid",), 950)
    assert plan.tested == tested, "what is learned next must pass that test too"
    assert after.releases[0].ended == {"support": CHANGE.why}
    assert list(faults(after)) == []


def test_only_those_that_matter_are_watched() -> None:
    assert leaned_on(snapshot(PLAN)) == {"z/big", "z/small"}
    tried = replace(PLAN, explorable={"z/mid": 0.5, "z/idle": 0.0})
    assert leaned_on(snapshot(tried)) == {"z/big", "z/small"}, "the owner lets nobody be tried"
    assert leaned_on(snapshot(replace(tried, explore=Explore(0.02, 10**9, "auto")))) == {"z/big", "z/small", "z/mid"}
