"""Tables that fit: nothing is broken while there is room, and nothing vanishes where there is none."""

from io import StringIO

import pytest
from rich.console import Console

from pointsman.cli.fit import Row, fitted, width

KEYS = ("feature", "model")
NUMBERS = ("requests", "errors", "cost", "input tokens")
ROWS: list[Row] = [
    ("support", "openai/big-1", "1,234", "12 (1.0 %)", "$1.23", "1,234,567"),
    None,
    ("all", "", "1", "0", "", "2"),
]


def printed(columns: int) -> list[str]:
    console = Console(file=StringIO(), width=columns, highlight=False)
    for made in fitted(console, KEYS, NUMBERS, ROWS):
        console.print(made)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_the_width_is_what_rich_needs() -> None:
    """One column less and a cell is broken."""
    needed = width((*KEYS, *NUMBERS), ROWS, KEYS)
    assert max(len(line.rstrip()) for line in printed(needed)) <= needed
    assert len([line for line in printed(needed) if "feature" in line]) == 1
    assert len([line for line in printed(needed - 1) if "feature" in line]) == 2


@pytest.mark.parametrize("columns", [200, 80, 60, 50, 42])
def test_every_cell_is_there_whole_beside_its_names(columns: int) -> None:
    lines = printed(columns)
    assert max(len(line) for line in lines) <= columns
    for name, cell in zip(NUMBERS, ROWS[0][2:] if ROWS[0] else (), strict=True):
        assert any(name in line and "model" in line for line in lines), name
        assert any(cell in line and "support" in line and "openai/big-1" in line for line in lines), cell


def test_words_may_be_broken_apart_only_where_it_is_said() -> None:
    rows: list[Row] = [("a b c", "d e")]
    assert width(("x", "y"), rows, ()) - width(("x", "y"), rows, ("x",)) == 4
    assert width(("x", "y"), [("数据", "")], ()) - width(("x", "y"), [("ab", "")], ()) == 2


def test_without_rows_there_is_no_table() -> None:
    assert list(fitted(Console(file=StringIO(), width=80), KEYS, NUMBERS, [])) == []
