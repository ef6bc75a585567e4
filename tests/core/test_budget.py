"""Windows are calendar ones in UTC; a lease takes what it must and leaves something to others."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.budget import SHARE, Account, Budget, account, bounds, granted, shown

MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2400, 12, 31))  # noqa: DTZ001


@given(MOMENTS)
def test_windows_are_those_of_the_calendar(moment: dt.datetime) -> None:
    now = moment.replace(tzinfo=dt.UTC)
    now_ms = round(now.timestamp() * 1000)
    following = dt.datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=dt.UTC)
    day, minute = now.replace(hour=0, minute=0, second=0, microsecond=0), now.replace(second=0, microsecond=0)
    expected = {
        "minute": (minute, minute + dt.timedelta(minutes=1)),
        "day": (day, day + dt.timedelta(days=1)),
        "month": (day.replace(day=1), following),
    }
    if now_ms < expected["minute"][1].timestamp() * 1000:  # rounding to milliseconds may reach the next minute
        for window in ("minute", "day", "month"):
            assert bounds(window, now_ms) == tuple(int(end.timestamp()) * 1000 for end in expected[window])


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_lease_holds_the_least_or_nothing_and_leaves_some(left: int, least: int, wanted: int) -> None:
    got = granted(left, least, wanted)
    assert got == 0 or least <= got <= max(left, 0)
    assert got >= least or left < least
    assert got <= max(least, left // SHARE, 0)


def test_an_account_says_whose_it_is() -> None:
    budget = Budget("b", "usd", 5, "month", "customer")
    found = account(budget, "acme", 0)
    assert found == Account("b", "usd", "customer=acme", 0, 31 * 86_400_000)
    assert (found.window, found.whose) == ("month", "customer acme")
    assert account(Budget("b", "usd", 5, "minute"), "", 59_999).whose == "everything"
    assert account(Budget("b", "usd", 5, "day"), "", 1).window == "day"
    assert account(Budget("b", "usd", 5, "minute"), "", 60_000).window == "minute"


@pytest.mark.parametrize(
    ("unit", "amount", "text"),
    [
        ("requests", 1000, "1,000 requests"),
        ("usd", 2_500_000_000, "$2.50"),
        ("usd", 0, "$0.00"),
        ("usd", 1_234_567, "$0.001235"),
        ("usd", 1, "$1e-9"),
    ],
)
def test_amounts_for_people(unit: str, amount: int, text: str) -> None:
    assert shown(unit, amount) == text  # type: ignore[arg-type]
