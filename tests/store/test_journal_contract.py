"""What every journal does, whatever it is built on (``records.STORES``)."""

import math
import threading
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.store.records import START_MS, USAGE, attempt, decision, judgement, opened, record

from pointsman.core.chat import Usage
from pointsman.core.errors import StoreError
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Decision, Prediction
from pointsman.store.interfaces import GROUPINGS, CourseSpend, Filter, Grouping, Spend, Store

ALL = Filter()
PAGE = 500

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
counts = st.integers(0, 2**53)
times = st.floats(0, 1e9)
usages = st.none() | st.builds(Usage, counts, counts, counts, counts, counts)
attempts = st.builds(
    Attempt, texts, st.sampled_from(["first", "retry", "fallback"]), counts, st.integers(0, 599), texts,
    st.none() | times, times, usages, st.none() | st.integers(0, 2**60), st.none() | texts,
)  # fmt: skip
predictions = st.builds(Prediction, texts, st.none() | st.floats(0, 1), st.none() | st.floats(0, 1), st.none() | counts)
decisions = st.builds(
    Decision, texts, st.tuples(texts), st.tuples(texts, texts), st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.sampled_from(["observe", "trial", "canary", "auto"]), st.sampled_from(["policy", "control", "pinned", "observed"]),
    texts, st.tuples(predictions), st.dictionaries(texts, texts, max_size=2), texts,
)  # fmt: skip
records = st.builds(
    ExchangeRecord, id=texts, at_ms=counts, asked=texts, feature=texts,
    outcome=st.sampled_from(["ok", "error", "client_gone", "cut"]), status=st.integers(0, 599),
    decision=st.none() | decisions, attempts=st.lists(attempts, max_size=3).map(tuple), route=texts, streamed=st.booleans(),
    conversation=texts, client_key=texts, latency_ms=times, first_content_ms=st.none() | times,
    vector=st.binary(max_size=480), prompt=texts, source=texts, client_id=texts, customer=texts,
)  # fmt: skip


@given(batch=st.lists(records, max_size=4, unique_by=lambda one: one.id))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_record_comes_back_as_it_went_in(
    kind: str, tmp_path_factory: pytest.TempPathFactory, batch: list[ExchangeRecord]
) -> None:
    store = opened(kind, tmp_path_factory.mktemp("store"))
    try:
        store.journal.append(batch)
        assert {one.id: one for one in store.journal.exchanges(ALL)} == {one.id: one for one in batch}
    finally:
        store.close()


def test_a_record_that_is_there_is_left_as_it_is(store: Store) -> None:
    store.journal.append([record(1, asked="first"), record(1, asked="twin in the same batch")])
    store.journal.append([record(1, asked="later"), record(2)])
    assert [one.asked for one in store.journal.exchanges(ALL)] == ["first", "auto"]


@pytest.mark.parametrize("count", [1, 49, 50, 51, 230])
def test_what_is_there_is_left_as_it_is_in_batches_of_any_size(store: Store, count: int) -> None:
    store.journal.append([record(number, asked="first", prompt="first") for number in range(0, count, 7)])
    twice = [record(number, vector=bytes((number,))) for number in range(count) for _ in range(2)]
    store.journal.append(twice)
    assert list(store.journal.exchanges(ALL)) == [
        record(number, vector=bytes((number,))) if number % 7 else record(number, asked="first", prompt="first")
        for number in range(count)
    ]


@pytest.mark.parametrize("place", [0, 49, 50, 99, 119])
def test_a_large_append_is_all_or_nothing(store: Store, place: int) -> None:
    batch = [record(number) for number in range(120)]
    for unfit in (record(place, at_ms=2**80), record(place, vector=bytes(1000)), record(place, prompt="\ud800")):
        with pytest.raises(ValueError, match=r"cannot be stored|does not fit"):
            store.journal.append([*batch[:place], unfit, *batch[place + 1 :]])
    assert list(store.journal.exchanges(ALL)) == []
    store.journal.append(batch)
    assert list(store.journal.exchanges(ALL)) == batch


