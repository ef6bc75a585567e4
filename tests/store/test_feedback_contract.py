"""What every store does with feedback: taken once, the latest in force, joined once."""

import threading
from typing import Any

import pytest
from msgspec.structs import replace
from tests.store.records import START_MS, attempt, judgement, record

from pointsman.core.feedback import Feedback, Taken
from pointsman.core.record import Judgement
from pointsman.store.interfaces import CONVERSATION_ANSWERS, Filter, Joined, KeptFeedback, Signal, Store

NOW = START_MS + 60_000
MINUTE = 60_000
BASE = Feedback("f", "users", "thumb", "exchange", f"{1:024x}", 1.0, NOW, NOW)


def said(id_: str = "f", **fields: Any) -> Feedback:
    return replace(BASE, id=id_, **fields)


def named(number: int) -> str:
    return f"{number:024x}"


def judged(one: Feedback, number: int = 1) -> Judgement:
    """The judgement that feedback becomes, as the control plane would make it."""
    return judgement(number, trial="", arm="policy", score=one.score, grader=one.grader, at_ms=one.at_ms)


def joined(store: Store) -> list[tuple[float | None, str]]:
    return [(one.score, one.grader) for one in store.journal.judgements(Filter())]


def test_it_waits_for_its_exchange_and_says_so(store: Store) -> None:
    assert store.feedback.take([said()]) == [Taken("waiting", 0)]
    store.journal.append([record(1), record(2)])
    assert store.feedback.take([said("g", subject=named(2))]) == [Taken("joined", 1)]
    assert store.feedback.due(NOW, 10) == [said(), said("g", subject=named(2))]
    assert [store.feedback.about(one) for one in store.feedback.due(NOW, 10)] == [[record(1)], [record(2)]]
    assert store.feedback.due(NOW, 1) == [said()]
    assert store.feedback.due(NOW - 1, 10) == []


def test_an_id_counts_once_within_its_source_also_in_one_body(store: Store) -> None:
    assert store.feedback.take([said(), said(score=0.0)]) == [Taken("waiting", 0), Taken("repeated", 0)]
    assert store.feedback.take([said(subject=named(2))]) == [Taken("repeated", 0)]
    assert store.feedback.take([said(source="tests", kind="test")]) == [Taken("waiting", 0)]
    assert [one.feedback for one in store.feedback.kept()] == [said(source="tests", kind="test"), said()]


def test_what_is_joined_is_joined_once_whoever_tries(store: Store) -> None:
    store.journal.append([record(1)])
    store.feedback.take([said()])
    made = [Joined(said(), (judged(said()),), 1)]
    assert store.feedback.join(made) == 1
    assert store.feedback.join([Joined(said(), (judged(said(score=0.0)),), 1)]) == 0
    assert joined(store) == [(1.0, "feedback:users:thumb")]
    assert store.feedback.due(NOW, 10) == []
    assert [(one.state, one.exchanges) for one in store.feedback.kept()] == [("joined", 1)]


@pytest.mark.parametrize("join_first", [False, True])
def test_a_correction_takes_the_place_of_what_was_said(store: Store, *, join_first: bool) -> None:
    store.journal.append([record(1)])
    store.feedback.take([said()])
    if join_first:
        store.feedback.join([Joined(said(), (judged(said()),), 1)])
    assert store.feedback.take([said("g", score=0.0)]) == [Taken("corrected", 1)]
    now = said("g", score=0.0, at_ms=NOW + 1)  # within the same millisecond, the second one is the later one
    assert store.feedback.due(NOW, 10) == [now]
    assert store.feedback.join([Joined(said(), (judged(said()),), 1), Joined(now, (judged(now),), 1)]) == 1
    assert joined(store) == [(0.0, "feedback:users:thumb")]
    assert [one.state for one in store.feedback.kept()] == ["joined", "replaced"]


def test_what_was_said_earlier_and_comes_later_is_kept_but_does_not_count(store: Store) -> None:
    store.journal.append([record(1)])
    store.feedback.take([said(at_ms=NOW)])
    assert store.feedback.take([said("g", score=0.0, at_ms=NOW - MINUTE)]) == [Taken("outdated", 1)]
    assert store.feedback.due(NOW, 10) == [said()]


@pytest.mark.parametrize(
    "other",
    [
        {"source": "tests"}, {"kind": "score"}, {"subject": named(2)}, {"about": "conversation", "subject": "c"},
        {"kind": "event", "event": "purchase"}, {"client_key": "app"},
    ],
)  # fmt: skip
def test_other_signals_and_other_subjects_are_no_corrections(store: Store, other: dict[str, Any]) -> None:
    store.feedback.take([said()])
    assert store.feedback.take([said("g", **other)]) == [Taken("waiting", 0)]
    assert len(store.feedback.due(NOW + MINUTE, 10)) == 2


def test_the_clients_own_id_names_the_newest_that_was_answered_with_its_key(store: Store) -> None:
    store.journal.append(
        [
            record(1, client_id="mine", client_key="app"),
            record(2, client_id="mine", client_key="app"),
            record(3, client_id="mine", client_key="app", outcome="error", attempts=()),
            record(4, client_id="mine", client_key="other"),
            record(5, client_id="theirs", client_key="app"),
            record(6, client_id="", client_key="app"),
            record(10 * MINUTE, client_id="mine", client_key="app"),
        ]
    )
    one = said(about="client_id", subject="mine", client_key="app")
    assert store.feedback.about(one) == [record(2, client_id="mine", client_key="app")]
    assert store.feedback.about(replace(one, client_key="")) == [record(4, client_id="mine", client_key="other")]
    assert store.feedback.about(replace(one, at_ms=START_MS - 10 * MINUTE)) == [
        record(10 * MINUTE, client_id="mine", client_key="app")
    ]
    assert store.feedback.take([one, said("g", about="client_id", subject="")]) == [Taken("joined", 1), Taken("waiting", 0)]


