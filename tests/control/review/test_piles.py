"""What a pile says: estimates from the queue's order, whatever the judge's bias; savings; what does not count."""

import math
from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace
from tests.control.review.scene import BIG, FEATURE, MID, NOW_MS, SMALL, fill, queue, snapshot, trial_id

from pointsman.control.plans import start_trial
from pointsman.control.review.docket import Docket
from pointsman.control.review.intake import DAY_MS
from pointsman.control.review.people import by_people, corrections, report
from pointsman.control.review.piles import Pile, piles, savings
from pointsman.control.verdict import verdicts
from pointsman.core.record import Judgement
from pointsman.core.release import Change
from pointsman.core.review import Material, Opinion, Question, Said
from pointsman.core.snapshot import Snapshot
from pointsman.policy.queue import priority
from pointsman.store.interfaces import Filter, Store


@pytest.fixture
def now() -> Snapshot:
    return snapshot()


def judge(store: Store, now: Snapshot, truth: dict[str, Said], count: int) -> Pile:
    mine = Docket(store, queue(store, now), "ann", now_ms=lambda: NOW_MS)
    for _ in range(count):
        card = mine.next()
        assert card is not None
        mine.say(card, truth[card.question.id], 2.0)
    return next(pile for pile in piles(store, now, "auto", now_ms=NOW_MS) if pile.deployment == SMALL)


def test_people_correct_a_biased_judge_and_the_verdict_goes_by_it(store: Store, now: Snapshot) -> None:
    truth = fill(store, now, SMALL, 600, bias=0.5)
    pile = judge(store, now, truth, 150)
    (before,) = verdicts(store.journal, {"*": 0.05})
    assert before.change.mean > 0.15
    assert before.kind == "ready"
    estimate = pile.estimate()
    assert estimate is not None
    assert abs(estimate.value) < 3 * estimate.error
    assert estimate.people == pile.judged == 150
    assert estimate.judged == 600
    assert estimate.saved > 50
    people = corrections([pile])
    (after,) = verdicts(store.journal, {"*": 0.05}, people=people)
    assert after.people == estimate
    assert after.kind == "cannot tell"
    assert "more by people" in after.why or "too close" in after.why
    (lenient,) = verdicts(store.journal, {"*": 0.5}, people=people)
    assert lenient.kind == "ready"
    assert corrections([pile], least=151) == {}


def test_estimates_from_the_queues_order_cover_the_truth() -> None:
    """Piles without a store, asked as the queue asks: the truth is what people say of all."""
    covered = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        pile = Pile(FEATURE, "t", SMALL, "candidate", BIG, (), {}, 1.0, 1.0, 0.05)
        people, questions = dict[str, Said](), list[Question]()
        for place in range(400):
            share = float(rng.choice([0.0, 0.25, 0.5, 0.75, 1.0]))
            one = Question(f"{seed}-{place}", "t", FEATURE, SMALL, BIG, "candidate", 1, 2 * share - 1, 0.5 + (share == 0.5))
            people[one.id] = "candidate" if rng.random() < 0.3 + 0.3 * share else "reference"
            questions.append(one)
        pile = replace(pile, questions=tuple(sorted(questions, key=lambda one: -_priority(one))))
        opinions = {}
        for at, (first, following) in enumerate(pairwise(pile.questions[:121])):
            said = Opinion(first.id, "ann", at, people[first.id], "candidate", 1.0, _priority(following))
            opinions[first.id] = (said,)
        pile = replace(pile, opinions=opinions)
        estimate = pile.estimate()
        assert estimate is not None
        low, high = estimate.once
        covered += low <= 2 * 0.45 - 1 <= high
    assert covered >= 0.9 * 120


def _priority(one: Question) -> float:
    return priority(one.id, one.worth)


def test_several_opinions_are_one_judgement_and_none_is_left_out(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 3)
    (pile,) = queue(store, now)
    one, two, three = pile.questions
    said = pile.said(Opinion(one.id, "ann", 1, "candidate", "candidate", 1.0, 0.0))
    said = said.said(Opinion(one.id, "bob", 2, "reference", "candidate", 1.0, 0.0))
    said = said.said(Opinion(two.id, "ann", 3, "skip", "candidate", 1.0, 0.0))
    assert said.judged == 1
    assert [each.id for each in said.open] == [three.id]
    assert said.unsaid(one.id, "ann").unsaid(one.id, "bob").unsaid(two.id, "ann") == pile
    again = said.said(Opinion(one.id, "ann", 5, "tie", "candidate", 1.0, 0.0))
    assert [each.said for each in again.opinions[one.id]] == ["reference", "tie"]


