"""Every client dialect on every provider dialect, over real sockets, whole and streamed: what was asked and said arrives."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace
from tests.gateway.conftest import Received, Rig, Script, Start, a_snapshot

from pointsman.core.chat import (
    ChatRequest,
    Finish,
    Message,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCallDelta,
    Usage,
    Used,
)
from pointsman.core.chat import Start as Begin
from pointsman.core.errors import GatewayError
from pointsman.core.snapshot import Snapshot
from pointsman.wire.dialect import Address, Stamp
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.fold import fold

NAMES = tuple(DIALECTS)
ASKED = ChatRequest(
    "auto",
    (Message("system", (Text("be brief"),)), Message("user", (Text("weather in Ulm?"),))),
    tools=(Tool("look", "looks", Raw(b'{"type":"object","properties":{"city":{"type":"string"}}}')),),
    max_output_tokens=50,
)
SAID: tuple[StreamEvent, ...] = (
    Begin("r1", "model-1", 1_700_000_000),
    TextDelta(0, "I look: ä写"),
    ToolCallDelta(1, "call_1", "look", '{"city":"Ulm"}'),
    Finish("tool_calls"),
    Used(Usage(input=100, output=20, cached=40)),
)
STAMP = Stamp("r1", 1_700_000_000, "model-1")


def path(dialect: str, *, stream: bool) -> str:
    if dialect == "gemini":
        return "/v1beta/models/auto:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")
    return {"openai_chat": "/v1/chat/completions", "openai_responses": "/v1/responses", "anthropic": "/v1/messages"}[dialect]


def speaking(dialect: str, port: int) -> Snapshot:
    snapshot = a_snapshot(port)
    providers = {name: replace(one, dialect=dialect) for name, one in snapshot.providers.items()}
    deployments = {name: replace(one, dialect=dialect) for name, one in snapshot.deployments.items()}
    return replace(snapshot, providers=providers, deployments=deployments)


def provider(dialect: str, *, stream: bool, events: tuple[StreamEvent, ...] = SAID) -> tuple[Script, list[ChatRequest]]:
    """A provider that says ``events`` in its dialect, and what it was asked."""
    heard: list[ChatRequest] = []

    async def script(received: Received) -> None:
        asked = DIALECTS[dialect].request.decode(received.body, Address("model-1", stream))
        heard.append(asked)
        if not stream:
            await received.reply(200, DIALECTS[dialect].reply.encode(events, asked, STAMP).body)
            return
        encoder = DIALECTS[dialect].stream.encoder(replace(asked, include_usage=True), STAMP)
        await received.begin()
        for event in events:
            frames = encoder.feed(event)
            for piece in (frames[:7], frames[7:]):
                if piece:
                    await received.send(piece)
        await received.send(encoder.end())
        await received.end()

    return script, heard


async def post(rig: Rig, url: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    head = f"POST {url} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    return await rig.all(head.encode() + body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("theirs", NAMES)
@pytest.mark.parametrize("ours", NAMES)
async def test_what_was_asked_and_said_arrives(rig: Rig, upstream_at: Start, ours: str, theirs: str, stream: bool) -> None:
    script, heard = provider(theirs, stream=stream)
    upstream = await upstream_at(script)
    rig.publish(speaking(theirs, upstream.port))
    asked = DIALECTS[ours].request.encode(replace(ASKED, stream=stream, include_usage=stream))
    status, headers, body = await post(rig, path(ours, stream=stream), asked.body)
    assert status == 200, body
    [request] = heard
    assert (request.system_text, request.user_text) == ("be brief", "weather in Ulm?")
    assert [(tool.name, json.loads(bytes(tool.schema))) for tool in request.tools if isinstance(tool, Tool)] == [
        ("look", {"type": "object", "properties": {"city": {"type": "string"}}})
    ]
    assert (request.max_output_tokens, request.stream) == (50, stream)
    if stream:
        decoder = DIALECTS[ours].stream.decoder()
        said = fold((*decoder.feed(body), *decoder.end()))
    else:
        said = fold(DIALECTS[ours].reply.decode(body))
    assert said.text == "I look: ä写"
    [call] = said.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("look", {"city": "Ulm"})
    assert headers["content-type"].startswith("text/event-stream" if stream else "application/json")
    [record] = await rig.records()
    served = record.served_by
    assert served is not None
    assert (served.usage, served.estimated) == (Usage(input=100, output=20, cached=40), False)


@pytest.mark.parametrize("theirs", NAMES)
@pytest.mark.parametrize("ours", NAMES)
async def test_an_error_comes_in_the_callers_dialect_with_its_status(
    rig: Rig, upstream_at: Start, ours: str, theirs: str
) -> None:
    async def script(received: Received) -> None:
        body = DIALECTS[theirs].errors.envelope(GatewayError(429, "rate_limit_exceeded", "slow down"))
        await received.reply(429, body, retry_after="7")

    upstream = await upstream_at(script)
    rig.publish(speaking(theirs, upstream.port))
    status, headers, body = await post(rig, path(ours, stream=False), DIALECTS[ours].request.encode(ASKED).body)
    fault = DIALECTS[ours].errors.read(status, body)
    assert (status, headers["retry-after"]) == (429, "7")
    assert fault is not None
    assert "slow down" in fault.message


async def test_a_stream_as_one_array_is_what_gemini_clients_get_by_default(rig: Rig, upstream_at: Start) -> None:
    script, _ = provider("anthropic", stream=True)
    upstream = await upstream_at(script)
    rig.publish(speaking("anthropic", upstream.port))
    asked = DIALECTS["gemini"].request.encode(replace(ASKED, stream=True))
    status, headers, body = await post(rig, "/v1beta/models/auto:streamGenerateContent", asked.body)
    chunks: Any = msgspec.json.decode(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert chunks[0]["candidates"][0]["content"]["parts"][0]["text"] == "I look: ä写"


async def test_what_a_provider_has_no_word_for_is_named(rig: Rig, upstream_at: Start) -> None:
    script, heard = provider("anthropic", stream=False)
    upstream = await upstream_at(script)
    rig.publish(speaking("anthropic", upstream.port))
    body = DIALECTS["openai_chat"].request.encode(replace(ASKED, seed=7, frequency_penalty=0.5)).body
    status, headers, _ = await post(rig, path("openai_chat", stream=False), body)
    assert status == 200
    assert {"seed", "frequency_penalty"} <= set(headers["x-pointsman-lossy"].split(", "))
    assert heard[0].seed is None


async def test_what_would_be_answered_wrongly_is_refused(rig: Rig, upstream_at: Start) -> None:
    script, heard = provider("anthropic", stream=False)
    upstream = await upstream_at(script)
    rig.publish(speaking("anthropic", upstream.port))
    body = DIALECTS["openai_chat"].request.encode(replace(ASKED, choices=2)).body
    status, _, said = await post(rig, path("openai_chat", stream=False), body)
    assert (status, heard) == (400, [])
    assert b"unsupported_request" in said


@pytest.mark.parametrize("ours", ["anthropic", "gemini"])
@pytest.mark.parametrize("theirs", ["anthropic", "gemini"])
async def test_tokens_are_counted_by_who_would_serve(rig: Rig, upstream_at: Start, ours: str, theirs: str) -> None:
    async def script(received: Received) -> None:
        await received.reply(200, b'{"input_tokens":14}' if theirs == "anthropic" else b'{"totalTokens":14}')

    upstream = await upstream_at(script)
    rig.publish(speaking(theirs, upstream.port))
    url = "/v1/messages/count_tokens" if ours == "anthropic" else "/v1beta/models/auto:countTokens"
    status, _, body = await post(rig, url, DIALECTS[ours].request.encode(ASKED).body)
    assert (status, json.loads(body)) == (200, {"input_tokens": 14} if ours == "anthropic" else {"totalTokens": 14})
    assert b"weather in Ulm?" in upstream.requests[0].body


async def test_a_count_is_exact_or_none(rig: Rig, upstream_at: Start) -> None:
    script, heard = provider("openai_chat", stream=False)
    upstream = await upstream_at(script)
    rig.publish(speaking("openai_chat", upstream.port))
    status, _, body = await post(rig, "/v1/messages/count_tokens", DIALECTS["anthropic"].request.encode(ASKED).body)
    assert (status, heard) == (404, [])
    assert json.loads(body)["type"] == "error"


async def test_seals_of_another_deployment_stay_behind(rig: Rig, upstream_at: Start) -> None:
    script, heard = provider("anthropic", stream=False)
    upstream = await upstream_at(script)
    snapshot = speaking("anthropic", upstream.port)
    rig.publish(snapshot)
    thought = Message("assistant", (Thinking("hm", "sig=="), Text("I look")))
    request = replace(ASKED, dialect="anthropic", messages=(*ASKED.messages, thought, Message("user", (Text("and now?"),))))
    body = DIALECTS["anthropic"].request.encode(request).body
    status, headers, _ = await post(rig, "/v1/messages", body)
    assert (status, "x-pointsman-lossy" in headers) == (200, False)
    name = next(iter(rig.equipment.conversations._held))
    rig.equipment.conversations.remember(name, "p9/another")
    status, headers, _ = await post(rig, "/v1/messages", body)
    assert (status, headers["x-pointsman-lossy"]) == (200, "thinking.signature")
    sealed = [any(isinstance(part, Thinking) for message in one.messages for part in message.parts) for one in heard]
    assert sealed == [True, False]


async def test_what_a_provider_keeps_binds_the_next_request_to_it(rig: Rig, upstream_at: Start) -> None:
    script, heard = provider("openai_responses", stream=False)
    first, second = await upstream_at(script), await upstream_at(script)
    snapshot = a_snapshot(first.port, second.port)
    rig.publish(
        replace(
            snapshot,
            providers={name: replace(one, dialect="openai_responses") for name, one in snapshot.providers.items()},
            deployments={name: replace(one, dialect="openai_responses") for name, one in snapshot.deployments.items()},
        )
    )
    plain = {"input": "hello"}
    for body in (
        {"model": "p2/model-2", **plain},
        {"model": "auto", "previous_response_id": "r1", **plain},
        {"model": "auto"} | plain,
    ):
        status, _, said = await post(rig, "/v1/responses", msgspec.json.encode(body))
        assert status == 200, said
    assert [len(first.requests), len(second.requests)] == [1, 2]
    assert [one.previous for one in heard] == ["", "r1", ""]


async def test_no_name_of_a_client_is_taken_for_a_reply(rig: Rig, upstream_at: Start) -> None:
    """Else whoever names a conversation `reply:x` would decide where another's next request goes."""
    script, _ = provider("openai_responses", stream=False)
    upstream = await upstream_at(script)
    rig.publish(speaking("openai_responses", upstream.port))
    body = msgspec.json.encode({"model": "auto", "input": "hi"})
    head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-pointsman-conversation: reply:victim\r\n"
    status, _, _ = await rig.all(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert status == 200
    assert rig.equipment.conversations.holder("reply:victim") is None
    assert rig.equipment.conversations.holder("conversation:reply:victim") == "p1/model-1"