def test_an_append_is_all_or_nothing(store: Store) -> None:
    store.journal.append([record(1)])
    unfit = (
        record(3, at_ms=2**80),
        record(3, attempts=(attempt(usage=Usage(input=10**30)),)),
        record(3, feature="half a pair: \ud800"),
        record(3, latency_ms=float("nan")),
        record(3, vector=bytes(1000)),
    )
    for one in unfit:
        with pytest.raises(ValueError, match=r"cannot be stored|does not fit"):
            store.journal.append([record(2), one, record(4)])
    assert list(store.journal.exchanges(ALL)) == [record(1)]
    store.journal.append([record(2)])
    assert list(store.journal.exchanges(ALL)) == [record(1), record(2)]


def test_an_empty_batch_is_no_mistake(store: Store) -> None:
    store.journal.append([])
    store.journal.judge([])
    assert list(store.journal.exchanges(ALL)) == []
    assert list(store.journal.judgements(ALL)) == []
    assert store.journal.spend(ALL) == []


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 7])
def test_exchanges_come_in_order_of_time_whatever_the_number(store: Store, count: int) -> None:
    batch = [record(number, at_ms=START_MS + number // 3) for number in range(count)]
    store.journal.append(batch[1::2])
    store.journal.append(batch[::2])
    forth = list(store.journal.exchanges(ALL))
    assert [one.at_ms for one in forth] == [one.at_ms for one in batch]
    assert {one.id for one in forth} == {one.id for one in batch}
    assert list(store.journal.exchanges(ALL, newest_first=True)) == forth[::-1]


def test_one_instant_may_have_more_exchanges_than_a_page(store: Store) -> None:
    store.journal.append([record(number, at_ms=START_MS) for number in range(3 * PAGE)])
    assert len({one.id for one in store.journal.exchanges(ALL)}) == 3 * PAGE


@pytest.mark.parametrize("limit", [0, 1, PAGE, PAGE + 1, 10 * PAGE])
def test_a_limit_is_kept(store: Store, limit: int) -> None:
    store.journal.append([record(number) for number in range(PAGE + 2)])
    newest = list(store.journal.exchanges(ALL, newest_first=True, limit=limit))
    assert [one.id for one in newest] == [record(number).id for number in range(PAGE + 2)][::-1][:limit]


def test_what_is_appended_while_reading_neither_hurts_nor_hides_the_rest(store: Store) -> None:
    before = [record(number) for number in range(PAGE + 10)]
    store.journal.append(before)
    seen = []
    for one in store.journal.exchanges(ALL):
        seen.append(one.id)
        if len(seen) in (1, PAGE, PAGE + 1):
            store.journal.append([record(10_000 + len(seen))])
    assert seen[: len(before)] == [one.id for one in before]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(since_ms=START_MS + 2), [2, 3, 4]),
        (Filter(until_ms=START_MS + 2), [1]),
        (Filter(since_ms=START_MS + 2, until_ms=START_MS + 4), [2, 3]),
        (Filter(feature="coding"), [2]),
        (Filter(deployment="openai/small-3"), [3]),
        (Filter(deployment=""), [4]),
        (Filter(route=""), [2]),
        (Filter(source="import:log.jsonl"), [3]),
        (Filter(input_above=1000), [1]),
        (Filter(exchange=f"{3:024x}"), [3]),
        (Filter(feature="support", deployment="openai/big-1"), [1]),
        (Filter(feature="unknown"), []),
    ],
)
def test_filters_narrow_exchanges_and_their_sums(store: Store, wanted: Filter, numbers: list[int]) -> None:
    store.journal.append(
        [
            record(1, attempts=(attempt(usage=Usage(input=1001)),)),
            record(2, feature="coding", route=""),
            record(3, source="import:log.jsonl", attempts=(attempt(), attempt("openai/small-3", usage=None))),
            record(4, attempts=(), outcome="error"),
        ]
    )
    assert [one.id for one in store.journal.exchanges(wanted)] == [record(number).id for number in numbers]
    assert sum(line.requests for line in store.journal.spend(wanted)) == len(numbers)


def test_a_filter_that_does_not_apply_is_a_mistake_and_not_ignored(store: Store) -> None:
    with pytest.raises(ValueError, match="trial"):
        store.journal.exchanges(Filter(trial="support-1"))
    with pytest.raises(ValueError, match="trial"):
        store.journal.spend(Filter(trial="support-1"))
    with pytest.raises(ValueError, match="route, source"):
        store.journal.judgements(Filter(route="auto", source="gateway"))


