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
import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

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
_TOGETHER: Final = 16_384  # characters that are worked on at once
_TABLE: Final = 4 * (_TOGETHER + 2 * (_HEAD + _TAIL))
_BASE: Final = 0x9E3779B97F4A7C15
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_PAIR: Final = 0.5
_LARGEST: Final = 7  # of a four-bit entry
_WIDE: Final = 0x2E80  # code points from here on (Chinese, Japanese, Korean) are words of their own
_TOKENS_PER_MESSAGE: Final = 4
_TOKENS_PER_TOOL: Final = 64
_TOKENS_PER_MEDIA: Final = 512
_OTHER: Final = 128
_KINDS: Final = _OTHER + 2  # of characters: ASCII by itself, others, wide ones
_LINE_END: Final = 10
_ASKED: Final = 10
_LEAST: Final = 1e-9
_CLASSES: Final = (
    "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz",
    "\n", " ", "\t", "?", "!", ",", ".", ":", ";", "()", "[]", "{}", "<>", "=", "$", "\\", "^", "_", "+", "-", "*", "/",
    '"', "'", "`", "#", "%", "|", "@",
)  # fmt: skip


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    """Return the powers of a base modulo 2^64, from the 0th."""
    values = np.full(count, base, dtype=np.uint64)
    values[0] = 1
    return np.multiply.accumulate(values)


def _class_matrix() -> NDArray[np.float64]:
    matrix = np.zeros((_KINDS, len(_CLASSES) + 1))
    for column, characters in enumerate(_CLASSES):
        matrix[[ord(c) for c in characters], column] = 1.0
    matrix[_OTHER:, -1] = 1.0
    return matrix


_UP: Final = _powers(_BASE, _TABLE)
_DOWN: Final = _powers(pow(_BASE, -1, 1 << 64), _TABLE)
_CLASS_OF: Final = _class_matrix()
_NARROW: Final = np.arange(_WIDE + 1, dtype=np.uint32)  # code points; the last stands for all wide ones
_DIGIT: Final = (_NARROW >= 48) & (_NARROW <= 57)
_LETTER: Final = _DIGIT | ((_NARROW >= 97) & (_NARROW <= 122)) | (_NARROW >= 0xAA)
_KIND: Final = _LETTER.astype(np.uint8) + (_NARROW == _WIDE)  # 0: between words, 1: narrow, 2: wide
_SILENT: Final = np.where(_DIGIT, _NARROW - 48, np.where(_LETTER, 0, _NARROW)).astype(np.uint32)  # not hashed of a code
_PLACE: Final = np.minimum(_NARROW, _OTHER).astype(np.int64) + (_NARROW == _WIDE)
_WIDTHS: Final = np.array((USER_DIMS, SYSTEM_DIMS), dtype=np.uint64)
_STARTS: Final = np.array((0, USER_DIMS))
_UNPACKED: Final = np.array([(byte >> 4, byte & 15) for byte in range(256)], dtype=np.float32) - np.float32(8)


def vector(request: ChatRequest) -> bytes:
    """Return the feature vector of a request: ``LENGTH`` bytes, the first one ``VERSION``."""
    return vectors((request,))[0]


def vectors(requests: Sequence[ChatRequest]) -> list[bytes]:
    """Return the feature vector of each request. Many at once cost a fraction of one at a time."""
    found: list[bytes] = []
    waiting: list[_Read] = []
    size = 0
    for request in requests:
        user, system = request.user_text, request.system_text
        waiting.append(_Read(request, _clipped(user), _clipped(system), len(user), len(system)))
        size += len(user) + len(system)
        if size >= _TOGETHER:
            found += _vectors(waiting)
            waiting, size = [], 0
    return found + _vectors(waiting) if waiting else found


class _Read(NamedTuple):
    """A request with its texts, clipped, and how long they were before."""

    request: ChatRequest
    user: str
    system: str
    user_length: int
    system_length: int


def _vectors(read: Sequence[_Read]) -> list[bytes]:
    rows = np.empty((len(read), LENGTH), dtype=np.uint8)
    rows[:, 0] = VERSION
    rows[:, 1 : 1 + FLAGS] = _flags(read)
    sketches = _sketches([text for one in read for text in (one.user, one.system)])
    rows[:, 1 + FLAGS :] = (sketches[:, 0::2] << 4) | sketches[:, 1::2]
    return [row.tobytes() for row in rows]


def readable(data: bytes) -> bool:
    """Say whether bytes are a feature vector of this version."""
    return len(data) == LENGTH and data[0] == VERSION


