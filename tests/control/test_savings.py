"""What was saved, measured against the control share, from a real journal."""

import random
from typing import Literal

import pytest
from msgspec.structs import replace

from pointsman.control.savings import savings
from pointsman.core.chat import Usage
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Decision
from pointsman.store.interfaces import Store

ArmName = Literal["policy", "control"]
ARMS: tuple[ArmName, ...] = ("policy", "control")


def exchange(place: int, arm: ArmName, cost: int | None, *, failed: bool = False, latency: float = 10.0) -> ExchangeRecord:
    name = "zoo/small" if arm == "policy" else "zoo/big"
    decision = Decision(name, (), (name,), (1.0,), "auto", arm, "a test")
    status = 500 if failed else 200
    attempt = Attempt(name, "first", place, status, usage=Usage(10, 10), cost_nano=cost, total_ms=latency)
    return ExchangeRecord(
        f"{arm}{place:06d}", place, "auto", "support", "error" if failed else "ok", status, decision, (attempt,),
        route="auto", latency_ms=latency,
    )  # fmt: skip


def judged(place: int, arm: ArmName, score: float | None, grader: str = "exact") -> Judgement:
    return Judgement(f"{arm}{place:06d}", place, "support", "zoo/small", arm, score, grader)


def test_costs_errors_and_latency_are_compared_by_arm(store: Store) -> None:
    rng = random.Random(1)
    store.journal.append([exchange(n, "policy", rng.randint(1_000, 5_000), latency=5.0) for n in range(950)])
    store.journal.append([exchange(n, "control", rng.randint(8_000, 12_000), failed=n < 2) for n in range(50)])
    found = savings(store.journal, "support", since_ms=0, route="auto")
    assert (found.policy.requests, found.control.requests, found.control.errors) == (950, 50, 2)
    assert (found.policy.latency_ms, found.control.latency_ms) == (5.0, 10.0)
    assert found.cost is not None
    assert found.cost.low < -7e-6 < found.cost.high
    assert found.cost.high - found.cost.low < 1e-6
    assert found.saved_usd == pytest.approx(-found.cost.value * 950)
    assert found.quality is None


def talk(number: int, arm: ArmName, calls: int, cost: int) -> list[ExchangeRecord]:
    """A conversation: its first exchange, and those that go on with it."""
    made = [exchange(100 * number + call, arm, cost) for call in range(calls)]
    decision = made[0].decision
    assert decision is not None
    return [made[0], *(replace(one, decision=replace(decision, course=made[0].id)) for one in made[1:])]


def test_conversations_are_compared_as_wholes(store: Store) -> None:
    """The cheaper model needs twice the calls: nothing is saved, though each request is at half the price."""
    rng = random.Random(3)
    for number in range(400):
        store.journal.append(talk(number, "policy", 10, rng.randint(400, 600)))
        store.journal.append(talk(number, "control", 5, rng.randint(800, 1200)))
    found = savings(store.journal, "support", since_ms=0)
    assert (found.policy.requests, found.policy.courses, found.control.courses) == (4000, 400, 400)
    assert found.cost is not None
    assert found.cost.low < 0 < found.cost.high
    assert found.policy.usd == pytest.approx(5e-6, rel=0.05)
    assert found.cost.policy == 400
    assert found.saved_usd == pytest.approx(-found.cost.value * 400)


def test_the_interval_covers_the_truth_where_requests_of_a_conversation_are_alike(store: Store) -> None:
    rng, covered = random.Random(4), 0
    for round_ in range(80):
        for number in range(20):
            for arm in ARMS:
                made = talk(10_000 * round_ + number, arm, 20, rng.randint(0, 1000))
                store.journal.append([replace(one, feature=f"f{round_}") for one in made])
        found = savings(store.journal, f"f{round_}", since_ms=0)
        assert found.cost is not None
        covered += found.cost.low <= 0 <= found.cost.high
    assert covered >= 0.88 * 80, "by request it would be a third of them"


def test_what_was_not_measured_is_none(store: Store) -> None:
    found = savings(store.journal, "support", since_ms=0)
    assert (found.cost, found.quality, found.saved_usd, found.policy.usd, found.policy.latency_ms) == (None,) * 5
    store.journal.append([exchange(n, "policy", None) for n in range(5)])
    store.journal.append([exchange(n, "control", 5) for n in range(5)])
    found = savings(store.journal, "support", since_ms=0)
    assert (found.cost, found.policy.requests, found.policy.unpriced) == (None, 5, 5)


def test_only_what_came_since_counts(store: Store) -> None:
    store.journal.append([exchange(n, arm, 5) for n in range(10) for arm in ("policy", "control")])
    assert savings(store.journal, "support", since_ms=6).policy.requests == 4
    assert savings(store.journal, "another", since_ms=0).policy.requests == 0


