"""``pointsman ledger``: what every call cost, whether that was tampered with, and what is left of what customers pay."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pointsman.cli.figures import moment, money, paper, percent, read_moment
from pointsman.cli.fit import Row as Cells
from pointsman.cli.fit import fitted
from pointsman.cli.reconcile import reconcile
from pointsman.cli.verdict_table import savings_table
from pointsman.control.ledger.exporting import as_csv, as_json_lines
from pointsman.control.ledger.margin import Margin, margins
from pointsman.control.ledger.report import KEYS, Key, Period, Row, Sums, sums
from pointsman.control.ledger.verify import Verified, verify
from pointsman.control.report import measured
from pointsman.core.errors import StoreError
from pointsman.core.ledger import Entry, Head, read_head
from pointsman.serve.workspace import Workspace, workspace_option

_TOLD: Final = 1_000  # lines between two steps of the bar
_NUMBERS: Final = (
    "calls",
    "requests",
    "settled",
    "unsettled",
    "at least",
    "at most",
    "fresh",
    "cached",
    "written",
    "output",
)


@click.group("ledger")
def command() -> None:
    """Show what every call cost, line by line, and whether a line was changed.

    See docs/ledger.md.
    """


command.add_command(reconcile)


@command.command("verify")
@workspace_option
@click.option("--head", "put_aside", help="A head put aside earlier, COUNT:HASH, or a file that holds it.")
def verify_(workspace: Workspace, put_aside: str | None) -> None:
    """Check every line against its hash, its own arithmetic, and a head that was put aside.

    \b
    pointsman ledger head > /somewhere/else/head
    pointsman ledger verify --head /somewhere/else/head
    """
    ledger = workspace.existing.ledger
    aside = None if put_aside is None else _head(put_aside)
    with _progress() as bar:
        line = bar.add_task("verifying", total=ledger.head().count)
        found = verify(_shown(ledger.entries(), bar, line), aside)
    click.echo(_told(found))
    if found.fault:
        raise StoreError(f"the ledger in {workspace.data} is not whole. {found.fault}")


@command.command("head")
@workspace_option
def head(workspace: Workspace) -> None:
    """Print the end of the chain, to be put aside where nobody who could change the ledger can change it."""
    click.echo(workspace.existing.ledger.head().text)


@command.command("export")
@workspace_option
@click.option("--format", "form", type=click.Choice(("csv", "jsonl")), default="csv", show_default=True)
@click.option("--after", type=click.IntRange(0), default=0, help="Only lines with a number above this one.")
def export(workspace: Workspace, form: str, after: int) -> None:
    """Write all lines to standard output, one by one.

    \b
    pointsman ledger export > ledger.csv
    pointsman ledger export --format jsonl --after 120000 >> ledger.jsonl
    """
    entries = workspace.existing.ledger.entries(after=after)
    for piece in _sound(as_csv(entries) if form == "csv" else as_json_lines(entries)):
        sys.stdout.write(piece)


@command.command("report")
@workspace_option
@click.option("--by", default="feature", show_default=True, help=f"What to group by, by comma: {', '.join(KEYS)}.")
@click.option("--since", callback=read_moment, help="From this moment on: 24h, 7d, 2026-11-01 [default: the beginning].")
@click.option("--until", callback=read_moment, help="Up to this moment.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value; money in nano-dollars (1e-9 US dollars).")
def report(workspace: Workspace, by: str, since: int | None, until: int | None, *, as_json: bool) -> None:
    """Add up the lines: what is settled, bounds of what is not, what is left of what customers pay, what was saved.

    \b
    pointsman ledger report --by customer,feature --since 30d
    pointsman ledger report --by vendor,day --json
    """
    store, period = workspace.existing, Period(since, until)
    published = workspace.published()
    try:
        found = sums(store.ledger.entries(), _keys(by), period)
        margin = margins(workspace.config.customers, store.ledger.entries(), period) if workspace.config.customers else []
    except ValueError as error:
        raise _unsound(error) from error
    saved = [] if published is None else list(measured(store.journal, workspace.decoded(published), None))
    if as_json:
        whole = {"sums": found, "margins": margin, "savings": saved}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(whole)).decode() + "\n")
        return
    console = paper()
    _show(console, found)
    _show_margins(console, margin)
    for each in saved:
        console.print(savings_table(each))


def _show(console: Console, found: Sums) -> None:
    if found.opened_ms is None:
        console.print("The ledger is empty: it begins with the first request through the gateway.")
        return
    console.print(f"the ledger counts since {moment(found.opened_ms)}{f': {found.opening}' if found.opening else ''}")
    if found.first_ms is None or found.last_ms is None:
        console.print("No call was made in this time.")
        return
    console.print(f"{moment(found.first_ms)} to {moment(found.last_ms)}; amounts in US dollars, tokens by kind")
    for table in fitted(console, found.by, _NUMBERS, _rows(found)):
        console.print(table)
    if found.total.unpriced:
        console.print(
            f"Without a price: {found.total.unpriced:,} calls, whose amounts are in no sum. "
            "State a price with [deployments] or [[prices]] in pointsman.toml."
        )
    if found.total.unsettled:
        total = found.total
        least, most = total.settled_nano + total.least_nano, total.settled_nano + total.most_nano
        console.print(
            f"{total.unsettled:,} calls are unsettled, for their usage never came: the bill lies between {money(least)} "
            f"and {money(most)}; what is known or estimated of them comes to {money(total.thought_nano)}."
        )


def _rows(found: Sums) -> Iterator[Cells]:
    for row in found.rows:
        yield *(name or "(none)" for name in row.names), *_figures(row)
    if len(found.rows) > 1:
        yield None
        yield "all", *("" for _ in found.by[1:]), *_figures(found.total)


def _figures(row: Row) -> tuple[str, ...]:
    bounds = (money(row.least_nano), money(row.most_nano)) if row.unsettled else ("", "")
    tokens = (row.fresh, row.cached, row.cache_written, row.output)
    return (
        f"{row.calls:,}", f"{row.requests:,}", money(row.settled_nano) + (" +?" if row.unpriced else ""),
        f"{row.unsettled:,}" if row.unsettled else "", *bounds, *(f"{count:,}" for count in tokens),
    )  # fmt: skip


def _show_margins(console: Console, found: list[Margin]) -> None:
    if not found:
        return
    columns = ("requests", "tokens", "pays", "cost", "at least", "at most", "left", "margin")
    rows = [
        (
            one.customer, f"{one.requests:,}", f"{one.tokens:,}", money(one.pays_nano), money(one.settled_nano),
            money(one.least_nano), money(one.most_nano), _between(one), percent(one.share) or "",
        )
        for one in found
    ]  # fmt: skip
    console.print("What customers pay, as [customers] says, and what is left of it:")
    for table in fitted(console, ("customer",), columns, rows):
        console.print(table)


def _between(one: Margin) -> str:
    low, high = one.pays_nano - one.most_nano, one.pays_nano - one.least_nano
    return money(high) if low == high else f"{money(low)} to {money(high)}"


def _told(found: Verified) -> str:
    if found.since_ms is None:
        return "the ledger is empty"
    return (
        f"{found.lines:,} lines since {moment(found.since_ms)} are good: {money(found.settled_nano)} settled, "
        f"{found.unsettled:,} calls unsettled\nhead {found.head.text}"
    )


def _keys(by: str) -> list[Key]:
    names = [name.strip() for name in by.split(",")]
    found = [key for name in names for key in KEYS if key == name]
    if len(found) != len(names) or len(set(found)) != len(found):
        raise click.BadParameter(f"{by!r}: write some of {', '.join(KEYS)}, by comma, each once", param_hint="--by")
    return found


def _head(text: str) -> Head:
    try:
        said = Path(text).read_text("utf-8") if ":" not in text or Path(text).exists() else text
        return read_head(said)
    except (OSError, ValueError) as error:
        raise click.BadParameter(
            f"{text!r} is neither COUNT:HASH nor a file that holds that; `pointsman ledger head` prints it",
            param_hint="--head",
        ) from error


def _sound(pieces: Iterator[str]) -> Iterator[str]:
    try:
        yield from pieces
    except ValueError as error:
        raise _unsound(error) from error


def _unsound(error: ValueError) -> StoreError:
    return StoreError(f"{error}; `pointsman ledger verify` says which line")


def _shown(entries: Iterator[Entry], bar: Progress, line: TaskID) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        if entry.n % _TOLD == 0:
            bar.update(line, completed=entry.n)
    bar.update(line, completed=bar.tasks[line].total)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
