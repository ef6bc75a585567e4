"""The texts of tables, encoded: in batches, several at once, and each text once and for all.

Laws: what was encoded is kept as soon as it is there, so that who is interrupted, or loses the encoder, goes on where it
ended; the same text and the same encoder give the same encoding, whatever stands beside it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pointsman.core.errors import TableError, UpstreamError
from pointsman.policy import encoding
from pointsman.store.encodings import KeptEncodings
from pointsman.upstream.interfaces import Encodes

Encode = Callable[[Sequence[str]], tuple[str, NDArray[np.uint8]]]
"""Returns an encoder's name, and the encodings (n, encoding.LENGTH) of texts. Raises TableError, ConfigError, StoreError."""

BATCH: Final = 16
AT_ONCE: Final = 4


async def encoded(
    texts: Sequence[str],
    encoder: Encodes,
    kept: KeptEncodings | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> NDArray[np.uint8]:
    """Return the encodings (n, encoding.LENGTH) of texts. ``advance`` is told of each whose encoding is there.

    Raises TableError, with what to do, where the encoder fails.
    """
    keys = [hashlib.sha256(f"{encoder.name}\0{text}".encode(errors="replace")).digest() for text in texts]
    known = kept.found(list(dict.fromkeys(keys))) if kept is not None else {}
    known = {key: data for key, data in known.items() if len(data) == encoding.LENGTH and data[0] == encoding.VERSION}
    advance(sum(key in known for key in keys))
    missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in known}.items())
    turn = asyncio.Semaphore(AT_ONCE)

    async def some(batch: Sequence[tuple[bytes, str]]) -> None:
        async with turn:
            numbers = await encoder.encode([text for _, text in batch])
        found = encoding.packed(encoder.name, numbers)
        fresh = {key: row.tobytes() for (key, _), row in zip(batch, found, strict=True)}
        if kept is not None:
            kept.keep(fresh)
        known.update(fresh)
        advance(len(batch))

    try:
        async with asyncio.TaskGroup() as group:
            for start in range(0, len(missing), BATCH):
                group.create_task(some(missing[start : start + BATCH]))
    except* (UpstreamError, ValueError) as errors:
        raise TableError(
            f"the prompts were not all encoded: {errors.exceptions[0]}. What was encoded is kept: run this again, or take "
            "[encoder] out of the configuration"
        ) from errors
    data = b"".join([known[key] for key in keys])
    return np.frombuffer(data, dtype=np.uint8).reshape(len(texts), encoding.LENGTH)
