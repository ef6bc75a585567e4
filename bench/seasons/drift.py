"""Whether a deployment's answers changed, told from what users say of them: a sequential test that never stops looking.

A bettor stakes a share of its capital on each label being below what was predicted by more than ``MARGIN``; whenever it has
lost, it starts again with 1. While nothing has changed the capital grows by nothing on average, so that on average at least
``RATE`` labels pass until it reaches ``RATE`` (an e-detector of the CUSUM kind: Shin, Ramdas and Rinaldo 2024,
arXiv:2203.03532). Several shares are staked side by side, and their mean counts.
"""

from typing import Final

import numpy as np

RATE: Final = 100_000.0  # labels of one deployment until a false alarm, on average at least
MARGIN: Final = 0.08  # what predictions may be off without anything having changed
_SHARES: Final = np.array([0.2, 0.5, 0.8])


class Drift:
    """Every deployment's capital, and since when it has grown."""

    def __init__(self) -> None:
        self._capital: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        self._since: dict[str, int] = {}

    def note(self, name: str, at_ms: int, expected: float | None, label: float) -> int | None:
        """Take in a label in [0, 1]; return since when the answers seem to have changed, None where they do not."""
        if expected is None:
            return None
        before = self._capital.get(name, np.ones(len(_SHARES)))
        if before.max() <= 1:
            self._since[name] = at_ms
        gain = 1 + _SHARES * (expected - label - MARGIN)
        self._capital[name] = np.maximum(before, 1.0) * gain
        if float(self._capital[name].mean()) < RATE:
            return None
        del self._capital[name]
        return self._since.pop(name)
