"""What a request looks like, in at most 480 bytes: what a learned policy sees of its text, unless an encoder is configured.

Strategy: the sketches (``policy/sketch``) of the words of the user's and of the system's text, beside structural measures:
lengths, shares of digits, code and mathematics, scripts, turns, tools. Where nothing is compiled (``policy/sketch``), many
requests share their array operations.

Laws: a pure function of the request, the same on every machine and in every process; the first byte is the version, and a
vector of another version is never read; length is constant; head and tail stand for very long texts.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from math import log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pointsman.core.chat import ChatRequest, Media, Text
from pointsman.policy import encoding, manners, sketch

with suppress(ImportError):  # see `policy/sketch`
    from pointsman.policy import _text

VERSION: Final = 3
FLAGS: Final = 48
USER_DIMS: Final = 704
SYSTEM_DIMS: Final = 128
DIMS: Final = FLAGS + USER_DIMS + SYSTEM_DIMS
LENGTH: Final = 1 + FLAGS + (USER_DIMS + SYSTEM_DIMS) // 2
WIDE: Final = LENGTH + encoding.LENGTH
"""Bytes of a vector with what an encoder made of the text behind it (``policy/encoding``): never stored with an exchange."""

_HEAD: Final = 6000
_TAIL: Final = 3000
_TOGETHER: Final = 32  # requests, and
_CHARACTERS: Final = 16_384  # of their users' texts: more, and the memory of the arrays is given back each time
_TOKENS_PER_MESSAGE: Final = 4
_TOKENS_PER_TOOL: Final = 64
_TOKENS_PER_MEDIA: Final = 512
_WIDE: Final = 0xE3  # the first byte, in UTF-8, of Chinese, Japanese and Korean characters, or a smaller one
_CLASSES: Final = (
    b"0123456789", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz",
    b"\n", b" ", b"\t", b"?", b"!", b",", b".", b":", b";", b"()", b"[]", b"{}", b"<>", b"=", b"$", b"\\", b"^", b"_",
    b"+", b"-", b"*", b"/", b'"', b"'", b"`", b"#", b"%", b"|", b"@", bytes(range(_WIDE, 256)),
)  # fmt: skip
CAPITALS, SMALL, LINES, BLANKS, WIDE_CLASS = 1, 2, 3, 4, len(_CLASSES) - 1  # which class is what
LENGTHS, BREAKS, IDEOGRAPHS = (
    slice(0, 2),
    4,
    9,
)  # where they stand in the structural part; a length and its square
_ASKED: Final = 10
SHARES: Final = slice(_ASKED, _ASKED + len(_CLASSES))  # and the roots of the shares of the classes
_KINDS: Final = len(_CLASSES) + 1  # the last one is that of all the rest


def _class_table() -> bytes:
    table = bytearray([len(_CLASSES)]) * 256
    for place, characters in enumerate(_CLASSES):
        for character in characters:
            table[character] = place
    return bytes(table)


_CLASS_OF: Final = _class_table()
_UNPACKED: Final = np.array([(byte >> 4, byte & 15) for byte in range(256)], dtype=np.float32) - np.float32(sketch.NOTHING)
_VERSION_BYTE: Final = bytes((VERSION,))


_Read = tuple[ChatRequest, str, str, int, int]
"""A request, what is read of its user's and its system's text, and how long these are."""


def vector(request: ChatRequest) -> bytes:
    """Return the feature vector of a request: ``LENGTH`` bytes, the first one ``VERSION``."""
    _, user, system, length, instructed = _read(request)
    size = max(len(user), 1)
    shares, lines, wide = _looks(user, size)
    asked = _levels(_asked(request, length, instructed, lines, wide / size))
    flags = (_VERSION_BYTE + asked + shares).ljust(1 + FLAGS, b"\0")
    return flags + sketch.sketch(user, USER_DIMS) + sketch.sketch(system, SYSTEM_DIMS)


def vectors(requests: Sequence[ChatRequest]) -> list[bytes]:
    """Return the vectors of many requests: the same bytes, at less than half the work where array operations are shared."""
    if sketch.COMPILED:
        return [vector(request) for request in requests]
    found: list[bytes] = []
    together: list[_Read] = []
    characters = 0
    for request in requests:
        read = _read(request)
        characters += len(read[1])
        if together and (len(together) == _TOGETHER or characters > _CHARACTERS):
            found += _together(together)
            together, characters = [], len(read[1])
        together.append(read)
    return found + _together(together) if together else found


def _read(request: ChatRequest) -> _Read:
    users: list[str] = []
    systems: list[str] = []
    for message in request.messages:
        (systems if message.instructs else users).append(message.text)
    user, system = "\n".join(users), "\n".join(systems)
    user = manners.bare(user)
    return request, _clipped(user), _clipped(system), len(user), len(system)


def _together(reads: Sequence[_Read]) -> list[bytes]:
    users = [read[1] for read in reads]
    classes = [_classes(text) for text in users]
    rows = np.repeat(np.arange(0, _KINDS * len(reads), _KINDS), [len(each) for each in classes])
    rows += np.frombuffer(b"".join(classes), dtype=np.uint8)
    counts = np.bincount(rows, minlength=_KINDS * len(reads)).reshape(-1, _KINDS)
    lengths = np.array([max(len(text), 1) for text in users])
    lines, wide = counts[:, LINES].tolist(), (counts[:, WIDE_CLASS] / lengths).tolist()
    more = zip(reads, lines, wide, strict=True)
    asked = np.fromiter(
        chain.from_iterable([_asked(read[0], read[3], read[4], breaks, share) for read, breaks, share in more]), np.float64
    ).reshape(len(reads), -1)
    np.minimum(asked, 1.0, out=asked)
    asked *= 255
    np.rint(asked, out=asked)
    systems: dict[str, int] = {}  # an application's requests have few
    places = [systems.setdefault(read[2], len(systems)) for read in reads]

    found = np.zeros((len(reads), LENGTH), dtype=np.uint8)
    found[:, 0] = VERSION
    found[:, 1 : 1 + asked.shape[1]] = asked
    found[:, 1 + asked.shape[1] : 1 + asked.shape[1] + len(_CLASSES)] = _shares(counts, lengths[:, None])
    found[:, 1 + FLAGS : 1 + FLAGS + USER_DIMS // 2] = sketch.sketches(users, USER_DIMS)
    found[:, 1 + FLAGS + USER_DIMS // 2 :] = sketch.sketches(list(systems), SYSTEM_DIMS)[places]
    data = found.tobytes()
    return [data[start : start + LENGTH] for start in range(0, len(data), LENGTH)]


def readable(data: bytes) -> bool:
    """Say whether bytes are a feature vector of this version, with an encoding behind it or without."""
    return (len(data) == LENGTH and data[0] == VERSION) or (is_wide(data) and data[0] == VERSION)


def is_wide(data: bytes) -> bool:
    """Say whether an encoding that can be read stands behind a vector."""
    return len(data) == WIDE and data[LENGTH] == encoding.VERSION


def plain(vectors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return vectors (n, LENGTH or WIDE) without encodings."""
    return vectors[:, :LENGTH]


