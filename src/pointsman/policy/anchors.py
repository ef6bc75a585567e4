"""Which few prompts stand for all: cells that cover them evenly, and the middle of each.

Strategy: all prompts are cut in two across the direction in which they differ most, and the halves again, until there are as
many cells as prompts are wanted; from each the one nearest to its middle is taken ("anchor points", Vivek and others 2023,
arXiv:2309.08638). Cells have the same mass, not the same number: prompts whose outcome is as good as known weigh little, so
that they get few (Neyman 1934).

Laws: no chance; nothing is taken twice; every halving is linear in the number of rows.
"""

import numpy as np

from pointsman.policy.outcomes import Floats, Indices


def anchors(places: Floats, mass: Floats, count: int) -> Indices:
    """Return ``count`` of the rows of ``places`` (N, D), rising, whose ``mass`` (N,) is positive; all where N is no more."""
    if count >= len(places):
        return np.arange(len(places))
    cells = [(np.arange(len(places)), count)]
    found = []
    while cells:
        rows, wanted = cells.pop()
        if wanted == 1:
            middle = mass[rows] @ places[rows] / mass[rows].sum()
            found.append(rows[np.square(places[rows] - middle).sum(axis=1).argmin()])
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
