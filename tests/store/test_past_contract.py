"""What every journal gives to be decided again, whatever it is built on (``records.STORES``)."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from tests.store.records import START_MS, USAGE, attempt, decision, judgement, record, snapshot_bytes

from pointsman.core.routing import Needs
from pointsman.store.interfaces import Filter, Store
from pointsman.store.past import Drawn, Grade, GradeCount, Paid, Past, Span

ALL = Filter()
NEEDS = Needs(70, 12, tools=True, media=frozenset({"image"}), unspeakable={"gemini": "seals"}, held_by="a/b")


def whole(store: Store, wanted: Filter, size: int) -> Iterator[Past]:
    for span in store.past.spans(wanted, size):
        yield from store.past.exchanges(wanted, span)


def test_an_exchange_comes_back_as_far_as_it_takes_to_decide_it_again(store: Store) -> None:
    decided = replace(decision("auto", "policy"), tags=("task:x",), course="c0", needs=NEEDS, pace=2.0)
    calls = (attempt("a/b", usage=None, cost_nano=None), attempt())
    store.journal.append([record(1, decision=decided, attempts=calls, vector=b"\x02abc", route="auto")])
    assert list(whole(store, ALL, 10)) == [
        Past(
            id=f"{1:024x}",
            feature="support",
            route="auto",
            outcome="ok",
            deployment="openai/big-1",
            latency_ms=321.5,
            cost_nano=1_250_001,
            calls=(Paid("a/b"), Paid("openai/big-1", USAGE, 1_250_001)),
            decision=Drawn(
                decided.chosen,
                decided.eligible,
                decided.probabilities,
                "auto",
                "policy",
                ("task:x",),
                decided.snapshot,
                "c0",
                NEEDS,
            ),
            vector=b"\x02abc",
        )
    ]


def test_what_was_not_decided_has_no_decision(store: Store) -> None:
    store.journal.append([record(1, decision=None, attempts=(), outcome="error")])
    (found,) = whole(store, ALL, 10)
    assert (found.decision, found.calls, found.deployment, found.cost_nano) == (None, (), "", None)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_stretches_hold_every_exchange_once(store: Store, size: int) -> None:
    store.journal.append([record(number) for number in (5, 3, 9, 1, 7)])
    store.journal.append([record(number, feature="other") for number in (2, 8)])
    assert sorted(past.id for past in whole(store, ALL, size)) == [f"{number:024x}" for number in (1, 2, 3, 5, 7, 8, 9)]
    assert [past.id for past in whole(store, Filter(feature="other"), size)] == [f"{number:024x}" for number in (2, 8)]
    assert all(span.last - span.first < size for span in store.past.spans(ALL, size))


def test_stretches_are_of_what_is_wanted(store: Store) -> None:
    store.journal.append([record(number) for number in range(1, 11)])
    wanted = Filter(since_ms=START_MS + 3, until_ms=START_MS + 6)
    assert store.past.spans(wanted, 10) == [Span(3, 5)]
    assert [past.id for past in whole(store, wanted, 2)] == [f"{number:024x}" for number in (3, 4, 5)]


def test_what_began_the_conversations_of_a_stretch_is_found_wherever_it_is(store: Store) -> None:
    inside = replace(decision(), course=f"{1:024x}")
    store.journal.append([record(1), record(2), record(3, decision=inside), record(4, decision=inside, feature="other")])
    assert [past.id for past in store.past.beginnings(ALL, Span(3, 4))] == [f"{1:024x}"]
    assert store.past.beginnings(ALL, Span(1, 2)) == []
    assert [past.id for past in store.past.beginnings(Filter(feature="other"), Span(3, 4))] == [f"{1:024x}"]
    assert store.past.beginnings(Filter(feature="other"), Span(3, 3)) == []


def test_an_empty_journal_has_no_stretches(store: Store) -> None:
    assert store.past.spans(ALL, 10) == []
    assert store.past.requests(ALL) == {}


def test_grades_come_with_the_exchanges_that_they_are_of(store: Store) -> None:
    store.journal.append([record(1), record(2), record(3, feature="other")])
    late = judgement(1, at_ms=START_MS + 10_000_000, arm="policy", trial="", score=1.0)
    store.journal.judge([late, judgement(2), judgement(2, deployment="openai/big-1", arm="reference", score=0.0)])
    store.journal.judge([judgement(3), judgement(2, deployment="x/unsure", score=None), judgement(77)])
    first, both = Span(1, 1), Span(1, 2)
    assert store.past.grades(ALL, first) == [Grade(f"{1:024x}", "openai/small-3", "policy", "exact", "", 1.0)]
    assert {(one.exchange[-1], one.deployment, one.score) for one in store.past.grades(ALL, both)} == {
        ("1", "openai/small-3", 1.0), ("2", "openai/small-3", 0.5), ("2", "openai/big-1", 0.0),
    }  # fmt: skip
    assert store.past.grades(Filter(until_ms=START_MS + 2), both) == store.past.grades(ALL, first)


def test_graders_are_counted_by_feature_and_exchange(store: Store) -> None:
    store.journal.append([record(1), record(2), record(3, feature="other")])
    store.journal.judge([judgement(1), judgement(1, deployment="openai/big-1", arm="reference"), judgement(2)])
    store.journal.judge([judgement(3, grader="judge:x"), judgement(2, deployment="x/unsure", score=None, grader="numeric")])
    assert store.past.grade_counts(ALL) == [
        GradeCount("other", "judge:x", 1, START_MS + 3),
        GradeCount("support", "exact", 2, START_MS + 2),
    ]
    assert store.past.grade_counts(Filter(feature="support", since_ms=START_MS + 2)) == [
        GradeCount("support", "exact", 1, START_MS + 2)
    ]


def test_exchanges_are_counted_by_feature(store: Store) -> None:
    store.journal.append([record(1), record(2), record(3, feature="other")])
    assert store.past.requests(ALL) == {"other": 1, "support": 2}
    assert store.past.requests(Filter(since_ms=START_MS + 2, until_ms=START_MS + 3)) == {"support": 1}


def test_a_snapshot_is_found_by_its_number_and_by_its_time(store: Store) -> None:
    for number in (1, 2):
        store.snapshots.publish(snapshot_bytes(f"act {number}"), made_by=f"act {number}", at_ms=START_MS + 10 * number)
    second = store.snapshots.numbered(2)
    assert second is not None
    assert (second.number, second.made_by) == (2, "act 2")
    assert store.snapshots.numbered(3) is None
    made = [store.snapshots.in_force(START_MS + after) for after in (9, 10, 19, 20, 99)]
    assert [one and one.number for one in made] == [None, 1, 1, 2, 2]
