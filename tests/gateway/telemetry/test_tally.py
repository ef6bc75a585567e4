"""What is counted of exchanges, and that nobody outside can make the counts grow."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.chat import Usage
from pointsman.core.keys import Key
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.routing import Deployment, Objective, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.telemetry.families import BY_NAME, SECONDS
from pointsman.gateway.telemetry.tally import CAUSES, FEATURES, Tally, outcome_of

DEPLOYMENT = Deployment("p/m", "p", "m", "m")
SNAPSHOT = Snapshot(
    deployments={"p/m": DEPLOYMENT},
    routes={"auto": Route("auto", None, (), Objective(), 0.0, {"*": Plan("*"), "mail": Plan("mail")})},
    keys=(Key("shop", "0" * 64, "sales"),),
)
ATTEMPT = Attempt("p/m", "first", 0, 200, first_byte_ms=20, total_ms=30, usage=Usage(100, 50, 60, 10, 20), cost_nano=7)
RECORD = ExchangeRecord(
    "1", 0, "auto", "mail", "ok", 200, attempts=(ATTEMPT,), route="auto", streamed=True, latency_ms=40, first_content_ms=25
)


def tallied(*records: ExchangeRecord) -> Tally:
    tally = Tally()
    for record in records:
        tally.note(record, "openai_chat", SNAPSHOT)
    return tally


def test_an_exchange_is_counted_by_who_asked_and_how_it_ended() -> None:
    found = tallied(RECORD, RECORD, replace(RECORD, outcome="error", status=503, attempts=())).readings()
    assert found["requests_total"] == {
        ("auto", "mail", "openai_chat", "ok", 200): [2],
        ("auto", "mail", "openai_chat", "error", 503): [1],
    }
    assert found["attempts_total"] == {("p/m", "first", "ok"): [2]}
    assert found["cost_dollars_total"] == {("mail", "p/m"): [14]}
    assert set(found) <= set(BY_NAME)


def test_each_token_is_of_one_kind() -> None:
    found = tallied(RECORD).readings()["tokens_total"]
    kinds = {kind: numbers[0] for (_, kind), numbers in found.items()}
    assert kinds == {"fresh": 30, "cached": 60, "cache_written": 10, "output": 30, "reasoning": 20}
    assert sum(kinds.values()) == 150


def test_times_fall_into_the_first_bucket_that_holds_them() -> None:
    found = tallied(RECORD, replace(RECORD, latency_ms=5.0), replace(RECORD, latency_ms=1e9)).readings()
    numbers = found["request_seconds"][("auto",)]
    assert numbers[0] == 0.04 + 0.005 + 1e6
    assert numbers[1 + bisect_left(SECONDS, 0.04)] == numbers[1] == numbers[-1] == 1
    assert sum(numbers[1:]) == 3


def test_only_streams_have_a_first_content() -> None:
    found = tallied(replace(RECORD, streamed=False), replace(RECORD, first_content_ms=None)).readings()
    assert sum(found["first_content_seconds"][("auto",)]) == 0


def test_a_call_without_price_is_counted_as_such() -> None:
    found = tallied(replace(RECORD, attempts=(replace(ATTEMPT, cost_nano=None, usage=None),))).readings()
    assert found["unpriced_attempts_total"] == {("p/m",): [1]}
    assert found["cost_dollars_total"] == {}


@given(st.lists(st.tuples(st.text(), st.text()), max_size=200))
def test_names_that_clients_make_up_are_few(made_up: list[tuple[str, str]]) -> None:
    records = [replace(RECORD, feature=f, attempts=(replace(ATTEMPT, deployment=d),)) for f, d in made_up]
    found = tallied(*records).readings()
    assert len({labels[1] for labels in found["requests_total"]}) <= FEATURES + 1 + 4
    assert {labels[0] for labels in found["attempts_total"]} <= {"p/m", "other"}
    assert sum(numbers[0] for numbers in found["requests_total"].values()) == len(made_up)


def test_what_the_owner_configured_has_its_own_line_however_much_was_made_up() -> None:
    flood = [replace(RECORD, feature=f"x{number}") for number in range(10 * FEATURES)]
    own = [replace(RECORD, feature=name) for name in ("mail", "sales", "default")]
    found = tallied(*flood, *own).readings()["requests_total"]
    features = [labels[1] for labels in found]
    assert {"mail", "sales", "default", "other"} <= set(features)
    assert len(features) == FEATURES + 4


def test_causes_are_few() -> None:
    tally = Tally()
    for number in range(3 * CAUSES):
        tally.refused(f"c{number}")
    found = tally.readings()["refused_total"]
    assert len(found) == CAUSES + 1
    assert sum(numbers[0] for numbers in found.values()) == 3 * CAUSES


def test_how_a_call_ended() -> None:
    ended = [("", 200), ("x", 200), ("x", 429), ("x", 404), ("x", 500), ("x", 0)]
    found = [outcome_of(status, wrong=bool(error)) for error, status in ended]
    assert found == ["ok", "broken", "limited", "refused", "failed", "unreachable"]


def test_what_was_read_does_not_change_any_more() -> None:
    tally = tallied(RECORD)
    before = tally.readings()
    tally.note(RECORD, "openai_chat", SNAPSHOT)
    assert before["requests_total"] == {("auto", "mail", "openai_chat", "ok", 200): [1]}
    assert before["attempt_seconds"][("p/m",)][0] == 0.03