def test_a_grade_that_came_since_of_an_exchange_that_came_before_does_not_count(store: Store) -> None:
    for n in range(20):
        arm: ArmName = "policy" if n % 2 else "control"
        store.journal.append([replace(exchange(n, arm, 5), id=f"{n:06d}")])
        store.journal.judge([replace(judged(n, arm, 1.0), exchange=f"{n:06d}", at_ms=n + 10)])  # graded late
    found = savings(store.journal, "support", since_ms=12)
    assert savings(store.journal, "support", since_ms=20).quality is None
    assert found.quality is not None
    assert (found.quality.policy, found.quality.control) == (found.policy.requests, found.control.requests) == (4, 4)


def test_graded_answers_give_the_change_of_quality(store: Store) -> None:
    store.journal.append([exchange(0, "control", 5)])
    store.journal.judge([judged(n, "policy", float(n % 10 != 0)) for n in range(900)])
    store.journal.judge([judged(n, "control", float(n % 10 != 0)) for n in range(50)])
    store.journal.judge([judged(n, "control", None) for n in range(50, 60)])
    change = savings(store.journal, "support", since_ms=0).quality
    assert change is not None
    assert change.value == pytest.approx(0.0)
    assert -0.15 < change.low < -0.05
    assert 0.05 < change.high < 0.15
    assert (change.policy, change.control) == (900, 50)


def test_grades_of_different_checks_do_not_mix(store: Store) -> None:
    store.journal.append([exchange(0, "control", 5)])
    store.journal.judge([judged(n, arm, 1.0, "regex") for n in range(50) for arm in ("policy", "control")])
    store.journal.judge([judged(n, "policy", 0.0) for n in range(50, 80)])
    store.journal.judge([judged(n, "control", 1.0) for n in range(50, 90)])
    store.journal.judge([replace(judged(99, "policy", 1.0, "numeric"), arm="candidate", trial="t")])
    for grader, value, arms in ((None, -1.0, (30, 40)), ("exact", -1.0, (30, 40)), ("regex", 0.0, (50, 50))):
        change = savings(store.journal, "support", since_ms=0, grader=grader).quality
        assert change is not None
        assert (change.value, (change.policy, change.control)) == (value, arms)
    assert savings(store.journal, "support", since_ms=0, grader="numeric").quality is None


def test_the_interval_covers_the_truth_even_for_a_small_control_share(store: Store) -> None:
    rng, covered, place = random.Random(2), 0, 0
    for _ in range(120):
        since = place
        store.journal.append([exchange(place, "control", 5)])
        rows = [judged(place + n, "policy", float(rng.random() < 0.9)) for n in range(300)]
        rows += [judged(place + n, "control", float(rng.random() < 0.95)) for n in range(20)]
        store.journal.judge(rows)
        place += 300
        change = savings(store.journal, "support", since_ms=since).quality
        assert change is not None
        covered += change.low <= -0.05 <= change.high
    assert covered >= 0.9 * 120


def test_a_judges_pairs_are_wins_minus_losses(store: Store) -> None:
    store.journal.append([exchange(0, "control", 5)])
    store.journal.judge([judged(n, "policy", 0.5, "judge:zoo/judge") for n in range(200)])
    store.journal.judge([judged(n, "control", 0.5, "judge:zoo/judge") for n in range(10)])
    change = savings(store.journal, "support", since_ms=0).quality
    assert change is not None
    assert change.value == 0.0
    assert -0.06 < change.low < 0 < change.high < 0.06


@pytest.mark.parametrize("grader", ["exact", "judge:zoo/judge"])
def test_a_loss_is_certain_only_after_enough_answers_however_often_one_asks(store: Store, grader: str) -> None:
    store.journal.append([exchange(0, "control", 5)])
    asked = {"since_ms": 0, "route": "auto", "grader": grader}
    assert savings(store.journal, "support", **asked).at_most is None  # type: ignore[arg-type]
    store.journal.judge([judged(n, "policy", float(n % 2) / 2, grader) for n in range(10)])
    store.journal.judge([judged(n, "control", 1.0 if grader == "exact" else 0.5, grader) for n in range(10)])
    early = savings(store.journal, "support", **asked).at_most  # type: ignore[arg-type]
    assert early is not None
    assert early > -0.05
    store.journal.judge([judged(n, "policy", float(n % 2) / 2, grader) for n in range(10, 400)])
    store.journal.judge([judged(n, "control", 1.0 if grader == "exact" else 0.5, grader) for n in range(10, 400)])
    late = savings(store.journal, "support", **asked).at_most  # type: ignore[arg-type]
    assert late is not None
    assert late < -0.3