def test_a_key_does_not_speak_of_the_exchanges_of_another(store: Store) -> None:
    own, theirs, keyless = (record(n, client_key=key) for n, key in enumerate(("app", "other", ""), start=1))
    store.journal.append([own, theirs, keyless])
    about = [said(f"{n}", subject=named(n), client_key="app") for n in (1, 2, 3)]
    assert store.feedback.take(about) == [Taken("joined", 1), Taken("waiting", 0), Taken("joined", 1)]
    assert [store.feedback.about(one) for one in about] == [[own], [], [keyless]]
    assert store.feedback.about(said(subject=named(2))) == [theirs]  # without a key all may be spoken of


def test_a_conversation_is_all_that_was_answered_in_it_until_then_and_settles_first(store: Store) -> None:
    inside = [record(number, conversation="c") for number in (1, 2, MINUTE)]
    store.journal.append(
        [
            *inside,
            record(3, conversation="c", outcome="client_gone"),
            record(4, conversation="d"),
            record(5),
            record(MINUTE + 1, conversation="c"),
        ]
    )
    one = said(about="conversation", subject="c")
    assert store.feedback.take([one]) == [Taken("joined", 3)]
    assert store.feedback.about(one) == inside
    assert store.feedback.due(NOW + 4_999, 10) == []
    assert store.feedback.due(NOW + 5_000, 10) == [one]
    assert store.feedback.about(said(about="conversation", subject="")) == []
    store.feedback.take([said("late", about="conversation", subject="c", at_ms=NOW - MINUTE)])
    old = said("old", about="conversation", subject="d", at_ms=NOW - MINUTE)
    store.feedback.take([old])
    assert store.feedback.due(NOW, 10) == [old]


def test_of_a_very_long_conversation_the_newest_answers_count(store: Store) -> None:
    count = CONVERSATION_ANSWERS + 5
    store.journal.append([record(number, conversation="c") for number in range(1, count + 1)])
    one = said(about="conversation", subject="c")
    assert store.feedback.take([one]) == [Taken("joined", CONVERSATION_ANSWERS)]
    about = store.feedback.about(one)
    assert [about[0].id, about[-1].id, len(about)] == [named(6), named(count), CONVERSATION_ANSWERS]


def test_what_is_not_found_is_looked_for_later_and_listed(store: Store) -> None:
    store.feedback.take([said(), said("g", subject=named(2), taken_ms=NOW + 5)])
    store.feedback.postpone([said()], [NOW + MINUTE])
    assert [one.id for one in store.feedback.due(NOW + 10, 10)] == ["g"]
    assert [one.id for one in store.feedback.due(NOW + MINUTE, 10)] == ["g", "f"]
    assert [one.feedback.id for one in store.feedback.kept(waiting_since_ms=NOW + 5)] == ["f"]


def test_signals_are_summed(store: Store) -> None:
    store.journal.append([record(1, attempts=(attempt(),))])
    store.feedback.take(
        [
            said(), said("g", score=0.0, at_ms=NOW + 1),
            said("h", subject=named(2), taken_ms=NOW - MINUTE),
            said("i", kind="event", event="purchase", value_nano=3), said("j", kind="event", event="purchase",
                 subject=named(2), value_nano=4),
            said("k", about="conversation", subject="c", score=0.0),
        ]
    )  # fmt: skip
    store.feedback.join([Joined(said("g"), (), 1)])
    assert store.feedback.signals(unknown_before_ms=NOW) == [
        Signal("users", "event", "purchase", False, 2, 0, 2, 0, 0, 1.0, 7, NOW, NOW),
        Signal("users", "thumb", "", False, 3, 1, 1, 1, 1, 0.5, 0, NOW, NOW + 1),
        Signal("users", "thumb", "", True, 1, 0, 1, 0, 0, 0.0, 0, NOW, NOW),
    ]


def test_values_of_more_than_64_bits_together_are_summed_exactly(store: Store) -> None:
    worth = 999_999_999_999_999_999
    store.feedback.take([said(f"{n}", kind="event", event="sale", subject=named(n), value_nano=worth) for n in range(20)])
    store.feedback.take([said("lost", kind="event", event="sale", subject=named(20), value_nano=-worth)])
    assert [one.value_nano for one in store.feedback.signals(unknown_before_ms=NOW)] == [19 * worth]


def test_what_was_taken_is_listed_newest_first(store: Store) -> None:
    store.feedback.take([said(f"{n}", subject=named(n), at_ms=NOW + n, source="ab"[n % 2]) for n in range(6)])
    assert [one.feedback.id for one in store.feedback.kept(limit=3)] == ["5", "4", "3"]
    assert [one.feedback.id for one in store.feedback.kept(source="a", since_ms=NOW + 1)] == ["4", "2"]
    assert next(store.feedback.kept()) == KeptFeedback(said("5", subject=named(5), at_ms=NOW + 5, source="b"), "waiting", 0)


def test_a_batch_is_all_or_nothing(store: Store) -> None:
    with pytest.raises(ValueError, match="cannot be stored"):
        store.feedback.take([said(), said("g", subject="half a pair: \ud800")])
    assert list(store.feedback.kept()) == []


def test_several_at_once_take_an_id_once_and_keep_one_in_force(store: Store) -> None:
    taken: list[Taken] = []

    def work(worker: int) -> None:
        for number in range(20):
            taken.extend(store.feedback.take([said(f"{number}", score=float(worker % 2), at_ms=NOW + number)]))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.how != "repeated" for one in taken) == 20
    assert [one.id for one in store.feedback.due(NOW, 100)] == ["19"]
