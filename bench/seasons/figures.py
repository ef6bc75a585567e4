"""What the years come to: leads with intervals, events, budgets; a document and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np

from seasons.answers import EACH_NANO, PROMPTS
from seasons.lives import BUDGET_USD, OURS, POSSIBLE
from seasons.world import HEARD, OUTAGE, PRICES, RELEASES, REVIEW_NANO, SILENT, WORTH_USD, WRONGLY

mpl.use("Agg")
from matplotlib import pyplot as plt

_T975: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
                2.120, 2.110, 2.101, 2.093, 2.086)  # fmt: skip
"""Quantiles of Student's t for 1, 2, ... degrees of freedom."""

Result = dict[str, Any]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean with its 95 % interval (low, mean, high) over seeds, by Student's t; without one for a single seed."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return float("nan"), mean, float("nan")
    free = len(values) - 1
    half = (_T975[free - 1] if free <= len(_T975) else 1.96) * float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return mean - half, mean, mean + half


def leads(done: Sequence[Result]) -> dict[str, tuple[float, float, float]]:
    """Return how far Pointsman is ahead of each other, in dollars for 1,000 requests, learning paid for."""
    lived = [one for one in done if "total" in one]
    names = [name for name in lived[0]["total"] if name != OURS]
    return {
        name: interval([1000 * (one["total"][OURS] - one["total"][name]) / one["requests"] for one in lived])
        for name in names
    }


def ahead(done: Sequence[Result]) -> bool:
    """Say whether Pointsman is significantly above everybody but the best possible, on average over the seeds."""
    return all(low > 0 for name, (low, _, _) in leads(done).items() if name != POSSIBLE)


def document(done: Sequence[Result], tuned: dict[str, Any]) -> str:
    """Return docs/year.md."""
    lived, kept = [one for one in done if "total" in one], [one for one in done if "days_within" in one]
    requests = lived[0]["requests"]
    parts = [
        _HEAD.format(
            requests=requests, seeds=len(lived), which=", ".join(str(one["seed"]) for one in lived), worth=WORTH_USD,
            heard=100 * HEARD, wrongly=100 * WRONGLY, review=REVIEW_NANO / 1e9, tuned=_tuned(tuned),
            cpu=np.mean([one["cpu"] for one in lived]),
        ),
        _table(lived),
        _money(lived),
        _events(lived),
        _budgets(kept) if kept else "",
    ]  # fmt: skip
    return "\n".join(parts)


_HEAD: Final = """# A simulated year of learning on the job

Written by `bench/year.py --write`: {seeds} years of {requests:,} requests each (seeds {which}), of the zoo's
tasks and models. No real model is in it, and what it shows is the machinery, not the market.

A right answer is worth ${worth}. Two days later users say of {heard:.0f} % of the answers whether they are right, and err in
{wrongly:.0f} % of these; all who learn hear this. Pointsman also buys answers, and grades at ${review} each, and holds 1 %
on the reference: all of that is subtracted. One year takes Pointsman {cpu:.0f} s of CPU, learning included.

**What is shipped code**: the decision with its exploration, allowance of money and breakers, the compiled configuration, the
journal and its labels (SQLite), choosing what a new model is asked, learning, testing and publishing, canary prompts and the
watch for silent change. **What is the world**: the answers and their lengths, users, bills, the clock, and the calls of a
trial.

**The others** get the price list, new models on their day, and the reference where their choice does not answer. Fixed
choices are the best in hindsight, which nobody could have known. The bandits predict quality from the structural features
that Pointsman's policy reads too, and are tuned on other years (100, 101): {tuned}.
"""


def _tuned(tuned: dict[str, Any]) -> str:
    return "; ".join(f"{name} explores by {one['explore']:g} and keeps {one['forget']:g}" for name, one in tuned.items())


def _table(lived: Sequence[Result]) -> str:
    lines = [
        "## What it came to\n",
        "| | utility, $ per 1,000 requests | Pointsman's lead [95 %] |",
        "|---|---|---|",
    ]
    ahead_of = leads(lived)
    means = {name: interval([1000 * one["total"][name] / one["requests"] for one in lived])[1] for name in lived[0]["total"]}
    for name, mean in sorted(means.items(), key=lambda each: -each[1]):
        low, lead, high = (float("nan"),) * 3 if name == OURS else ahead_of[name]
        told = "" if name == OURS else f"{lead:+.3f} [{low:+.3f}, {high:+.3f}]"
        lines.append(f"| {f'**{name}**' if name == OURS else name} | {mean:.3f} | {told} |")
    lines.append("\n![Utility by month, less the best fixed model's](pictures/year.svg)\n")
    return "\n".join(lines)


