"""The verdict table and the table of savings, as people see them. Shared by the commands and the demo.

Laws: a line says all of its verdict and can be found by its feature; names are never broken. Where the line is too short for
all of it, first the gaps are halved, then the reason moves to a line of its own, and at last feature and model of today
become a heading.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from pointsman.control.savings import Arm, Change, Savings
from pointsman.control.verdict import Row, percent, points, spell

_STYLES: Final = {"ready": "green", "stay": "red", "cannot tell": "yellow"}
_ORDER: Final = ("ready", "cannot tell", "stay")
_TITLES: Final = ("feature", "today", "candidate", "judged", "quality change", "cost", "verdict")
_NUMBERS: Final = (3, 5)  # columns that stand to the right


class VerdictTable:
    """The verdict table of some rows: one line per feature and candidate, as wide as it needs or the console allows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = ordered(rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the table's lines."""
        shown = short_names(self.rows)
        cells = [_cells(row, shown) for row in self.rows]
        widths = [max(map(len, column)) for column in zip(_TITLES, *cells, strict=True)]
        gap = next((gap for gap in (2, 1) if sum(widths) + gap * (len(widths) - 1) <= options.max_width), None)
        headed = gap is None
        first = 2 if headed else 0
        yield Text(_line(_TITLES, widths, gap or 2, first), style="dim", overflow="fold")
        last = None
        for row, own in zip(self.rows, cells, strict=True):
            if row.feature != last and headed:
                yield Text(f"{row.feature}, today {shown[row.reference]}", style="bold", overflow="fold")
            elif row.feature != last and last is not None:
                yield Text()
            last = row.feature
            line = _line(own, widths, gap or 2, first)
            why = _why(row)
            if len(line) + len(why) + 2 > options.max_width and why:
                yield _coloured(line, own[-1], _STYLES[row.kind])
                yield Text(why.rjust(options.max_width), style=_STYLES[row.kind], overflow="fold")
            else:
                yield _coloured(f"{line} {why}".rstrip(), f"{own[-1]} {why}".rstrip(), _STYLES[row.kind])
        yield Text()


def verdict_table(rows: Sequence[Row]) -> VerdictTable:
    """Return the verdict table: by feature; what is ready first, the cheapest at the top."""
    return VerdictTable(rows)


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Return rows in the order in which they are shown: ready by cost, then what cannot be told, then stay, by quality."""

    def place(row: Row) -> tuple[str, int, float]:
        ratio = row.cost.value if row.cost is not None else float("inf")
        return row.feature, _ORDER.index(row.kind), ratio if row.kind == "ready" else -row.change.mean

    return sorted(rows, key=place)


def short_names(rows: Sequence[Row]) -> dict[str, str]:
    """Return what each deployment is called: without its provider where no two are then called the same."""
    names = {name for row in rows for name in (row.reference, row.candidate)}
    models = {name: name.partition("/")[2] or name for name in names}
    return models if len(set(models.values())) == len(names) else {name: name for name in names}


def _cells(row: Row, shown: dict[str, str]) -> tuple[str, ...]:
    verdict = row.kind + (":" if spell(row) != row.kind else "")
    names = (row.feature, shown[row.reference], shown[row.candidate])
    return (*names, f"{row.change.n:,}", points(row.change), percent(row.cost), verdict)


def _why(row: Row) -> str:
    """Return what follows the verdict's word, and how many answers could not be graded."""
    ungraded = f"({row.ungraded:,} not graded)" if row.ungraded else ""
    return " ".join(part for part in (spell(row).removeprefix(row.kind).removeprefix(": "), ungraded) if part)


def _line(cells: Sequence[str], widths: Sequence[int], gap: int, first: int) -> str:
    padded = [
        cell.rjust(width) if place in _NUMBERS else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return (" " * gap).join(padded[first:]).rstrip()


def _coloured(line: str, verdict: str, style: str) -> Text:
    text = Text(line, overflow="fold")
    text.stylize(style, len(line) - len(verdict))
    return text


def savings_table(found: Savings) -> Table:
    """Return what a feature's accepted candidates changed, against the share that stayed on the reference."""
    title = f"{found.feature}, measured since its last step (canary or auto)"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title, title_justify="left", header_style="dim")
    for name in ("", "decided", "held on the reference", "difference [95 %]"):
        table.add_column(name, no_wrap=True)
    policy, control = found.policy, found.control
    table.add_row("requests", f"{policy.requests:,}", f"{control.requests:,}", "")
    together = 0 < policy.courses + control.courses < policy.requests + control.requests
    if together:
        table.add_row("conversations", f"{policy.courses:,}", f"{control.courses:,}", "")
    table.add_row(
        "cost of 1,000" if together else "cost per 1,000",
        _thousand(policy.usd),
        _thousand(control.usd),
        _money(found.cost),
    )
    table.add_row("errors", _rate(policy), _rate(control), "")
    table.add_row("median latency", _latency(policy), _latency(control), "")
    judged = f"{found.quality.policy:,} judged, {found.quality.control:,} judged".split(", ") if found.quality else ("", "")
    table.add_row("quality, points", *judged, _quality(found.quality))
    return table


def _thousand(usd: float | None) -> str:
    return "not measured" if usd is None else f"${1000 * usd:,.2f}"


def _money(change: Change | None) -> str:
    if change is None:
        return "not measured"
    return f"{_usd(change.value)} [{_usd(change.low)},{_usd(change.high)}]"


def _usd(each: float) -> str:
    return f"{'-' if each < 0 else '+'}${abs(1000 * each):,.2f}"


def _quality(change: Change | None) -> str:
    if change is None:
        return "not measured"
    return f"{100 * change.value:+.1f} [{100 * change.low:+.1f},{100 * change.high:+.1f}]"


def _rate(arm: Arm) -> str:
    return f"{arm.errors:,} ({100 * arm.errors / arm.requests:.1f} %)" if arm.requests else "not measured"


def _latency(arm: Arm) -> str:
    return "not measured" if arm.latency_ms is None else f"{arm.latency_ms:,.0f} ms"
