"""What an application does when the gateway is gone: the code of docs/faults.md, run with the real client."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.gateway.conftest import Received, Rig, Start, a_snapshot, answer_whole

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
ASKS: Any = [{"role": "user", "content": "2+2?"}]
Complete = Callable[..., Any]


@pytest.fixture
async def bypass(upstream_at: Start, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[int], Complete]]:
    """Yield the page's ``complete`` for a gateway at a port, in front of a provider that answers directly."""
    provider = await upstream_at(answer_whole)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{provider.port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-provider")

    names: dict[str, Any] = {}

    def at(port: int) -> Complete:
        code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "openai" in block)
        assert "http://127.0.0.1:8787/v1" in code
        exec(code.replace("127.0.0.1:8787", f"127.0.0.1:{port}"), names)  # noqa: S102 - it is ours
        complete: Complete = names["complete"]
        return complete

    yield at
    for client in ("gateway", "direct"):
        names[client].close()


async def test_nobody_listens(bypass: Callable[[int], Complete]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reply = await asyncio.to_thread(bypass(port), messages=ASKS)
    assert reply.choices[0].message.content == "four"


async def test_the_gateway_has_no_snapshot(rig: Rig, bypass: Callable[[int], Complete]) -> None:
    reply = await asyncio.to_thread(bypass(rig.port), messages=ASKS)
    assert reply.choices[0].message.content == "four"


async def test_a_proxy_before_it_says_that_it_is_gone(upstream_at: Start, bypass: Callable[[int], Complete]) -> None:
    async def proxy(received: Received) -> None:
        await received.reply(502, b"<html>", content_type="text/html")

    reply = await asyncio.to_thread(bypass((await upstream_at(proxy)).port), messages=ASKS)
    assert reply.choices[0].message.content == "four"


@pytest.mark.parametrize("status", [400, 429, 503])
async def test_an_error_that_came_through_the_gateway_is_an_answer(
    rig: Rig, upstream_at: Start, bypass: Callable[[int], Complete], status: int
) -> None:
    async def refuses(received: Received) -> None:
        await received.reply(status, b'{"error":{"message":"no"}}', retry_after="9")

    rig.publish(a_snapshot((await upstream_at(refuses)).port))
    with pytest.raises(openai.APIStatusError) as caught:
        await asyncio.to_thread(bypass(rig.port), messages=ASKS)
    assert caught.value.status_code == status


async def test_the_gateway_answers(rig: Rig, upstream_at: Start, bypass: Callable[[int], Complete]) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    await asyncio.to_thread(bypass(rig.port), messages=ASKS)
    assert len(upstream.requests) == 1
