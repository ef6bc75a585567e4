"""Tables that fit the terminal: one where there is room, else several that begin with the same columns.

rich makes a table that is too wide fit by cutting its columns down, in the end to nothing: on a terminal of 80 columns the
names of features and models vanish first.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from pointsman.cli.figures import table

Row = Sequence[str] | None
"""The cells of a row; None: a line between what is above and below."""

_EDGES, _BETWEEN = 2, 3  # characters around a table, and between two of its columns


def width(columns: Sequence[str], rows: Iterable[Row], words: Sequence[str]) -> int:
    """Return how wide a table is when no cell is broken, except between words in the columns of ``words``."""
    lines = [columns, *(row for row in rows if row is not None)]
    widest = (
        max(cell_len(part) for line in lines for part in (line[place].split() if name in words else [line[place]]) or [""])
        for place, name in enumerate(columns)
    )
    return _EDGES + _BETWEEN * (len(columns) - 1) + sum(widest)


def fitted(console: Console, keys: Sequence[str], numbers: Sequence[str], rows: Iterable[Row]) -> Iterator[Table]:
    """Yield one table with the columns ``keys`` and ``numbers``, or as few as fit that share the numbers between them.

    Without rows there is no table. Where even one number does not fit beside the keys, each has a table of its own.
    """
    rows = list(rows)
    for count in range(1, len(numbers) + 1) if rows else ():
        bounds = [round(place * len(numbers) / count) for place in range(count + 1)]
        parts = [_part(len(keys), numbers, rows, begin, end) for begin, end in pairwise(bounds)]
        if count == len(numbers) or all(width((*keys, *shown), cells, keys) <= console.width for shown, cells in parts):
            yield from (_table(keys, shown, cells) for shown, cells in parts)
            return


def _part(keys: int, numbers: Sequence[str], rows: Iterable[Row], begin: int, end: int) -> tuple[Sequence[str], list[Row]]:
    cells = [row and (*row[:keys], *row[keys + begin : keys + end]) for row in rows]
    return numbers[begin:end], cells


def _table(keys: Sequence[str], numbers: Sequence[str], rows: Iterable[Row]) -> Table:
    made = table(*keys, *numbers, right=tuple(numbers))
    for row in rows:
        if row is None:
            made.add_section()
        else:
            made.add_row(*row)
    return made
