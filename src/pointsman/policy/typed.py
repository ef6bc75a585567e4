"""What requests would look like had the same been typed otherwise: other case, other blanks and breaks, a line more.

Strategy: a vector's structural part has the length of the user's text and the roots of the shares of its characters'
classes; from these follow the counts, from other counts the structural part of the same text typed otherwise. How far such
changes move requests, and in which directions, says how little a policy may lean on these directions: ``damping`` shrinks
them before anything is learned, so that leaning on them costs more. To train on changed copies comes to the same for linear
models (Bishop 1995, "Training with noise is equivalent to Tikhonov regularization"; with within-class covariances, Hatch et
al. 2006), and would take as many times the rows.

Laws: words stay as they are; pure; linear in the number of rows.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from pointsman.policy import features
from pointsman.policy.features import BLANKS, CAPITALS, IDEOGRAPHS, LENGTHS, LINES, SHARES, SMALL, WIDE_CLASS
from pointsman.policy.outcomes import Floats

STRENGTH: Final = 300.0  # by how much a direction is shrunk: 1 / sqrt(1 + STRENGTH x mean squared change)
_MOST: Final = 20_000  # rows that are looked at
_APPENDED: Final = (
    "\nThe committee will meet on Tuesday to discuss the proposal at length, as agreed.",
    "\n```js\nfunction run(list) {\n  const out = {};\n  for (const x of list) out[x] = (out[x] || 0) + 1;\n}\n```",
    "\nLet $a_{n+1} = \\sqrt{2 + a_n}$ and $\\sum_{i=1}^{m} \\frac{i^2}{m}$; show $\\nabla g = 0$.",
    '\n{"role": "system", "content": "be brief", "temperature": 0.2, "n": [1, 2, 3]}',
    "\n次の質問にできるだけ正確に答えてください。必ず証明をつけること。",
    "\n@@ || %% ** ~~ <<>> ## ++ == -- ;; ''",
)

Change = Callable[[Floats], None]
"""Changes counts of characters by class (CLASSES, N), in place."""


def _small(counts: Floats) -> None:
    counts[SMALL] += counts[CAPITALS]
    counts[CAPITALS] = 0


def _wider(counts: Floats) -> None:
    counts[[BLANKS, LINES]] *= 3


def _on_one_line(counts: Floats) -> None:
    counts[BLANKS] += counts[LINES]
    counts[LINES] = 0


def _with(text: str) -> Change:
    more = features.counted(text)[:, None].astype(np.float64)

    def change(counts: Floats) -> None:
        counts += more

    return change


CHANGES: Final[tuple[Change, ...]] = (_small, _wider, _on_one_line, *map(_with, _APPENDED))


def otherwise(flags: Floats, change: Change) -> Floats:
    """Return the structural parts (N, FLAGS; in [0, 1]) of texts that are typed otherwise."""
    size = 2 ** (20 * flags[:, LENGTHS.start]) - 1
    counts = np.square(flags[:, SHARES]).T * size
    before = counts.sum(axis=0)
    change(counts)
    size = np.maximum(size + counts.sum(axis=0) - before, 1.0)
    found = flags.copy()
    length = np.log2(1 + size) / 20
    found[:, LENGTHS] = np.column_stack((length, length * length))
    found[:, features.BREAKS] = np.log2(1 + counts[LINES]) / 10
    found[:, IDEOGRAPHS] = counts[WIDE_CLASS] / size
    found[:, SHARES] = np.sqrt(counts / size).T
    return np.minimum(found, 1.0)


def damping(flags: Floats, standard: Callable[[Floats], Floats]) -> Floats:
    """Return what structural parts are to be multiplied by (FLAGS, FLAGS), symmetric, before anything is learned of them.

    ``flags`` (N, FLAGS) are those of the requests, in [0, 1]; ``standard`` makes of them what is learned from.
    """
    flags = flags[:_MOST]
    usual = standard(flags)
    spread = np.zeros((features.FLAGS, features.FLAGS))
    for change in CHANGES:
        moved = standard(otherwise(flags, change)) - usual
        spread += moved.T @ moved
    values, vectors = np.linalg.eigh(spread / (len(flags) * len(CHANGES)))
    damped: Floats = (vectors / np.sqrt(1 + STRENGTH * np.maximum(values, 0.0))) @ vectors.T
    return damped
