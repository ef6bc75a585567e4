"""``pointsman feedback``: what was said of answers, by whom, and how far it can be trusted."""

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from pointsman.cli.figures import moment, money, paper, percent, read_moment
from pointsman.cli.fit import Row, fitted
from pointsman.cli.import_ import Complaints
from pointsman.control.imports.feedback import Tally, import_feedback
from pointsman.control.joining import UNKNOWN_MS, join_due
from pointsman.control.labels import Heard, heard
from pointsman.core.errors import TableError, WireError
from pointsman.core.feedback import Feedback
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.store.interfaces import KeptFeedback, Signal
from pointsman.wire.feedback import Sender, named

_COUNTS: Final = ("said", "joined", "waiting", "unknown", "replaced", "mean", "value")
_TRUST: Final = ("compared", "of good", "of bad", "counts for", "quality [95 %]")


def _read_source(_: click.Context, param: click.Parameter, value: str) -> str:
    try:
        return named(value, "the source")
    except WireError as error:
        raise click.BadParameter(str(error), param=param) from error


@click.group("feedback")
def command() -> None:
    """Read feedback from files, list it, and see how far each source can be trusted.

    Applications send it while they run: POST /v1/feedback (docs/feedback.md).

    \b
    pointsman feedback import ratings.csv --source survey
    pointsman feedback list --unknown
    pointsman feedback sources
    """


@command.command("import")
@workspace_option
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--source", default="import", show_default=True, metavar="NAME", callback=_read_source,
    help="Whose word it is where the file does not say.",
)  # fmt: skip
def import_(workspace: Workspace, files: tuple[Path, ...], source: str) -> None:
    """Read feedback from FILE... (JSON Lines, CSV) and join it to its exchanges. A file may be read again.

    \b
    {"exchange": "01a2106c25f0cc36784940d1", "thumb": "up", "at": "2026-11-24T18:30:00Z"}
    {"client_id": "order-7", "test": "failed", "source": "nightly"}
    """
    inbox, console = workspace.existing.feedback, paper()
    tallies: list[tuple[str, Tally]] = []
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for path in files:
            bar = progress.add_task(path.name, total=path.stat().st_size)
            complaints = Complaints(progress.console, path)
            sender = Sender(source, _now_ms())
            tally = import_feedback(path, inbox, sender, advance=partial(progress.advance, bar), complain=complaints.add)
            tallies.append((path.name, tally))
            complaints.close()
        bar = progress.add_task("joining", total=None)
        joined = join_due(workspace.store, _now_ms(), advance=partial(progress.advance, bar))
    rows = [
        (name, *(f"{count:,}" for count in (tally.items, tally.problems, *(tally.taken[how] for how in _HOW))))
        for name, tally in tallies
    ]
    for made in fitted(console, ("file",), ("read", "not read", *_HOW), rows):
        console.print(made)
    for name, tally in tallies:
        workspace.note("feedback import", name, f"{tally.items:,} items")
    if not any(tally.items for _, tally in tallies):
        raise TableError("no feedback was found; the fields are in docs/feedback.md")
    console.print(f"Joined to their exchanges now: {joined:,}. See what it is worth with `pointsman feedback sources`.")


_HOW: Final = ("joined", "waiting", "corrected", "outdated", "repeated")


