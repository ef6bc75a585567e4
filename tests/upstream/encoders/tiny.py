"""A tiny encoder as ONNX runtimes read it, written byte by byte: a vector for each word, looked up by its number.

The fields' numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import json
from pathlib import Path

import numpy as np

WORDS = ("[UNK]", "add", "one", "two", "translate", "house")
WIDTH = 8
TABLE = np.random.default_rng(5).normal(size=(len(WORDS), WIDTH)).astype(np.float32)
_FLOAT, _INT64 = 1, 7


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes((value & 127 | 128,)), value >> 7
    return out + bytes((value,))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _value(name: str, kind: int, *dims: str | int) -> bytes:
    shape = b"".join(_bytes(1, _number(1, dim) if isinstance(dim, int) else _bytes(2, dim)) for dim in dims)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, shape)))


def model(wants: str = "input_ids") -> bytes:
    """Return a model that looks up each token of ``wants``."""
    node = _bytes(1, "table") + _bytes(1, wants) + _bytes(2, "last_hidden_state") + _bytes(4, "Gather")
    dims = _number(1, len(WORDS)) + _number(1, WIDTH)
    table = dims + _number(2, _FLOAT) + _bytes(8, "table") + _bytes(9, TABLE.tobytes())
    graph = (
        _bytes(1, node) + _bytes(2, "tiny") + _bytes(5, table)
        + _bytes(11, _value(wants, _INT64, "batch", "sequence"))
        + _bytes(12, _value("last_hidden_state", _FLOAT, "batch", "sequence", WIDTH))
    )  # fmt: skip
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _number(2, 17))


def written(directory: Path, data: bytes | None = None) -> Path:
    """Write the encoder into a directory, and return that."""
    directory.mkdir(exist_ok=True)
    (directory / "model.onnx").write_bytes(model() if data is None else data)
    tokenizer: dict[str, object] = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {word: n for n, word in enumerate(WORDS)}, "unk_token": "[UNK]"},
    }  # fmt: skip
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    return directory


def expected(text: str) -> np.ndarray:
    """Return what the encoder makes of a text: the mean of its words' vectors."""
    places = [WORDS.index(word) if word in WORDS else 0 for word in text.lower().split()] or [0]
    return np.asarray(TABLE[places].mean(axis=0))
