"""How fast something grows, with an upper bound that holds where what is measured drifts.

Neighbouring looks at a process resemble each other, and least squares would trust them too much. So the looks are taken
together in ``BLOCKS`` blocks of equal length (batch means: Law and Kelton, Simulation Modeling and Analysis, section 9.5.3),
which are nearly independent, and the line is fitted through their means.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

BLOCKS: Final = 10
QUANTILE: Final = 1.8595
"""Student's t with BLOCKS - 2 degrees of freedom: 95 % lie below."""


def slope(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return the slope of y over x, and its upper 95 % bound (one-sided). At least ``BLOCKS`` points; of the first, those
    that make no whole block are left out."""
    size = len(x) // BLOCKS
    xs = np.asarray(x, float)[-size * BLOCKS :].reshape(BLOCKS, size).mean(axis=1)
    ys = np.asarray(y, float)[-size * BLOCKS :].reshape(BLOCKS, size).mean(axis=1)
    centred = xs - xs.mean()
    spread = float(centred @ centred)
    estimate = float(centred @ (ys - ys.mean())) / spread
    left = ys - ys.mean() - estimate * centred
    return estimate, estimate + QUANTILE * float(np.sqrt(left @ left / (BLOCKS - 2) / spread))
