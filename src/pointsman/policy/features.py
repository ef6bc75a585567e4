"""What a request looks like, in at most 480 bytes: the only thing that a learned policy sees of its text.

Strategy: a signed count-sketch (Charikar, Chen, Farach-Colton 2002; Weinberger et al. 2009, arXiv:0902.2206) of hashed
words and neighbouring word pairs, of the user's and the system's text separately, beside structural measures: lengths,
shares of digits, code and mathematics, scripts, turns, tools. Entries of a sketch have four bits: with a fixed number of
bytes, twice as many entries of half the precision predict better. All hashing is vectorised: the hash of a word is a
difference of two prefix sums of a polynomial in its code points, so that Python never loops over words.

Laws: a pure function of the request, the same on every machine and in every process; the first byte is the version, and a
vector of another version is never read; length is constant; head and tail stand for very long texts.
"""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pointsman.core.chat import ChatRequest, Media

VERSION: Final = 1
FLAGS: Final = 48
USER_DIMS: Final = 704
SYSTEM_DIMS: Final = 128
DIMS: Final = FLAGS + USER_DIMS + SYSTEM_DIMS
LENGTH: Final = 1 + FLAGS + (USER_DIMS + SYSTEM_DIMS) // 2

_HEAD: Final = 6000
_TAIL: Final = 3000
_MASK: Final = (1 << 64) - 1
_BASE: Final = 0x9E3779B97F4A7C15
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_PAIR: Final = 0.5
_LARGEST: Final = 7  # of a four-bit entry
_WIDE: Final = 0x2E80  # code points from here on (Chinese, Japanese, Korean) are words of their own
_TOKENS_PER_MESSAGE: Final = 4
_TOKENS_PER_TOOL: Final = 64
_TOKENS_PER_MEDIA: Final = 512
_OTHER: Final = 128
_CLASSES: Final = (
    "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz",
    "\n", " ", "\t", "?", "!", ",", ".", ":", ";", "()", "[]", "{}", "<>", "=", "$", "\\", "^", "_", "+", "-", "*", "/",
    '"', "'", "`", "#", "%", "|", "@",
)  # fmt: skip


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    values = [1]
    for _ in range(count - 1):
        values.append(values[-1] * base & _MASK)
    return np.array(values, dtype=np.uint64)


def _class_matrix() -> NDArray[np.float64]:
    matrix = np.zeros((_OTHER + 1, len(_CLASSES) + 1))
    for column, characters in enumerate(_CLASSES):
        matrix[[ord(c) for c in characters], column] = 1.0
    matrix[_OTHER, -1] = 1.0
    return matrix


_UP: Final = _powers(_BASE, _HEAD + _TAIL + 2)
_DOWN: Final = _powers(pow(_BASE, -1, 1 << 64), _HEAD + _TAIL + 2)
_CLASS_OF: Final = _class_matrix()
_UNPACKED: Final = np.array([(byte >> 4, byte & 15) for byte in range(256)], dtype=np.float32) - np.float32(8)


def vector(request: ChatRequest) -> bytes:
    """Return the feature vector of a request: ``LENGTH`` bytes, the first one ``VERSION``."""
    user, system = _clipped(request.user_text), _clipped(request.system_text)
    sketches = np.concatenate((_sketch(user, USER_DIMS), _sketch(system, SYSTEM_DIMS)))
    packed = (sketches[0::2] << 4) | sketches[1::2]
    return bytes((VERSION,)) + _flags(request, user).tobytes() + packed.tobytes()


def readable(data: bytes) -> bool:
    """Say whether bytes are a feature vector of this version."""
    return len(data) == LENGTH and data[0] == VERSION