def spend_by_hand(batch: list[ExchangeRecord], by: set[Grouping]) -> list[Spend]:
    def key(one: ExchangeRecord) -> tuple[str, str, str, str]:
        made = one.decision
        last = one.attempts[-1].deployment if one.attempts else ""
        values: dict[Grouping, str] = {"feature": one.feature, "deployment": last}
        values |= {"mode": made.mode if made else "", "arm": made.arm if made else ""}
        feature, deployment, mode, arm = (values[name] if name in by else "" for name in GROUPINGS)
        return feature, deployment, mode, arm

    lines = []
    for (feature, deployment, mode, arm), members in groupby(sorted(batch, key=key), key):
        ones = list(members)
        usages = [each.usage for one in ones for each in one.attempts if each.usage]
        costs = [one.cost_nano for one in ones if one.cost_nano is not None]
        latencies = sorted(one.latency_ms for one in ones if one.outcome == "ok" and one.latency_ms) or [0.0]
        lines.append(
            Spend(
                feature,
                deployment,
                mode,
                arm,
                requests=len(ones),
                errors=sum(one.outcome in ("error", "cut") for one in ones),
                input_tokens=sum(one.input for one in usages),
                cached_tokens=sum(one.cached for one in usages),
                output_tokens=sum(one.output for one in usages),
                cost_nano=sum(costs),
                cost_nano_squared=float(sum(cost * cost for cost in costs)),
                unpriced=len(ones) - len(costs),
                latency_p50_ms=latencies[math.ceil(len(latencies) * 50 / 100) - 1],
                latency_p95_ms=latencies[math.ceil(len(latencies) * 95 / 100) - 1],
                first_ms=min(one.at_ms for one in ones),
                last_ms=max(one.at_ms for one in ones),
                cache_written_tokens=sum(one.cache_written for one in usages),
                missing=sum(
                    one.cost_nano is None and (one.outcome != "error" or any(each.usage for each in one.attempts))
                    for one in ones
                ),
            )
        )
    return lines


def test_courses_are_summed_as_wholes(store: Store) -> None:
    def made(number: int, arm: str, cost: int | None, course: str = "") -> ExchangeRecord:
        told = replace(decision("auto", arm), course=course)
        return record(number, decision=told, attempts=(attempt(cost_nano=cost),))

    first = f"{1:024x}"
    store.journal.append([made(1, "policy", 3), made(2, "policy", 4, first), made(3, "policy", None, first)])
    store.journal.append([made(4, "policy", 5), made(5, "policy", None), made(6, "control", 2)])
    assert store.journal.courses(ALL) == [
        CourseSpend("control", 1, 1, 2, 4.0),
        CourseSpend("policy", 3, 2, 12, float(7 * 7 + 5 * 5)),
    ]
    assert store.journal.courses(Filter(feature="unknown")) == []


