"""``pointsman ledger reconcile``: a provider's usage export beside the ledger, and what explains each difference."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console

from pointsman.cli.figures import money, paper, table
from pointsman.control.ledger.reconcile.billed import Billed, ExportError
from pointsman.control.ledger.reconcile.compare import Count, Day, compare
from pointsman.control.ledger.reconcile.ours import EDGE_MS, ours_of
from pointsman.control.ledger.reconcile.reading import read
from pointsman.control.ledger.report import Period, day_of, lines_within
from pointsman.core.errors import StoreError
from pointsman.core.ledger import decode
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.store.interfaces import Store

_DAY_MS: Final = 86_400_000
_WORDS: Final = {
    "requests": "requests", "input": "input tokens", "cached": "cached tokens", "written": "cache-written tokens",
    "output": "output tokens", "nano": "amount",
}  # fmt: skip


@click.command("reconcile")
@workspace_option
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--provider", default="", help="The provider as [providers] calls it [default: openai or anthropic, by the form]."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value; money in nano-dollars (1e-9 US dollars).")
def reconcile(workspace: Workspace, files: tuple[Path, ...], provider: str, *, as_json: bool) -> None:
    """Compare a provider's usage export with the ledger, by day (UTC) and model, and explain each difference.

    \b
    FILES are pages of OpenAI's organization usage or costs API, of Anthropic's usage or cost report,
    or CSV with the columns day, model and some of requests, input_tokens, cached_tokens,
    cache_written_tokens, output_tokens, cost_usd.

    Ends with status 1 where a difference stays unexplained.
    """
    rows, named = _rows(files, provider)
    models = {}
    published = workspace.published()
    if published is not None:
        models = {one.name: one.model for one in workspace.decoded(published).deployments.values()}
    found = _compared(workspace.existing, rows, named, models)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode({"provider": named, "days": found})).decode() + "\n")
    else:
        _show(paper(), named, found)
    if not all(day.explained for day in found):
        sys.exit(1)


def _rows(files: Sequence[Path], provider: str) -> tuple[list[Billed], str]:
    exports = [read(path) for path in files]
    forms = {export.provider for export in exports} - {""}
    if len(forms) > 1:
        raise ExportError(f"these are exports of {' and '.join(sorted(forms))}: compare each provider alone")
    named = provider or next(iter(forms), "")
    if not named:
        raise ExportError(
            "a table does not say whose it is: name the provider as [providers] calls it, with --provider NAME"
        )
    rows = [row for export in exports for row in export.rows]
    if not rows:
        raise ExportError("there is not one row in it: export the days that you want to compare")
    return rows, named


def _compared(store: Store, rows: Sequence[Billed], provider: str, models: dict[str, str]) -> list[Day]:
    first, last = min(row.day for row in rows), max(row.day for row in rows)
    period = Period(_midnight(first) - EDGE_MS, _midnight(last) + _DAY_MS)
    opening = next(store.ledger.entries(), None)
    if opening is None:
        raise StoreError("the ledger is empty: there is nothing to compare with")
    try:
        ours = ours_of(lines_within(store.ledger.entries(), period), provider, models)
        return compare(rows, ours, day_of(decode(opening.text).at_ms))
    except ValueError as error:
        raise StoreError(f"{error}; `pointsman ledger verify` says which line") from error


def _midnight(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def _show(console: Console, provider: str, found: list[Day]) -> None:
    equal = [day for day in found if not day.differing]
    compared = sorted({name for day in found for name in day.compared}, key=list(_WORDS).index)
    console.print(
        f"{provider}: {len(found):,} days and models compared by {', '.join(_WORDS[name] for name in compared)}; "
        f"{len(equal):,} are equal"
    )
    differing = [(day, count) for day in found for count in day.differing]
    if not differing:
        return
    right = ("theirs", "ours", "difference")
    made = table("day", "model", "of", *right, "why", right=right, whole=("day",))
    for day, count in differing:
        made.add_row(day.day, day.model or "(all)", _WORDS[count.name], *_figures(count), count.reason or "unexplained")
    console.print(made)
    open_ = sum(not count.reason for _, count in differing)
    console.print(f"{len(differing) - open_:,} of {len(differing):,} differences are explained")


def _figures(count: Count) -> tuple[str, str, str]:
    theirs, ours, gap = count.theirs, count.ours, count.theirs - count.ours
    if count.name == "nano":
        return money(theirs), money(ours), f"{'+' if gap > 0 else ''}{money(gap)}"
    return f"{theirs:,}", f"{ours:,}", f"{gap:+,}"
