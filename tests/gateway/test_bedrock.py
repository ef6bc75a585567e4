"""Amazon Bedrock behind the gateway: Converse for clients of every dialect, and Claude by InvokeModel in its own bytes."""

import json
from base64 import b64encode

import pytest
from msgspec.structs import replace
from tests.gateway.conftest import Received, Rig, Script, Start, a_snapshot, answer_whole
from tests.gateway.platforms import (
    ACCESS,
    SECRET,
    SESSION,
    at,
    check_signature,
    event_stream,
    exception,
    message,
)
from tests.gateway.test_dialects import ASKED, NAMES, path, post

from pointsman.core.chat import Tool, Usage
from pointsman.core.routing import Provider
from pointsman.upstream.providers import BEDROCK
from pointsman.wire.bedrock_converse import request as converse
from pointsman.wire.dialect import Address
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.fold import fold

MODEL = "us.anthropic.claude-1-v1:0"
CONVERSE = Provider("bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com", "aws", "bedrock_converse")
INVOKE = Provider("bedrockclaude", "https://bedrock-runtime.us-east-1.amazonaws.com", "aws", "anthropic", (BEDROCK,))
USAGE = {"inputTokens": 60, "outputTokens": 20, "totalTokens": 120, "cacheReadInputTokens": 40}
WHOLE = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"text": "I look: ä写"},
                {"toolUse": {"toolUseId": "call_1", "name": "look", "input": {"city": "Ulm"}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 7},
}
BEGIN = (
    message("messageStart", {"role": "assistant"}),
    message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "I look: "}}),
)
STREAM = (
    *BEGIN,
    message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "ä写"}, "p": "abcd"}),
    message("contentBlockStop", {"contentBlockIndex": 0}),
    message("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "call_1", "name": "look"}}}),
    message("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"city":'}}}),
    message("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '"Ulm"}'}}}),
    message("contentBlockStop", {"contentBlockIndex": 1}),
    message("messageStop", {"stopReason": "tool_use"}),
    message("metadata", {"usage": USAGE, "metrics": {"latencyMs": 7}}),
)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION)


def answering(*messages: bytes, whole: object = None) -> Script:
    """Return a Bedrock that checks every signature, and answers a stream or a whole reply."""
    streamed = event_stream(*messages)

    async def script(received: Received) -> None:
        check_signature(received)
        if whole is None:
            await streamed(received)
        else:
            await received.reply(200, json.dumps(whole).encode())

    return script


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ours", NAMES)
async def test_every_client_is_answered_by_converse(rig: Rig, upstream_at: Start, ours: str, stream: bool) -> None:
    upstream = await upstream_at(answering(*STREAM) if stream else answering(whole=WHOLE))
    rig.publish(at(upstream.port, CONVERSE, MODEL))
    asked = DIALECTS[ours].request.encode(replace(ASKED, stream=stream, include_usage=stream))
    status, headers, body = await post(rig, path(ours, stream=stream), asked.body)
    assert status == 200, body
    [received] = upstream.requests
    assert received.target == f"/model/us.anthropic.claude-1-v1%3A0/converse{'-stream' if stream else ''}"
    assert received.headers["x-amz-security-token"] == SESSION
    request = converse.decode(received.body, Address(MODEL, stream))
    assert (request.system_text, request.user_text, request.max_output_tokens) == ("be brief", "weather in Ulm?", 50)
    assert [tool.name for tool in request.tools if isinstance(tool, Tool)] == ["look"]
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


@pytest.mark.parametrize("ours", NAMES)
async def test_a_stream_where_a_whole_reply_was_asked_for_is_read_as_one(rig: Rig, upstream_at: Start, ours: str) -> None:
    upstream = await upstream_at(answering(*STREAM))
    rig.publish(at(upstream.port, CONVERSE, MODEL))
    status, _, body = await post(rig, path(ours, stream=False), DIALECTS[ours].request.encode(ASKED).body)
    assert (status, fold(DIALECTS[ours].reply.decode(body)).text) == (200, "I look: ä写")


@pytest.mark.parametrize("provider", [CONVERSE, INVOKE], ids=["converse", "invoke"])
@pytest.mark.parametrize("ours", NAMES)
async def test_throttling_is_said_in_the_callers_dialect(
    rig: Rig, upstream_at: Start, ours: str, provider: Provider
) -> None:
    async def script(received: Received) -> None:
        fields = {"x_amzn_errortype": "ThrottlingException:http://internal.amazon.com/coral/"}
        await received.reply(429, b'{"message":"Too many tokens, please wait."}', **fields)

    upstream = await upstream_at(script)
    rig.publish(at(upstream.port, provider, MODEL))
    status, headers, body = await post(rig, path(ours, stream=False), DIALECTS[ours].request.encode(ASKED).body)
    fault = DIALECTS[ours].errors.read(status, body)
    assert (status, headers["content-type"]) == (429, "application/json")
    assert fault is not None
    assert fault.message.endswith("Too many tokens, please wait.")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, "ExpiredTokenException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (503, "ServiceUnavailableException"),
    ],
)
async def test_a_deployment_elsewhere_answers_where_bedrock_cannot(
    rig: Rig, upstream_at: Start, status: int, kind: str
) -> None:
    async def script(received: Received) -> None:
        await received.reply(status, b'{"message":"no"}', x_amzn_errortype=kind)

    first, second = await upstream_at(script), await upstream_at(answer_whole)
    snapshot, elsewhere = at(first.port, CONVERSE, MODEL), a_snapshot(first.port, second.port)
    rig.publish(
        replace(
            snapshot,
            providers=elsewhere.providers | snapshot.providers,
            deployments=elsewhere.deployments | snapshot.deployments,
        )
    )
    code, headers, _ = await post(rig, path("openai_chat", stream=False), DIALECTS["openai_chat"].request.encode(ASKED).body)
    assert (code, headers["x-pointsman-deployment"]) == (200, "p2/model-2")


