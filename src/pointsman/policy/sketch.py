"""A text's words and neighbouring word pairs as a signed count-sketch of four-bit entries.

Strategy: a count-sketch (Charikar, Chen, Farach-Colton 2002; Weinberger et al. 2009, arXiv:0902.2206). With a fixed number
of bytes, twice as many entries of half the precision predict better. In a wheel a text is read once, by C (``_text.c``).
Where that was not compiled, one text is hashed word by word with ``crc32``, and many by characters: a CRC is linear, so a
word's is the exclusive or of what each of its characters contributes at its distance from the word's end, and a handful of
array operations does all texts at once.

Laws: ``sketches`` gives the bytes of ``sketch``; all three are the same on every machine and in every process.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

try:
    from pointsman.policy import _text

    COMPILED = True
except ImportError:  # from the sources
    COMPILED = False

NOTHING: Final = 8  # the entry of a place where no word falls
EMPTY: Final = NOTHING << 4 | NOTHING
_LARGEST: Final = 7  # of a four-bit entry
_MOST: Final = 127  # what is counted in one place; a word counts two, a pair one
_LONGEST: Final = 64  # bytes of a word that is hashed by characters
_BLANK: Final = ord(" ")
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_NEXT: Final = np.uint64(3)
_LOW: Final = np.uint64(33)
_HIGH: Final = np.uint64(31)


def _word_table() -> bytes:
    """Letters, all of them small, and all beyond ASCII as they are; every digit as one and the same; blanks for the rest."""
    table = bytearray(b" " * 128 + bytes(range(128, 256)))
    for letter in b"abcdefghijklmnopqrstuvwxyz":
        table[letter] = table[letter - 32] = letter
    for digit in b"0123456789":
        table[digit] = ord("0")
    return bytes(table)


def _entry_table() -> NDArray[np.uint8]:
    """Return the entries (_MOST + 1, 2 _MOST + 1) by the largest count of a sketch and a place's own, from -_MOST on."""
    counts = np.arange(-_MOST, _MOST + 1)
    top = np.maximum(np.arange(_MOST + 1), 1)[:, None]
    damped = _LARGEST * np.sqrt(np.minimum(np.abs(counts) / top, 1.0))  # sublinear in counts
    entries: NDArray[np.float64] = np.rint(np.copysign(damped, counts)) + NOTHING
    return entries.astype(np.uint8)


def _contributions() -> NDArray[np.uint64]:
    """Return what a byte (columns) contributes to a word's CRC, so far (rows) from the word's end; nothing behind it."""
    first = np.array([crc32(bytes((byte,))) ^ crc32(b"\0") for byte in range(256)], dtype=np.uint64)
    rows = [np.zeros(256, dtype=np.uint64), first]
    for _ in range(1, _LONGEST):
        rows.append(rows[-1] >> np.uint64(8) ^ first[rows[-1] & np.uint64(255)])
    return np.concatenate(rows)


_WORD_BYTES: Final = _word_table()
_WORD: Final = re.compile(rb"[\xe2-\xff][\x80-\xbf]+|(?:[0a-z]|[\xc3-\xe1][\x80-\xbf]+)+")
_small: Final[Callable[[str], str]] = str.lower  # by name, for mypyc's own is not Python's: it knows no final sigma
_LOWER: Final = _entry_table()
_UPPER: Final = _LOWER << 4
_ENTRY_BYTES: Final = _LOWER.tobytes()
_ENTRIES: Final = _LOWER.ravel()
_CONTRIBUTIONS: Final = _contributions()
_OF_LENGTH: Final = np.array([crc32(bytes(length)) for length in range(_LONGEST + 1)], dtype=np.uint64)


def sketch(text: str, width: int) -> bytes:
    """Return the signed sketch of a text: ``width`` entries from 1 to 15, two in a byte."""
    if not COMPILED:
        return _by_words(_spaced(text).split(), width)
    data = text.encode() if text.isascii() else _small(text).encode(errors="replace")
    return _text.sketch(data, width, _WORD_BYTES, _ENTRY_BYTES)


def _by_words(words: Sequence[bytes], width: int) -> bytes:
    half = width // 2
    if not words:
        return bytes((EMPTY,)) * half
    hashes = np.array([crc32(word) for word in words], dtype=np.uint64)
    pairs = hashes[:-1] * _NEXT ^ hashes[1:]
    counts = np.bincount(_places(np.concatenate((hashes, hashes, pairs)), width), minlength=2 * width)
    signed = counts[:width] - counts[width:]
    top = min(int(np.maximum.reduce(np.abs(signed))), _MOST)
    signed += _MOST
    upper: NDArray[np.uint8] = _UPPER[top].take(signed[:half], mode="clip")
    upper |= _LOWER[top].take(signed[half:], mode="clip")
    return upper.tobytes()


