"""What a request looks like, in at most 480 bytes: the only thing that a learned policy sees of its text.

Strategy: a signed count-sketch (Charikar, Chen, Farach-Colton 2002; Weinberger et al. 2009, arXiv:0902.2206) of hashed
words and neighbouring word pairs, of the user's and the system's text separately, beside structural measures: lengths,
shares of digits, code and mathematics, scripts, turns, tools. Entries of a sketch have four bits: with a fixed number of
bytes, twice as many entries of half the precision predict better. What is done to every character is done by ``bytes``
methods, to every word by ``crc32``, and arrays only see short rows: a request's vector costs some forty microseconds.

Laws: a pure function of the request, the same on every machine and in every process; the first byte is the version, and a
vector of another version is never read; length is constant; head and tail stand for very long texts.
"""

import hashlib
import math
import re
from array import array
from collections.abc import Sequence
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pointsman.core.chat import ChatRequest, Media

VERSION: Final = 2
FLAGS: Final = 48
USER_DIMS: Final = 704
SYSTEM_DIMS: Final = 128
DIMS: Final = FLAGS + USER_DIMS + SYSTEM_DIMS
LENGTH: Final = 1 + FLAGS + (USER_DIMS + SYSTEM_DIMS) // 2

_HEAD: Final = 6000
_TAIL: Final = 3000
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_NEXT: Final = np.uint64(3)
_LOW: Final = np.uint64(33)
_HIGH: Final = np.uint64(31)
_LARGEST: Final = 7  # of a four-bit entry
_NOTHING: Final = 8  # the entry of a place where no word falls
_MOST: Final = 127  # what is counted in one place; a word counts two, a pair one
_TOGETHER: Final = 16  # requests: more, and the arrays would be too large to be given out again at once
_TOKENS_PER_MESSAGE: Final = 4
_TOKENS_PER_TOOL: Final = 64
_TOKENS_PER_MEDIA: Final = 512
_WIDE: Final = 0xE3  # the first byte, in UTF-8, of Chinese, Japanese and Korean characters, or a smaller one
_CLASSES: Final = (
    b"0123456789", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz",
    b"\n", b" ", b"\t", b"?", b"!", b",", b".", b":", b";", b"()", b"[]", b"{}", b"<>", b"=", b"$", b"\\", b"^", b"_",
    b"+", b"-", b"*", b"/", b'"', b"'", b"`", b"#", b"%", b"|", b"@", bytes(range(_WIDE, 256)),
)  # fmt: skip
_LINES: Final = 3  # which class is the end of a line
_WIDE_CLASS: Final = len(_CLASSES) - 1
_KINDS: Final = len(_CLASSES) + 1  # the last one is that of all the rest


def _class_table() -> bytes:
    table = bytearray([len(_CLASSES)]) * 256
    for place, characters in enumerate(_CLASSES):
        for character in characters:
            table[character] = place
    return bytes(table)


def _word_table() -> bytes:
    """Letters and all beyond ASCII as they are, every digit as one and the same, blanks for what stands between words."""
    table = bytearray(b" " * 128 + bytes(range(128, 256)))
    for letter in b"abcdefghijklmnopqrstuvwxyz":
        table[letter] = letter
    for digit in b"0123456789":
        table[digit] = ord("0")
    return bytes(table)


def _entry_table() -> NDArray[np.uint8]:
    """Return the entries (_MOST + 1, 2 _MOST + 1) by the largest count of a sketch and a place's own, from -_MOST on."""
    counts = np.arange(-_MOST, _MOST + 1)
    top = np.maximum(np.arange(_MOST + 1), 1)[:, None]
    damped = _LARGEST * np.sqrt(np.minimum(np.abs(counts) / top, 1.0))  # sublinear in counts
    entries: NDArray[np.float64] = np.rint(np.copysign(damped, counts)) + _NOTHING
    return entries.astype(np.uint8)


