"""The demo's tables, in an owner's words. Each fits a terminal of 80 columns."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from rich.table import Table

from pointsman.cli.demo.compare import Mean, Way, against
from pointsman.store.interfaces import Spend

NANO: Final = 1e9
TWO_LINES: Final = """\
- client = OpenAI()
+ client = OpenAI(base_url="http://127.0.0.1:8787/v1")

- client.chat.completions.create(model="big-1", messages=...)
+ client.chat.completions.create(model="auto", messages=...)"""


def spend_table(lines: Iterable[Spend]) -> Table:
    """Return spend by feature and model."""
    table = plain_table(
        "feature", "model", "requests", "tokens in", "cached", "tokens out", "cost", "median", right=range(2, 8)
    )  # fmt: skip
    for line in sorted(lines, key=lambda one: -one.cost_nano):
        cached = f"{100 * line.cached_tokens / line.input_tokens:.0f} %" if line.input_tokens else ""
        table.add_row(
            line.feature, short_name(line.deployment), f"{line.requests:,}", f"{line.input_tokens:,}", cached,
            f"{line.output_tokens:,}", f"${line.cost_nano / NANO:.2f}", f"{line.latency_p50_ms:.0f} ms",
        )  # fmt: skip
    return table


def ways_table(ways: Sequence[Way]) -> Table:
    """Return cost and quality of each way of choosing, with 95 % intervals; costs also against the first."""
    table = plain_table("", "right [95 %]", "$ per 1,000 [95 %]", "cost", right=range(1, 4))
    base = ways[0].usd_per_1000.value
    for way in ways:
        change = "" if way is ways[0] else f"{100 * (way.usd_per_1000.value / base - 1):+.0f} %"
        table.add_row(
            way.name, _percent(way.right), _dollars(way.usd_per_1000), change, style="bold" if way.measured else ""
        )
    return table


def paired_table(ours: Way, others: Sequence[Way]) -> Table:
    """Return one way against others, request by request."""
    name = f"{ours.name} against, request by request"
    table = plain_table(name, "right, points [95 %]", "cost [95 %]", right=(1, 2))
    for other in others:
        change, ratio = against(ours, other)
        low, high = 100 * change.low, 100 * change.high
        cost = "" if ratio is None else f"{_change(ratio.value)} % [{_change(ratio.low)},{_change(ratio.high)}]"
        table.add_row(other.name, f"{100 * change.value:+.1f} [{low:+.1f},{high:+.1f}]", cost)
    return table


def short_name(deployment: str) -> str:
    """Return a deployment's name without its provider: the demo has one only."""
    return deployment.partition("/")[2] or deployment


def plain_table(*titles: str, right: Collection[int] = ()) -> Table:
    """Return an empty table without lines; the columns in ``right`` hold numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, title in enumerate(titles):
        table.add_column(title, justify="right" if place in right else "left", no_wrap=True)
    return table


def _percent(mean: Mean) -> str:
    return f"{100 * mean.value:.1f} % [{100 * mean.low:.1f},{100 * mean.high:.1f}]"


def _dollars(mean: Mean) -> str:
    return f"{mean.value:.3f} [{mean.low:.3f},{mean.high:.3f}]"


def _change(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.0f}"
