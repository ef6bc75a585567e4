"""Character n-grams beside the hashed words, as what an encoder would make of a text: to see whether they add anything.

Strategy: every run of three to five bytes of a text, in small letters and with blanks as one, is counted in one of
``encoding.WIDTH`` places with a sign (a count-sketch: Weinberger et al. 2009, arXiv:0902.2206), sublinearly.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pointsman.policy import encoding

NAME = "characters"
_LENGTHS = (3, 4, 5)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)


def encode(texts: Sequence[str]) -> tuple[str, NDArray[np.uint8]]:
    """Return the name, and what stands for encodings (n, encoding.LENGTH) of texts."""
    return NAME, encoding.packed(NAME, np.stack([_sketch(text) for text in texts]))


def _sketch(text: str) -> NDArray[np.float32]:
    letters = np.frombuffer(f" {' '.join(text.lower().split())} ".encode(errors="replace"), dtype=np.uint8)
    hashes = []
    for length in _LENGTHS:
        if len(letters) >= length:
            runs = np.lib.stride_tricks.sliding_window_view(letters, length).astype(np.uint64)
            hashes.append((runs + np.uint64(1)) @ (_BASE ** np.arange(1, length + 1, dtype=np.uint64)) * _MIX)
    places = np.concatenate(hashes) >> np.uint64(33) if hashes else np.zeros(0, dtype=np.uint64)
    counts = np.bincount((places % np.uint64(2 * encoding.WIDTH)).astype(np.intp), minlength=2 * encoding.WIDTH)
    signed = (counts[: encoding.WIDTH] - counts[encoding.WIDTH :]).astype(np.float32)
    return np.copysign(np.sqrt(np.abs(signed)), signed)
