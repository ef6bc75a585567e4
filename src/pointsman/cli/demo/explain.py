"""Decisions in plain words: what was asked, who could have answered, what was expected of each, who answered and why.

Law: a judge grades answers against today's model's, whose own grade is one half by construction. So where a judge grades,
what is expected is told as the difference to today's model, in points, as in the verdict table.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final

from rich.table import Table
from rich.text import Text

from pointsman.cli.demo.show import plain_table, short_name
from pointsman.cli.demo.traffic import Answered
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import Decision

Served = tuple[Answered, ExchangeRecord]

_LONGEST: Final = 76
_REASONS: Final = {
    "held on the reference, to measure against": "chance held it on today's model, so that the saving is measured",
    "the reference is worth its price here": "today's model is worth its price here",
    "the reference: nothing is accepted to stand in for it yet": "nothing cheaper has passed its trial",
}


def three(served: Sequence[Served]) -> list[tuple[Answered, Decision]]:
    """Pick three decisions for as many reasons, of as many features, as there are; with the most to choose from."""
    first: dict[tuple[str, str, str], tuple[Answered, Decision]] = {}
    for one, record in served:
        if record.decision is not None:
            first.setdefault((record.decision.why, one.task.feature, record.decision.chosen), (one, record.decision))

    def variety(picked: Iterable[tuple[Answered, Decision]]) -> tuple[int, int, int]:
        some = list(picked)
        reasons = {decision.why for _, decision in some}
        features = {one.task.feature for one, _ in some}
        return len(reasons) + len(features), len(reasons), sum(len(decision.predictions) for _, decision in some)

    return list(max(combinations(first.values(), min(3, len(first))), key=variety))


def heading(one: Answered, decision: Decision) -> Text:
    """Return what was asked, who answered, and why."""
    asked = Text(" ".join(one.task.user.split()))
    asked.truncate(_LONGEST, overflow="ellipsis")
    why = _REASONS.get(decision.why, decision.why)
    chosen = (short_name(decision.chosen), "bold")
    return Text.assemble((one.task.feature, "bold"), "\n  ", asked, "\n  ", chosen, f": {why}.")


def choices(decision: Decision, today: str, *, judged: bool) -> Table | None:
    """Return what was expected of each deployment, None where nothing was predicted. ``judged``: a judge grades."""
    if not decision.predictions:
        return None
    table = plain_table("  ", "could have served", "expected quality", "expected cost", "chance", right=(2, 3, 4))
    for name, probability in zip(decision.eligible, decision.probabilities, strict=True):
        expected = decision.predicted(name)
        cost = "" if expected is None or expected.cost_nano is None else f"${expected.cost_nano / 1e9:.5f}"
        mark = "  >" if name == decision.chosen else ""
        table.add_row(
            mark, short_name(name), _quality(decision, name, today, judged=judged), cost, f"{100 * probability:.0f} %"
        )
    return table


def _quality(decision: Decision, name: str, today: str, *, judged: bool) -> str:
    own, base = decision.predicted(name), decision.predicted(today)
    if own is None or own.quality is None:
        return ""
    if not judged:
        return f"{100 * own.quality:.0f} % right"
    if name == today:
        return "as today"
    if base is None or base.quality is None:
        return ""
    return f"{200 * (own.quality - base.quality):+.0f} points"
