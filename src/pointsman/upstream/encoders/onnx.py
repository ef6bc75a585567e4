"""A sentence encoder in this process: an ONNX model with its tokenizer.

Strategy: one text after the other, without padding, on one core each: a text has the same numbers whatever stands beside it,
and the work never takes more cores than it was given. A model that gives a vector for each token is averaged over them, as
encoders of the kind of MiniLM are meant to be (Reimers and Gurevych 2019, arXiv:1908.10084).

Laws: the event loop is never held up: the work is done in threads, and what nobody waits for any more is not begun; the name
says what the model *is* (a digest of its files), not only where it lies.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pointsman.core.errors import ConfigError, UpstreamError

MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
MOST_TOKENS: Final = 256
"""Tokens that are read of a text, where the tokenizer's own file says nothing."""


class OnnxEncoder:
    """The encoder in a directory, on so many threads. Raises ConfigError where it cannot be opened."""

    def __init__(self, directory: Path, threads: int = 1) -> None:
        session, tokenizer = _opened(directory)
        digest = hashlib.sha256()
        for name in (MODEL, TOKENIZER):
            digest.update((directory / name).read_bytes())
        self.name = f"onnx:{directory.name}:{digest.hexdigest()[:12]}"
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = frozenset(one.name for one in session.get_inputs())
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="pointsman-encoder")

    async def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row of numbers for each text. Raises UpstreamError (kind ``protocol``)."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._encoded, texts)

    def _encoded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        try:
            return np.stack([self._one(text) for text in texts])
        except Exception as error:  # whatever a runtime of somebody else's raises: a request is decided without
            raise UpstreamError("protocol", f"the encoder {self.name} failed: {type(error).__name__}", sent=True) from error

    def _one(self, text: str) -> NDArray[np.float32]:
        ids = np.array([self._tokenizer.encode(text).ids or [0]], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        found = np.asarray(self._session.run(None, {name: given[name] for name in self._inputs})[0], dtype=np.float32)
        return np.asarray(found[0].mean(axis=0) if found.ndim == 3 else found[0])


def _opened(directory: Path) -> tuple[Any, Any]:
    """Return the session and the tokenizer of a directory."""
    try:
        import onnxruntime  # noqa: PLC0415 - an extra: it takes a second, and most installations have no encoder
        from tokenizers import Tokenizer  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"the encoder in {directory} needs {error.name}: pip install 'pointsman[encoder]', or remove [encoder]"
        ) from error
    for name in (MODEL, TOKENIZER):
        if not (directory / name).is_file():
            raise ConfigError(f"there is no {name} in {directory}: put the encoder's files there, or correct [encoder] onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(directory / MODEL), options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(directory / TOKENIZER))
    except Exception as error:  # both raise classes of their own making
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"the encoder in {directory} cannot be opened ({reason}): is it whole?") from error
    unknown = sorted({one.name for one in session.get_inputs()} - {"input_ids", "attention_mask", "token_type_ids"})
    if unknown:
        raise ConfigError(f"the encoder in {directory} wants {', '.join(unknown)}: only encoders of BERT's kind are read")
    tokenizer.no_padding()
    if tokenizer.truncation is None:
        tokenizer.enable_truncation(MOST_TOKENS)
    return session, tokenizer
