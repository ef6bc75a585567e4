"""Sentence encoders: from texts to numbers. None is needed, and none is used unless the owner configures one.

onnx      a model in this process (the extra ``encoder``)
address   a server that speaks OpenAI's embeddings
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pointsman.core.routing import Provider
from pointsman.core.snapshot import Encoder
from pointsman.upstream.credentials import Fetch, credential_for
from pointsman.upstream.encoders.address import AddressedEncoder
from pointsman.upstream.encoders.onnx import OnnxEncoder
from pointsman.upstream.interfaces import Encodes, Transport

__all__ = ["AddressedEncoder", "OnnxEncoder", "encoders"]

_KEPT: Final = 2  # the one in use, and the one before it while requests end


def encoders(transport: Transport, fetch: Fetch, threads: int = 1) -> Callable[[Encoder], Encodes]:
    """Return the way to open an encoder; the same one is opened once. It raises ConfigError.

    ``threads`` is how many texts an encoder in this process works on at once.
    """

    @functools.lru_cache(_KEPT)
    def opened(configured: Encoder) -> Encodes:
        if configured.onnx:
            return OnnxEncoder(Path(configured.onnx), threads)
        credential = credential_for(Provider("encoder", configured.url, configured.credential), fetch=fetch)
        return AddressedEncoder(configured.url, configured.model, credential, transport)

    return opened
