"""What verifying says of lines that contradict themselves (of what was tampered with: tests/store/test_ledger_contract)."""

import pytest
from tests.control.ledger.made import AT, OPENING, kept

from pointsman.control.ledger.verify import Verified, owes, verify
from pointsman.core.ledger import EMPTY, GENESIS, Entry, Head, Line, chained

TERMS = "input=2 output=10 cached=0.5 source=config"
GOOD = Line("x", AT, "first", "p/m", nano=2_000 * 10 + 500 * 4 + 10_000 * 3, fresh=10, cached=4, output=3, terms=TERMS)


def test_an_empty_ledger_is_good() -> None:
    assert verify([]) == verify([], EMPTY) == Verified(EMPTY)


def test_settled_and_unsettled_are_told_apart() -> None:
    open_ = Line("x", AT, "first", "p/m", basis="unknown", least=0, most=9)
    entries = list(kept([GOOD, open_, GOOD]))
    found = verify(entries, Head(2, entries[1].hash))
    assert (found.fault, found.lines, found.settled_nano, found.unsettled, found.since_ms) == ("", 4, 2 * 52_000, 1, AT)
    assert found.head == Head(4, entries[-1].hash)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (Line("x", AT, "first", nano=51_999, fresh=10, cached=4, output=3, terms=TERMS), "come to 52000"),
        (Line("x", AT, "first", nano=1, terms="input=? source=x"), "states no terms"),
        (Line("x", AT, "first", basis="estimated", nano=8, least=0, most=7), "is not within its bounds, 0 to 7"),
        (OPENING, "a second opening"),
    ],
)
def test_a_line_that_contradicts_itself_is_found(line: Line, fault: str) -> None:
    found = verify(kept([GOOD, line, GOOD]))
    assert found.fault.startswith("line 3: ")
    assert fault in found.fault
    assert (found.lines, found.settled_nano) == (2, 52_000)


def test_what_is_no_line_is_found() -> None:
    text = b'{"why": 7}'
    assert "no line of a ledger" in verify([Entry(1, text, chained(GENESIS, text))]).fault


def test_a_ledger_without_an_opening_is_found() -> None:
    text = b'{"exchange":"x","at_ms":1,"why":"first"}'
    assert verify([Entry(1, text, chained(GENESIS, text))]).fault == "line 1: a ledger begins with its opening"


def test_fewer_lines_than_were_there_are_found() -> None:
    entries = list(kept([GOOD, GOOD]))
    head = Head(3, entries[-1].hash)
    assert verify(entries, head).fault == ""
    assert verify(entries[:2], head).fault == "1 lines are missing behind line 2: the head was put aside at line 3"


def test_what_a_line_owes_follows_from_its_units_and_rates() -> None:
    assert owes(GOOD) == GOOD.nano
