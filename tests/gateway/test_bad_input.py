"""Every row of ``bad_input`` over real sockets, in every client dialect: the status, the vendor's words, Retry-After."""

import asyncio
import json
from typing import Final

import pytest
from tests.gateway.bad_input import (
    BROKEN,
    DOCUMENT,
    KEYS,
    MISTAKES,
    NAMES,
    PATHS,
    PROVIDERS,
    SILENCE,
    TROUBLE,
    Row,
    Said,
    Sent,
    document,
    hello,
)
from tests.gateway.conftest import Received, Rig, Start
from tests.gateway.scenes import refusal, speaking

# A provider that speaks another dialect than the client: what it says has to be said again.
OTHER: Final = {
    "openai_chat": "anthropic",
    "openai_responses": "anthropic",
    "anthropic": "openai_chat",
    "gemini": "openai_chat",
}


def rows(*groups: tuple[Row, ...]) -> pytest.MarkDecorator:
    """Return each row with each client dialect that can ask it."""
    found = [pytest.param(name, row, id=f"{row.name}-{name}") for group in groups for row in group for name in row.said]
    return pytest.mark.parametrize(("ours", "row"), found)


def streamed(sent: Sent, ours: str) -> Sent:
    """Return the request, asking for a stream."""
    if ours == "gemini":
        path = sent.path.replace(":generateContent", ":streamGenerateContent?alt=sse")
        return Sent(path, sent.body, sent.headers, sent.method)
    return Sent(sent.path, json.dumps({**json.loads(sent.body), "stream": True}).encode(), sent.headers, sent.method)


async def ask(rig: Rig, sent: Sent) -> tuple[int, dict[str, str], bytes]:
    head = f"{sent.method} {sent.path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{sent.headers}"
    return await rig.all(f"{head}content-length: {len(sent.body)}\r\n\r\n".encode() + sent.body)


def told(ours: str, status: int, body: bytes) -> Said:
    """Read an error in a client's dialect: the envelope is whole, and says something."""
    said = json.loads(body)
    error = said["error"]
    assert error["message"]
    if ours == "anthropic":
        assert said["type"] == "error"
        return Said(status, error["type"])
    if ours == "gemini":
        assert error["code"] == status
        info = [one for one in error.get("details", ()) if one["@type"].endswith("ErrorInfo")]
        return Said(status, error["status"], info[0]["reason"] if info else None)
    assert set(error) >= {"message", "type", "param", "code"}
    return Said(status, error["type"], error["code"])


@rows(MISTAKES, KEYS, TROUBLE)
async def test_what_bad_input_gets(rig: Rig, upstream_at: Start, ours: str, row: Row) -> None:
    await row.scene(rig, upstream_at, ours)
    status, headers, body = await ask(rig, row.send(ours))
    if row.said[ours].status == 200:
        assert status == 200, body
        return
    assert told(ours, status, body) == row.said[ours]
    assert headers["content-type"] == "application/json"
    assert ("retry-after" in headers) == row.waits
    assert ("allow" in headers) == (status == 405)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@rows(PROVIDERS, SILENCE)
async def test_a_providers_failure_is_said_in_the_clients_words(
    rig: Rig, upstream_at: Start, ours: str, row: Row, *, stream: bool
) -> None:
    await row.scene(rig, upstream_at, OTHER[ours])
    status, headers, body = await ask(rig, streamed(row.send(ours), ours) if stream else row.send(ours))
    assert told(ours, status, body) == row.said[ours]
    assert ("retry-after" in headers) == row.waits


@pytest.mark.parametrize("row", PROVIDERS[:-1], ids=lambda row: row.name)
@pytest.mark.parametrize("ours", NAMES)
async def test_a_provider_of_the_same_dialect_speaks_for_itself(rig: Rig, upstream_at: Start, ours: str, row: Row) -> None:
    await row.scene(rig, upstream_at, ours)
    status, headers, body = await ask(rig, row.send(ours))
    assert (status, body) == (row.said[ours].status, refusal(ours, status))
    assert ("retry-after" in headers) == row.waits
    assert headers["x-ratelimit-remaining-requests"] == headers["anthropic-ratelimit-requests-remaining"] == "0"


@rows(BROKEN)
async def test_a_stream_that_breaks_ends_with_an_error(rig: Rig, upstream_at: Start, ours: str, row: Row) -> None:
    await row.scene(rig, upstream_at, OTHER[ours])
    status, _, body = await ask(rig, streamed(row.send(ours), ours))
    assert (status, b"Rain" in body, b"[DONE]" in body) == (200, True, False)
    last = body.replace(b"\r\n", b"\n").rstrip().rpartition(b"data: ")[2]
    assert told(ours, row.said[ours].status, last) == row.said[ours]


@pytest.mark.parametrize("ours", NAMES)
async def test_who_leaves_gets_nothing_and_stops_the_provider(rig: Rig, upstream_at: Start, ours: str) -> None:
    heard: list[Received] = []

    async def script(received: Received) -> None:
        heard.append(received)
        client.close()
        await received.gone()

    upstream = await upstream_at(script)
    rig.publish(speaking(ours, upstream.port))
    sent = hello(ours)
    _, client = await asyncio.open_connection("127.0.0.1", rig.port)
    client.write(f"POST {PATHS[ours]} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(sent.body)}\r\n\r\n".encode() + sent.body)
    [record] = await rig.records()
    assert (record.outcome, record.status, len(heard)) == ("client_gone", 499, 1)


def test_the_committed_table_is_what_is_tested() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run `make errors`, and look at what changed"
