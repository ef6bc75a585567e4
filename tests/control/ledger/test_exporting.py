"""Exports: lines that can be verified elsewhere, and rows that spreadsheets take for nothing but rows."""

import csv
import hashlib
import io
import json

from hypothesis import given
from hypothesis import strategies as st
from tests.control.ledger.made import AT, kept

from pointsman.control.ledger.exporting import COLUMNS, as_csv, as_json_lines
from pointsman.core.ledger import Line

LINE = Line(
    "x1", AT + 1, "fallback", "p/m", 1, True, "acme", "support", "auto", "app", 200, nano=1_234_567_890, fresh=10, cached=4,
    output=3, terms="input=2 output=10 cached=0.5 since=2026-01-01 source=genai-prices 0.1",
)  # fmt: skip


def test_json_lines_are_verified_with_nothing_but_sha_256() -> None:
    last = bytes(32)
    for line in as_json_lines(kept([LINE, Line("é", AT, "first", note='a "quote"')])):
        text = line[line.index('"line":') + 7 : -2]
        last = hashlib.sha256(last + text.encode()).digest()
        assert json.loads(line)["hash"] == last.hex()
        assert json.loads(text) == json.loads(line)["line"]


def test_a_row_says_all_that_a_line_does() -> None:
    *_, row = csv.DictReader(io.StringIO("".join(as_csv(kept([LINE])))))
    assert tuple(row) == COLUMNS
    assert (row["n"], row["time"], row["usd"], row["vendor"]) == ("2", "2025-11-28T00:00:00.001+00:00", "1.234567890", "p")
    assert (row["usd_per_million_input"], row["price_since"], row["price_source"]) == ("2", "2026-01-01", "genai-prices 0.1")
    assert (row["settled"], row["least_usd"], row["fresh_tokens"], row["why"]) == ("1", "", "10", "fallback")


def test_an_empty_ledger_exports_its_columns() -> None:
    assert "".join(as_csv([])).split("\r\n") == [",".join(COLUMNS), ""]
    assert list(as_json_lines([])) == []


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=10))
def test_no_name_becomes_a_formula(name: str) -> None:
    *_, row = csv.reader(io.StringIO("".join(as_csv(kept([Line("x", AT, "first", customer=name, feature=name)])))))
    cell = row[COLUMNS.index("customer")]
    assert cell in (name, f"'{name}")
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
