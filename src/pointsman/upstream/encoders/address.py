"""A sentence encoder behind an address that speaks OpenAI's embeddings (https://platform.openai.com/docs/api-reference/embeddings).

Law: the address and the model are the owner's, never a client's; nothing of a text or a reply stands in an error.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Credential, Request, Timeouts, Transport

TIMEOUTS: Final = Timeouts(connect_s=5.0, first_byte_s=60.0, idle_s=30.0, total_s=60.0)
_MOST_BYTES: Final = 64 * 1024 * 1024
_CONTENT: Final = ((b"content-type", b"application/json"), (b"user-agent", b"pointsman"))


class _Embedding(Struct):
    embedding: list[float]
    index: int = 0


class _Embeddings(Struct):
    data: list[_Embedding]


_replied: Final = msgspec.json.Decoder(_Embeddings)


class AddressedEncoder:
    """An encoder at an address."""

    def __init__(self, url: str, model: str, credential: Credential, transport: Transport) -> None:
        self.name = f"url:{model}"
        self._url = url
        self._model = model
        self._credential = credential
        self._transport = transport

    async def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row of numbers for each text. Raises UpstreamError."""
        body = msgspec.json.encode(
            {"model": self._model, "input": [text or " " for text in texts], "encoding_format": "float"}
        )
        request = await self._credential.sign(Request("POST", self._url, _CONTENT, body))
        reply = await self._transport.send(request, TIMEOUTS)
        try:
            if reply.status != 200:
                raise UpstreamError("protocol", f"the encoder at {self._url} answered {reply.status}", sent=True)
            return self._read(await reply.read(_MOST_BYTES), len(texts))
        finally:
            reply.close()

    def _read(self, body: bytes, count: int) -> NDArray[np.float32]:
        try:
            rows = sorted(_replied.decode(body).data, key=lambda one: one.index)
            found = np.array([row.embedding for row in rows], dtype=np.float32)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
            found = np.zeros((0, 0), dtype=np.float32)
        if found.ndim != 2 or len(found) != count or not found.shape[1] or not np.isfinite(found).all():
            raise UpstreamError(
                "protocol", f"the encoder at {self._url} did not answer with one embedding for each text", sent=True
            )
        return found
