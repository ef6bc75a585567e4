"""One label for each answer: who is trusted decides, and feedback counts for what it is worth."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from pointsman.control.labels import PAGE, Label, Trust, labelled, learned_trust
from pointsman.core.feedback import Feedback
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Decision
from pointsman.store.interfaces import Filter, Joined
from pointsman.store.sqlite import SqliteStore

ALL = Filter()
THUMB = "feedback:users:thumb"


def name(number: int) -> str:
    return f"{number:024x}"


def exchange(number: int, served: str = "z/small", **fields: Any) -> ExchangeRecord:
    decision = Decision("z/small", (), ("z/big", "z/small"), (0.75, 0.25), "auto", "policy", "why")
    base = ExchangeRecord(
        name(number), 1000 + number, "auto", "support", "ok", 200, decision, (Attempt(served, "first", 1, cost_nano=7),),
        vector=b"kept",
    )  # fmt: skip
    return replace(base, **fields)


def row(number: int, grader: str, score: float | None, **fields: Any) -> Judgement:
    base = Judgement(name(number), 5000 + number, "support", "z/small", "policy", score, grader, cost_nano=7)
    return replace(base, **fields)


def trial(number: int, grader: str, reference: float, candidate: float) -> list[Judgement]:
    return [
        row(number, grader, reference, deployment="z/big", arm="reference", trial="t", vector=b"own", cost_nano=90),
        row(number, grader, candidate, arm="candidate", trial="t", vector=b"own"),
    ]


def heard(store: SqliteStore, number: int, score: float, kind: Any = "thumb", weight: float = 1.0) -> None:
    """Take feedback, and join it as the control plane does."""
    one = Feedback(f"{kind}-{number}", "users", kind, "exchange", name(number), score, 6000, 6000)
    store.feedback.take([one])
    store.feedback.join([Joined(one, (row(number, one.grader, score, weight=weight),), 1)])


def only(store: SqliteStore, trust: Trust | None = None) -> Label:
    (label,) = labelled(store, ALL, trust)
    return label


def test_an_answer_as_served_has_the_chance_of_its_draw(store: SqliteStore) -> None:
    store.journal.append([exchange(1)])
    store.journal.judge([row(1, "exact", 1.0)])
    assert only(store) == Label(
        name(1), "z/small", "policy", "support", 1.0, 1.0, b"kept", 7, 1001, 0.25, "exact", compared=False, judged_ms=5001
    )


@pytest.mark.parametrize(
    "record",
    [
        exchange(1, attempts=(Attempt("z/small", "first", 1, status=503), Attempt("z/big", "fallback", 2))),
        exchange(1, decision=None),
        exchange(2),
    ],
)
def test_what_was_not_drawn_has_none(store: SqliteStore, record: ExchangeRecord) -> None:
    store.journal.append([record])
    store.journal.judge([row(1, "exact", 1.0)])
    assert only(store).propensity is None


def test_both_answers_of_a_trial_are_labels(store: SqliteStore) -> None:
    store.journal.append([exchange(1)])
    store.journal.judge(trial(1, "exact", 1.0, 0.0))
    found = [(one.deployment, one.arm, one.score, one.vector, one.cost_nano, one.compared) for one in labelled(store, ALL)]
    assert found == [
        ("z/big", "reference", 1.0, b"own", 90, False), ("z/small", "candidate", 0.0, b"own", 7, False),
    ]  # fmt: skip


def test_shares_of_wins_are_marked_a_judges_and_a_persons(store: SqliteStore) -> None:
    store.journal.judge(trial(1, "judge:z/judge", 0.5, 1.0))
    store.journal.judge(trial(2, "person:ann", 0.5, 0.0))
    assert [(one.score, one.compared) for one in labelled(store, ALL)] == [
        (0.5, True),
        (1.0, True),
        (0.5, True),
        (0.0, True),
    ]


def test_people_and_checks_go_before_judges_and_those_before_feedback(store: SqliteStore) -> None:
    heard(store, 1, 0.0)
    assert only(store).grader == THUMB
    store.journal.judge([row(1, "judge:z/judge", 0.25)])
    assert (only(store).score, only(store).weight, only(store).compared) == (0.25, 1.0, True)
    store.journal.judge([row(1, "person:ann", 1.0), row(1, "person:bob", 0.0, at_ms=9000), row(1, "exact", None)])
    assert (only(store).score, only(store).weight, only(store).compared) == (0.5, 1.0, False)
    assert (only(store).grader, only(store).judged_ms) == ("person:bob", 9000)


def test_nothing_graded_is_no_label(store: SqliteStore) -> None:
    store.journal.judge([row(1, "exact", None)])
    assert list(labelled(store, ALL)) == []
    assert learned_trust(store) == Trust({}, {})


def test_feedback_is_corrected_by_what_people_said_of_the_same_answers(store: SqliteStore) -> None:
    rng = np.random.default_rng(0)
    for number in range(300):
        good = rng.random() < 0.6
        heard(store, number, float(rng.random() < (0.9 if good else 0.3)))
        if number < 200:
            store.journal.judge([row(number, "person:ann", float(good))])
    trust = learned_trust(store)
    line = trust.signals[THUMB]
    assert (line.pairs, trust.labels[THUMB]) == (200, 100)
    assert line.offset == pytest.approx(0.3, abs=0.1)
    assert line.slope == pytest.approx(0.6, abs=0.1)
    labels = [one for one in labelled(store, ALL) if one.grader == THUMB]
    assert len(labels) == 100
    assert {one.weight for one in labels} == {line.weight(100)}
    assert {one.score for one in labels} == {line.corrected(0.0), line.corrected(1.0)}
    assert list(labelled(store, ALL, Trust({}, {}))) == [one for one in labelled(store, ALL) if one.weight == 1]


def test_several_signals_on_one_answer_are_one_label(store: SqliteStore) -> None:
    heard(store, 1, 1.0)
    alone = only(store)
    heard(store, 1, 1.0, "test")
    both = only(store)
    assert alone.weight < both.weight < 1


def test_an_outcome_of_a_conversation_counts_once_for_all_its_answers(store: SqliteStore) -> None:
    heard(store, 1, 1.0)
    whole = only(store)
    for number in (2, 3):
        heard(store, number, 1.0, weight=0.5)
    found = {one.exchange: one.weight for one in labelled(store, ALL)}
    assert found[name(2)] == found[name(3)] == pytest.approx(found[name(1)] / 2)
    assert found[name(1)] < whole.weight  # two outcomes share one line


def test_labels_come_in_the_order_of_their_exchanges_whatever_the_number(store: SqliteStore) -> None:
    count = 2 * PAGE + 3
    store.journal.append([exchange(number) for number in range(count)])
    store.journal.judge([row(number, "exact", 1.0, at_ms=9000 - number) for number in range(count)])
    found = list(labelled(store, Filter(feature="support")))
    assert [one.exchange for one in found] == [name(number) for number in range(count)]
    assert list(labelled(store, Filter(feature="coding"))) == []


def test_a_checks_word_from_before_the_time_that_is_wanted_still_decides(store: SqliteStore) -> None:
    store.journal.append([exchange(number) for number in range(100)])
    store.journal.judge([row(number, "exact", float(number % 2)) for number in range(100)])
    for number in range(99):
        heard(store, number, float(number % 2))
    thumb = Feedback("late", "users", "thumb", "exchange", name(99), 0.0, 90_000, 90_000)
    store.feedback.take([thumb])
    store.feedback.join([Joined(thumb, (row(99, thumb.grader, 0.0, at_ms=90_000),), 1)])
    (label,) = labelled(store, Filter(since_ms=80_000))
    assert (label.exchange, label.score, label.grader) == (name(99), 1.0, "exact")