def dense(vectors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return vectors (n, LENGTH) as numbers for a linear model (n, DIMS): flags in [0, 1], each sketch of norm 1 or 0."""
    numbers = np.empty((len(vectors), DIMS), dtype=np.float32)
    numbers[:, :FLAGS] = vectors[:, 1 : 1 + FLAGS]
    numbers[:, :FLAGS] /= 255.0
    numbers[:, FLAGS:] = _UNPACKED[vectors[:, 1 + FLAGS :]].reshape(len(vectors), -1)
    for part in (slice(FLAGS, FLAGS + USER_DIMS), slice(FLAGS + USER_DIMS, DIMS)):
        sketch = numbers[:, part]
        sketch /= np.maximum(np.sqrt(np.einsum("ij,ij->i", sketch, sketch)), 1.0)[:, None]
    return numbers


def input_tokens(request: ChatRequest) -> int:
    """Return about how many input tokens a request has: a quarter of its UTF-8 bytes, and a frame around each message."""
    size, media = 0, 0
    for message in request.messages:
        size += len(message.text.encode(errors="replace")) + sum(len(call.arguments) for call in message.tool_calls)
        media += sum(isinstance(part, Media) for part in message.parts)
    frame = _TOKENS_PER_MESSAGE * len(request.messages) + _TOKENS_PER_TOOL * request.tools + _TOKENS_PER_MEDIA * media
    return -(-size // 4) + frame


def text_group(text: str) -> str:
    """Return the group of texts that differ only in case and blanks, as 16 hexadecimal digits."""
    canonical = " ".join(text.casefold().split())
    return hashlib.sha256(canonical.encode(errors="replace")).hexdigest()[:16]


def _clipped(text: str) -> str:
    return text if len(text) <= _HEAD + _TAIL else text[:_HEAD] + "\n" + text[1 - _TAIL :]


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", errors="replace"), dtype=np.uint32)


def _sketch(text: str, dims: int) -> NDArray[np.uint8]:
    """Return the signed sketch of words and word pairs, sublinear in counts: entries 1 to 15, 8 being nothing."""
    words = _word_hashes(text)
    if not len(words):
        return np.full(dims, 8, dtype=np.uint8)
    hashes = np.concatenate((words, (words[:-1] * np.uint64(3) ^ words[1:]) * _MIX))
    hashes ^= hashes >> np.uint64(29)
    hashes *= _MIX
    amounts = 1.0 - 2.0 * (hashes >> np.uint64(63))
    amounts[len(words) :] *= _PAIR
    slots = (hashes >> np.uint64(20)) % np.uint64(dims)
    sums = np.bincount(slots.astype(np.int64), weights=amounts, minlength=dims)
    damped = np.sqrt(np.abs(sums))
    top = damped.max()
    if top == 0.0:
        return np.full(dims, 8, dtype=np.uint8)
    return np.asarray(np.rint(np.copysign(damped, sums) * (_LARGEST / top)) + 8.0).astype(np.uint8)


def _word_hashes(text: str) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each word in order. Digits count as one and the same; wide characters stand alone."""
    codes = _codes(text.lower())
    digits = (codes >= 48) & (codes <= 57)
    wide = codes >= _WIDE
    inside = ((codes >= 97) & (codes <= 122)) | digits | (codes >= 0xAA)
    starting = inside.copy()
    starting[1:] &= ~inside[:-1] | wide[1:] | wide[:-1]
    starts = np.flatnonzero(starting)
    if not len(starts):
        return np.zeros(0, dtype=np.uint64)
    letters = np.where(digits, np.uint32(48), codes) * inside
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(letters * _UP[: len(codes)], out=sums[1:])
    found = sums[starts]
    found[:-1] = sums[starts[1:]] - found[:-1]
    found[-1:] = sums[-1:] - found[-1:]
    found *= _DOWN[starts] * _MIX
    found ^= found >> np.uint64(32)
    return found


def _flags(request: ChatRequest, user: str) -> NDArray[np.uint8]:
    """Return structural measures, each in [0, 1] as 0 to 255: what the request asks for, lengths, shares of characters."""
    codes = _codes(user)
    counts = np.bincount(np.minimum(codes, _OTHER), minlength=_OTHER + 1)
    length = np.log2(1 + len(request.user_text)) / 20
    asked = (
        length,
        length * length,
        np.log2(1 + len(request.system_text)) / 20,
        np.log2(1 + len(request.messages)) / 8,
        np.log2(1 + counts[10]) / 10,
        min(request.tools, 8) / 8,
        float(request.json_schema),
        float(bool(request.media)),
        0.0 if request.max_output_tokens is None else np.log2(2 + request.max_output_tokens) / 20,
        float(np.count_nonzero(codes >= _WIDE)) / max(len(codes), 1),
    )
    out = np.zeros(FLAGS)
    out[: len(asked)] = asked
    out[len(asked) : len(asked) + len(_CLASSES) + 1] = np.sqrt(counts @ _CLASS_OF / max(len(codes), 1))
    return np.rint(np.minimum(out, 1.0) * 255.0).astype(np.uint8)
