"""What the demo prints: tables in an owner's words, and decisions explained."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.table import Table

from pointsman.cli.demo.compare import Mean, Way
from pointsman.core.record import ExchangeRecord
from pointsman.store.interfaces import Spend
from pointsman.upstream.simulated.tasks import Task

NANO: Final = 1e9
TWO_LINES: Final = """\
- client = OpenAI()
- client.chat.completions.create(model="big-1", messages=...)
+ client = OpenAI(base_url="http://127.0.0.1:8787/v1")
+ client.chat.completions.create(model="auto", messages=..., extra_headers={"x-pointsman-feature": "support"})"""


def spend_table(lines: Iterable[Spend]) -> Table:
    """Return spend by feature and model."""
    table = _table("feature", "model", "requests", "input tokens", "cached", "output tokens", "cost", "median latency")
    for line in sorted(lines, key=lambda one: -one.cost_nano):
        cached = f"{100 * line.cached_tokens / line.input_tokens:.0f} %" if line.input_tokens else ""
        table.add_row(
            line.feature, line.deployment, f"{line.requests:,}", f"{line.input_tokens:,}", cached, f"{line.output_tokens:,}",
            f"${line.cost_nano / NANO:.4f}", f"{line.latency_p50_ms:.0f} ms",
        )  # fmt: skip
    return table


def ways_table(ways: Sequence[Way]) -> Table:
    """Return cost and quality of each way of choosing, with 95 % intervals."""
    table = _table("way of choosing", "right answers [95 %]", "$ per 1,000 requests [95 %]", "cost")
    base = ways[0].usd_per_1000.value
    for way in ways:
        style = "bold" if way.measured else ""
        change = "" if way is ways[0] else f"{100 * (way.usd_per_1000.value / base - 1):+.0f} %"
        table.add_row(way.name, _percent(way.right), _dollars(way.usd_per_1000), change, style=style)
    return table


def decision_lines(record: ExchangeRecord, task: Task) -> Iterable[str]:
    """Explain one decision: what was asked, what was expected of each deployment, what was chosen and why."""
    decision = record.decision
    if decision is None:
        return
    yield f"[bold]{task.feature}[/]: {_short(task.user)}"
    for name, probability in zip(decision.eligible, decision.probabilities, strict=True):
        expected = decision.predicted(name)
        quality = "" if expected is None or expected.quality is None else f"quality {100 * expected.quality:.0f} %"
        cost = "" if expected is None or expected.cost_nano is None else f"${expected.cost_nano / NANO:.6f}"
        mark = "->" if name == decision.chosen else "  "
        yield f"  {mark} {name:<20} {quality:<14} {cost:<11} chance {100 * probability:.0f} %"
    yield f"     {decision.why} ({decision.mode}, {decision.arm})"


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("[", r"\[")
    return line if len(line) <= 110 else line[:107] + "..."


def _percent(mean: Mean) -> str:
    return f"{100 * mean.value:.1f} % [{100 * mean.low:.1f}, {100 * mean.high:.1f}]"


def _dollars(mean: Mean) -> str:
    return f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]"


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, title in enumerate(titles):
        table.add_column(title, justify="left" if place < 2 else "right")
    return table
