"""Feedback becomes judgements, each once, whoever looks and whenever its exchange comes."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from pointsman.control.joining import PAGE, join_due
from pointsman.core.chat import Usage
from pointsman.core.errors import StoreError
from pointsman.core.feedback import Feedback
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Decision
from pointsman.store.interfaces import Filter, Joined
from pointsman.store.sqlite import SqliteStore

NOW = 1_790_000_000_000
USED = Usage(100, 10)


def name(number: int) -> str:
    return f"{number:024x}"


def exchange(number: int, served: str = "z/small", **fields: Any) -> ExchangeRecord:
    decision = Decision("z/small", (), ("z/big", "z/small"), (0.75, 0.25), "auto", "policy", "why")
    attempts = (Attempt(served, "first", 1, usage=USED, cost_nano=7),)
    base = ExchangeRecord(
        name(number), NOW - 10_000 + number, "auto", "support", "ok", 200, decision, attempts, vector=b"v", conversation="c"
    )
    return replace(base, **fields)


def said(id_: str = "f", number: int = 1, **fields: Any) -> Feedback:
    return replace(Feedback(id_, "users", "thumb", "exchange", name(number), 1.0, NOW, NOW), **fields)


def judged(store: SqliteStore) -> list[Judgement]:
    return list(store.journal.judgements(Filter()))


def test_it_judges_who_served_under_the_arm_of_the_decision(store: SqliteStore) -> None:
    fallback = (Attempt("z/small", "first", 1, status=503), Attempt("z/big", "fallback", 2, usage=USED, cost_nano=90))
    store.journal.append([exchange(1), exchange(2, attempts=fallback), exchange(3, decision=None)])
    store.feedback.take([said("a", 1), said("b", 2, at_ms=NOW + 1), said("c", 3, at_ms=NOW + 2, score=0.0)])
    assert join_due(store, NOW) == 3
    assert judged(store) == [
        Judgement(name(1), NOW, "support", "z/small", "policy", 1.0, "feedback:users:thumb", "", USED, 7, vector=b"v"),
        Judgement(name(2), NOW + 1, "support", "z/big", "policy", 1.0, "feedback:users:thumb", "", USED, 90, vector=b"v"),
        Judgement(name(3), NOW + 2, "support", "z/small", "observed", 0.0, "feedback:users:thumb", "", USED, 7, vector=b"v"),
    ]
    assert join_due(store, NOW + 10**9) == 0


def test_a_conversations_outcome_is_shared_by_its_answers(store: SqliteStore) -> None:
    store.journal.append([exchange(1), exchange(2, "z/big"), exchange(3, conversation="d"), exchange(4, outcome="error")])
    store.feedback.take([said(about="conversation", subject="c", kind="event", event="purchase", value_nano=5)])
    assert join_due(store, NOW) == 0  # its last exchange may still be on the way
    store.journal.append([exchange(5)])
    assert join_due(store, NOW + 5_000) == 1
    assert [(one.exchange, one.deployment, one.weight, one.grader) for one in judged(store)] == [
        (name(1), "z/small", 1 / 3, "feedback:users:conversation:event:purchase"),
        (name(2), "z/big", 1 / 3, "feedback:users:conversation:event:purchase"),
        (name(5), "z/small", 1 / 3, "feedback:users:conversation:event:purchase"),
    ]
    assert {one.note for one in judged(store)} == {"of a conversation of 3 answers"}


def test_what_is_said_of_a_conversation_leaves_what_is_said_of_one_answer(store: SqliteStore) -> None:
    store.journal.append([exchange(1), exchange(2)])
    store.feedback.take([said("a", 1, score=0.0), said("b", about="conversation", subject="c", at_ms=NOW + 1)])
    assert join_due(store, NOW + 10_000) == 2
    assert [(one.exchange, one.score, one.weight, one.grader) for one in judged(store)] == [
        (name(1), 0.0, 1.0, "feedback:users:thumb"),
        (name(1), 1.0, 0.5, "feedback:users:conversation:thumb"),
        (name(2), 1.0, 0.5, "feedback:users:conversation:thumb"),
    ]


def test_a_request_without_an_answer_judges_nobody_and_is_not_looked_for_again(store: SqliteStore) -> None:
    store.journal.append([exchange(1, outcome="error", attempts=())])
    store.feedback.take([said()])
    assert join_due(store, NOW) == 1
    assert judged(store) == []
    assert [one.state for one in store.feedback.kept()] == ["joined"]


def test_an_exchange_that_comes_late_is_found_after_at_most_twice_the_time(store: SqliteStore) -> None:
    store.feedback.take([said()])
    looks = 0
    for second in range(7200):
        if store.feedback.due(NOW + 1000 * second, 1):
            looks += 1
        if second == 3600:
            store.journal.append([exchange(1)])
        if join_due(store, NOW + 1000 * second):
            break
    assert second <= 7200
    assert looks < 16
    assert len(judged(store)) == 1


@pytest.mark.parametrize("join_between", [False, True])
def test_a_correction_leaves_one_judgement(store: SqliteStore, *, join_between: bool) -> None:
    store.journal.append([exchange(1)])
    store.feedback.take([said("a")])
    if join_between:
        join_due(store, NOW)
    store.feedback.take([said("b", score=0.0)])
    join_due(store, NOW)
    assert [one.score for one in judged(store)] == [0.0]


def test_a_bounded_number_of_exchanges_is_held_however_much_is_said_of_long_conversations(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.journal.append([exchange(number) for number in range(400)])
    events = [said(f"{n}", about="conversation", subject="c", kind="event", event=f"e{n}") for n in range(20)]
    store.feedback.take(events)
    at_once: list[int] = []
    join = store.feedback.join

    def watched(made: Sequence[Joined]) -> int:
        at_once.append(sum(one.exchanges for one in made))
        return join(made)

    monkeypatch.setattr(store.feedback, "join", watched)
    assert join_due(store, NOW + 10_000) == 20
    assert (sum(at_once), max(at_once)) == (20 * 400, 1_200)
    assert len(judged(store)) == 20 * 400


@pytest.mark.parametrize("problem", [StoreError("of another version"), ValueError("cannot be stored")])
@pytest.mark.parametrize("at", ["about", "join"])
def test_what_cannot_be_joined_is_put_off_and_keeps_no_other(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, at: str, problem: Exception
) -> None:
    store.journal.append([exchange(number) for number in range(3)])
    store.feedback.take([said(f"{number}", number) for number in range(3)])
    before = getattr(store.feedback, at)

    def failing(given: Any) -> Any:
        if said("1", 1) in ([given] if at == "about" else [one.feedback for one in given]):
            raise problem
        return before(given)

    monkeypatch.setattr(store.feedback, at, failing)
    assert join_due(store, NOW) == 2
    assert store.feedback.due(NOW, 10) == []
    assert [record.getMessage() for record in caplog.records] == [
        f"feedback 1 of users cannot be joined and is looked at again later: {problem}"
    ]
    monkeypatch.setattr(store.feedback, at, before)
    assert join_due(store, NOW + 1_000) == 1
    assert len(judged(store)) == 3


def test_a_store_that_writes_nothing_is_not_tried_for_every_row(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.journal.append([exchange(number) for number in range(3)])
    store.feedback.take([said(f"{number}", number) for number in range(3)])
    tried: list[str] = []

    def locked(*_: object) -> int:
        tried.append("")
        raise StoreError("locked")

    monkeypatch.setattr(store.feedback, "join", locked)
    monkeypatch.setattr(store.feedback, "postpone", locked)
    with pytest.raises(StoreError, match="locked"):
        join_due(store, NOW)
    assert len(tried) == 2


MINE: dict[str, Any] = {"about": "client_id", "subject": "order-7"}
EARLIER = NOW - 3_600_000
"""When one request with that name was made; another was made ten seconds ago."""


def twice_the_same_name(store: SqliteStore) -> None:
    store.journal.append([exchange(1, client_id="order-7", at_ms=EARLIER), exchange(2, client_id="order-7")])


def of_each(store: SqliteStore) -> list[tuple[str, float | None]]:
    return sorted((one.exchange, one.score) for one in judged(store))


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("newest_first", [True, False])
def test_what_is_said_of_two_requests_with_one_name_is_joined_to_each(
    store: SqliteStore, *, known: bool, newest_first: bool
) -> None:
    if known:
        twice_the_same_name(store)
    both = [said("a", score=0.0, at_ms=EARLIER + 1, **MINE), said("b", **MINE)]
    taken = store.feedback.take(both[::-1] if newest_first else both)
    assert [one.how for one in taken] == ["joined" if known else "waiting"] * 2
    if not known:
        twice_the_same_name(store)
    assert join_due(store, NOW) == 2
    assert of_each(store) == [(name(1), 0.0), (name(2), 1.0)]
    assert store.feedback.take([said("c", score=0.5, at_ms=EARLIER + 2, **MINE)])[0].how == "corrected"
    assert store.feedback.take([said("d", score=0.5, at_ms=EARLIER, **MINE)])[0].how == "outdated"
    assert join_due(store, NOW) == 1
    assert of_each(store) == [(name(1), 0.5), (name(2), 1.0)]
    assert {one.feedback.id: one.state for one in store.feedback.kept()} == {
        "a": "replaced", "b": "joined", "c": "joined", "d": "replaced",
    }  # fmt: skip


@pytest.mark.parametrize("between", [True, False])
@pytest.mark.parametrize("order", [(0, 1, 1), (1, 0, 1), (0, 0, 1)])
def test_of_what_was_said_of_one_name_before_its_exchange_came_the_latest_counts(
    store: SqliteStore, order: tuple[int, int, int], *, between: bool
) -> None:
    """Two things said at these times, before the exchange comes or on either side of it; the last one is the later one."""
    first, second, winner = order if order[0] <= order[1] else (1, 0, 0)
    store.feedback.take([said("0", score=0.0, at_ms=NOW + first, **MINE)])
    if between:
        store.journal.append([exchange(2, client_id="order-7")])
    store.feedback.take([said("1", score=1.0, at_ms=NOW + second, **MINE)])
    if not between:
        store.journal.append([exchange(2, client_id="order-7")])
    assert join_due(store, NOW) >= 1
    assert of_each(store) == [(name(2), float(winner))]
    states = {one.feedback.id: one.state for one in store.feedback.kept()}
    assert states == {str(winner): "joined", str(1 - winner): "replaced"}


@pytest.mark.parametrize("count", [PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_any_number_is_joined_and_no_more_at_once_than_allowed(store: SqliteStore, count: int) -> None:
    store.journal.append([exchange(number) for number in range(count)])
    store.feedback.take([said(f"{number}", number) for number in range(count)])
    seen: list[int] = []
    assert join_due(store, NOW, pages=1, advance=seen.append) == min(count, PAGE)
    assert seen == [min(count, PAGE)]
    assert join_due(store, NOW) == count - min(count, PAGE)
    assert len(judged(store)) == count
