"""Three pictures of the demo's story: where the money goes, what the trial found, and what each way of choosing gets for it.

Laws: the palette is readable without colour vision (Okabe and Ito 2008), and no colour says what words do not say too;
intervals are drawn wherever a number has one; every picture says that the models are simulated.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pointsman.cli.demo.compare import Way
from pointsman.cli.demo.show import NANO, short_name
from pointsman.cli.verdict_table import ordered
from pointsman.control.verdict import Row, percent, spell
from pointsman.store.interfaces import Spend

COLOURS: Final = {"ready": "#009E73", "cannot tell": "#B37400", "stay": "#D55E00"}
NOTE: Final = "simulated models"
_GREY: Final = "#777777"
_LINE: Final = 0.21  # inches that a row of the verdicts takes


def spend_by_feature(lines: Iterable[Spend], path: Path) -> None:
    """Draw the spend of each feature in US dollars, dearest at the top, with the models that it went to."""
    spend: defaultdict[str, float] = defaultdict(float)
    models: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        spend[line.feature] += line.cost_nano / NANO
        models[line.feature].append(short_name(line.deployment))
    names = sorted(spend, key=lambda name: spend[name])
    figure, axes = plt.subplots(figsize=(8, 0.55 * len(names) + 1.3), layout="constrained")
    bars = axes.barh(names, [spend[name] for name in names], color="#0072B2", height=0.65)
    axes.bar_label(bars, [f"  ${spend[name]:.2f}, {', '.join(models[name])}" for name in names])
    axes.set_xlabel("US dollars")
    axes.margins(x=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, "Where the money goes today", path)


def verdicts(rows: Sequence[Row], path: Path) -> None:
    """Draw each candidate's change in quality with its interval, against the tolerance; in the order of the table."""
    groups = [(name, list(some)) for name, some in groupby(ordered(rows), key=lambda row: row.feature)]
    figure, all_axes = plt.subplots(
        len(groups), 1, figsize=(9.5, _LINE * (len(rows) + 2.2 * len(groups)) + 1), sharex=True, squeeze=False,
        height_ratios=[len(some) + 0.6 for _, some in groups], layout="constrained",
    )  # fmt: skip
    for axes, (name, some) in zip(all_axes[:, 0], groups, strict=True):
        axes.set_title(f"{name}, today {short_name(some[0].reference)}", loc="left", fontsize=10, fontweight="bold")
        for x, title in ((1.01, "cost"), (1.1, "verdict")):
            axes.annotate(title, (x, 1.02), xycoords="axes fraction", color=_GREY, fontsize=8)
        _feature(axes, some)
    figure.supxlabel("change in quality against today's model, points (dotted: the loss that the owner accepts)", fontsize=9)
    _save(figure, "What the trial found on the owner's own requests", path)


def _feature(axes: Axes, rows: Sequence[Row]) -> None:
    axes.axvline(0, color="black", linewidth=0.8)
    axes.axvline(-100 * rows[0].tolerance, color="black", linewidth=1, linestyle=":")
    for place, row in enumerate(rows):
        change, colour = row.change, COLOURS[row.kind]
        axes.plot([100 * change.low, 100 * change.high], [place, place], color=colour, linewidth=2.5, solid_capstyle="butt")
        axes.plot(100 * change.mean, place, "o", color=colour, markersize=5)
        for x, text in ((1.01, percent(row.cost)), (1.1, spell(row))):
            axes.annotate(text, (x, place), xycoords=("axes fraction", "data"), va="center", color=colour, fontsize=8)
    axes.set_yticks(range(len(rows)), [short_name(row.candidate) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", alpha=0.25)


def cost_and_quality(ways: Sequence[Way], models: Sequence[Way], path: Path) -> None:
    """Draw each way of choosing by cost and quality with both intervals, every single model in grey behind them."""
    figure, axes = plt.subplots(figsize=(9.5, 6), layout="constrained")
    for each in models:
        x, y = each.usd_per_1000.value, 100 * each.right.value
        if any(each.usd_per_1000 == one.usd_per_1000 for one in ways):
            continue  # the cheapest is a way of choosing already
        axes.plot(x, y, "x", color=_GREY)
        axes.annotate(
            short_name(each.name), (x, y), color=_GREY, xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8
        )
    palette = ("#0072B2", "#E69F00", "#56B4E9", "#009E73", "#CC79A7")
    for each, colour, marker in zip(ways, palette, "osD*^", strict=False):
        cost, right = each.usd_per_1000, each.right
        axes.errorbar(
            cost.value, 100 * right.value, fmt=marker, color=colour, capsize=3, label=each.name,
            xerr=[[cost.value - max(cost.low, cost.value / 10)], [cost.high - cost.value]],
            yerr=[[100 * (right.value - right.low)], [100 * (right.high - right.value)]],
            markersize=13 if each.measured else 7,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("${x:g}")
    axes.margins(x=0.09, y=0.08)
    axes.set_xlabel("cost of 1,000 requests, US dollars (logarithmic)")
    axes.set_ylabel("right answers, %")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    axes.grid(alpha=0.25)
    _save(figure, "Cost and quality on the same fresh requests, 95 % intervals", path)


def _save(figure: Figure, title: str, path: Path) -> None:
    figure.suptitle(f"{title} ({NOTE})")
    figure.savefig(path, dpi=130)
    plt.close(figure)