@command.command("list")
@workspace_option
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many, newest first.")
@click.option("--source", help="Of this source only.")
@click.option("--since", callback=read_moment, help="From this moment on: 24h, 7d, 2026-11-01.")
@click.option("--unknown", is_flag=True, help="Only what waited for more than an hour: no exchange has such a name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
def list_(workspace: Workspace, limit: int, source: str | None, since: int | None, *, unknown: bool, as_json: bool) -> None:
    """List feedback, newest first: who said what of which exchange, and whether it was joined to it."""
    before = _now_ms() - UNKNOWN_MS
    kept = workspace.existing.feedback.kept(
        source=source, since_ms=since, waiting_since_ms=before if unknown else None, limit=limit
    )
    if as_json:
        for one in kept:
            sys.stdout.write(msgspec.json.encode(one).decode() + "\n")
        return
    rows = [_line(one, before) for one in kept]
    console = paper()
    for made in fitted(console, ("time", "source", "about"), ("said", "state"), rows):
        console.print(made)
    if not rows:
        console.print("No such feedback. Send it to POST /v1/feedback, or read it with `pointsman feedback import FILE`.")


@command.command("sources")
@workspace_option
def sources(workspace: Workspace) -> None:
    """Show every signal: how much it said, how right it was beside people and checks, and what its word counts for."""
    store, console = workspace.existing, paper()
    signals = store.feedback.signals(unknown_before_ms=_now_ms() - UNKNOWN_MS)
    if not signals:
        console.print("No feedback yet. Send it to POST /v1/feedback, or read it with `pointsman feedback import FILE`.")
        return
    said = heard(store)
    for made in fitted(console, ("source", "kind"), _COUNTS, [(*_named(one), *_counts(one)) for one in signals]):
        console.print(made)
    trust = [(*_named(one), *_trust(one, said.get(one.grader, Heard()))) for one in signals]
    for made in fitted(console, ("source", "kind"), _TRUST, trust):
        console.print(made)
    _explain(console)


def _explain(console: Console) -> None:
    console.print(
        "Compared: answers of which a person or a check spoke too. Of good, of bad: what it says of those on average (~:\n"
        "nothing was compared yet, this is believed of its kind). Quality: of the answers of which it spoke, so corrected.\n"
        "Counts for: what one word weighs beside a person's judgement, and at most what all of them weigh together.",
        soft_wrap=True,
    )


def _named(signal: Signal) -> tuple[str, str]:
    words = ("conversation" if signal.whole else "", signal.kind, signal.event)
    return signal.source, " ".join(word for word in words if word)


def _counts(signal: Signal) -> Iterator[str]:
    counts = (signal.count, signal.joined, signal.waiting - signal.unknown, signal.unknown, signal.replaced)
    yield from (f"{count:,}" for count in counts)
    yield "" if signal.mean is None else f"{signal.mean:.2f}"
    yield money(signal.value_nano) if signal.value_nano else ""


def _trust(signal: Signal, said: Heard) -> Sequence[str]:
    """Return what a signal says of good answers and of bad ones, on average, and what follows."""
    line = said.reliability(signal.kind)
    about = "" if line.pairs else "~"
    quality = said.quality(signal.kind)
    alone = sum(weight for _, weight in said.alone)
    return (
        f"{line.pairs:,}", f"{about}{line.offset + line.slope:.2f}", f"{about}{line.offset:.2f}",
        f"{line.weight(max(alone, 1.0)):.2f} (all: {line.most:,.0f})" if line.counts else "nothing",
        "" if quality is None else f"{quality[0]:.2f} [{quality[1]:.2f}, {quality[2]:.2f}]",
    )  # fmt: skip


def _line(kept: KeptFeedback, before_ms: int) -> Row:
    one = kept.feedback
    state = kept.state
    if state == "joined":
        told = "joined" if kept.exchanges == 1 else f"joined to {kept.exchanges:,}"
    else:
        told = "unknown" if state == "waiting" and one.taken_ms < before_ms else state
    return moment(one.at_ms), one.source, f"{one.about.replace('_', ' ')} {one.subject}", _said(one), told


def _said(one: Feedback) -> str:
    value = f" {money(one.value_nano)}" if one.value_nano is not None else ""
    if one.kind == "event":
        return f"{one.event}{value}"
    if one.kind == "edit":
        return f"edit, {percent(one.score)} kept"
    words = {"thumb": ("down", "up"), "test": ("failed", "passed")}.get(one.kind)
    return f"{one.kind} {words[round(one.score)] if words else f'{one.score:.2f}'}"


def _now_ms() -> int:
    return int(time.time() * 1000)
