"""Differences with a known cause: each is told by the reason that is true, and what has none stays unexplained."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.control.ledger.made import AT, DAY_MS

from pointsman.control.ledger.reconcile.billed import Billed
from pointsman.control.ledger.reconcile.compare import Day, compare
from pointsman.control.ledger.reconcile.ours import EDGE_MS, Ours, ours_of
from pointsman.core.ledger import Line

DAY, NEXT = "2025-11-28", "2025-11-29"
NOON = AT + DAY_MS // 2
CALL = Line("x", NOON, "first", "p/m", status=200, nano=500, fresh=100, cached=40, output=30)
"""Of 140 input tokens."""

OPEN = Line("x", NOON, "retry", "p/m", basis="unknown", least=0, most=300, most_input=200, most_output=60)
BILLED = Billed(DAY, "m", 1, 140, 40, 0, 30, Decimal("0.0000005"))


def compared(lines: Sequence[Line], *rows: Billed, opened: str = "2025-11-01") -> list[Day]:
    return compare(rows, ours_of(lines, "p", {}), opened)


def reasons(lines: Sequence[Line], *rows: Billed, opened: str = "2025-11-01") -> dict[str, str]:
    return {count.name: count.reason for day in compared(lines, *rows, opened=opened) for count in day.differing}


def row_of(key: tuple[str, str], ours: Ours) -> Billed:
    counts = ours.counts
    return Billed(*key, counts["requests"], counts["input"], counts["cached"], counts["written"], counts["output"])


def test_what_is_equal_does_not_differ() -> None:
    (day,) = compared([CALL], BILLED)
    assert (day.differing, day.explained, day.compared[-1]) == ((), True, "nano")


def test_money_is_equal_within_half_of_the_last_digit_stated() -> None:
    lines = [replace(CALL, nano=6_400_000)]
    cents = replace(BILLED, usd=Decimal("0.01"), grain=Decimal("0.01"))
    assert reasons(lines, cents) == {}
    assert "nano" in reasons(lines, replace(cents, usd=Decimal("0.02")))


def test_other_providers_and_other_days_are_left_alone() -> None:
    others = [replace(CALL, deployment="q/m"), replace(CALL, at_ms=NOON + 3 * DAY_MS)]
    assert reasons([CALL, *others], BILLED) == {}


def test_unsettled_calls_explain_what_their_bounds_allow() -> None:
    within = replace(BILLED, requests=2, input=340, output=90, usd=Decimal("0.0000008"))
    said = reasons([CALL, OPEN], within)
    assert said == dict.fromkeys(("requests", "input", "output", "nano"), "within the bounds of 1 unsettled calls")
    assert reasons([CALL, OPEN], replace(within, input=341))["input"] != said["input"]


def test_an_estimate_may_be_too_much_and_what_was_reported_so_far_may_not() -> None:
    thought = replace(OPEN, basis="estimated", fresh=10, nano=20)
    assert reasons([CALL, thought], BILLED)["input"] == "within the bounds of 1 unsettled calls"
    assert reasons([CALL, replace(thought, basis="partial")], BILLED)["input"] == ""


def test_calls_before_midnight_may_count_on_the_next_day() -> None:
    late = replace(CALL, at_ms=AT + DAY_MS - EDGE_MS)
    said = reasons([CALL, late], BILLED, replace(BILLED, day=NEXT))
    assert set(said.values()) == {"calls that began just before midnight (UTC) may count on the day after"}


def test_another_time_zone_is_told_by_the_day_beside_it() -> None:
    lines = [CALL, replace(CALL, at_ms=NOON + DAY_MS), replace(CALL, at_ms=NOON + DAY_MS)]
    double = {name: 2 * getattr(BILLED, name) for name in ("requests", "input", "cached", "output", "usd")}
    said = reasons(lines, replace(BILLED, **double), replace(BILLED, day=NEXT))
    assert all("another time zone" in reason for reason in said.values())
    assert len(said) == 5


def test_tokens_that_are_counted_as_cached_otherwise() -> None:
    said = reasons([CALL], replace(BILLED, cached=0, usd=Decimal("0.0000009")))
    assert said == dict.fromkeys(("cached", "nano"), "the same tokens, of which others are counted as cached")


def test_the_same_tokens_at_another_price() -> None:
    assert reasons([CALL], replace(BILLED, usd=Decimal("0.00000075"))) == {
        "nano": "the same tokens at another price: 1.5 times ours"
    }
    assert reasons([replace(CALL, nano=None)], BILLED) == {"nano": "1 of our calls have no price"}


def test_requests_that_went_elsewhere() -> None:
    more = replace(BILLED, requests=3, input=500, cached=60, output=90, usd=Decimal("0.000002"))
    assert set(reasons([CALL], more).values()) == {"2 requests did not go through this gateway"}
    silent = replace(more, requests=None)
    assert reasons([CALL], silent)["nano"] == "more tokens than went through this gateway"
    assert reasons([CALL], silent)["input"] == ""
    other = Billed(DAY, "web search", usd=Decimal(1))
    assert reasons([CALL], BILLED, other)["nano"].startswith("nothing of it went through this gateway")


def test_what_the_provider_does_not_bill_is_unexplained() -> None:
    said = reasons([CALL, CALL], BILLED)
    assert set(said) == {"requests", "input", "cached", "output", "nano"}
    assert set(said.values()) == {""}
    (day,) = compared([CALL, CALL], BILLED)
    assert not day.explained


def test_a_model_that_the_export_leaves_out_differs() -> None:
    other = replace(CALL, deployment="p/other")
    found = compared([CALL, other], BILLED)
    assert [(day.model, len(day.differing), day.explained) for day in found] == [("m", 0, True), ("other", 5, False)]


def test_days_before_the_ledger_are_explained() -> None:
    assert set(reasons([], BILLED, opened=NEXT).values()) == {f"the ledger counts only since {NEXT}"}
    assert set(reasons([CALL], replace(BILLED, input=141), opened=DAY).values()) == {
        f"the ledger began in the middle of {DAY}"
    }


def test_an_export_without_models_is_compared_by_day() -> None:
    lines = [CALL, replace(CALL, deployment="p/other")]
    whole = replace(BILLED, model="", requests=2, input=280, cached=80, output=60, usd=Decimal("0.000001"))
    assert [(day.model, day.differing) for day in compared(lines, whole)] == [("", ())]


def test_a_deployment_goes_by_its_providers_name_for_the_model() -> None:
    named = replace(BILLED, model="m-5")
    assert compare([named], ours_of([CALL], "p", {"p/m": "m-5-2025-01-01"}), "2025-11-01")[0].differing == ()


@given(
    st.lists(st.tuples(st.integers(0, 3 * DAY_MS), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=20)
)
def test_an_export_of_the_ledger_itself_never_differs(calls: list[tuple[int, int, int]]) -> None:
    lines = [replace(CALL, at_ms=AT + at, fresh=fresh, nano=nano) for at, fresh, nano in calls]
    rows = [
        replace(row_of(key, ours), usd=Decimal(ours.counts["nano"]).scaleb(-9))
        for key, ours in ours_of(lines, "p", {}).items()
    ]
    assert all(not day.differing for day in compared(lines, *rows))


@pytest.mark.parametrize("name", ["requests", "input", "cached", "output"])
@given(st.integers(1, 10**6))
def test_less_than_ours_is_never_explained_away(name: str, less: int) -> None:
    lines = [replace(CALL, fresh=10**7, cached=10**7, output=10**7)] * 3 + [CALL] * 10**2
    ours = ours_of(lines, "p", {})[DAY, "m"]
    row = row_of((DAY, "m"), ours)
    stated = getattr(row, name) - min(less, ours.counts[name])
    said = reasons(lines, replace(row, **{name: stated}))
    assert said.get(name, "") == ("the same tokens, of which others are counted as cached" if name == "cached" else "")