_CLASS_OF: Final = _class_table()
_WORD_BYTES: Final = _word_table()
_WORD: Final = re.compile(rb"[\xe2-\xff][\x80-\xbf]+|(?:[0a-z]|[\xc3-\xe1][\x80-\xbf]+)+")
_LOWER: Final = _entry_table()
_UPPER: Final = _LOWER << 4
_UNPACKED: Final = np.array([(byte >> 4, byte & 15) for byte in range(256)], dtype=np.float32) - np.float32(_NOTHING)
_EMPTY: Final = bytes((_NOTHING << 4 | _NOTHING,))
_VERSION_BYTE: Final = bytes((VERSION,))


def vector(request: ChatRequest) -> bytes:
    """Return the feature vector of a request: ``LENGTH`` bytes, the first one ``VERSION``."""
    user, system = request.user_text, request.system_text
    read = _clipped(user)
    counts = np.bincount(np.frombuffer(_classes(read), dtype=np.uint8), minlength=_KINDS)
    flags = _flags(request, (user, system), len(read), counts, _shares(counts, max(len(read), 1)))
    return flags + _sketch(read, USER_DIMS) + _sketch(_clipped(system), SYSTEM_DIMS)


def vectors(requests: Sequence[ChatRequest]) -> list[bytes]:
    """Return the vectors of many requests: the same bytes, at half of the work, because array operations are shared."""
    found: list[bytes] = []
    for start in range(0, len(requests), _TOGETHER):
        found += _together(requests[start : start + _TOGETHER])
    return found


