"""``pointsman report``: what was spent, on what, how well it went, and what the same tokens would cost elsewhere."""

import sys
from collections.abc import Iterable

import click
import msgspec
from rich.console import Console
from rich.table import Table

from pointsman.cli.figures import duration, moment, money, paper, percent, read_moment, table
from pointsman.cli.verdict_table import savings_table
from pointsman.control.report import Elsewhere, Line, Report, report
from pointsman.core import snapshot as snapshots
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.store.interfaces import Filter


@click.command("report")
@workspace_option
@click.option("--since", callback=read_moment, help="From this moment on: 24h, 7d, 2026-11-01 [default: the beginning].")
@click.option("--until", callback=read_moment, help="Up to this moment.")
@click.option("--feature", help="This feature only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value; money in nano-dollars (1e-9 US dollars).")
def command(workspace: Workspace, since: int | None, until: int | None, feature: str | None, *, as_json: bool) -> None:
    """Show spend, tokens, errors and latency by feature and model, and what the same tokens would cost elsewhere."""
    published = workspace.published()
    snapshot = snapshots.decode(published.data) if published else None
    wanted = Filter(since_ms=since, until_ms=until, feature=feature)
    found = report(workspace.store.journal, snapshot, wanted)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return
    show(paper(), found, configured=snapshot is not None)


def show(console: Console, found: Report, *, configured: bool) -> None:
    """Print a report."""
    if found.total is None:
        console.print(
            "No exchanges are recorded for this. Send requests through the gateway (`pointsman up`), "
            "or read past calls with `pointsman import FILE`."
        )
        return
    console.print(f"{moment(found.total.first_ms)} to {moment(found.total.last_ms)}")
    console.print(_spend_table(found.lines, found.total))
    if found.total.unpriced:
        console.print(
            f"Without a known cost (+?): {found.total.unpriced:,}. They count as requests and tokens, not as money. "
            "State a price with [deployments] or [[prices]] in pointsman.toml.\n"
        )
    if found.elsewhere:
        console.print(_elsewhere_table(found.elsewhere))
        console.print(
            "The same tokens at other prices; whether the answers would be as good is unknown until a trial: "
            "`pointsman trial FEATURE`.\n"
        )
    elif not configured:
        console.print("What the same tokens would cost elsewhere is shown once prices are known: run `pointsman up` once.\n")
    for saved in found.savings:
        console.print(savings_table(saved))


def _spend_table(lines: Iterable[Line], total: Line) -> Table:
    numbers = ("requests", "errors", "input tokens", "from cache", "output tokens", "cost", "median", "95 %")
    made = table("feature", "model", *numbers, right=numbers)
    for line in lines:
        made.add_row(line.feature, line.deployment or "(none reached)", *_figures(line))
    made.add_section()
    made.add_row("all", "", *_figures(total))
    return made


def _figures(line: Line) -> Iterable[str]:
    cost = money(line.cost_nano) if line.unpriced < line.requests else "unknown"
    return (
        f"{line.requests:,}", f"{line.errors:,} ({percent(line.error_share)})" if line.errors else "0",
        f"{line.input_tokens:,}", percent(line.cached_share), f"{line.output_tokens:,}",
        f"{cost} +?" if 0 < line.unpriced < line.requests else cost,
        duration(line.latency_p50_ms), duration(line.latency_p95_ms),
    )  # fmt: skip


def _elsewhere_table(elsewhere: Iterable[Elsewhere]) -> Table:
    made = table("feature", "today", "same tokens at", "cost", "change", "", right=("today", "cost", "change"))
    for one in elsewhere:
        feature, today = one.feature, money(one.today_nano) + (" +?" if one.unpriced else "")
        for other in one.alternatives:
            change = "" if other.change is None else f"{100 * other.change:+.0f} %"
            made.add_row(feature, today, other.deployment, money(other.cost_nano), change, other.quality)
            feature = today = ""
    return made
