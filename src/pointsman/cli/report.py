"""``pointsman report``: what was spent, on what, how well it went, and what the same tokens would cost elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from typing import Final

import click
import msgspec
from rich.console import Console

from pointsman.cli.figures import duration, moment, money, paper, percent, read_moment, table
from pointsman.cli.fit import Row, fitted, width
from pointsman.cli.verdict_table import savings_table
from pointsman.control.report import UNKNOWN, Elsewhere, Line, Report, report
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.store.interfaces import Filter, Grouping, Journal

_NUMBERS: Final = ("requests", "errors", "cost", "median", "95 %", "input tokens", "from cache", "output tokens")


@click.command("report")
@workspace_option
@click.option("--since", callback=read_moment, help="From this moment on: 24h, 7d, 2026-11-01 [default: the beginning].")
@click.option("--until", callback=read_moment, help="Up to this moment.")
@click.option("--feature", help="This feature only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value; money in nano-dollars (1e-9 US dollars).")
def command(workspace: Workspace, since: int | None, until: int | None, feature: str | None, *, as_json: bool) -> None:
    """Show spend, tokens, errors and latency by feature and model, and what the same tokens would cost elsewhere.

    \b
    pointsman report --since 7d
    pointsman report --feature support --json
    """
    journal = workspace.existing.journal
    published = workspace.published()
    snapshot = workspace.decoded(published) if published else None
    wanted = Filter(since_ms=since, until_ms=until, feature=feature)
    found = report(journal, snapshot, wanted)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return
    if found.total is None:
        paper().print(nothing(journal, feature))
    else:
        _show(paper(), found, found.total, configured=snapshot is not None)


def nothing(journal: Journal, feature: str | None) -> str:
    """Say that nothing is recorded, and what is."""
    by_feature: tuple[Grouping, ...] = ("feature",)
    there = sorted(spend.feature for spend in journal.spend(Filter(), by_feature))
    if not there:
        return (
            "No exchanges are recorded. Send requests through the gateway (`pointsman up`), "
            "or read past calls with `pointsman import FILE`."
        )
    if feature is not None and feature not in there:
        return f"No exchanges of feature {feature} are recorded; there are: {', '.join(there)}."
    return "No exchanges are recorded for this time."


def _show(console: Console, found: Report, total: Line, *, configured: bool) -> None:
    console.print(f"{moment(total.first_ms)} to {moment(total.last_ms)}")
    for spend in fitted(console, ("feature", "model"), _NUMBERS, _spend_rows(found.lines, total)):
        console.print(spend)
    if total.unpriced:
        console.print(
            f"Without a known cost (+?): {total.unpriced:,}. They count as requests and tokens, not as money. "
            "State a price with [deployments] or [[prices]] in pointsman.toml.\n"
        )
    if found.elsewhere:
        _show_elsewhere(console, found.elsewhere)
    elif not configured:
        console.print("What the same tokens would cost elsewhere is shown once prices are known: run `pointsman up` once.\n")
    for saved in found.savings:
        console.print(savings_table(saved))


def _spend_rows(lines: Iterable[Line], total: Line) -> Iterator[Row]:
    for line in lines:
        yield line.feature, line.deployment or "(none reached)", *_figures(line)
    yield None
    yield "all", "", *_figures(total)


def _figures(line: Line) -> Iterable[str]:
    cost = money(line.cost_nano) if line.unpriced < line.requests else "unknown"
    return (
        f"{line.requests:,}", f"{line.errors:,} ({percent(line.error_share)})" if line.errors else "0",
        f"{cost} +?" if 0 < line.unpriced < line.requests else cost,
        duration(line.latency_p50_ms), duration(line.latency_p95_ms),
        f"{line.input_tokens:,}", percent(line.cached_share), f"{line.output_tokens:,}",
    )  # fmt: skip


def _show_elsewhere(console: Console, elsewhere: Iterable[Elsewhere]) -> None:
    """Print what the same tokens would cost; where there is no room for a column of its own, the mark stands above."""
    rows = []
    for one in elsewhere:
        feature, today = one.feature, money(one.today_nano) + (" +?" if one.unpriced else "")
        for other in one.alternatives:
            change = "" if other.change is None else f"{100 * other.change:+.0f} %"
            rows.append((feature, today, other.deployment, money(other.cost_nano), change, other.quality))
            feature = today = ""
    columns: tuple[str, ...] = ("feature", "today", "same tokens at", "cost", "change", "")
    if width(columns, rows, ()) > console.width:
        console.print(f"The same tokens elsewhere, {UNKNOWN}:")
        columns = columns[:-1]
    made = table(*columns, right=("today", "cost", "change"))
    for row in rows:
        made.add_row(*row[: len(columns)])
    console.print(made)
    console.print(
        "The same tokens at other prices; whether the answers would be as good is unknown until a trial: "
        "`pointsman trial FEATURE`.\n"
    )
