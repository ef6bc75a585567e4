"""``pointsman journal``: the exchanges, one a line; or one of them, whole."""

import sys
from collections.abc import Iterator
from typing import Final

import click
import msgspec
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from pointsman.cli.figures import duration, moment, money, paper, percent, read_moment, table
from pointsman.cli.fit import Row, fitted, width
from pointsman.cli.report import nothing
from pointsman.core.chat import Usage
from pointsman.core.errors import StoreError
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Decision
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.store.interfaces import Filter, Journal

_OF_ATTEMPTS: Final = ("status", "first byte", "total", "ended", "input", "cached", "output", "cost")


@click.command("journal")
@workspace_option
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many, newest first.")
@click.option("--feature", help="This feature only.")
@click.option("--since", callback=read_moment, help="From this moment on: 24h, 7d, 2026-11-01.")
@click.option("--until", callback=read_moment, help="Up to this moment.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines, without feature vectors.")
@click.option("--id", "id_", help="Show this exchange whole: attempts, probabilities, judgements.")
def command(
    workspace: Workspace,
    limit: int,
    feature: str | None,
    since: int | None,
    until: int | None,
    id_: str | None,
    *,
    as_json: bool,
) -> None:
    """List exchanges, newest first: what was asked, what was chosen and why, and what came of it.

    \b
    pointsman journal -n 5 --feature support
    pointsman journal --since 24h --json > yesterday.jsonl
    pointsman journal --id 01a2106c25f0cc36784940d1      (the id is in the reply's header x-pointsman-exchange)
    """
    console = paper()
    journal = workspace.existing.journal
    wanted = Filter(since_ms=since, until_ms=until, feature=feature, exchange=id_)
    records = list(journal.exchanges(wanted, newest_first=True, limit=limit))
    if id_ is not None and not records:
        raise StoreError(f"there is no exchange {id_} in {workspace.data}; `pointsman journal` lists those there are")
    if as_json:
        for record in records:
            sys.stdout.write(msgspec.json.encode(replace(record, vector=b"")).decode() + "\n")
    elif id_ is not None:
        _show(console, journal, records[0])
    elif records:
        _list(console, records)
    else:
        console.print(nothing(journal, feature))


def _list(console: Console, records: list[ExchangeRecord]) -> None:
    """Print one line an exchange, or a few where the terminal is too narrow for that."""
    right, broken = ("tokens", "cost", "latency"), ("feature", "why", "outcome")
    names = ("time", "exchange", "feature", "mode", "chosen", "why", *right, "outcome")
    rows = [_cells(record) for record in records]
    if width(names, rows, broken) <= console.width:
        made = table(*names, right=right, whole=("time", "exchange", "mode"))
        for row in rows:
            made.add_row(*row)
        console.print(made)
        return
    for record, row in zip(records, rows, strict=True):
        at, exchange, feature, mode, chosen, why, tokens, cost, latency, outcome = row
        console.print(f"{at}  {exchange}  {outcome}", soft_wrap=True)
        console.print(f"  {feature}{f', {mode}' if mode else ''}: {chosen} ({why})", soft_wrap=True)
        error = record.attempts[-1].error if record.attempts else ""
        facts = [f"{tokens} tokens" if tokens else "", cost, latency, f"failed: {error}" if error else ""]
        facts = [fact for fact in facts if fact]
        if facts:
            console.print(f"  {', '.join(facts)}", soft_wrap=True)


def _cells(record: ExchangeRecord) -> tuple[str, ...]:
    decision = record.decision
    chosen = decision.chosen if decision else record.attempts[-1].deployment if record.attempts else record.asked
    return (
        moment(record.at_ms), record.id, record.feature, decision.mode if decision else "", chosen,
        decision.why if decision else record.source, _tokens(record), money(record.cost_nano),
        duration(record.latency_ms or None), _outcome(record),
    )  # fmt: skip


def _tokens(record: ExchangeRecord) -> str:
    usages = [attempt.usage for attempt in record.attempts if attempt.usage]
    return f"{sum(one.input for one in usages):,} + {sum(one.output for one in usages):,}" if usages else ""


