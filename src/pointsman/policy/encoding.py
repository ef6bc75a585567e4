"""What a sentence encoder made of a request's text, in a bounded number of bytes beside its feature vector.

Strategy: an encoding is ``WIDTH`` numbers of eight bits: as many as small encoders have, so that theirs stay as they are;
longer ones are folded onto them with fixed signs (a count-sketch: Charikar, Chen, Farach-Colton 2002), which keeps inner
products on average. The bytes begin with a version and with a mark of the encoder, so that what one encoder made is never
read as another's.

Laws: a pure function of the encoder's numbers; length is constant; the user's text alone is encoded, head and tail of a long
one.
"""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pointsman.core.chat import ChatRequest

VERSION: Final = 1
WIDTH: Final = 384
MARK: Final = 8
LENGTH: Final = 1 + MARK + WIDTH
_HEAD: Final = 3000
_TAIL: Final = 1000
_LARGEST: Final = 127

Matrix = NDArray[np.float32]


def text_of(request: ChatRequest) -> str:
    """Return what of a request is encoded: what is not an instruction, at most 4,001 characters of it."""
    text = "\n".join([message.text for message in request.messages if not message.instructs])
    return text if len(text) <= _HEAD + _TAIL else text[:_HEAD] + "\n" + text[-_TAIL:]


def mark(encoder: str) -> bytes:
    """Return the mark of an encoder, by its name: ``MARK`` bytes."""
    return hashlib.sha256(encoder.encode()).digest()[:MARK]


def packed(encoder: str, numbers: Matrix) -> NDArray[np.uint8]:
    """Return what an encoder made of n texts (n, d) as encodings (n, LENGTH). ValueError where a number is not finite."""
    if not np.isfinite(numbers).all():
        raise ValueError("an encoding holds a number that is none")
    folded = _folded(numbers)
    top = np.maximum(np.abs(folded).max(axis=1, keepdims=True), np.float32(1e-12))
    found = np.empty((len(numbers), LENGTH), dtype=np.uint8)
    found[:, 0] = VERSION
    found[:, 1 : 1 + MARK] = np.frombuffer(mark(encoder), dtype=np.uint8)
    found[:, 1 + MARK :] = np.rint(folded * (_LARGEST / top)).astype(np.int8).view(np.uint8)
    return found


def dense(encodings: NDArray[np.uint8]) -> Matrix:
    """Return encodings (n, LENGTH) as numbers for a linear model (n, WIDTH), each row of norm 1, or 0."""
    numbers = np.ascontiguousarray(encodings[:, 1 + MARK :]).view(np.int8).astype(np.float32)
    numbers /= np.maximum(np.sqrt(np.vecdot(numbers, numbers)), np.float32(1))[:, None]
    return numbers


def _folded(numbers: Matrix) -> Matrix:
    """Return numbers (n, d) as (n, WIDTH): filled up with zeros, or folded with the signs of a hash."""
    count, width = numbers.shape
    turns = -(-width // WIDTH)
    whole = np.zeros((count, turns * WIDTH), dtype=np.float32)
    whole[:, :width] = numbers
    if turns > 1:
        whole *= _signs(turns * WIDTH)
    folded: Matrix = whole.reshape(count, turns, WIDTH).sum(axis=1, dtype=np.float32)
    return folded


def _signs(size: int) -> Matrix:
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(b"pointsman encoding").digest(-(-size // 8)), dtype=np.uint8))
    return np.where(bits[:size] > 0, np.float32(1), np.float32(-1))
