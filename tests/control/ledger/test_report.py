"""Sums over lines: exact, by whatever is asked for."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tests.control.ledger.made import AT, DAY_MS, kept

from pointsman.control.ledger.report import KEYS, Period, Row, name_of, sums
from pointsman.core.ledger import Line

NAMES = st.sampled_from(("", "a", "b"))
AMOUNTS = st.integers(0, 10**15)
LINES = st.lists(
    st.builds(
        Line, NAMES, st.integers(AT, AT + 3 * DAY_MS), st.sampled_from(("first", "retry", "judge")),
        st.sampled_from(("openai/x", "openai/y", "p/z")), served=st.booleans(), customer=NAMES, feature=NAMES, route=NAMES,
        key=NAMES, basis=st.sampled_from(("reported", "refused", "unknown", "partial")), nano=st.none() | AMOUNTS,
        least=st.none() | AMOUNTS, most=st.none() | AMOUNTS, fresh=AMOUNTS, output=AMOUNTS,
    ),
    max_size=20,
)  # fmt: skip


@given(LINES, st.lists(st.sampled_from(KEYS), max_size=3, unique=True))
def test_the_rows_come_to_the_whole(lines: list[Line], by: list[str]) -> None:
    found = sums(kept(lines), by, Period())  # type: ignore[arg-type]
    for name in Row.__struct_fields__[1:]:
        assert sum(getattr(row, name) for row in found.rows) == getattr(found.total, name)
    assert found.total.calls == len(lines)
    assert found.total.settled_nano == sum(line.nano or 0 for line in lines if line.settled)
    expected = Counter(tuple(name_of(line, key) for key in by) for line in lines)  # type: ignore[arg-type]
    assert {row.names: row.calls for row in found.rows} == expected
    assert [row.names for row in found.rows] == sorted(expected)


def test_by_vendor_and_day() -> None:
    lines = [Line("x", AT + DAY_MS - 1, "first", "openai/a", nano=1), Line("x", AT + DAY_MS, "first", "openai/b", nano=2)]
    found = sums(kept(lines), ("vendor", "day"), Period())
    assert [(row.names, row.settled_nano) for row in found.rows] == [
        (("openai", "2025-11-28"), 1),
        (("openai", "2025-11-29"), 2),
    ]
    assert (found.opened_ms, found.first_ms, found.last_ms) == (AT, AT + DAY_MS - 1, AT + DAY_MS)


def test_a_period_has_its_beginning_and_not_its_end() -> None:
    lines = [Line("x", AT + at, "first", "p/m", nano=1) for at in range(5)]
    found = sums(kept(lines), (), Period(AT + 1, AT + 4))
    assert (found.total.calls, found.first_ms, found.last_ms) == (3, AT + 1, AT + 3)
    assert sums(kept(lines), (), Period(AT + 9)).first_ms is None


def test_what_has_no_price_is_told() -> None:
    lines = [
        Line("x", AT, "first", "p/m"),
        Line("x", AT, "first", "p/m", basis="unknown"),
        Line("x", AT, "first", "p/m", nano=0),
    ]
    assert sums(kept(lines), (), Period()).total.unpriced == 2
