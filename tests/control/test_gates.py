"""What acts, beside its control share: promoted, sent back, or left alone; in a real store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pointsman.control.gates import LEAST, Gatekeeper
from pointsman.control.publish import publish
from pointsman.core import snapshot as snapshots
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import BoundTest, Decision, Deployment, Gates, Grader, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import open_store

NAMES = ("z/big", "z/small")
PLAN = Plan(
    "support", "canary", "z/big", accepted=("z/small",), acting_share=0.1, one_model="z/small", since_ms=1000,
    grader=Grader("exact"),
)  # fmt: skip


def acting(*plans: Plan, gates: Gates = Gates()) -> Snapshot:  # noqa: B008 - frozen
    named = {"*": Plan("*"), **{plan.feature: plan for plan in plans}}
    return Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "z", name[2:], name[2:]) for name in NAMES},
        {"auto": Route("auto", "z/big", ("z/small",), Objective(), 0.05, named, gates=gates)},
    )


class Scene:
    """A store, the gatekeeper of it, what it said, and a clock that stands still unless it is moved."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.said: list[str] = []
        self.keeper = self.restarted()
        self._served = 0

    def restarted(self) -> Gatekeeper:
        return Gatekeeper(self.store, now_ms=lambda: 9_000_000, say=self.said.append)

    def publish(self, snapshot: Snapshot) -> None:
        publish(self.store, lambda _: snapshot, made_by="a test", now_ms=1)

    @property
    def snapshot(self) -> Snapshot:
        published = self.store.snapshots.current()
        assert published
        return snapshots.decode(published.data)

    def plan(self, feature: str = "support") -> Plan:
        return self.snapshot.routes["auto"].plans[feature]

    def look(self) -> None:
        self.keeper.look(self.snapshot)

    def serve(
        self, arm: str, count: int, *, errors: int = 0, grade: float | None = None, took: float = 100.0, nano: int = 1000,
        feature: str = "support", route: str = "auto", course: str = "", grader: str = "exact",
        fell_back: bool = False, weight: float = 1.0, named: str = "",
    ) -> None:  # fmt: skip
        chosen = "z/small" if arm == "policy" else "z/big"
        decision = Decision(chosen, (), NAMES, (0.9, 0.1), "canary", arm, "why", course=course)  # type: ignore[arg-type]
        ids = [f"{self._served + place:020}" for place in range(count)]
        self._served += count
        further = (Attempt("z/big", "fallback", 2001, 200),) if fell_back else ()
        self.store.journal.append(
            [
                ExchangeRecord(
                    one, 2000 + int(one), "auto", feature, "error" if place < errors else "ok", 200, decision,
                    (Attempt(chosen, "first", 2000, 200, cost_nano=nano + 10 * (place % 7)), *further), route=route,
                    latency_ms=took, conversation=named,
                )
                for place, one in enumerate(ids)
            ]
        )  # fmt: skip
        if grade is not None:
            kept: dict[str, Any] = {"feature": feature, "deployment": chosen, "arm": arm, "grader": grader, "weight": weight}
            right = [place * 7 % 10 < round(10 * grade) for place in range(count)]
            self.store.journal.judge(
                [
                    Judgement(exchange=one, at_ms=3000 + int(one), score=float(well), **kept)
                    for one, well in zip(ids, right, strict=True)
                ]
            )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    store = open_store(tmp_path, vector_key=None)
    yield Scene(store)
    store.close()


def test_a_canary_that_fails_no_more_often_becomes_auto(scene: Scene) -> None:
    scene.publish(acting(PLAN))
    scene.serve("policy", 230)
    scene.serve("control", 9 * 240)
    scene.look()
    assert scene.plan().mode == "canary"
    scene.serve("policy", 4)
    scene.look()
    assert (scene.plan().mode, scene.plan().acting_share) == ("auto", 0.95)
    assert scene.said == ["support promoted from canary to auto: 0 of 234 requests failed, 0 of 2,160 of what was held back"]


def test_a_wide_margin_needs_the_least_number_all_the_same(scene: Scene) -> None:
    scene.publish(acting(PLAN, gates=Gates(errors=0.5)))
    scene.serve("policy", LEAST - 1)
    scene.serve("control", 9 * LEAST)
    scene.look()
    assert scene.plan().mode == "canary"


def test_without_anything_to_compare_with_a_canary_waits(scene: Scene) -> None:
    scene.publish(acting(PLAN))
    scene.serve("policy", 3000, errors=1500)
    scene.look()
    assert scene.plan().mode == "canary"
    assert not scene.said


