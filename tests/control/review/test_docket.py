"""A reviewer's way through the queue."""

import pytest
from tests.control.review.scene import BIG, FEATURE, MID, NOW_MS, SMALL, fill, queue, snapshot

from pointsman.control.review.docket import Docket, is_second, side
from pointsman.core.review import Said
from pointsman.core.snapshot import Snapshot
from pointsman.policy.queue import priority
from pointsman.store.interfaces import Filter, Store


@pytest.fixture
def now() -> Snapshot:
    return snapshot()


def docket(store: Store, now: Snapshot, reviewer: str = "ann") -> Docket:
    return Docket(store, queue(store, now), reviewer, now_ms=lambda: NOW_MS)


def by_people(store: Store) -> list[tuple[str, float | None, str]]:
    rows = store.journal.judgements(Filter())
    return [(row.grader, row.score, row.note) for row in rows if row.grader.startswith("person:")]


def test_what_is_said_is_an_opinion_and_a_judgement_at_once(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 10)
    mine = docket(store, now)
    meant: tuple[Said, ...] = ("candidate", "reference", "tie", "cannot tell", "skip")
    for said in meant:
        card = mine.next()
        assert card is not None
        mine.say(card, said, 3.5)
    scores = {"candidate": 1.0, "reference": 0.0, "tie": 0.5, "cannot tell": None}
    assert [score for _, score, _ in by_people(store)] == list(scores.values())
    opinions = store.reviews.opinions()
    assert sorted(one.said for one in opinions) == sorted(meant)
    assert {one.reviewer for one in opinions} == {"ann"}
    assert {one.seconds for one in opinions} == {3.5}
    assert mine.left == 5
    row = next(row for row in store.journal.judgements(Filter()) if row.grader == "person:ann")
    assert (row.deployment, row.arm, row.vector, row.cost_nano) == (SMALL, "candidate", b"v", 30_000)


def test_it_goes_on_where_it_was_left_and_asks_nothing_twice(store: Store, now: Snapshot) -> None:
    truth = fill(store, now, SMALL, 12)
    seen = []
    while (card := (mine := docket(store, now)).next()) is not None:  # a new session for each question
        mine.say(card, truth[card.question.id], 1.0)
        seen.append(card.question.id)
    assert sorted(seen) == sorted(truth)


def test_a_pile_is_asked_in_the_order_of_priority_and_keeps_what_would_have_come_next(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 12)
    mine = docket(store, now)
    found = []
    while (card := mine.next()) is not None:
        mine.say(card, "tie", 1.0)
        found.append((priority(card.question.id, card.question.worth), card.next))
    priorities = [one for one, _ in found]
    assert priorities == sorted(priorities, reverse=True)
    assert [following for _, following in found] == [*priorities[1:], 0.0]


def test_undo_goes_back_step_by_step_also_into_an_earlier_session(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 5)
    first = docket(store, now)
    cards = []
    for _ in range(3):
        card = first.next()
        assert card is not None
        first.say(card, "candidate", 1.0)
        cards.append(card)
    again = docket(store, now)
    assert [again.undo(), again.undo()] == [cards[2], cards[1]]
    assert len(store.reviews.opinions()) == 1
    assert by_people(store) == [("person:ann", 1.0, ""), *[("person:ann", None, "taken back")] * 2]
    again.say(cards[1], "reference", 2.0)
    assert sorted(score for _, score, _ in by_people(store) if score is not None) == [0.0, 1.0]
    assert again.next() == cards[2]
    assert [again.undo(), again.undo(), again.undo()] == [cards[1], cards[0], None]
    assert store.reviews.opinions() == []


def test_a_fifth_is_put_to_a_second_reviewer_and_never_a_third(store: Store, now: Snapshot) -> None:
    truth = fill(store, now, SMALL, 60)
    twice = {id_ for id_ in truth if is_second(id_)}
    assert 0.1 < len(twice) / 60 < 0.35
    for reviewer, expected in (("ann", 60), ("bob", len(twice)), ("eve", 0)):
        mine, asked = docket(store, now, reviewer), set()
        while (card := mine.next()) is not None:
            mine.say(card, truth[card.question.id], 1.0)
            asked.add(card.question.id)
        assert len(asked) == expected
        if reviewer == "bob":
            assert asked == twice


def test_seconds_come_every_fourth_time(store: Store, now: Snapshot) -> None:
    truth = fill(store, now, SMALL, 400)
    ann, bob = docket(store, now), None
    for _ in range(100):
        card = ann.next()
        assert card is not None
        ann.say(card, truth[card.question.id], 1.0)
    said = {one.question for one in ann.said}
    bob = docket(store, now, "bob")
    pattern = []
    for _ in range(12):
        card = bob.next()
        assert card is not None
        pattern.append(card.question.id in said)
        bob.say(card, "tie", 1.0)
    assert pattern == [False, False, False, True] * 3


def test_the_sides_are_a_toss_of_a_coin_and_a_reviewers_own() -> None:
    first = [side(f"q{place}", "ann") for place in range(2000)]
    second = [side(f"q{place}", "bob") for place in range(2000)]
    assert 0.46 < first.count("candidate") / 2000 < 0.54
    assert 0.46 < sum(a == b for a, b in zip(first, second, strict=True)) / 2000 < 0.54
    assert side("q1", "ann") == first[1]


def test_the_candidate_whose_verdict_is_open_comes_first(store: Store, now: Snapshot) -> None:
    """Both are on the border by the judge; people say clearly that one of them is far worse: it is soon left alone."""
    fill(store, now, SMALL, 150, seed=1)
    fill(store, now, MID, 150, seed=2)
    mine = docket(store, now)
    asked = []
    for _ in range(120):
        card = mine.next()
        assert card is not None
        asked.append(card.question.deployment)
        mine.say(card, "reference" if card.question.deployment == MID else "tie", 1.0)
    assert asked[:20].count(MID) > 0
    assert asked[60:].count(SMALL) > asked[60:].count(MID)


def test_material_that_is_forgotten_meanwhile_is_passed_over(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 5)
    mine = docket(store, now)
    store.reviews.forget(FEATURE, NOW_MS, now_ms=NOW_MS)
    assert mine.next() is None
    assert mine.left == 0
    assert BIG not in {one.deployment for one in store.reviews.questions()}
