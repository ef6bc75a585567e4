"""A release by stages, as values and in a real store."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from pointsman.control import plans, releases, wave
from pointsman.control.compile import compile_snapshot
from pointsman.control.config import parse
from pointsman.control.plans import PlanError, plan_of
from pointsman.control.publish import faults, publish
from pointsman.control.releases import Stages, add, check, drop, lines, stage, trust
from pointsman.core import snapshot as snapshots
from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.release import Change, Release
from pointsman.core.review import Opinion, Question
from pointsman.core.routing import Decision, Deployment, Grader, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot, decode, encode
from pointsman.policy.queue import priority
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import open_store

PRICES = {"z/big": "1", "z/mid": "0.5", "z/new": "0.2", "z/dear": "2"}
NEW = "z/new"


def snapshot() -> Snapshot:
    deployments = {
        name: Deployment(name, "z", name[2:], name[2:], price=Price(Rates(Decimal(price), Decimal(price))))
        for name, price in PRICES.items()
    }
    deployments["z/bare"] = Deployment("z/bare", "z", "bare", "bare")
    named = {
        "*": Plan("*", reference="z/big", grader=Grader("exact")),
        "support": Plan("support", reference="z/big", grader=Grader("exact")),
        "mail": Plan("mail", reference="z/big", grader=Grader("exact"), allow=("z/big", "z/mid")),
        "talk": Plan("talk", reference="z/big"),
    }
    route = Route("auto", "z/big", (), Objective(), 0.05, named)
    return Snapshot({"z": Provider("z", "http://127.0.0.1:9/v1")}, deployments, {"auto": route})


def added(before: Snapshot, *features: str, auto: bool = False, name: str = NEW) -> Snapshot:
    wanted = features or ("support",)
    return add(before, "auto", name, wanted, share=0.2, caps_nano=dict.fromkeys(wanted, 5), auto=auto, now_ms=100)


def judged(now: Snapshot, name: str, n: int, *, worse: float = 0.0, feature: str = "support") -> list[Judgement]:
    """Pairs of grades; costs follow from the prices."""
    trial = plan_of(now, "auto", feature).trial
    assert trial
    rows = []
    for place in range(n):
        pair = (f"{name}{place:06}", 200 + place, feature)
        score = float(place * 7 % 100 >= 100 * worse)
        rows.append(Judgement(*pair, "z/big", "reference", 1.0, "exact", trial.id, Usage(100, 10), 110_000))
        rows.append(Judgement(*pair, name, "candidate", score, "exact", trial.id, Usage(100, 10), 22_000))
    return rows


class Scene:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.said: list[str] = []
        self.stages = Stages(store, now_ms=lambda: 9000, say=self.said.append)

    def publish(self, change: Callable[[Snapshot], Snapshot]) -> None:
        publish(self.store, change, made_by="a test", now_ms=1)

    @property
    def now(self) -> Snapshot:
        published = self.store.snapshots.current()
        assert published
        return snapshots.decode(published.data)

    def look(self) -> None:
        self.stages.look(self.now)

    @property
    def stage(self) -> str:
        return stage(self.now, self.now.releases[0], "support")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    store = open_store(tmp_path, vector_key=None)
    made = Scene(store)
    made.publish(lambda _: snapshot())
    yield made
    store.close()


def test_a_release_begins_in_shadow_beside_what_is_tried_already() -> None:
    trying = plans.start_trial(snapshot(), "auto", "support", candidates=("z/mid",), cap_nano=3)
    after = added(trying)
    trial = plan_of(after, "auto", "support").trial
    assert trial
    before = plan_of(trying, "auto", "support").trial
    assert before
    assert (trial.id, trial.candidates, trial.cap_nano) == (before.id, ("z/mid", NEW), 5)
    assert after.releases == (Release(NEW, "auto", 100, ("support",)),)
    assert stage(after, after.releases[0], "support") == "shadow"
    assert decode(encode(after)) == after
    assert list(faults(after)) == []
    assert after.made_by == "release of z/new: shadow of support"


def test_it_can_be_tried_where_there_is_a_check_and_it_may_answer() -> None:
    assert releases.testable(snapshot(), "auto", NEW) == ("support",)
    assert releases.testable(snapshot(), "auto", "z/mid") == ("support", "mail")


@pytest.mark.parametrize(
    ("route", "name", "words"),
    [
        ("auto", "z/nwe", r"no deployment of the configuration: declare it.*Did you mean z/new"),
        ("auto", "z/bare", "no price is known for z/bare"),
        ("auto", "z/big", "is the reference"),
        ("other", NEW, "routes: auto"),
    ],
)
def test_what_cannot_be_released_is_refused(route: str, name: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        check(snapshot(), route, name)


def test_what_is_under_way_is_not_begun_again_and_what_is_over_may_be() -> None:
    with pytest.raises(PlanError, match="under way already"):
        added(added(snapshot()))
    over = drop(added(snapshot()), "auto", NEW, "not now", now_ms=1)
    assert over.releases[0].ended == {"support": "not now"}
    assert plan_of(over, "auto", "support").mode == "observe"
    assert added(over).releases == (Release(NEW, "auto", 100, ("support",)),)
    with pytest.raises(PlanError, match="is over"):
        drop(over, "auto", NEW, "again", now_ms=1)
    with pytest.raises(PlanError, match="released: z/new"):
        drop(over, "auto", "z/mid", "never came", now_ms=1)
    with pytest.raises(PlanError, match="has a check or judge"):
        add(snapshot(), "auto", NEW, (), share=0.2, caps_nano={}, auto=False, now_ms=1)
    with pytest.raises(PlanError, match="name the features"):
        added(snapshot(), "*")


def test_dropping_leaves_other_candidates_alone() -> None:
    trying = plans.start_trial(snapshot(), "auto", "support", candidates=("z/mid",), cap_nano=3)
    trial = plan_of(drop(added(trying), "auto", NEW, "no", now_ms=1), "auto", "support").trial
    assert trial
    assert trial.candidates == ("z/mid",)


def test_what_passes_is_said_once_and_left_to_the_owner(scene: Scene) -> None:
    scene.publish(added)
    scene.look()
    scene.store.journal.judge(judged(scene.now, NEW, 400))
    for _ in range(2):
        scene.look()
    assert len(scene.said) == 1
    assert "Next: pointsman accept support --candidate z/new" in scene.said[0]
    assert scene.stage == "shadow"


def test_what_passes_serves_by_itself_where_the_owner_said_so_and_goes_on_by_the_gates(scene: Scene) -> None:
    scene.publish(lambda now: added(now, auto=True))
    scene.store.journal.judge(judged(scene.now, NEW, 400))
    scene.look()
    assert scene.stage == "canary"
    assert "it is in canary now" in scene.said[0]
    assert scene.now.releases[0].replaced == {"support": "z/big"}
    assert scene.now.made_by.startswith("accepted for support: z/new: 400 judged")
    scene.publish(lambda now: plans.promote(now, "auto", "support", now_ms=3))
    assert scene.stage == "full"
    scene.publish(lambda now: plans.rollback(now, "auto", "support", now_ms=4, why="it failed more often"))
    assert scene.stage == "over"
    assert scene.now.releases[0].ended == {"support": "it failed more often"}


def test_the_word_of_enough_people_goes_before_the_checks(scene: Scene) -> None:
    scene.publish(lambda now: added(now, auto=True))
    rows = judged(scene.now, NEW, 400)
    scene.store.journal.judge(rows)
    answers = [one for one in rows if one.arm == "candidate"]
    asked = [Question(one.exchange, one.trial, "support", NEW, "z/big", "candidate", one.at_ms, 0.0, 1.0) for one in answers]
    scene.store.reviews.keep([(one, None) for one in asked], most=1000)
    asked.sort(key=lambda one: -priority(one.id, one.worth))
    worse = [
        Opinion(one.id, "ann", 1000 + place, "reference", "candidate", 2.0, priority(asked[place + 1].id, 1.0))
        for place, one in enumerate(asked[:150])
    ]
    scene.store.reviews.say(worse)
    scene.look()
    assert scene.stage == "over"
    assert "-100 [" in scene.said[0]
    (line,) = lines(scene.store, scene.now, lambda _: 0, now_ms=9600)
    assert line.standings[0].row is not None
    assert line.standings[0].row.people is not None


def test_what_does_not_pass_is_tried_no_more(scene: Scene) -> None:
    scene.publish(lambda now: added(now, auto=True))
    scene.store.journal.judge(judged(scene.now, NEW, 300, worse=0.4))
    scene.look()
    assert scene.stage == "over"
    assert "stay" in scene.said[0]
    assert "points, stay" in scene.now.releases[0].ended["support"]


def test_what_passes_on_one_feature_and_not_on_another_is_done_in_one_look(scene: Scene) -> None:
    both = replace(snapshot().routes["auto"].plans["support"], feature="letters")
    route = snapshot().routes["auto"]
    scene.publish(lambda now: replace(now, routes={"auto": replace(route, plans={**route.plans, "letters": both})}))
    scene.publish(lambda now: added(now, "support", "letters", auto=True))
    scene.store.journal.judge(judged(scene.now, NEW, 400))
    scene.store.journal.judge(judged(scene.now, NEW, 300, worse=0.4, feature="letters"))
    scene.look()
    release = scene.now.releases[0]
    assert [stage(scene.now, release, feature) for feature in release.features] == ["canary", "over"]
    assert len(scene.said) == 2


def test_what_is_not_cheaper_than_what_serves_or_what_else_is_ready_is_left_to_the_owner(scene: Scene) -> None:
    scene.publish(lambda now: plans.start_trial(now, "auto", "support", candidates=("z/mid", NEW), cap_nano=3))
    scene.store.journal.judge([*judged(scene.now, "z/mid", 400), *judged(scene.now, NEW, 400)])
    scene.publish(lambda now: added(now, auto=True, name="z/mid"))
    scene.look()
    assert scene.stage == "shadow"
    assert "Next: pointsman accept support --candidate z/mid" in scene.said[0]


def test_the_wave_says_what_was_judged_served_replaced_and_paid(scene: Scene) -> None:
    scene.publish(lambda now: added(now, auto=True))
    scene.store.journal.judge(judged(scene.now, NEW, 400))
    scene.look()
    decision = Decision(NEW, (), ("z/big", NEW), (0.9, 0.1), "canary", "policy", "why")
    scene.store.journal.append(
        [
            ExchangeRecord(
                f"x{place}", 9500, "auto", "support", "ok", 200, decision, (Attempt(NEW, "first", 1, 200),), route="auto"
            )
            for place in range(7)
        ]
    )
    (line,) = lines(scene.store, scene.now, lambda _: 1000, now_ms=9600)
    (standing,) = line.standings
    assert (standing.feature, standing.stage, standing.served, standing.replaced) == ("support", "canary", 7, "z/big")
    assert standing.row
    assert standing.row.change.n == 400
    assert line.cost_nano == 1000 + 400 * 22_000


def test_a_configuration_that_is_loaded_again_keeps_releases_and_changes() -> None:
    text = b"""