def _money(lived: Sequence[Result]) -> str:
    bought = [interval([one[name] for one in lived])[1] for name in ("trials", "reviews", "canaries")]
    return (
        f"Learning cost ${bought[0]:.2f} for answers, ${bought[1]:.2f} for grades and ${bought[2]:.2f} for canary prompts "
        f"({PROMPTS} of one feature, graded by their right answers; ${EACH_NANO / 1e9:g} a day for each model) a year, on "
        "average: all of it is subtracted. Tried on live "
        f"requests: {100 * np.mean([one['explored'] for one in lived]):.2f} % of them (2 % allowed), for "
        f"${np.mean([one['tried'] for one in lived]):.2f} a year, and ${max(one['dearest_day'] for one in lived):.3f} on "
        "the dearest day of all years ($0.25 allowed).\n"
    )


def _events(lived: Sequence[Result]) -> str:
    events = [one["events"] for one in lived]
    lines = [
        "## What happened, and whether it was found\n",
        "| event | found | after, days (median; range) |",
        "|---|---|---|",
    ]
    for release in RELEASES:
        name = release.model.name
        after = [one[name]["after"] for one in events if one[name]["after"] is not None]
        share, ideal = (100 * np.mean([one[name][key] for one in events]) for key in ("share", "ideal"))
        what = f"day {release.day}: {name} arrives{', with a figure that promises too much' if release.hyped else ''}"
        used = f"accepted in {len(after)} of {len(events)} years; answers {share:.1f} % then (best possible: {ideal:.1f} %)"
        lines.append(f"| {what} | {used} | {_range(after)} |")
    lines += [
        f"| day {one.day}: {one.model} costs {one.times} times as much | always: costs go by the day's price | 0 |"
        for one in PRICES
    ]
    found = [one["silent"] for one in events if one["silent"] is not None]
    false = sum(one["false alarms"] for one in events)
    lines.append(
        f"| day {SILENT.day}: {SILENT.model} silently becomes worse | in {len(found)} of {len(events)} years; "
        f"{false} false alarms in all | {_range(found)} |"
    )
    failed = interval([float(one["outage"]["failed"]) for one in events])[1]
    asked = interval([float(one["outage"]["asked"]) for one in events])[1]
    lines.append(
        f"| day {OUTAGE.day}: vendor {OUTAGE.vendor} is out | always: {failed:.0f} calls failed on a day of {asked:.0f} "
        "requests, and others answered | 0 |"
    )
    return "\n".join([*lines, ""])


def _range(days: Sequence[int]) -> str:
    return f"{np.median(days):.0f}; {min(days)} to {max(days)}" if days else "-"


def _budgets(kept: Sequence[Result]) -> str:
    day, month, whole = (100 * interval([one[key] for one in kept])[1] for key in ("day", "month", "year"))
    worst_day, worst_month = (100 * max(one[key] for one in kept) for key in ("day", "month"))
    within = 100 * np.mean([one["days_within"] for one in kept])
    return (
        f"## The objective `budget`: ${BUDGET_USD} for 1,000 requests\n\n"
        f"{len(kept)} years of {kept[0]['requests']:,} requests, once choosing acts. Worst 30 days of a year: {month:.2f} % "
        f"off the budget on average, {worst_month:.2f} % at most (asked for: 0.5 %). Worst day: {day:.1f} % on average, "
        f"{worst_day:.1f} % at most (asked for: 3 %); {within:.2f} % of the days are within 3 %. The year: {whole:+.3f} %.\n"
    )


def drawn(done: Sequence[Result], file: Path) -> None:
    """Draw the mean utility of each month, less the best fixed model's."""
    lived = [one for one in done if "total" in one]
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    base = np.mean([one["monthly"]["best fixed model"] for one in lived], axis=0)
    each = lived[0]["requests"] / 12 / 1000
    for name in lived[0]["monthly"]:
        mean = (np.mean([one["monthly"][name] for one in lived], axis=0) - base) / each
        axes.plot(range(1, 13), mean, label=name, linewidth=2.4 if name == OURS else 1.1)
    axes.set_xlabel("month")
    axes.set_ylabel("$ per 1,000 requests above\nthe best fixed model")
    axes.legend(fontsize=6, ncol=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
