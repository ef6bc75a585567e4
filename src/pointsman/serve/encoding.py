"""The owner's sentence encoder, for commands that read texts: opened, asked, and what it made kept in the data directory."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman.control.encodings import Encode, encoded
from pointsman.core.snapshot import Encoder
from pointsman.store.encodings import KeptEncodings
from pointsman.upstream.credentials import fetching
from pointsman.upstream.encoders import encoders
from pointsman.upstream.transport import HttpTransport


def opened(configured: Encoder | None) -> str:
    """Return the name of the encoder that is configured, empty for none. Raises ConfigError where it cannot be opened."""
    if configured is None:
        return ""
    transport = HttpTransport()
    return encoders(transport, fetching(transport))(configured).name


def encoding_with(
    configured: Encoder | None, directory: Path | None = None, advance: Callable[[int], None] = lambda _: None
) -> Encode | None:
    """Return the way to encode texts, None where no encoder is configured. ``directory`` is where encodings are kept.

    ``advance`` is told of texts whose encodings are there.
    """
    if configured is None:
        return None

    async def work(texts: Sequence[str]) -> tuple[str, NDArray[np.uint8]]:
        transport = HttpTransport()
        try:
            encoder = encoders(transport, fetching(transport), os.cpu_count() or 1)(configured)
            with nullcontext() if directory is None else closing(KeptEncodings(directory)) as kept:
                return encoder.name, await encoded(texts, encoder, kept, advance)
        finally:
            await transport.close()

    return lambda texts: asyncio.run(work(texts))