@pytest.mark.parametrize("ours", NAMES)
async def test_an_exception_before_any_content_is_an_error_with_its_status(rig: Rig, upstream_at: Start, ours: str) -> None:
    upstream = await upstream_at(answering(BEGIN[0], exception("throttlingException", "Slow down.")))
    rig.publish(at(upstream.port, CONVERSE, MODEL))
    asked = DIALECTS[ours].request.encode(replace(ASKED, stream=True)).body
    status, _, body = await post(rig, path(ours, stream=True), asked)
    fault = DIALECTS[ours].errors.read(status, body)
    assert (status, fault.message if fault else None) == (429, "Slow down.")


@pytest.mark.parametrize("ours", NAMES)
async def test_an_exception_amid_the_answer_ends_the_stream_with_an_error(rig: Rig, upstream_at: Start, ours: str) -> None:
    upstream = await upstream_at(answering(*BEGIN, exception("modelStreamErrorException", "It broke.")))
    rig.publish(at(upstream.port, CONVERSE, MODEL))
    asked = DIALECTS[ours].request.encode(replace(ASKED, stream=True)).body
    status, _, body = await post(rig, path(ours, stream=True), asked)
    assert (status, b"I look: " in body, b"It broke." in body) == (200, True, True)
    [record] = await rig.records()
    assert record.outcome == "cut"


async def test_a_damaged_stream_ends_with_an_error(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answering(*BEGIN, b"\x00" * 40))
    rig.publish(at(upstream.port, CONVERSE, MODEL))
    asked = DIALECTS["openai_chat"].request.encode(replace(ASKED, stream=True)).body
    status, _, body = await post(rig, path("openai_chat", stream=True), asked)
    assert (status, b"damaged" in body) == (200, True)


# Claude, by InvokeModel.

SAID = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "grün"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 3},
}
START = {"type": "message_start", "message": {**SAID, "content": [], "stop_reason": None}}
CLAUDE = (
    START,
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "grün"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 3}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9}},
)


def chunk(event: object) -> bytes:
    return message("chunk", {"bytes": b64encode(json.dumps(event).encode()).decode(), "p": "abc"})