def _outcome(record: ExchangeRecord) -> str:
    return record.outcome if record.outcome == "ok" else f"{record.outcome} ({record.status})"


def _show(console: Console, journal: Journal, record: ExchangeRecord) -> None:
    facts = table("", "")
    facts.show_header = False
    for name, value in (
        ("exchange", record.id),
        ("time", moment(record.at_ms)),
        ("asked for", record.asked),
        ("route", record.route or "none: the client chose"),
        ("feature", record.feature),
        ("outcome", f"{_outcome(record)}{', streamed' if record.streamed else ''}"),
        ("latency", duration(record.latency_ms or None)),
        ("first content", duration(record.first_content_ms)),
        ("cost", money(record.cost_nano) or "unknown"),
        ("client's own id", record.client_id),
        ("conversation", record.conversation),
        ("client key", record.client_key),
        ("customer", record.customer),
        ("source", record.source),
        ("feature vector", f"{len(record.vector)} bytes" if record.vector else "not stored"),
    ):
        if value:
            facts.add_row(name, value)
    console.print(facts)
    if record.decision:
        _show_decision(console, record.decision)
    for made in fitted(console, ("attempt", "deployment", "cause"), _OF_ATTEMPTS, _attempts(record.attempts)):
        console.print(made)
    for place, attempt in enumerate(record.attempts, start=1):
        if attempt.error:
            console.print(f"attempt {place} failed: {attempt.error}", soft_wrap=True)
    judgements = list(journal.judgements(Filter(exchange=record.id)))
    if judgements:
        console.print(_judgements(judgements))


def _show_decision(console: Console, decision: Decision) -> None:
    console.print(f"{decision.mode}, {decision.arm}: {decision.why} (snapshot {decision.snapshot or 'unknown'})")
    if decision.course:
        console.print(f"chance spoke at the conversation's start: exchange {decision.course}")
    if decision.pace != 1.0:
        console.print(f"to keep the budget a right answer was worth {decision.pace:.2f} times what it was when learned")
    right = ("chance", "quality expected", "cost expected")
    made = table("", "eligible", *right, right=right)
    for name, probability in zip(decision.eligible, decision.probabilities, strict=True):
        expected = decision.predicted(name)
        quality = ""
        if expected is not None and expected.quality is not None:
            error = f" ± {100 * expected.quality_sd:.0f}" if expected.quality_sd is not None else ""
            quality = f"{100 * expected.quality:.0f}{error} %"
        cost = money(expected.cost_nano if expected else None)
        made.add_row("->" if name == decision.chosen else "", name, percent(probability), quality, cost)
    console.print(made)
    for name, reason in decision.excluded.items():
        console.print(f"left out: {name}: {reason}")


def _attempts(attempts: tuple[Attempt, ...]) -> Iterator[Row]:
    for place, attempt in enumerate(attempts, start=1):
        usage = attempt.usage or Usage()
        counts = (usage.input, usage.cached, usage.output) if attempt.usage else ("", "", "")
        yield (
            str(place), attempt.deployment, attempt.cause, str(attempt.status or ""), duration(attempt.first_byte_ms),
            duration(attempt.total_ms or None), _end(attempt),
            *(f"{count:,}" if count != "" else "" for count in counts), _cost(attempt),
        )  # fmt: skip


def _cost(attempt: Attempt) -> str:
    """Return what a call cost; where that is unsettled, between what and what."""
    return money(attempt.cost_nano) if attempt.bounds is None else " to ".join(map(money, attempt.bounds))


def _end(attempt: Attempt) -> str:
    return "unused" if attempt.unused else "failed" if attempt.error else attempt.finish or ""


def _judgements(judgements: list[Judgement]) -> Table:
    made = table("judged", "arm", "score", "by", "note", right=("score",))
    for judged in judgements:
        score = "none" if judged.score is None else f"{judged.score:.2f}"
        made.add_row(judged.deployment, judged.arm, score, judged.grader, judged.note)
    return made
