"""Which few prompts stand for all: cells that cover them evenly, and one of each.

Strategy: all prompts are cut in two across the direction in which they differ most, and the halves again, until there are
as many cells as prompts are wanted ("anchor points", Vivek and others 2023, arXiv:2309.08638). Cells have the same mass, not
the same number: prompts whose outcome is as good as known weigh little, so that they get few (Neyman 1934). Of each cell
that one is taken which is nearest to its middle among a few drawn by lot: what lies in the middle is typical, and on typical
prompts models agree more than on others.

Laws: no chance but the lots that are given; nothing is taken twice; every halving is linear in the number of rows.
"""

from typing import Final

import numpy as np

from pointsman.policy.outcomes import Floats, Indices

_FEW: Final = 3


def anchors(places: Floats, mass: Floats, lots: Floats, count: int) -> Indices:
    """Return ``count`` of the rows of ``places`` (N, D), rising; all where N is no more.

    ``mass`` (N,) is positive, ``lots`` (N,) are uniform in (0, 1): a row is drawn as often as its mass says.
    """
    if count >= len(places):
        return np.arange(len(places))
    cells = [(np.arange(len(places)), count)]
    found = []
    while cells:
        rows, wanted = cells.pop()
        if wanted == 1:
            middle = mass[rows] @ places[rows] / mass[rows].sum()
            few = rows[np.argsort(-(lots[rows] ** (1 / mass[rows])), kind="stable")[:_FEW]]  # Efraimidis and Spirakis 2006
            found.append(few[np.square(places[few] - middle).sum(axis=1).argmin()])
            continue
        first = wanted // 2
        order = rows[np.argsort(_along(places[rows]), kind="stable")]
        total = np.cumsum(mass[order])
        cut = int(np.searchsorted(total, total[-1] * first / wanted))
        cut = min(max(cut, first), len(rows) - (wanted - first))
        cells += [(order[:cut], first), (order[cut:], wanted - first)]
    return np.sort(np.array(found, dtype=np.int64))


def _along(places: Floats) -> Floats:
    """Return how far each of the places (n, D) lies along the direction in which they differ most."""
    centred = places - places.mean(axis=0)
    return np.asarray(centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1])