@given(
    by=st.sets(st.sampled_from(GROUPINGS)) | st.just(set(GROUPINGS)),
    batch=st.lists(
        st.builds(
            record,
            st.integers(0, 10**9),
            feature=st.sampled_from(["support", "coding"]),
            outcome=st.sampled_from(["ok", "ok", "ok", "error", "client_gone", "cut"]),
            decision=st.sampled_from([None, decision(), decision("auto", "policy"), decision("auto", "control")]),
            attempts=st.lists(
                st.builds(
                    attempt,
                    st.sampled_from(["openai/big-1", "openai/small-3"]),
                    usage=st.sampled_from([None, USAGE, Usage(input=7, output=3)]),
                    cost_nano=st.none() | st.integers(0, 10**9),
                ),
                max_size=2,
            ).map(tuple),
            latency_ms=st.sampled_from([0.0, 1.5, 10.0, 11.0, 250.0]),
        ),
        max_size=60,
        unique_by=lambda one: one.id,
    ),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_sums_as_one_would_by_hand(
    kind: str, tmp_path_factory: pytest.TempPathFactory, by: set[Grouping], batch: list[ExchangeRecord]
) -> None:
    store = opened(kind, tmp_path_factory.mktemp("store"))
    try:
        store.journal.append(batch)
        found, expected = store.journal.spend(ALL, by), spend_by_hand(batch, by)
        if by == set(GROUPINGS):
            assert found == store.journal.spend(ALL)
        assert [line.cost_nano_squared for line in found] == pytest.approx([line.cost_nano_squared for line in expected])
        assert [replace(line, cost_nano_squared=0.0) for line in found] == [
            replace(line, cost_nano_squared=0.0) for line in expected
        ]
    finally:
        store.close()


def test_sums_of_money_are_exact_beyond_what_floats_hold(store: Store) -> None:
    costs = [2**53, 1, 1, 1]
    store.journal.append([record(n, attempts=(attempt(cost_nano=cost),)) for n, cost in enumerate(costs)])
    assert [line.cost_nano for line in store.journal.spend(ALL)] == [2**53 + 3]


def test_judgements_come_back_as_they_went_in_and_only_once(store: Store) -> None:
    full = judgement(1)
    bare = judgement(2, score=None, usage=None, cost_nano=None, vector=b"", note="", trial="")
    store.journal.judge([bare, full])
    store.journal.judge([judgement(1, score=1.0), judgement(1, arm="reference", deployment="openai/big-1")])
    assert list(store.journal.judgements(ALL)) == [full, judgement(1, arm="reference", deployment="openai/big-1"), bare]


def test_a_grader_may_judge_again_and_the_latest_stands_whatever_the_order(store: Store) -> None:
    def said(after_ms: int, score: float, **fields: object) -> Judgement:
        return judgement(1, at_ms=START_MS + after_ms, score=score, grader="person:ann", **fields)

    other = judgement(1, grader="person:bob", weight=0.25)
    store.journal.judge([said(10, 0.0), other])
    store.journal.judge([said(30, 1.0, note="changed my mind"), said(20, 0.5)])
    store.journal.judge([said(30, 0.0)])
    assert list(store.journal.judgements(ALL)) == [other, said(30, 1.0, note="changed my mind")]


@pytest.mark.parametrize("count", [1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 3])
def test_judgements_of_one_exchange_come_together_whatever_the_number(store: Store, count: int) -> None:
    made = [
        judgement(place // 3, at_ms=START_MS + (7919 * place) % 1009, grader=f"person:{place % 3}") for place in range(count)
    ]
    store.journal.judge(made[::-1])
    found = list(store.journal.by_exchange(ALL))
    assert [group[0].exchange for group in found] == sorted({one.exchange for one in made})
    assert all(len({one.exchange for one in group}) == 1 for group in found)
    assert sorted((one.exchange, one.grader) for group in found for one in group) == [(m.exchange, m.grader) for m in made]
    assert [one for group in store.journal.by_exchange(Filter(exchange=made[0].exchange)) for one in group] == [
        one for group in found[:1] for one in group
    ]


def test_of_an_exchange_of_which_one_judgement_is_wanted_all_come(store: Store) -> None:
    early, late = judgement(1), judgement(1, grader="person:ann", at_ms=START_MS + 9000, deployment="openai/big-1")
    store.journal.judge([early, late, judgement(2), judgement(3, feature="coding", at_ms=START_MS + 9000)])
    found = store.journal.by_exchange(Filter(since_ms=START_MS + 8000, feature="support"))
    assert [sorted(group, key=lambda one: one.at_ms) for group in found] == [[early, late]]


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 3])
def test_what_arrived_since_is_read_once_however_late_its_time(store: Store, count: int) -> None:
    written = [record(place, at_ms=START_MS + (place * 7919) % 1000) for place in range(count)]
    store.journal.append(written)
    first = list(store.journal.arrived(ALL))
    assert [one.id for _, one in first] == [one.id for one in written]
    numbers = [number for number, _ in first]
    assert numbers == sorted(set(numbers))
    last = numbers[-1] if numbers else 0
    assert list(store.journal.arrived(ALL, after=last)) == []
    late = record(count, at_ms=START_MS - 5000)
    store.journal.append([late])
    assert [one.id for _, one in store.journal.arrived(ALL, after=last)] == [late.id]
    assert list(store.journal.arrived(Filter(since_ms=START_MS), after=last)) == []


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 3])
def test_what_was_judged_since_is_read_once_however_long_ago_it_was_said(store: Store, count: int) -> None:
    made = [judgement(place, at_ms=START_MS + (place * 7919) % 1000) for place in range(count)]
    store.journal.judge(made)
    first = list(store.journal.judged(ALL))
    assert [one for _, one in first] == made
    numbers = [number for number, _ in first]
    assert numbers == sorted(set(numbers))
    last = store.journal.last_judged()
    assert last == (numbers[-1] if numbers else 0)
    assert list(store.journal.judged(ALL, after=last)) == []
    late = judgement(count, at_ms=START_MS - 5000)
    store.journal.judge([late])
    assert [one for _, one in store.journal.judged(ALL, after=last)] == [late]
    assert list(store.journal.judged(Filter(since_ms=START_MS), after=last)) == []
    assert store.journal.last_judged() > last


