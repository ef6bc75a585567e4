"""The verdict table and the table of savings, as people see them. Shared by the commands and the demo."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from pointsman.control.savings import Arm, Change, Savings
from pointsman.control.verdict import Row, percent, points, spell

_STYLES = {"ready": "green", "stay": "red", "cannot tell": "yellow"}


def verdict_table(rows: Sequence[Row]) -> Table:
    """Return the verdict table: one line per feature and candidate; without providers where the models' names suffice."""
    names = {name for row in rows for name in (row.reference, row.candidate)}
    models = {name: name.partition("/")[2] or name for name in names}
    shown = models if len(set(models.values())) == len(names) else {name: name for name in names}
    ungraded = any(row.ungraded for row in rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("feature", no_wrap=True)
    for title in ("today", "candidate"):
        table.add_column(title, overflow="fold")
    table.add_column("judged", justify="right", no_wrap=True)
    if ungraded:
        table.add_column("ungraded", justify="right", no_wrap=True)
    table.add_column("quality change", no_wrap=True)
    table.add_column("cost", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for row in rows:
        counts = [f"{row.change.n:,}", *([f"{row.ungraded:,}"] if ungraded else [])]
        said = Text(spell(row), style=_STYLES[row.kind])
        table.add_row(
            row.feature, shown[row.reference], shown[row.candidate], *counts, points(row.change), percent(row.cost), said
        )
    return table


def savings_table(found: Savings) -> Table:
    """Return what a feature's accepted candidates changed, against the share that stayed on the reference."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"{found.feature}, measured since it was accepted")
    for title in ("", "decided", "held on the reference", "difference [95 %]"):
        table.add_column(title)
    policy, control = found.policy, found.control
    table.add_row("requests", f"{policy.requests:,}", f"{control.requests:,}", "")
    table.add_row("cost per 1,000", _thousand(policy.usd), _thousand(control.usd), _money(found.cost))
    table.add_row("errors", _rate(policy), _rate(control), "")
    table.add_row("median latency", _latency(policy), _latency(control), "")
    judged = f"{found.quality.policy:,} judged, {found.quality.control:,} judged".split(", ") if found.quality else ("", "")
    table.add_row("quality", *judged, _quality(found.quality))
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
    return f"{100 * change.value:+.1f} [{100 * change.low:+.1f},{100 * change.high:+.1f}] points"


def _rate(arm: Arm) -> str:
    return f"{arm.errors:,} ({100 * arm.errors / arm.requests:.1f} %)" if arm.requests else "not measured"


def _latency(arm: Arm) -> str:
    return "not measured" if arm.latency_ms is None else f"{arm.latency_ms:,.0f} ms"
