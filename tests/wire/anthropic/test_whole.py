"""Whole replies: read, counted, and written; and errors."""

import json
from typing import Any

import pytest
from msgspec import Raw

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    Finish,
    Opaque,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    Used,
    WholePart,
)
from pointsman.core.errors import GatewayError, WireError
from pointsman.wire.answer import Answer
from pointsman.wire.anthropic import count, errors, reply
from pointsman.wire.dialect import Fault, Stamp

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "four", "citations": [{"type": "char_location"}]},
        {"type": "tool_use", "id": "t", "name": "look", "input": {"a": 1}},
        {"type": "mcp_tool_use", "id": "m", "name": "n", "input": {}, "server_name": "s"},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "stop_details": None,
    "container": {"id": "c"},
    "usage": {
        "input_tokens": 5,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 3,
        "output_tokens": 4,
        "output_tokens_details": {"thinking_tokens": 1},
        "service_tier": "standard",
        "inference_geo": "eu",
    },
}
BODY = json.dumps(MESSAGE).encode()
EVENTS: tuple[StreamEvent, ...] = (
    Start("msg_1", "claude-x", service_tier="standard", dialect="anthropic"),
    ThinkingDelta(0, signature="s"),
    ThinkingDelta(1, encrypted="x"),
    TextDelta(2, "four"),
    CitationDelta(2, Raw(b'{"type": "char_location"}')),
    ToolCallDelta(3, "t", "look", '{"a": 1}'),
    WholePart(4, Opaque("mcp_tool_use", Raw(json.dumps(MESSAGE["content"][4]).encode()))),
    Finish("tool_calls", "tool_use", own={"container": Raw(b'{"id": "c"}')}),
    Used(Usage(input=10, output=4, cached=3, cache_written=2, reasoning=1), own={"inference_geo": Raw(b'"eu"')}),
)
REQUEST = ChatRequest("m", ())


def test_a_whole_reply_is_read() -> None:
    assert reply.decode(BODY) == EVENTS


def test_and_written_back_without_a_difference() -> None:
    encoded = reply.encode(EVENTS, REQUEST, Stamp())
    written = json.loads(encoded.body)
    assert written == {name: value for name, value in MESSAGE.items() if name != "stop_details"}
    assert encoded.lost == ()


def test_deltas_of_one_part_are_joined() -> None:
    events = (
        ToolCallDelta(1, "", "look"),
        TextDelta(0, "fo"),
        ToolCallDelta(1, arguments='["'),
        TextDelta(0, "ur"),
        ToolCallDelta(1, arguments='x"]'),
        TextDelta(2, ""),
    )
    encoded = reply.encode(events, REQUEST, Stamp("x1", model="auto"))
    assert json.loads(encoded.body)["content"] == [
        {"type": "text", "text": "four"},
        {"type": "tool_use", "id": "toolu_x1_1", "name": "look", "input": {"arguments": ["x"]}},
    ]
    assert encoded.lost == ("tool_calls.arguments",)


def test_a_reply_is_counted_and_answered() -> None:
    usage = Usage(input=10, output=4, cached=3, cache_written=2, reasoning=1)
    assert count.count(BODY) == Answer(finish="tool_use", usage=usage, id="msg_1", tier="standard")
    assert count.answer(BODY) == Answer("four", (ToolCall("look", '{"a": 1}', "t"),), "tool_use", usage, "msg_1", "standard")


@pytest.mark.parametrize("usage", [None, [], {"input_tokens": -1, "output_tokens": "many"}, {"input_tokens": 10**30}])
def test_counts_that_are_none_cost_nobody_the_reply(usage: object) -> None:
    body = json.dumps({"type": "message", "content": [], "stop_reason": None, "usage": usage}).encode()
    assert count.count(body) == Answer(usage=Usage() if isinstance(usage, dict) else None)


def test_tools_that_the_provider_ran_are_counted_and_written_back() -> None:
    ran = {"web_search_requests": 3, "web_fetch_requests": 1, "odd": "x"}
    body = json.dumps({**MESSAGE, "usage": {**MESSAGE["usage"], "server_tool_use": ran}}).encode()
    said = count.count(body)
    assert said.usage is not None
    assert said.usage.tool_calls == 4
    asked = ChatRequest("auto", (), dialect="anthropic")
    encoded = reply.encode(tuple(reply.decode(body)), asked, Stamp("e", 1, "claude-x"))
    assert json.loads(encoded.body)["usage"]["server_tool_use"] == ran


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b'{"content":[]}', b"[]", b'{"type":"error","error":{}}', b'{"type":"message"}', b"[" * 10**5],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    for read in (count.count, count.answer, reply.decode):
        with pytest.raises(WireError, match="not a message"):
            read(body)


def test_tokens_are_counted_both_ways() -> None:
    assert count.tokens(count.counted(17)) == 17
    with pytest.raises(WireError, match="no count"):
        count.tokens(b'{"type":"error"}')


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"), (403, "permission_error")),
        *((404, "not_found_error"), (405, "invalid_request_error"), (413, "request_too_large"), (429, "rate_limit_error")),
        *(
            (500, "api_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
            (529, "overloaded_error"),
        ),
    ],
)
def test_errors_have_their_type(status: int, kind: str) -> None:
    body = errors.envelope(GatewayError(status, "code", 'say "why"'))
    assert json.loads(body) == {"type": "error", "error": {"type": kind, "message": 'say "why"'}}
    assert errors.read(status, body) == Fault('say "why"', kind=kind)
    assert errors.event(GatewayError(status, "code", 'say "why"')) == b"event: error\ndata: " + body + b"\n\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"},"request_id":"r"}', 529),
        (b'{"type":"error","error":{"type":"odd"}}', 502),
        (b'{"type":"error","error":[]}', 502),
        (BODY, None),
        (b'{"error":{"message":"another dialect"}}', None),
        (b"\xff", None),
    ],
)
def test_errors_within_a_reply_of_status_200(body: bytes, status: int | None) -> None:
    assert errors.reported(body) == status


def test_what_is_no_error_of_this_dialect_is_not_read() -> None:
    for body in (BODY, b'{"error":{"message":"m"}}', b'{"type":"error","error":{}}', b"", b"nginx"):
        assert errors.read(502, body) is None
