"""Learning on the job: what is forgotten, what is filled in, what is tested, and who may be tried."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from pointsman.control.labels import Label
from pointsman.control.memory import ALONE, Memory
from pointsman.control.relearn import APART, Relearned, relearn, with_relearned
from pointsman.core.chat import ChatRequest, Message, Text, Usage
from pointsman.core.errors import SnapshotError
from pointsman.core.price import Price, Rates
from pointsman.core.release import Change
from pointsman.core.routing import BoundTest, Context, Deployment, Explore, Needs, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import features, model

HOME, SUMS, WORDS, BAD = "p/home", "p/sums", "p/words", "p/bad"
NAMES = (HOME, SUMS, WORDS, BAD)
RATES = {HOME: Rates(Decimal(10), Decimal(40)), SUMS: Rates(Decimal(1), Decimal(4)), WORDS: Rates(Decimal(1), Decimal(4)),
         BAD: Rates(Decimal("0.1"), Decimal("0.4"))}  # fmt: skip
RIGHT = {HOME: (0.95, 0.95), SUMS: (0.95, 0.4), WORDS: (0.4, 0.95), BAD: (0.1, 0.1)}
"""How often each is right, of sums and of letters."""


def text(kind: int, n: int) -> str:
    n = 1000 + n * 7919 % 9000  # so that late requests look like early ones
    return f"add {n} and {n + 3} and give the sum" if kind == 0 else f"write a short letter to friend {n} about tea"


def vector(kind: int, n: int) -> bytes:
    return features.vector(ChatRequest("", (Message("user", (Text(text(kind, n)),)),)))


def label(n: int, name: str, score: float, **fields: Any) -> Label:
    nano = int(20 * RATES[name].input * 1000 + 10 * RATES[name].output * 1000)
    usual: dict[str, Any] = {
        "arm": "candidate", "feature": "f", "weight": 1.0, "vector": vector(n % 2, n), "cost_nano": nano, "at_ms": 1000,
        "propensity": None, "grader": "exact", "compared": False, "judged_ms": 1000, "usage": Usage(20, 10),
    }  # fmt: skip
    return Label(exchange=f"{n:06d}", deployment=name, score=score, **(usual | fields))


def answered(count: int, names: tuple[str, ...] = NAMES, *, start: int = 0, seed: int = 0, **fields: Any) -> list[Label]:
    """Requests that all of some were asked."""
    rng = np.random.default_rng([seed, start])
    return [
        label(n, name, float(rng.random() < RIGHT[name][n % 2]), **fields)
        for n in range(start, start + count)
        for name in names
    ]


def a_snapshot(plan: Plan | None = None, **objective: object) -> Snapshot:
    aim = Objective(**{"kind": "worth", "usd_per_answer": 0.01, "caution": 0.0, **objective})  # type: ignore[arg-type]
    own = plan or Plan(
        "*", "auto", HOME, accepted=(SUMS,), acting_share=0.95, one_model=SUMS, explore=Explore(0.02, 10**7, "auto")
    )
    deployments = {name: Deployment(name, "p", name[2:], name[2:], Price(RATES[name])) for name in NAMES}
    return Snapshot(
        {"p": Provider("p", "http://x")}, deployments, {"auto": Route("auto", HOME, NAMES[1:], aim, 0.05, {"*": own})}
    )


def learned(snapshot: Snapshot, memory: Memory, **options: object) -> Relearned:
    route = snapshot.routes["auto"]
    found = relearn(snapshot, route, route.plans["*"], memory, **options)  # type: ignore[arg-type]
    assert found is not None
    return found


def remembering(*parts: list[Label]) -> Memory:
    memory = Memory()
    for part in parts:
        memory.note(part)
    return memory


def chosen(found: Relearned, kind: int) -> str:
    assert found.policy is not None
    context = Context("f", Needs(input_tokens=20), vector(kind, 7))
    deployments = [Deployment(name, "p", name[2:], name[2:], Price(RATES[name])) for name in NAMES]
    predicted = [one for one in model.predict(found.policy, context, deployments) if one.quality is not None]
    serving = {HOME, *found.plan.accepted}
    value = found.plan.value_nano or 0
    best = max((one for one in predicted if one.deployment in serving),
               key=lambda one: value * (one.quality or 0.0) - (one.cost_nano or 0))  # fmt: skip
    return best.deployment


def test_what_is_better_where_is_learned_and_published() -> None:
    snapshot, memory = a_snapshot(), remembering(answered(300))
    found = learned(snapshot, memory)
    assert found.changed
    assert (chosen(found, 0), chosen(found, 1)) == (SUMS, WORDS)
    assert set(found.plan.accepted) == {SUMS, WORDS}
    after = with_relearned(snapshot, "auto", snapshot.routes["auto"].plans["*"], found, now_ms=7)
    assert after.routes["auto"].plans["*"] == replace(found.plan, since_ms=7), "others serve: what is watched begins anew"
    again = with_relearned(after, "auto", after.routes["auto"].plans["*"], learned(after, memory), now_ms=9)
    assert again.routes["auto"].plans["*"].since_ms == 7, "the same ones serve"
    assert model.decode(after.policies["auto"]).learned_from == found.policy.learned_from if found.policy else False
    assert after.made_by == f"auto: {found.why}"


@pytest.mark.parametrize(("turned", "anew"), [(True, True), (False, False)])
def test_what_is_watched_begins_anew_where_the_same_ones_serve_other_requests(turned: bool, anew: bool) -> None:
    """The policy in force sends sums to who is good at letters, and letters to who is good at sums; or it is right."""
    memory = remembering(answered(300))
    first = learned(a_snapshot(), memory)
    assert first.policy is not None
    right = with_relearned(a_snapshot(), "auto", a_snapshot().routes["auto"].plans["*"], first, now_ms=7)
    names = {SUMS: WORDS, WORDS: SUMS}
    wrong = replace(first.policy, deployments=tuple(names.get(name, name) for name in first.policy.deployments))
    now = replace(right, policies={"auto": model.encode(wrong)}) if turned else right
    found = learned(now, memory)
    assert set(found.plan.accepted) == {SUMS, WORDS}, "the same ones serve"
    assert found.others == anew
    after = with_relearned(now, "auto", now.routes["auto"].plans["*"], found, now_ms=9)
    assert after.routes["auto"].plans["*"].since_ms == (9 if anew else 7)


def test_who_was_shown_to_be_worse_is_not_tried_and_the_parts_are_a_whole() -> None:
    found = learned(a_snapshot(), remembering(answered(600)))
    assert BAD not in found.plan.explorable
    assert HOME not in found.plan.explorable
    assert sum(found.plan.explorable.values()) == pytest.approx(1.0)
    assert all(part >= 0 for part in found.plan.explorable.values())


def test_answers_of_one_alone_do_not_flatter_who_is_asked_where_it_is_strong() -> None:
    """Thousands of sums that only the one good at sums was asked: letters still go to the other."""
    alone = [one for one in answered(3000, (SUMS,), start=1000, arm="policy") if int(one.exchange) % 2 == 0]
    found = learned(a_snapshot(), remembering(answered(200), alone))
    assert chosen(found, 0) == SUMS
    assert chosen(found, 1) != SUMS


def test_answers_of_one_alone_say_when_it_became_worse() -> None:
    wrong = [
        replace(one, score=0.0) for one in answered(1600, (SUMS,), start=1000, arm="policy") if int(one.exchange) % 2 == 0
    ]
    found = learned(a_snapshot(), remembering(answered(200), wrong))
    assert chosen(found, 0) != SUMS


def test_what_was_said_before_a_change_is_forgotten() -> None:
    memory = remembering(answered(300))
    rows = memory.outcomes(NAMES, since_ms={SUMS: 2000})
    assert np.isnan(rows.score[:, NAMES.index(SUMS)]).all()
    assert np.isfinite(rows.score[:, NAMES.index(WORDS)]).all()
    changed = replace(a_snapshot(), changes={SUMS: Change(2000, 3000, "worse", barred=False)})
    assert SUMS not in learned(changed, memory).plan.accepted


def test_who_is_barred_does_not_act_and_is_not_tried() -> None:
    barred = replace(a_snapshot(), changes={SUMS: Change(0, 3000, "worse")})
    found = learned(barred, remembering(answered(300)))
    assert SUMS not in {*found.plan.accepted, *found.plan.explorable}


def test_a_trial_that_asks_an_old_request_again_counts_from_when_it_asked() -> None:
    memory = Memory()
    memory.note(
        [label(1, SUMS, 1.0, at_ms=1000, judged_ms=5000), label(2, SUMS, 1.0, at_ms=1000, arm="policy", judged_ms=5000)]
    )
    rows = memory.outcomes((SUMS,), since_ms={SUMS: 2000})
    assert rows.groups.tolist() == ["000001"]


def test_memory_is_bounded_and_the_newest_stay() -> None:
    memory = Memory(most=50)
    memory.note(answered(80, (HOME, SUMS)))
    memory.note(answered(300, (HOME,), start=100))
    groups = sorted(memory.outcomes(NAMES).groups.tolist())
    assert len(memory) == len(groups) == 50 + 50 * ALONE
    assert groups[0] == f"{30:06d}"
    assert (groups[50], groups[-1]) == (f"{150:06d}", f"{399:06d}")


def test_the_same_label_again_and_a_corrected_one_count_once() -> None:
    memory = Memory()
    memory.note([label(1, HOME, 1.0), label(1, HOME, 1.0), label(1, HOME, 0.0), label(1, SUMS, 1.0)])
    rows = memory.outcomes(NAMES)
    assert rows.score[0, :2].tolist() == [0.0, 1.0]
    assert len(rows) == 1


def test_what_says_nothing_is_not_remembered() -> None:
    memory = Memory()
    assert (
        memory.note([label(1, HOME, 1.0, vector=b""), label(2, HOME, 1.0, usage=None), label(3, HOME, 0.5, compared=True)])
        == 0
    )
    assert len(memory) == 0


def test_what_is_trusted_half_is_taken_in_half_as_often() -> None:
    memory = Memory()
    half = memory.note(label(n, HOME, 1.0, weight=0.5) for n in range(2000))
    assert half == pytest.approx(1000, abs=100)
    assert memory.note(label(n, HOME, 1.0, weight=0.5) for n in range(2000)) == half, "the same ones again"


def test_too_little_says_nothing() -> None:
    snapshot = a_snapshot()
    route = snapshot.routes["auto"]
    plan = route.plans["*"]
    assert relearn(snapshot, route, plan, remembering(answered(40))) is None
    assert relearn(snapshot, route, plan, remembering(answered(400, (HOME,)))) is None
    assert relearn(snapshot, route, plan, remembering(answered(400, (SUMS, WORDS)))) is None


@pytest.mark.parametrize(("tolerance", "passes"), [(0.1, True), (0.001, False)])
def test_a_plan_that_was_tested_keeps_what_it_has_unless_the_new_one_passes_too(*, tolerance: float, passes: bool) -> None:
    tested = BoundTest(500, tolerance, 0.95)
    plan = Plan("*", "auto", HOME, accepted=(SUMS,), acting_share=0.95, one_model=SUMS, tested=tested)
    found = learned(a_snapshot(plan, kind="match", usd_per_answer=None), remembering(answered(2500)))
    assert found.changed == passes
    if passes:
        assert found.plan.tested is not None
        assert found.plan.tested.tolerance == tolerance
    else:
        assert replace(found.plan, explorable={}, tests=0) == plan
        assert "did not pass its test" in found.why


@pytest.mark.parametrize("aim", [{}, {"kind": "budget", "usd_per_answer": None, "usd_per_1000": 0.2}])
@pytest.mark.parametrize(("tolerance", "passes"), [(0.1, True), (0.001, False)])
def test_what_was_tested_is_replaced_by_what_passes_too_whatever_the_objective(
    *, aim: dict[str, Any], tolerance: float, passes: bool
) -> None:
    tested = BoundTest(500, tolerance, 0.95)
    plan = Plan("*", "auto", HOME, accepted=(SUMS,), acting_share=0.95, one_model=SUMS, tested=tested)
    found = learned(a_snapshot(plan, **aim), remembering(answered(2500)))
    assert found.changed == passes
    assert found.plan.tested is not None
    assert (found.plan.tested.tolerance, found.plan.tested.confidence) == (tolerance, 0.95)
    if not passes:
        assert found.plan.accepted == (SUMS,)
        assert "did not pass its test" in found.why


@pytest.mark.parametrize("kind", ["match", "worth"])
def test_each_test_of_a_plan_is_stricter_than_the_last(kind: str) -> None:
    """What passes the first time does not after so many tests that their errors would add up."""
    aim = {"kind": kind} if kind == "worth" else {"kind": kind, "usd_per_answer": None}
    memory, tested = remembering(answered(2500)), BoundTest(500, 0.06, 0.95)
    plan = Plan("*", "auto", HOME, accepted=(SUMS,), acting_share=0.95, one_model=SUMS, tested=tested)
    first, late = (learned(a_snapshot(replace(plan, tests=tests), **aim), memory) for tests in (0, 10**7))
    assert (first.changed, first.plan.tests) == (True, 1)
    assert (late.changed, late.plan.tests) == (False, 10**7 + 1)
    assert learned(a_snapshot(replace(plan, tests=7, tested=None), kind="worth"), memory).plan.tests == 7, "no test"


def test_the_reference_alone_may_replace_what_was_tested() -> None:
    plan = Plan("*", "auto", HOME, accepted=(BAD,), acting_share=0.95, one_model=BAD, tested=BoundTest(500, 0.05, 0.95))
    found = learned(a_snapshot(plan, kind="best", usd_per_answer=None), remembering(answered(300, (HOME, BAD))))
    assert found.changed
    assert (found.plan.accepted, found.plan.tested) == ((), None)


def test_what_the_reference_alone_answered_is_no_part_of_a_test() -> None:
    """Most of it is what the policy left to the reference: nothing is lost there, and it hides what is lost elsewhere."""
    plan = Plan("*", "auto", HOME, accepted=(SUMS,), acting_share=0.95, one_model=SUMS, tested=BoundTest(500, 0.1, 0.95))
    several, alone = answered(2500), answered(6000, (HOME,), start=10_000, arm="policy")
    found = learned(a_snapshot(plan, kind="match", usd_per_answer=None), remembering(several, alone))
    lots = remembering(several).outcomes(NAMES).lots()
    assert found.plan.tested is not None
    assert found.plan.tested.judged == (lots < APART).sum()


@pytest.mark.parametrize(
    ("aim", "why"),
    [({"kind": "match", "usd_per_answer": None}, "points below p/home"), ({}, "certainly worse than what serves today")],
)
def test_what_is_shown_to_be_worse_than_what_serves_is_not_used(aim: dict[str, Any], why: str) -> None:
    """A policy that somebody taught to prefer the bad one."""
    snapshot, memory = a_snapshot(**aim), remembering(answered(1500))
    before = learned(snapshot, memory)
    serving = with_relearned(snapshot, "auto", snapshot.routes["auto"].plans["*"], before, now_ms=7)
    turned = [replace(one, score=1 - one.score) for one in answered(1500)]
    kept = {one.exchange for one in answered(1500)}
    rows = memory.outcomes(NAMES)
    apart = {group for group, lot in zip(rows.groups.tolist(), rows.lots(), strict=True) if lot < 0.2}
    memory.note(one for one in turned if one.exchange in kept - apart)
    found = learned(serving, memory)
    assert not found.changed
    assert found.policy is None
    assert found.plan.accepted == before.plan.accepted
    assert why in found.why


def test_who_acted_meanwhile_is_not_undone() -> None:
    snapshot = a_snapshot()
    before = snapshot.routes["auto"].plans["*"]
    found = learned(snapshot, remembering(answered(300)))
    route = snapshot.routes["auto"]
    rolled = replace(snapshot, routes={"auto": replace(route, plans={"*": replace(before, mode="observe", accepted=())})})
    assert with_relearned(rolled, "auto", before, found, now_ms=7) is rolled
    assert with_relearned(Snapshot(), "auto", before, found, now_ms=7) == Snapshot()


def test_a_damaged_policy_in_force_is_an_error_in_words() -> None:
    snapshot = replace(a_snapshot(), policies={"auto": b"x"})
    with pytest.raises(SnapshotError):
        learned(snapshot, remembering(answered(300)))


def test_the_same_labels_teach_the_same() -> None:
    one, other = (learned(a_snapshot(), remembering(answered(150))) for _ in range(2))
    assert one.plan == other.plan
    assert one.policy is not None
    assert other.policy is not None
    assert model.encode(one.policy) == model.encode(other.policy)