async def test_a_stream_of_claude_passes_in_its_own_events(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answering(*map(chunk, CLAUDE)))
    rig.publish(at(upstream.port, INVOKE, MODEL))
    body = {"model": "auto", "max_tokens": 5, "stream": True, "odd": 1.50, "messages": [{"role": "user", "content": "hi"}]}
    data = json.dumps(body).encode()
    head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nanthropic-beta: one\r\ncontent-length: %d\r\n\r\n"
    status, headers, said = await rig.all(head % len(data) + data)
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert said == b"".join(b"event: %s\ndata: %s\n\n" % (str(e["type"]).encode(), json.dumps(e).encode()) for e in CLAUDE)
    [received] = upstream.requests
    assert received.target == "/model/us.anthropic.claude-1-v1%3A0/invoke-with-response-stream"
    assert "anthropic-version" not in received.headers
    assert json.loads(received.body) == {
        "max_tokens": 5,
        "odd": 1.50,
        "messages": [{"role": "user", "content": "hi"}],
        "anthropic_version": "bedrock-2023-05-31",
        "anthropic_beta": ["one"],
    }
    [record] = await rig.records()
    assert record.served_by is not None
    assert record.served_by.usage == Usage(9, 3)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ours", NAMES)
async def test_every_client_is_answered_by_claude(rig: Rig, upstream_at: Start, ours: str, stream: bool) -> None:
    upstream = await upstream_at(answering(*map(chunk, CLAUDE)) if stream else answering(whole=SAID))
    rig.publish(at(upstream.port, INVOKE, MODEL))
    asked = DIALECTS[ours].request.encode(replace(ASKED, stream=stream))
    status, _, body = await post(rig, path(ours, stream=stream), asked.body)
    decoder = DIALECTS[ours].stream.decoder()
    events = (*decoder.feed(body), *decoder.end()) if stream else DIALECTS[ours].reply.decode(body)
    assert (status, fold(events).text) == (200, "grün")


async def test_an_exception_of_claude_amid_the_answer_is_an_error_event(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answering(*map(chunk, CLAUDE[:3]), exception("throttlingException", "Slow down.")))
    rig.publish(at(upstream.port, INVOKE, MODEL))
    asked = DIALECTS["anthropic"].request.encode(replace(ASKED, stream=True)).body
    status, _, body = await post(rig, path("anthropic", stream=True), asked)
    assert status == 200
    assert body.endswith(
        b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"Slow down."}}\n\n'
    )


@pytest.mark.parametrize("broken", [b"\x00" * 40, message("chunk", {"bytes": "?"})], ids=["framing", "content"])
async def test_a_broken_stream_of_claude_ends_with_an_error(rig: Rig, upstream_at: Start, broken: bytes) -> None:
    upstream = await upstream_at(answering(*map(chunk, CLAUDE[:3]), broken))
    rig.publish(at(upstream.port, INVOKE, MODEL))
    asked = DIALECTS["anthropic"].request.encode(replace(ASKED, stream=True)).body
    status, _, body = await post(rig, path("anthropic", stream=True), asked)
    assert (status, b"event: error\n" in body) == (200, True)


# Counting.


async def test_tokens_are_counted_by_converse(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answering(whole={"inputTokens": 12}))
    rig.publish(at(upstream.port, CONVERSE, MODEL))
    body = DIALECTS["anthropic"].request.encode(ASKED).body
    status, _, said = await post(rig, "/v1/messages/count_tokens", body)
    assert (status, json.loads(said)) == (200, {"input_tokens": 12})
    [received] = upstream.requests
    assert received.target == "/model/us.anthropic.claude-1-v1%3A0/count-tokens"


async def test_invoke_has_no_way_of_counting(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answering(whole={}))
    rig.publish(at(upstream.port, INVOKE, MODEL))
    status, _, said = await post(rig, "/v1/messages/count_tokens", DIALECTS["anthropic"].request.encode(ASKED).body)
    assert (status, b"does not count tokens" in said, upstream.requests) == (404, True, [])
