"""No address that stands in a request is ever called: every place of every dialect where one may stand, at a trap.

The trap is a listening socket; what the providers are sent is none of the gateway's calls to it.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.gateway.conftest import Rig, Start
from tests.gateway.scenes import _answers
from tests.gateway.test_dialects import NAMES, path, speaking


class Trap:
    """Counts who connects, over IPv4 and by UDP (a name that is looked up)."""

    def __init__(self) -> None:
        self.caught = 0
        self.port = 0

    def caught_one(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.caught += 1
        writer.close()


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    made = Trap()
    async with await asyncio.start_server(made.caught_one, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


def bodies(dialect: str, url: str) -> Iterator[dict[str, Any]]:
    """Every place of a dialect where an address may stand."""
    part: dict[str, Any]
    mcp: Any
    match dialect:
        case "openai_chat":
            for part in (
                {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
                {"type": "file", "file": {"file_data": url, "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": url}},
                {"type": "input_audio", "input_audio": {"data": url, "format": "wav"}},
                {"type": "video_url", "video_url": {"url": url}},
            ):
                yield {"model": "auto", "messages": [{"role": "user", "content": [{"type": "text", "text": url}, part]}]}
            text = [{"role": "user", "content": f"![x]({url}) <img src={url}>"}]
            yield {"model": "auto", "messages": text, "tools": [{"type": "mcp", "server_url": url}]}
            yield {"model": url, "messages": text}
            yield {
                "model": "auto",
                "messages": text,
                "base_url": url,
                "api_base": url,
                "user": url,
                "metadata": {"url": url},
            }
        case "openai_responses":
            for part in (
                {"type": "input_image", "image_url": url},
                {"type": "input_file", "file_url": url},
                {"type": "input_file", "file_data": url, "filename": "a.pdf"},
            ):
                yield {"model": "auto", "input": [{"role": "user", "content": [part]}]}
            mcp = {"type": "mcp", "server_label": "x", "server_url": url, "require_approval": "never"}
            yield {"model": "auto", "input": url, "tools": [mcp]}
            yield {"model": "auto", "input": url, "prompt": {"id": url}, "previous_response_id": url}
            yield {"model": url, "input": "x"}
        case "anthropic":
            for part in (
                {"type": "image", "source": {"type": "url", "url": url}},
                {"type": "document", "source": {"type": "url", "url": url}},
                {"type": "image", "source": {"type": "file", "file_id": url}},
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "content": [{"type": "image", "source": {"type": "url", "url": url}}],
                },
            ):
                yield {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": [part]}]}
            mcp = [{"type": "url", "url": url, "name": "x"}]
            yield {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": url}], "mcp_servers": mcp}
            yield {"model": url, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        case "gemini":
            for part in (
                {"fileData": {"fileUri": url, "mimeType": "image/png"}},
                {"file_data": {"file_uri": url, "mime_type": "application/pdf"}},
                {"fileData": {"fileUri": url, "mimeType": "video/mp4"}, "videoMetadata": {"startOffset": "1s"}},
            ):
                yield {"contents": [{"role": "user", "parts": [{"text": url}, part]}]}
            yield {"contents": [{"role": "user", "parts": [{"text": url}]}], "tools": [{"urlContext": {}}]}
            yield {"contents": [{"role": "user", "parts": [{"text": url}]}], "cachedContent": url}


def heads(port: int) -> Iterator[tuple[str, str]]:
    """Targets and headers that point elsewhere."""
    elsewhere = f"127.0.0.1:{port}"
    for header in (
        f"host: {elsewhere}", f"x-forwarded-host: {elsewhere}", f"forwarded: host={elsewhere}", f"x-original-url: http://{elsewhere}/",
        f"x-pointsman-deployment: http://{elsewhere}/v1", f"x-pointsman-base-url: http://{elsewhere}", f"referer: http://{elsewhere}/",
        f"origin: http://{elsewhere}", f"openai-organization: http://{elsewhere}", f"traceparent: http://{elsewhere}",
    ):  # fmt: skip
        yield "/v1/chat/completions", header
    for target in (
        f"http://{elsewhere}/v1/chat/completions",
        f"/v1/chat/completions?base_url=http://{elsewhere}",
        f"//{elsewhere}/v1",
    ):
        yield target, "x-a: b"


def post(target: str, body: dict[str, Any], header: str = "x-a: b") -> bytes:
    data = json.dumps(body).encode()
    host = "" if header.startswith("host:") else "host: a\r\n"
    return (
        f"POST {target} HTTP/1.1\r\n{host}{header}\r\ncontent-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    ).encode() + data


@pytest.mark.parametrize("provider", NAMES)
async def test_no_address_in_a_body_is_called(rig: Rig, upstream_at: Start, trap: Trap, provider: str) -> None:
    upstream = await upstream_at(_answers(provider))
    rig.publish(speaking(provider, upstream.port))
    tried = 0
    for dialect in NAMES:
        for scheme in (
            "http://127.0.0.1:{}/a.png",
            "file:///etc/passwd#{}",
            "ftp://127.0.0.1:{}/a",
            "gopher://127.0.0.1:{}/1",
        ):
            for body in bodies(dialect, scheme.format(trap.port)):
                status, _, answer = await rig.all(post(path(dialect, stream=False), body))
                assert status != 500, (dialect, body, answer)
                assert b"root:" not in answer
                tried += 1
    assert tried >= 100
    assert all(b"root:" not in received.body for received in upstream.requests)
    assert trap.caught == 0


async def test_no_head_leads_elsewhere(rig: Rig, upstream_at: Start, trap: Trap) -> None:
    upstream = await upstream_at(_answers("openai_chat"))
    rig.publish(speaking("openai_chat", upstream.port))
    for target, header in heads(trap.port):
        body = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
        status, _, _ = await rig.all(post(target, body, header))
        assert status < 500
    await rig.all(
        f"CONNECT 127.0.0.1:{trap.port} HTTP/1.1\r\nhost: 127.0.0.1:{trap.port}\r\nconnection: close\r\n\r\n".encode()
    )
    assert trap.caught == 0
    assert upstream.requests


async def test_the_trap_catches(trap: Trap) -> None:
    """Or nothing above could fail."""
    socket.create_connection(("127.0.0.1", trap.port)).close()
    async with asyncio.timeout(5):
        while not trap.caught:  # noqa: ASYNC110 - a plain counter
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "GET"])
@pytest.mark.parametrize("target", ["/v1/chat/completions", "/v1/models", "/readyz", "/v1/feedback", "/elsewhere"])
async def test_no_page_from_elsewhere_is_let_in(rig: Rig, upstream_at: Start, method: str, target: str) -> None:
    """CORS is off: no reply says that another origin may read it (Fetch standard, section 3.2.3), and preflights fail."""
    upstream = await upstream_at(_answers("openai_chat"))
    rig.publish(speaking("openai_chat", upstream.port))
    asked = (
        f"{method} {target} HTTP/1.1\r\nhost: a\r\norigin: https://evil.example\r\naccess-control-request-method: POST\r\n"
        "access-control-request-headers: content-type\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
    )
    status, headers, _ = await rig.all(asked.encode())
    assert not [name for name in headers if name.startswith("access-control-")]
    if method == "OPTIONS":
        assert status >= 400
    assert upstream.requests == []