def dense(vectors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return vectors (n, LENGTH) as numbers for a linear model (n, DIMS): flags in [0, 1], each sketch of norm 1 or 0."""
    numbers = np.empty((len(vectors), DIMS), dtype=np.float32)
    np.divide(vectors[:, 1 : 1 + FLAGS], np.float32(255), out=numbers[:, :FLAGS])
    numbers[:, FLAGS:] = _UNPACKED.take(vectors[:, 1 + FLAGS :].ravel(), axis=0).reshape(len(vectors), -1)
    for part in (slice(FLAGS, FLAGS + USER_DIMS), slice(FLAGS + USER_DIMS, DIMS)):
        sketch = numbers[:, part]
        sketch /= np.maximum(np.sqrt(np.vecdot(sketch, sketch)), np.float32(1))[:, None]
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


def _codes(texts: Sequence[str]) -> tuple[NDArray[np.uint32], list[int]]:
    """Return the code points of texts one after the other, each followed by a line end, and how long each now is."""
    joined = "\n".join((*texts, ""))
    codes = np.frombuffer(joined.encode("utf-32-le", errors="replace"), dtype=np.uint32)
    return codes, [len(text) + 1 for text in texts]


def _sketches(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Return the signed sketches of words and word pairs, sublinear in counts: entries 1 to 15, 8 being nothing.

    Texts are a user's and a system's by turns, and so are the two sketches in each row (n, USER_DIMS + SYSTEM_DIMS).
    """
    width = USER_DIMS + SYSTEM_DIMS
    words, owners = _word_hashes([text.lower() for text in texts])
    near = owners[:-1] == owners[1:]
    pairs = ((words[:-1] * np.uint64(3) ^ words[1:]) * _MIX)[near]
    hashes = np.concatenate((words, pairs))
    hashes ^= hashes >> np.uint64(29)
    hashes *= _MIX
    amounts = 1.0 - 2.0 * (hashes >> np.uint64(63))
    amounts[len(words) :] *= _PAIR
    owners = np.concatenate((owners, owners[:-1][near]))
    places = (np.arange(0, len(texts) * width // 2, width)[:, None] + _STARTS).ravel()
    slots = ((hashes >> np.uint64(20)) % _WIDTHS.take(owners & 1)).astype(np.int64)
    slots += places.take(owners)
    sums = np.bincount(slots, weights=amounts, minlength=len(texts) // 2 * width).reshape(-1, width)
    damped = np.sqrt(np.abs(sums))
    for part in (slice(USER_DIMS), slice(USER_DIMS, width)):
        top = np.maximum.reduce(damped[:, part], axis=1, keepdims=True)
        damped[:, part] *= _LARGEST / np.maximum(top, _LEAST)
    np.copysign(damped, sums, out=damped)
    np.rint(damped, out=damped)
    damped += 8.0
    return damped.astype(np.uint8)


def _word_hashes(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a 64-bit hash of each word in order, and the text that it is in.

    Digits count as one and the same; wide characters stand alone.
    """
    codes, lengths = _codes(texts)
    folded = np.minimum(codes, _WIDE)
    kinds = _KIND.take(folded)
    starting = kinds > 0
    starting[1:] &= (kinds[1:] & kinds[:-1]) != 1  # where a narrow letter follows another, no word starts
    (starts,) = starting.nonzero()
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.add.accumulate((codes - _SILENT.take(folded)) * _UP[: len(codes)], out=sums[1:])
    found = sums.take(starts)
    np.subtract(found[1:], found[:-1], out=found[:-1])
    found[-1:] = sums[-1:] - found[-1:]
    found *= _DOWN.take(starts) * _MIX
    found ^= found >> np.uint64(32)
    ends = np.array([*accumulate(lengths)])
    return found, ends.searchsorted(starts, side="right")


def _flags(read: Sequence[_Read]) -> NDArray[np.uint8]:
    """Return structural measures, each in [0, 1] as 0 to 255: what is asked for, lengths, shares of characters."""
    codes, lengths = _codes([one.user for one in read])
    kinds = _PLACE.take(np.minimum(codes, _WIDE))
    kinds += np.arange(0, len(read) * _KINDS, _KINDS).repeat(lengths)
    counts = np.bincount(kinds, minlength=len(read) * _KINDS).reshape(len(read), _KINDS).astype(np.float64)
    counts[:, _LINE_END] -= 1.0  # the one that was put after each text
    sizes = np.array([[max(length - 1, 1)] for length in lengths], dtype=np.float64)
    lines, wide = counts[:, _LINE_END].tolist(), (counts[:, -1:] / sizes)[:, 0].tolist()
    out = np.zeros((len(read), FLAGS))
    out[:, :_ASKED] = [_asked(*each) for each in zip(read, lines, wide, strict=True)]
    # Whole numbers, so that the sums are exact whatever order a matrix product adds them in.
    out[:, _ASKED : _ASKED + len(_CLASSES) + 1] = np.sqrt(counts @ _CLASS_OF / sizes)
    out *= 255.0
    np.rint(np.minimum(out, 255.0, out=out), out=out)
    return out.astype(np.uint8)


def _asked(read: _Read, lines: float, wide: float) -> tuple[float, ...]:
    """Return what a request asks for and how long it is: ``_ASKED`` numbers, most of them within [0, 1]."""
    request, length = read.request, math.log2(1 + read.user_length) / 20
    return (
        length,
        length * length,
        math.log2(1 + read.system_length) / 20,
        math.log2(1 + len(request.messages)) / 8,
        math.log2(1 + lines) / 10,
        min(request.tools, 8) / 8,
        float(request.json_schema),
        float(bool(request.media)),
        0.0 if request.max_output_tokens is None else math.log2(2 + max(request.max_output_tokens, 0)) / 20,
        wide,
    )