def _together(requests: Sequence[ChatRequest]) -> list[bytes]:
    texts = [(request.user_text, request.system_text) for request in requests]
    read = [_clipped(user) for user, _ in texts]
    classes = [_classes(text) for text in read]
    rows = np.repeat(np.arange(0, _KINDS * len(read), _KINDS), [len(each) for each in classes])
    rows += np.frombuffer(b"".join(classes), dtype=np.uint8)
    counts = np.bincount(rows, minlength=_KINDS * len(read)).reshape(-1, _KINDS)
    shares = _shares(counts, np.array([[max(len(text), 1)] for text in read]))
    flags = [_flags(*each) for each in zip(requests, texts, map(len, read), counts, shares, strict=True)]
    users, systems = _sketches(read, USER_DIMS), _sketches([_clipped(system) for _, system in texts], SYSTEM_DIMS)
    return [b"".join(each) for each in zip(flags, users, systems, strict=True)]


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
    frame = _TOKENS_PER_MESSAGE * len(request.messages) + _TOKENS_PER_TOOL * len(request.tools) + _TOKENS_PER_MEDIA * media
    return -(-size // 4) + frame


def text_group(text: str) -> str:
    """Return the group of texts that differ only in case and blanks, as 16 hexadecimal digits."""
    canonical = " ".join(text.casefold().split())
    return hashlib.sha256(canonical.encode(errors="replace")).hexdigest()[:16]


def _clipped(text: str) -> str:
    return text if len(text) <= _HEAD + _TAIL else text[:_HEAD] + "\n" + text[1 - _TAIL :]


def _classes(text: str) -> bytes:
    """Return the class of each character."""
    return text.encode(errors="replace").translate(_CLASS_OF)


def _shares(counts: NDArray[np.intp], size: int | NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the root of each class's share of a text, or of each of several texts (rows): 255 is all of it."""
    shares: NDArray[np.float64] = np.sqrt(counts[..., : len(_CLASSES)] * (255.0 * 255.0 / size))
    return np.rint(shares, out=shares).astype(np.uint8)


def _flags(
    request: ChatRequest, texts: tuple[str, str], size: int, counts: NDArray[np.intp], shares: NDArray[np.uint8]
) -> bytes:
    """Return the version and the flags of a request with its user's and its system's text, of which ``size`` were read."""
    lines, wide = int(counts[_LINES]), int(counts[_WIDE_CLASS]) / max(size, 1)
    asked = _asked(request, len(texts[0]), len(texts[1]), lines, wide)
    return (_VERSION_BYTE + bytes([round(255 * min(each, 1.0)) for each in asked]) + shares.tobytes()).ljust(
        1 + FLAGS, b"\0"
    )


def _sketch(text: str, width: int) -> bytes:
    """Return the signed sketch of a text's words and word pairs: ``width`` entries from 1 to 15, two in a byte."""
    words = _words(text)
    if not words:
        return _EMPTY * (width // 2)
    places = _places(np.array([crc32(word) for word in words], dtype=np.uint64), width)
    counts = np.bincount(places, minlength=2 * width)
    signed = counts[:width] - counts[width:]
    top = min(int(np.maximum.reduce(np.abs(signed))), _MOST)
    signed += _MOST
    half = width // 2
    upper: NDArray[np.uint8] = _UPPER[top].take(signed[:half], mode="clip")
    upper |= _LOWER[top].take(signed[half:], mode="clip")
    return upper.tobytes()


def _sketches(texts: Sequence[str], width: int) -> list[bytes]:
    """Return ``_sketch`` of each text: every array operation, dear on a short row, is one for all of them."""
    hashes, lengths = array("Q"), []
    for text in texts:
        words = _words(text)
        hashes.extend(map(crc32, words))
        lengths.append(len(words))
    if not hashes:
        return [_EMPTY * (width // 2)] * len(texts)
    places = _places(np.frombuffer(hashes, dtype=np.uint64), width)
    rows = np.repeat(np.arange(0, 2 * width * len(texts), 2 * width), lengths)
    outside = 2 * width * len(texts)  # what lies between two texts is no pair
    places += np.concatenate((rows, rows, np.where(rows[:-1] == rows[1:], rows[1:], outside)))
    counts = np.bincount(places, minlength=outside)[:outside].reshape(-1, 2, width)
    signed = counts[:, 0] - counts[:, 1]
    top: NDArray[np.int64] = np.minimum(np.maximum.reduce(np.abs(signed), axis=1), _MOST)
    signed += _MOST
    np.clip(signed, 0, 2 * _MOST, out=signed)
    signed += (top * (2 * _MOST + 1))[:, None]  # the row of the table of entries
    half = width // 2
    packed: NDArray[np.uint8] = np.take(_UPPER, signed[:, :half])
    packed |= np.take(_LOWER, signed[:, half:])
    return [row.tobytes() for row in packed]


def _words(text: str) -> list[bytes]:
    spaced = text.lower().encode(errors="replace").translate(_WORD_BYTES)
    return spaced.split() if spaced.isascii() else _WORD.findall(spaced)


def _places(hashes: NDArray[np.uint64], width: int) -> NDArray[np.int64]:
    """Return where words, the same words again, and word pairs fall in twice ``width``: a word counts two, a pair one."""
    pairs = hashes[:-1] * _NEXT ^ hashes[1:]
    places = np.concatenate((hashes, hashes, pairs))
    places *= _MIX
    places >>= _LOW
    places *= np.uint64(2 * width)
    places >>= _HIGH
    return places.view(np.int64)


def _asked(request: ChatRequest, user: int, system: int, lines: int, wide: float) -> tuple[float, ...]:
    """Return what a request asks for and how long its texts are, in numbers that are small; above 1 counts as 1."""
    length = math.log2(1 + user) / 20
    return (
        length,
        length * length,
        math.log2(1 + system) / 20,
        math.log2(1 + len(request.messages)) / 8,
        math.log2(1 + lines) / 10,
        min(len(request.tools), 8) / 8,
        float(request.json_schema),
        float(bool(request.media)),
        0.0 if request.max_output_tokens is None else math.log2(2 + max(request.max_output_tokens, 0)) / 20,
        wide,
    )