def dense(vectors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return vectors (n, LENGTH) as numbers for a linear model (n, DIMS): flags in [0, 1], each sketch of norm 1 or 0.

    With encodings, vectors (n, WIDE) as (n, DIMS + encoding.WIDTH).
    """
    wide = vectors.shape[1] == WIDE
    numbers = np.empty((len(vectors), DIMS + (encoding.WIDTH if wide else 0)), dtype=np.float32)
    if wide:
        numbers[:, DIMS:] = encoding.dense(vectors[:, LENGTH:])
    np.divide(vectors[:, 1 : 1 + FLAGS], np.float32(255), out=numbers[:, :FLAGS])
    numbers[:, FLAGS:DIMS] = _UNPACKED.take(vectors[:, 1 + FLAGS : LENGTH].ravel(), axis=0).reshape(len(vectors), -1)
    for part in (slice(FLAGS, FLAGS + USER_DIMS), slice(FLAGS + USER_DIMS, DIMS)):
        sketch = numbers[:, part]
        sketch /= np.maximum(np.sqrt(np.vecdot(sketch, sketch)), np.float32(1))[:, None]
    return numbers


def counted(text: str) -> NDArray[np.intp]:
    """Return how many characters of each class a text has, (CLASSES,)."""
    return np.bincount(np.frombuffer(_classes(text), dtype=np.uint8), minlength=_KINDS)[: len(_CLASSES)]


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


def _looks(text: str, size: int) -> tuple[bytes, int, int]:
    """Return the shares of the classes in a text, how many lines end in it, and how many wide characters it has."""
    if sketch.COMPILED:
        data = text.encode(errors="replace")
        return _text.shares(data, size, _CLASS_OF, len(_CLASSES), CAPITALS, LINES, WIDE_CLASS)
    counts = np.bincount(np.frombuffer(_classes(text), dtype=np.uint8), minlength=_KINDS)
    lines, wide = int(counts[LINES]), int(counts[WIDE_CLASS])
    return _shares(counts, size).tobytes(), lines, wide


def _shares(counts: NDArray[np.intp], size: int | NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the root of each class's share of a text, or of each of several texts (rows): 255 is all of it.

    Of capitals and small letters the fewer count as the capitals: a text that is shouted is taken as if it were spoken.
    """
    counts[..., CAPITALS : SMALL + 1].sort(axis=-1)
    shares: NDArray[np.float64] = np.sqrt(counts[..., : len(_CLASSES)] * (255.0 * 255.0 / size))
    return np.rint(shares, out=shares).astype(np.uint8)


def _levels(numbers: tuple[float, ...]) -> bytes:
    """Return numbers as bytes: 255 for 1, and for what is above."""
    return _text.levels(numbers) if sketch.COMPILED else bytes([round(255 * min(each, 1.0)) for each in numbers])


def _asked(request: ChatRequest, user: int, system: int, lines: int, wide: float) -> tuple[float, ...]:
    """Return what a request asks for and how long its texts are, in numbers that are small; above 1 counts as 1."""
    length, limit = log2(1 + user) / 20, request.max_output_tokens
    return (
        length,
        length * length,
        log2(1 + system) / 20,
        log2(1 + len(request.messages)) / 8,
        log2(1 + lines) / 10,
        min(len(request.tools), 8) / 8,
        1.0 if request.json_schema else 0.0,
        1.0 if _media(request) else 0.0,
        0.0 if limit is None else log2(2 + max(limit, 0)) / 20,
        wide,
    )


def _media(request: ChatRequest) -> bool:
    """Say whether there are media anywhere in a request. Most have text alone."""
    for message in request.messages:
        for part in message.parts:
            if not isinstance(part, Text):
                return bool(request.media)
    return False