@pytest.mark.parametrize("mode", ["canary", "auto"])
def test_more_failures_send_it_back_and_why_is_on_record(scene: Scene, mode: str) -> None:
    share = 0.1 if mode == "canary" else 0.9
    scene.publish(acting(replace(PLAN, mode=mode, acting_share=share)))
    counts = {"policy": 1000, "control": 9000} if mode == "canary" else {"policy": 9000, "control": 1000}
    scene.serve("policy", counts["policy"], errors=counts["policy"] // 10)
    scene.serve("control", counts["control"])
    scene.look()
    assert (scene.plan().mode, scene.plan().accepted) == ("observe", ())
    assert f"went back from {mode} to z/big by itself: its requests fail more often" in scene.said[0]
    published = scene.store.snapshots.current()
    assert published
    assert published.made_by.startswith(f"support rolled back from {mode} by itself: its requests fail more often")
    scene.look()
    assert len(scene.said) == 1


def test_a_model_that_another_always_stands_in_for_has_failed(scene: Scene) -> None:
    scene.publish(acting(replace(PLAN, mode="auto", acting_share=0.5)))
    scene.serve("policy", 300, fell_back=True)
    scene.serve("control", 300)
    scene.look()
    assert scene.plan().mode == "observe"
    assert "300 of 300" in scene.said[0]


def test_worse_answers_send_it_back(scene: Scene) -> None:
    scene.publish(acting(replace(PLAN, mode="auto", acting_share=0.5)))
    scene.serve("policy", 1000, grade=0.6)
    scene.serve("control", 1000, grade=0.8)
    scene.look()
    assert scene.plan().mode == "observe"
    assert "worse than the 5 points tolerated (exact: 60.0 % of 1,000 against 80.0 % of 1,000)" in scene.said[0]


def test_what_was_tested_is_what_is_tolerated(scene: Scene) -> None:
    tested = replace(PLAN, mode="auto", acting_share=0.5, tested=BoundTest(900, 0.3, 0.95))
    scene.publish(acting(tested))
    scene.serve("policy", 1000, grade=0.6)
    scene.serve("control", 1000, grade=0.8)
    scene.look()
    assert scene.plan() == tested


@pytest.mark.parametrize(("grader", "mode"), [("feedback:thumbs", "observe"), ("person:ann", "observe"), ("regex", "auto")])
def test_people_count_and_another_check_does_not(scene: Scene, grader: str, mode: str) -> None:
    scene.publish(acting(replace(PLAN, mode="auto", acting_share=0.5)))
    scene.serve("policy", 600, grade=0.1, grader=grader)
    scene.serve("control", 600, grade=0.9, grader=grader)
    scene.look()
    assert scene.plan().mode == mode


def test_slow_answers_and_dear_ones_send_it_back(scene: Scene) -> None:
    for told, words in (({"took": 500.0}, "more than 2 times as long"), ({"nano": 2000}, "cost more than the reference's")):
        scene.publish(acting(replace(PLAN, mode="auto", acting_share=0.5, since_ms=2000 + scene._served)))
        scene.serve("policy", 400, **told)
        scene.serve("control", 400)
        scene.look()
        assert scene.plan().mode == "observe"
        assert words in scene.said[-1]


def test_an_owner_may_keep_both_steps_to_himself(scene: Scene) -> None:
    scene.publish(acting(PLAN, gates=Gates(promote=False, rollback=False)))
    scene.serve("policy", 300)
    scene.serve("control", 3000)
    for _ in range(2):
        scene.look()
    assert scene.plan() == PLAN
    assert len(scene.said) == 1
    assert "Next: pointsman accept support" in scene.said[0]
    later = replace(PLAN, since_ms=2000 + scene._served)
    scene.publish(acting(later, gates=Gates(promote=False, rollback=False)))
    scene.serve("policy", 300, errors=300)
    scene.serve("control", 3000)
    for _ in range(2):
        scene.look()
    assert scene.plan() == later
    assert len(scene.said) == 2
    assert "Undo it with: pointsman rollback support" in scene.said[1]


def test_of_a_conversation_the_first_request_counts(scene: Scene) -> None:
    scene.publish(acting(replace(PLAN, mode="auto", acting_share=0.5)))
    scene.serve("policy", 1)
    scene.serve("policy", 400, errors=400, course=f"{0:020}", took=9000.0)
    scene.serve("control", 401)
    scene.look()
    assert scene.plan().mode == "auto"


def test_a_long_conversation_is_one_request_of_those_that_a_canary_needs(scene: Scene) -> None:
    scene.publish(acting(PLAN))
    scene.serve("policy", 1)
    scene.serve("policy", 2000, course=f"{0:020}")
    scene.serve("policy", 150, errors=1)
    scene.serve("control", 9 * 2151)
    scene.look()
    assert scene.plan().mode == "canary"
    ((_, watched),) = scene.keeper._watched.items()
    assert (watched.tallies["policy"].requests, watched.tallies["policy"].failures) == (151, 1)


def test_one_outcome_of_a_conversation_counts_once_in_the_arm_of_its_first_request(scene: Scene) -> None:
    scene.publish(acting(replace(PLAN, mode="auto", acting_share=0.5)))
    for place in range(3):
        told: dict[str, Any] = {"grader": "feedback:solved", "weight": 1 / 800, "named": f"conversation {place}"}
        scene.serve("policy", 400, grade=0.0, **told)
        scene.serve("control", 400, grade=1.0, **told)
    scene.look()
    assert scene.plan().mode == "auto"
    ((_, watched),) = scene.keeper._watched.items()
    assert watched.tallies["policy"].grades == {"feedback:solved": (3, 0.0)}
    assert watched.tallies["control"].grades == {}


def test_only_the_routes_own_exchanges_since_the_last_step_count(scene: Scene) -> None:
    scene.serve("policy", 500, errors=500, grade=0.0)
    scene.serve("control", 500, grade=1.0)
    scene.publish(acting(replace(PLAN, mode="auto", acting_share=0.5, since_ms=2000 + scene._served)))
    scene.serve("policy", 500, errors=500, grade=0.0, route="other")
    scene.serve("control", 500, grade=1.0, route="other")
    scene.look()
    assert scene.plan().mode == "auto"


@pytest.mark.parametrize(("feature", "mode"), [("anything", "observe"), ("support", "auto")])
def test_a_plan_for_every_feature_is_judged_by_those_without_their_own(scene: Scene, feature: str, mode: str) -> None:
    every = replace(PLAN, feature="*", mode="auto", acting_share=0.5)
    scene.publish(acting(every, Plan("support", reference="z/big")))
    scene.serve("policy", 300, nano=9000, feature=feature)
    scene.serve("control", 300, feature=feature)
    scene.look()
    assert scene.plan("*").mode == mode


def test_what_came_in_parts_and_late_is_read_once(scene: Scene) -> None:
    scene.publish(acting(PLAN))
    for _ in range(4):
        scene.serve("policy", 40)
        scene.serve("control", 360)
        scene.look()
        scene.look()
    ((_, watched),) = scene.keeper._watched.items()
    assert (watched.tallies["policy"].requests, watched.tallies["control"].requests) == (160, 1440)
    fresh = scene.restarted()
    fresh.look(scene.snapshot)
    ((_, again),) = fresh._watched.items()
    assert again.tallies == watched.tallies


def test_what_was_said_long_before_it_was_written_counts_as_after_a_restart(scene: Scene) -> None:
    scene.publish(acting(PLAN))
    scene.serve("policy", 60)
    scene.store.journal.judge([Judgement(f"{0:020}", 8_000_000, "support", "z/small", "policy", 1.0, "person:ann")])
    scene.look()
    late = [Judgement(f"{n:020}", 3000 + n, "support", "z/small", "policy", 0.0, "person:ann") for n in range(1, 20)]
    scene.store.journal.judge(late)
    scene.look()
    ((_, watched),) = scene.keeper._watched.items()
    assert watched.tallies["policy"].grades == {"person:ann": (20, 1.0)}


def test_a_grade_waits_for_its_exchange_to_be_written(scene: Scene) -> None:
    scene.publish(acting(PLAN))
    scene.store.journal.judge([Judgement(f"{0:020}", 3000, "support", "z/small", "policy", 1.0, "exact")])
    scene.look()
    scene.look()
    scene.serve("policy", 1)
    scene.look()
    scene.look()
    ((_, watched),) = scene.keeper._watched.items()
    assert watched.tallies["policy"].grades == {"exact": (1, 1.0)}


def test_what_somebody_changed_meanwhile_is_left_alone(scene: Scene) -> None:
    scene.publish(acting(PLAN))
    scene.serve("policy", 300)
    scene.serve("control", 3000)
    before = scene.snapshot
    scene.publish(acting(replace(PLAN, since_ms=1001)))
    scene.keeper.look(before)
    assert scene.plan().mode == "canary"
    assert not scene.said


def test_what_a_lesson_changed_meanwhile_only_delays_the_way_back(scene: Scene) -> None:
    plan = replace(PLAN, mode="auto", acting_share=0.5)
    scene.publish(acting(plan))
    scene.serve("policy", 300, errors=100)
    scene.serve("control", 300)
    before = scene.snapshot
    scene.publish(acting(replace(plan, explorable={"z/small": 1.0})))
    scene.keeper.look(before)
    assert scene.plan().mode == "auto"
    assert not scene.said
    scene.look()
    assert scene.plan().mode == "observe"
    assert len(scene.said) == 1
