"""Pictures that commands draw. Imported only where one is wanted: matplotlib takes its time.

Law: the palette is readable without colour vision (Okabe and Ito 2008).
"""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from pointsman.control.evaluate import AUTO, POSSIBLE, RANDOM, Evaluation

_GREY = "#777777"
_WIDE, _HIGH = 0.2, 1.4  # about the size of a name: decades of cost, points of quality
_COLOURS = ("#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#D55E00", "#009E73", "#000000")


def cost_quality_curve(found: Evaluation, path: Path) -> None:
    """Draw quality over cost: every model, every way of choosing, and the curve of all trade-offs."""
    figure, axes = plt.subplots(figsize=(9.5, 6), layout="constrained")
    _models(axes, found.models)
    axes.plot(
        [1000 * x for x, _ in found.curve], [100 * y for _, y in found.curve], color="#009E73", label="auto, every trade-off"
    )
    for way, colour in zip(found.ways, _COLOURS, strict=False):
        if way.usd is None or way.way in (POSSIBLE, RANDOM):
            continue
        low, high = (100 * (way.quality - way.change[0] + bound) for bound in way.change[1:])
        error = [[max(100 * way.quality - low, 0)], [max(high - 100 * way.quality, 0)]]
        axes.errorbar(1000 * way.usd, 100 * way.quality, yerr=error, fmt="o", color=colour, capsize=3, label=way.way,
                      markersize=9 if way.way == AUTO else 6)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("US dollars per 1,000 requests (logarithmic)")
    axes.set_ylabel("quality, %")
    axes.xaxis.set_major_formatter("${x:g}")
    axes.margins(x=0.09, y=0.08)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    axes.grid(alpha=0.25)
    figure.suptitle("Cost and quality on prompts set aside (bars: 95 % interval of the difference to the best single model)")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _models(axes: Axes, models: Sequence[tuple[str, float, float]]) -> None:
    """Mark each single model in grey, and name it where its name covers no other: the dearest first, they matter most."""
    taken: list[tuple[float, float]] = []
    for name, usd, quality in sorted(models, key=lambda one: -one[1]):
        x, y = 1000 * usd, 100 * quality
        axes.plot(x, y, "x", color=_GREY)
        if all(abs(math.log10(x / other)) > _WIDE or abs(y - height) > _HIGH for other, height in taken):
            taken.append((x, y))
            axes.annotate(
                name.rpartition("/")[2],
                (x, y),
                color=_GREY,
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