def test_equal_answers_are_ties_that_nobody_is_asked_about(store: Store, now: Snapshot) -> None:
    truth = fill(store, now, SMALL, 100)
    same = [
        Question(f"same-{place}", trial_id(now), FEATURE, SMALL, BIG, "candidate", NOW_MS, 0.0, 0.0) for place in range(300)
    ]
    store.reviews.keep([(one, None) for one in same], most=1000)
    pile = judge(store, now, dict.fromkeys(truth, "reference"), 100)
    assert pile.open == []
    estimate = pile.estimate()
    assert estimate is not None
    assert estimate.value == pytest.approx(-0.25)
    assert estimate.judged == 400
    assert estimate.error == pytest.approx(math.sqrt(0.25 * 0.75 / 400))


def test_what_is_saved_and_what_is_not_known(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 4)
    (pile,) = queue(store, now)
    assert pile.saving == 70_000
    key = (FEATURE, "", "", "policy")
    served = [
        Judgement("x1", 1, FEATURE, SMALL, "policy", 1.0, "exact", cost_nano=30),
        Judgement("x2", 1, FEATURE, BIG, "control", 1.0, "exact", cost_nano=100),
        Judgement("x3", 1, FEATURE, SMALL, "policy", 1.0, "exact", cost_nano=50),
    ]
    assert savings(served, [key, (FEATURE, "", "", "control")]) == {key: 60.0, (FEATURE, "", "", "control"): 60.0}
    assert savings(served[:1], [key]) == {}


def test_a_trial_by_another_check_is_no_pile(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 4)
    stopped = replace(now, routes={"auto": replace(now.routes["auto"], reference=MID)})
    plans = {name: replace(plan, reference=MID) for name, plan in stopped.routes["auto"].plans.items()}
    stopped = replace(stopped, routes={"auto": replace(stopped.routes["auto"], plans=plans)})
    assert piles(store, stopped, "auto", now_ms=NOW_MS) == []
    fresh = start_trial(now, "auto", FEATURE, candidates=(SMALL,), share=1.0, cap_nano=10, tolerance=0.05, fresh="2")
    assert [pile.deployment for pile in piles(store, fresh, "auto", now_ms=NOW_MS)] == [SMALL]


@pytest.mark.parametrize("changed", [SMALL, BIG])
def test_what_people_said_of_answers_from_before_a_change_counts_no_more(store: Store, now: Snapshot, changed: str) -> None:
    before = NOW_MS - 3 * DAY_MS
    truth = fill(store, now, SMALL, 150, at_ms=before)
    judge(store, now, dict.fromkeys(truth, "candidate"), 150)
    fill(store, now, SMALL, 50, seed=2)
    after = replace(now, changes={changed: Change(before + 10_000, NOW_MS, "worse")})
    (pile,) = piles(store, after, "auto", now_ms=NOW_MS)
    assert (len(pile.questions), pile.judged) == (50, 0)
    assert by_people(store, after, "auto", now_ms=NOW_MS) == {}
    other = replace(now, changes={MID: Change(NOW_MS, NOW_MS, "worse")})
    assert len(by_people(store, other, "auto", now_ms=NOW_MS)) == 1


def test_the_report_says_who_judged_what_how_fast_and_how_far_they_agree(store: Store, now: Snapshot) -> None:
    truth = fill(store, now, SMALL, 100)
    judge(store, now, truth, 100)
    bob = Docket(store, queue(store, now), "bob", now_ms=lambda: NOW_MS + 5)
    while (card := bob.next()) is not None:
        bob.say(card, truth[card.question.id], 1000.0)
    made = report(queue(store, now))
    (seen,) = made.seen
    assert (seen.judged, seen.open) == (100, 0)
    assert seen.agree is not None
    assert 0.7 < seen.agree < 1
    assert [(one.name, one.passed, one.median_s) for one in made.reviewers] == [("ann", 0, 2.0), ("bob", 0, 300.0)]
    assert made.reviewers[0].seconds == 200.0
    assert made.agreement is not None
    assert made.agreement.value == 1.0


def test_answers_alone_are_grades_by_arm(store: Store, now: Snapshot) -> None:
    asked = [
        (Question(f"{arm}{place}", "", FEATURE, SMALL, "", arm, NOW_MS, 1.0, 0.7), Material("request", "answer"))
        for arm in ("policy", "control")
        for place in range(5)
    ]
    store.reviews.keep(asked, most=100)
    mine = Docket(store, queue(store, now), "ann", now_ms=lambda: NOW_MS)
    while (card := mine.next()) is not None:
        mine.say(card, "good" if card.question.arm == "policy" else "bad", 1.0)
    rows = [row for row in store.journal.judgements(Filter()) if row.grader == "person:ann"]
    assert sorted((row.arm, row.score, row.trial) for row in rows) == [("control", 0.0, "")] * 5 + [("policy", 1.0, "")] * 5
    assert {(pile.arm, pile.deployment, pile.paired) for pile in queue(store, now)} == {
        ("policy", "", False),
        ("control", "", False),
    }
