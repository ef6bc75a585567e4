"""An encoder at an address: what goes there over a real socket, what comes back, and what nonsense becomes."""

import json
from typing import Any

import numpy as np
import pytest
from tests.gateway.conftest import Received, Start, upstream_at

from pointsman.core.errors import UpstreamError
from pointsman.core.snapshot import Encoder
from pointsman.upstream.credentials import fetching
from pointsman.upstream.encoders import encoders
from pointsman.upstream.interfaces import Encodes
from pointsman.upstream.transport import HttpTransport

__all__ = ["upstream_at"]
GOOD = {"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1.5, 2]}], "model": "m", "usage": {}}


def at(port: int, transport: HttpTransport, **more: Any) -> Encodes:
    url = f"http://127.0.0.1:{port}/v1/embeddings"
    return encoders(transport, fetching(transport))(Encoder(url=url, model="small", **more))


async def test_texts_go_in_one_request_and_come_back_in_order(upstream_at: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(received: Received) -> None:
        await received.reply(200, json.dumps(GOOD).encode())

    monkeypatch.setenv("ENCODER_KEY", "hush")
    upstream, transport = await upstream_at(script), HttpTransport()
    encoder = at(upstream.port, transport, credential="env:ENCODER_KEY")
    found = await encoder.encode(["one", ""])
    await transport.close()
    np.testing.assert_array_equal(found, [[1.5, 2], [3, 4]])
    [asked] = upstream.requests
    assert asked.target == "/v1/embeddings"
    assert asked.headers["authorization"] == "Bearer hush"
    assert json.loads(asked.body) == {"model": "small", "input": ["one", " "], "encoding_format": "float"}
    assert encoder.name == "url:small"
    assert "hush" not in repr(encoder)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (401, b'{"error": {"message": "one two"}}'),
        (200, b"<html>"),
        (200, b'{"data": []}'),
        (200, b'{"data": [{"index": 0, "embedding": [1]}]}'),
        (200, b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1]}]}'),
        (200, b'{"data": [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]}'),
        (200, b'{"data": [{"index": 0, "embedding": [1e99]}, {"index": 1, "embedding": [1]}]}'),
        (200, b'{"data": [{"index": 0, "embedding": ["a"]}, {"index": 1, "embedding": ["b"]}]}'),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
async def test_what_is_no_answer_is_an_error_without_a_word_of_the_texts(
    upstream_at: Start, status: int, body: bytes
) -> None:
    async def script(received: Received) -> None:
        await received.reply(status, body)

    upstream, transport = await upstream_at(script), HttpTransport()
    with pytest.raises(UpstreamError) as caught:
        await at(upstream.port, transport).encode(["one", "two"])
    await transport.close()
    assert caught.value.kind == "protocol"
    assert "one" not in str(caught.value).replace("one embedding", "")


async def test_the_same_encoder_is_opened_once() -> None:
    transport = HttpTransport()
    opened = encoders(transport, fetching(transport))
    configured = Encoder(url="http://127.0.0.1:1/v1/embeddings", model="small")
    assert opened(configured) is opened(Encoder(url=configured.url, model="small"))
    await transport.close()
