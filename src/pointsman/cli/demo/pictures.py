"""Three pictures of the demo's story: where the money goes, what the trial found, and what each way of choosing gets for it.

Laws: the palette is readable without colour vision (Okabe and Ito 2008); intervals are drawn wherever a number has one;
every picture says that the models are simulated.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pointsman.cli.demo.compare import Way
from pointsman.control.verdict import Row, spell

COLOURS: Final = {"ready": "#009E73", "cannot tell": "#E69F00", "stay": "#D55E00"}
NOTE: Final = "simulated models"


def spend_by_feature(spend_usd: Mapping[str, float], path: Path) -> None:
    """Draw the spend of each feature in US dollars, dearest at the top."""
    ordered = sorted(spend_usd.items(), key=lambda item: item[1])
    figure, axes = plt.subplots(figsize=(7, 0.6 * len(ordered) + 1.4), layout="constrained")
    bars = axes.barh([name for name, _ in ordered], [usd for _, usd in ordered], color="#0072B2")
    axes.bar_label(bars, fmt="  $%.2f")
    axes.set_xlabel("US dollars")
    axes.margins(x=0.15)
    _save(figure, "Where the money goes today", path)


def verdicts(rows: Sequence[Row], path: Path) -> None:
    """Draw each candidate's change in quality with its interval, against the tolerance."""
    figure, axes = plt.subplots(figsize=(9, 0.38 * len(rows) + 1.8), layout="constrained")
    for place, row in enumerate(reversed(rows)):
        change, colour = row.change, COLOURS[row.kind]
        axes.plot([100 * change.low, 100 * change.high], [place, place], color=colour, linewidth=2.5, solid_capstyle="butt")
        axes.plot(100 * change.mean, place, "o", color=colour, markersize=6)
        axes.plot([-100 * row.tolerance] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1, linestyle=":")
        axes.annotate(spell(row), (1.01, place), xycoords=("axes fraction", "data"), va="center", color=colour)
    labels = [f"{row.feature}: {row.candidate.removeprefix('zoo/')}" for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), labels)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("change in quality against today's model, points (dotted: the loss that the owner accepts)")
    _save(figure, "What the trial found on the owner's own requests", path)


def cost_and_quality(ways: Sequence[Way], models: Sequence[Way], path: Path) -> None:
    """Draw each way of choosing by cost and quality with both intervals, every single model in grey behind them."""
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    for each in models:
        axes.plot(each.usd_per_1000.value, 100 * each.right.value, "x", color="#999999")
        axes.annotate(each.name.removeprefix("zoo/"), (each.usd_per_1000.value, 100 * each.right.value), color="#777777",
                      xytext=(4, -10), textcoords="offset points", fontsize=8)  # fmt: skip
    palette = ("#0072B2", "#E69F00", "#56B4E9", "#009E73", "#CC79A7")
    for each, colour in zip(ways, palette, strict=False):
        x, y = each.usd_per_1000, each.right
        axes.errorbar(
            x.value, 100 * y.value,
            xerr=[[x.value - x.low], [x.high - x.value]], yerr=[[100 * (y.value - y.low)], [100 * (y.high - y.value)]],
            fmt="o", color=colour, capsize=3, label=each.name, markersize=8 if each.measured else 6,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("US dollars per 1,000 requests (logarithmic)")
    axes.set_ylabel("right answers, %")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.25)
    _save(figure, "Cost and quality of each way of choosing, same requests", path)


def _save(figure: Figure, title: str, path: Path) -> None:
    figure.suptitle(f"{title} ({NOTE})")
    figure.savefig(path, dpi=130)
    plt.close(figure)