def sketches(texts: Sequence[str], width: int) -> NDArray[np.uint8]:
    """Return ``sketch`` of each text (n, width / 2). What arrays need is some forty bytes for each character."""
    found = np.full((len(texts), width // 2), EMPTY, dtype=np.uint8)
    if any(texts):
        hashes, until = _hashes(texts)
        lengths = until.copy()
        lengths[1:] -= until[:-1]
        worded = np.flatnonzero(lengths)
        if len(worded) == len(texts):
            found = _packed(hashes, until, lengths, width)
        elif len(worded):
            found[worded] = _packed(hashes, until[worded], lengths[worded], width)
    return found


def _spaced(text: str) -> bytes:
    """Return the words of a text with blanks between them."""
    if text.isascii():
        return text.encode().translate(_WORD_BYTES)
    return b" ".join(_WORD.findall(_small(text).encode(errors="replace").translate(_WORD_BYTES)))


def _hashes(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Return the hashes of all texts' words, and how many belong to the texts up to each."""
    joined = " ".join([*texts, ""])
    if joined.isascii():
        spaced, sizes = joined.encode().translate(_WORD_BYTES), [len(text) + 1 for text in texts]
    else:
        each = [_spaced(text) for text in texts]
        spaced, sizes = b" ".join([*each, b""]), [len(text) + 1 for text in each]
    characters = np.frombuffer(spaced, dtype=np.uint8)
    ends = np.flatnonzero(characters == _BLANK)  # of words, and of nothing where there are more blanks than one
    starts = np.zeros_like(ends)
    np.add(ends[:-1], 1, out=starts[1:])
    lengths = ends - starts
    places = np.repeat(ends << 8, lengths + 1)
    places -= np.arange(0, len(characters) << 8, 1 << 8)  # how far each character is from its word's end
    places += characters
    hashes: NDArray[np.uint64] = np.bitwise_xor.reduceat(_CONTRIBUTIONS.take(places, mode="clip"), starts)
    hashes ^= _OF_LENGTH.take(lengths, mode="clip")
    if int(np.maximum.reduce(lengths)) > _LONGEST:
        for long in np.flatnonzero(lengths > _LONGEST):
            hashes[long] = crc32(spaced[starts[long] : ends[long]])
    words = np.flatnonzero(lengths)
    return hashes.take(words), words.searchsorted(ends.searchsorted(np.cumsum(sizes)))


def _packed(hashes: NDArray[np.uint64], until: NDArray[np.intp], lengths: NDArray[np.intp], width: int) -> NDArray[np.uint8]:
    """Return the sketches of texts that all have words: ``lengths`` of them, the last one before ``until``."""
    both = np.empty((2, len(hashes)), dtype=np.uint64)  # words, and the pairs that they begin
    both[0] = hashes
    np.multiply(hashes, _NEXT, out=both[1])
    both[1, :-1] ^= hashes[1:]
    cells = _places(both, width)
    negative = cells >= width
    counted = np.where(negative, -1.0, 1.0)
    counted[0] *= 2
    counted[1, until - 1] = 0  # what lies between two texts is no pair
    cells -= negative * width
    rows = np.repeat(np.arange(len(until)), lengths)
    cells += rows * width
    counts = np.bincount(cells.ravel(), counted.ravel(), minlength=width * len(until)).take(cells).astype(np.intp)
    top: NDArray[np.intp] = np.maximum.reduceat(np.maximum.reduce(np.abs(counts)), until - lengths)
    if int(np.maximum.reduce(top)) > _MOST:
        np.minimum(top, _MOST, out=top)
        np.clip(counts, -_MOST, _MOST, out=counts)
    counts += (top * (2 * _MOST + 1) + _MOST).take(rows)
    entries = np.full(width * len(until), NOTHING, dtype=np.uint8)
    entries[cells] = _ENTRIES.take(counts)
    halves = entries.reshape(-1, 2, width // 2)
    packed: NDArray[np.uint8] = np.left_shift(halves[:, 0], 4)
    packed |= halves[:, 1]
    return packed


def _places(hashes: NDArray[np.uint64], width: int) -> NDArray[np.intp]:
    """Return where words and pairs fall in twice ``width``, in place: the second half counts as negative."""
    hashes *= _MIX
    hashes >>= _LOW
    hashes *= np.uint64(2 * width)
    hashes >>= _HIGH
    return hashes.view(np.intp)
