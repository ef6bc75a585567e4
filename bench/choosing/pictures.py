"""The pictures of the document: cost-quality curves, and Pointsman's leads over every other way."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from choosing import baselines
from choosing.figures import Figures
from choosing.runs import OWN

_COLOURS: Final = {
    OWN: "#b3001b",
    baselines.LABEL: "#777777",
    "zero-router hull": "#111111",
    "kNN": "#1b6ca8",
    "k-means": "#2a9d8f",
    "per-model logistic": "#e9a23b",
    "UniRoute clusters": "#8e6bbf",
    "item response": "#6a994e",
}


def draw(tables: Sequence[Figures], directory: Path) -> list[str]:
    """Write the pictures, and return their names."""
    directory.mkdir(parents=True, exist_ok=True)
    names = []
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pointsman", "font.size": 9, "axes.spines.top": False}):
        priced = [each for each in tables if each.priced]
        if priced:
            names.append(_curves(priced, directory / "routing-curves.svg"))
        names.append(_leads(tables, directory / "routing-leads.svg"))
    return names


def _curves(tables: Sequence[Figures], path: Path) -> str:
    rows = math.ceil(len(tables) / 2)
    figure, grid = plt.subplots(rows, 2, figsize=(10, 4 * rows), squeeze=False)
    panels: list[Axes] = list(grid.ravel())
    for panel, each in zip(panels, tables, strict=False):
        home = each.curves[baselines.SINGLE]
        whole = home[0][0]
        for way, colour in _COLOURS.items():
            cost, quality = each.curves[way]
            order = np.argsort(cost)
            width, style = (2.2, "-") if way == OWN else (1.1, ":" if way == baselines.LABEL else "-")
            panel.plot(cost[order] / whole, 100 * quality[order], style, color=colour, linewidth=width, label=way)
        panel.plot([1.0], [100 * home[1][0]], "k*", markersize=9, label=baselines.SINGLE)
        panel.set(title=each.name, xlabel="cost, in that of best single", ylabel="accuracy, %", xlim=(0, 1.25))
        top = 100 * home[1][0]
        panel.set_ylim(top - 16, top + 7)
    for panel in panels[len(tables) :]:
        panel.axis("off")
    panels[0].legend(fontsize=7, loc="lower right", frameon=False)
    return _saved(figure, path)


def _leads(tables: Sequence[Figures], path: Path) -> str:
    figure, grid = plt.subplots(1, len(tables), figsize=(2.1 * len(tables) + 1.5, 3.6), squeeze=False, sharey=True)
    ways = [way for way in _COLOURS if way != OWN]
    for panel, each in zip(list(grid.ravel()), tables, strict=True):
        for place, way in enumerate(reversed(ways)):
            one = each.headline.others.get(way)
            if one is None:
                continue
            colour = {"above": "#2a9d8f", "below": "#b3001b"}.get(one.verdict, "#777777")
            panel.plot([100 * one.ahead.low, 100 * one.ahead.high], [place, place], color=colour)
            panel.plot([100 * one.ahead.mean], [place], "o", color=colour, markersize=4)
        panel.axvline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        panel.set_yticks(range(len(ways)), list(reversed(ways)))
        panel.set_title(f"{each.name}\n{'area' if each.priced else 'accuracy'}", fontsize=8)
        panel.set_xlabel("lead, points")
    return _saved(figure, path)


def _saved(figure: Figure, path: Path) -> str:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path.name