def test_who_judges_again_arrives_anew_and_who_is_outdated_does_not(store: Store) -> None:
    said = [judgement(number, grader="person:ann") for number in range(3)]
    store.journal.judge(said)
    last = store.journal.last_judged()
    again = replace(said[0], at_ms=said[0].at_ms + 1, score=1.0)
    store.journal.judge([replace(said[1], at_ms=said[1].at_ms - 1), again, said[2]])
    assert [one for _, one in store.journal.judged(ALL, after=last)] == [again]
    assert [one for _, one in store.journal.judged(ALL)] == [said[1], said[2], again]
    assert list(store.journal.by_exchange(ALL, after=last)) == [[again]]
    assert list(store.journal.by_exchange(ALL, after=store.journal.last_judged())) == []


@pytest.mark.parametrize("count", [0, 1, PAGE + 1])
def test_exchanges_are_found_by_name(store: Store, count: int) -> None:
    made = [record(number, vector=b"v") for number in range(count)]
    store.journal.append(made)
    wanted = {one.id for one in made}
    assert store.journal.named(wanted | {"nobody's"}) == {one.id: one for one in made}


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(since_ms=START_MS + 2), [2, 3]),
        (Filter(until_ms=START_MS + 2), [1]),
        (Filter(feature="coding"), [2]),
        (Filter(trial="support-1"), [1, 2]),
        (Filter(trial=""), [3]),
        (Filter(deployment="openai/big-1"), [3]),
        (Filter(exchange=f"{2:024x}"), [2]),
    ],
)
def test_filters_narrow_judgements(store: Store, wanted: Filter, numbers: list[int]) -> None:
    store.journal.judge([judgement(1), judgement(2, feature="coding"), judgement(3, trial="", deployment="openai/big-1")])
    assert [one.at_ms - START_MS for one in store.journal.judgements(wanted)] == numbers


def test_many_judgements_come_whole_and_in_order(store: Store) -> None:
    store.journal.judge([judgement(number) for number in range(2 * PAGE + 3)])
    assert [one.at_ms - START_MS for one in store.journal.judgements(ALL)] == list(range(2 * PAGE + 3))


def test_vectors_are_nowhere_in_plain_and_need_their_key(kind: str, tmp_path: Path) -> None:
    vector = b"\x01" + bytes(range(200))
    store = opened(kind, tmp_path)
    store.journal.append([record(1, vector=vector)])
    store.journal.judge([judgement(1, vector=vector)])
    store.close()
    assert all(vector[1:20] not in file.read_bytes() for file in tmp_path.iterdir())

    keyless = opened(kind, tmp_path, None)
    keyless.journal.append([record(2, vector=vector)])
    assert [one.vector for one in keyless.journal.exchanges(ALL)] == [b"", b""]
    assert [one.vector for one in keyless.journal.judgements(ALL)] == [b""]
    keyless.close()

    right = opened(kind, tmp_path)
    assert [one.vector for one in right.journal.exchanges(ALL)] == [vector, b""]
    right.close()

    wrong = opened(kind, tmp_path, bytes(32))
    for read in (wrong.journal.exchanges, wrong.journal.judgements):
        with pytest.raises(StoreError, match=r"installation\.key"):
            list(read(ALL))
    assert wrong.journal.spend(ALL)[0].requests == 2
    wrong.close()


def test_threads_append_and_read_at_once(store: Store) -> None:
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(10):
                store.journal.append([record(1000 * worker + number)])
                assert len(list(store.journal.exchanges(ALL))) >= number
        except BaseException as error:  # noqa: BLE001 - shown by the test below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(list(store.journal.exchanges(ALL))) == 60


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    calls: list[Any] = [lambda: store.journal.append([record(1)]), lambda: store.journal.spend(ALL)]
    for call in calls:
        with pytest.raises(StoreError, match="closed"):
            call()


def test_who_left_in_the_middle_of_an_answer_was_answered_by_who_gave_it(store: Store) -> None:
    beaten = replace(attempt("openai/small-3"), cause="hedge", unused=True)
    store.journal.append([record(1, outcome="client_gone", attempts=(attempt("openai/big-1"), beaten))])
    assert len(list(store.journal.exchanges(Filter(deployment="openai/big-1")))) == 1