[providers.z]
base_url = "http://127.0.0.1:9/v1"
[deployments."z/big"]
[deployments."z/new"]
price = {input = 0.2, output = 0.2}
[routes.auto]
reference = "z/big"
[features.support]
check = {kind = "exact"}
"""
    config = parse(text, "f")
    today = date(2026, 11, 28)
    before = compile_snapshot(config, None, today=today, made_by="t").snapshot
    grown = replace(added(before), changes={NEW: Change(1, 2, "worse"), "z/gone": Change(1, 2, "worse")})
    after = compile_snapshot(config, grown, today=today, made_by="t").snapshot
    assert after.releases == grown.releases
    assert after.changes.keys() == {NEW}
    assert stage(after, after.releases[0], "support") == "shadow"


def test_who_changed_may_act_again_once_tested_or_on_its_owners_word(scene: Scene) -> None:
    scene.publish(lambda now: replace(added(now, auto=True), changes={NEW: Change(200, 300, "worse")}))
    scene.store.journal.judge(judged(scene.now, NEW, 400))
    assert trust(scene.now, NEW).changes == {NEW: Change(200, 300, "worse", barred=False)}
    scene.look()
    assert scene.now.changes == {NEW: Change(200, 300, "worse", barred=False)}
    with pytest.raises(PlanError, match="not barred"):
        trust(scene.now, NEW)


def test_what_per_request_replaces_is_called_that() -> None:
    chosen = Plan("support", "auto", "z/big", accepted=("z/mid", NEW))
    assert wave.serves(chosen) == "per request"
    assert wave.serves(replace(chosen, accepted=())) == "z/big"
    assert wave.serves(replace(chosen, one_model="z/mid")) == "z/mid"
