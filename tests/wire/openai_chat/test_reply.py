"""Whole replies: read as events and written, those of other dialects too."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from tests.wire.transcripts import differences

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    Finish,
    Logprobs,
    Media,
    Opaque,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    Tool,
    ToolCallDelta,
    Usage,
    Used,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Stamp
from pointsman.wire.openai_chat.reply import decode, encode

ASKED = ChatRequest("m", ())
STAMP = Stamp("e1", 5, "stamped")
NULL = Raw(b"null")


def raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


def answered(message: Any, finish: Any = "stop", **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion", "created": 9, "model": "m", "choices": [choice], **fields}


def read(value: Any) -> list[StreamEvent]:
    return list(decode(json.dumps(value).encode()))


def again(value: Any) -> Any:
    """What a reply is when it was read and written; nothing may be lost."""
    encoded = encode(read(value), ASKED, STAMP)
    assert encoded.lost == ()
    return json.loads(encoded.body)


def test_a_reply_of_everything() -> None:
    citation = {"type": "url_citation", "url_citation": {"url": "https://a.example"}}
    token = {"token": "a", "logprob": -0.5, "bytes": [97]}
    first = {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "Two.",
            "refusal": None,
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "g", "arguments": ""},
                    "extra_content": {"google": {"thought_signature": "c2ln"}},
                },
                {"id": "c3", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
            ],
            "annotations": [citation],
            "executed_tools": [1],
        },
        "logprobs": {"content": [{**token, "top_logprobs": [token]}], "refusal": None},
        "finish_reason": "tool_calls",
        "native_finish_reason": "completed",
    }
    second = {
        "index": 1,
        "message": {"role": "assistant", "content": None, "refusal": "No."},
        "logprobs": None,
        "finish_reason": "stop",
        "stop_reason": "END",
    }
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
        "cost": 0.25,
    }
    body = {**answered({}), "choices": [first, second], "usage": usage, "service_tier": "flex", "system_fingerprint": "fp"}
    assert read(body) == [
        Start("c", "m", 9, "flex", {"system_fingerprint": raw("fp")}, "openai_chat"),
        ThinkingDelta(0, "hm"),
        TextDelta(1, "Two."),
        CitationDelta(1, raw(citation)),
        ToolCallDelta(2, "c1", "f", '{"x": 1}'),
        ToolCallDelta(3, "c2", "g", signature="c2ln"),
        ToolCallDelta(4, "c3", "sql", "select 1", "custom"),
        Logprobs((TokenLogprob("a", -0.5, (97,), (TokenLogprob("a", -0.5, (97,)),)),)),
        Finish(
            "tool_calls", "tool_calls", own={"native_finish_reason": raw("completed"), "message.executed_tools": raw([1])}
        ),
        RefusalDelta(0, "No.", 1),
        Finish("stop_sequence", "stop", "END", 1),
        Used(Usage(7, 5, 4, 2, 3), own={"prompt_tokens_details": Raw(b'{"audio_tokens":1}'), "cost": raw(0.25)}),
    ]
    assert differences(body, again(body)) == []


@pytest.mark.parametrize(
    "message",
    [
        {"content": "x"},
        {"content": "x", "reasoning": "hm"},
        {"content": "x", "reasoning": "hm", "reasoning_content": "hm"},
        {"content": "x", "reasoning": "hm", "reasoning_content": "otherwise"},
        {"content": "x", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]},
        {
            "content": "x",
            "reasoning": "hmso",
            "reasoning_details": [
                {"type": "reasoning.summary", "summary": "hm", "index": 0, "format": "f"},
                {"type": "reasoning.text", "text": "so", "signature": "c2ln", "index": 1},
                {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "id": "i", "index": 2},
            ],
        },
        {"content": "x", "reasoning_details": [{"type": "reasoning.new", "new": 1}]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True},
                {"type": "text", "text": "x"},
                {"type": "reference", "reference_ids": [1]},
            ]
        },
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "x"}]},
        {"content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"content": None, "audio": {"id": "a", "data": "eA==", "expires_at": 3, "transcript": "x"}},
        {"content": "x", "audio": {"id": "", "data": "", "expires_at": 0, "transcript": ""}},
        {"content": None, "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}, "index": 0}]},
        {
            "content": None,
            "images": [{"type": "new"}],
            "tool_calls": [{"id": "", "type": "function", "function": {"name": "f"}}],
        },
        {
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}, "x": 1}],
        },
    ],
)
def test_what_was_read_is_written_again(message: Any) -> None:
    body = answered(message)
    for call in body["choices"][0]["message"].get("tool_calls", ()):
        call["function"].setdefault("arguments", "")
    assert differences(body, again(body)) == []


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", Finish("stop", "stop")),
        ("length", Finish("length", "length")),
        ("function_call", Finish("tool_calls", "function_call")),
        ("content_filter", Finish("content_filter", "content_filter")),
        ("model_length", Finish("length", "model_length", own={"finish_reason": raw("model_length")})),
        ("brand_new", Finish("other", "brand_new", own={"finish_reason": raw("brand_new")})),
        ("", Finish("other", "", own={"finish_reason": raw("")})),
        (None, Finish("other", "", own={"finish_reason": NULL})),
    ],
)
def test_why_it_ended(word: str | None, finish: Finish) -> None:
    body = answered({"content": "x"}, word)
    assert read(body)[-1] == finish
    assert again(body)["choices"][0]["finish_reason"] == word


def test_what_was_not_said_is_not_there() -> None:
    assert read({"choices": []}) == [Start(dialect="openai_chat")]
    assert read({"choices": [{}]}) == [Start(dialect="openai_chat"), Finish("other", own={"finish_reason": NULL})]
    assert read(answered({"content": "", "tool_calls": [], "refusal": ""}))[1:] == [Finish("stop", "stop")]
    assert again(answered({"content": ""}))["choices"][0]["message"] == {"role": "assistant", "content": "", "refusal": None}


def test_usage_that_cannot_be_counted_costs_nobody_the_reply() -> None:
    body = answered({"content": "x"}, usage={"prompt_tokens": "many"})
    assert not any(isinstance(event, Used) for event in read(body))
    assert differences(body, again(body)) == []


def test_half_a_surrogate_pair_is_read() -> None:
    body = json.dumps(answered({"content": "x"})).replace('"x"', '"\\ud83d"').encode()
    assert decode(body)[1] == TextDelta(0, "�")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b'{"error":{"message":"no"}}',
        b'{"choices":"x"}',
        b'{"choices":[3]}',
        b'{"choices":[{"message":{"content":5}}]}',
        b'{"choices":[{"message":{"tool_calls":[5]}}]}',
        b'{"choices":[],"x":"\xff"}',
        b'{"choices":' + b"[" * 100_000,
    ],
)
def test_what_is_no_reply_is_refused(body: bytes) -> None:
    with pytest.raises(WireError, match=r"not a chat completion|not UTF-8"):
        decode(body)


def test_a_reply_of_another_dialect_is_written_in_words_that_every_client_knows() -> None:
    events: list[StreamEvent] = [
        Start("msg_1", "claude", service_tier="batch", own={"x": raw(1)}),
        ThinkingDelta(0, "hm", "c2ln"),
        ThinkingDelta(1, encrypted="ZGF0YQ=="),
        TextDelta(2, "I "),
        TextDelta(2, "look."),
        CitationDelta(2, raw({})),
        ToolCallDelta(3, "", "f", own={"y": raw(1)}),
        ToolCallDelta(4, "toolu_1", "g", '{"a"'),
        ToolCallDelta(4, arguments=":1}", signature="c2ln"),
        WholePart(5, Opaque("server_tool_use", raw({}))),
        WholePart(6, Media("image", data="eA==", mime="image/png")),
        Finish("stop", "end_turn", "END", own={"z": raw(1)}),
        Used(Usage(7, 5, 4, 2, 3), own={"server_tool_use": raw({"n": 1})}),
    ]
    encoded = encode(events, ASKED, STAMP)
    assert json.loads(encoded.body) == {
        "id": "msg_1",
        "object": "chat.completion",
        "created": 5,
        "model": "claude",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "I look.",
                    "refusal": None,
                    "reasoning_content": "hm",
                    "reasoning_details": [
                        {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "index": 0},
                        {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "index": 1},
                    ],
                    "tool_calls": [
                        {"id": "call_e1_0_0", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                        {
                            "id": "toolu_1",
                            "type": "function",
                            "function": {"name": "g", "arguments": '{"a":1}'},
                            "extra_content": {"google": {"thought_signature": "c2ln"}},
                        },
                    ],
                    "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 5,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }
    assert encoded.lost == ("citations", "server_tool_use", "service_tier", "stop_sequence", "x", "y", "z")


def test_a_client_of_functions_gets_a_function_call() -> None:
    asked = ChatRequest("m", (), tools=(Tool("f", own={"functions": NULL}),))
    encoded = encode([Start("msg_1"), ToolCallDelta(0, "t", "f", "{}"), Finish("tool_calls", "tool_use")], asked, STAMP)
    choice = json.loads(encoded.body)["choices"][0]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert (choice["message"].get("tool_calls"), choice["finish_reason"]) == (None, "function_call")


@pytest.mark.parametrize("reason", ["pause", "error", "other"])
def test_an_end_without_a_word_is_named(reason: Any) -> None:
    encoded = encode([Start("msg_1"), TextDelta(0, "x"), Finish(reason, "odd")], ASKED, STAMP)
    assert (json.loads(encoded.body)["choices"][0]["finish_reason"], encoded.lost) == ("stop", ("finish_reason",))


def test_line_ends_in_what_passes_verbatim_do_not_matter() -> None:
    body = msgspec.json.format(json.dumps(answered({"content": "x"}, new={"a": [1, 2]})).encode(), indent=2)
    assert differences(json.loads(body), json.loads(encode(decode(body), ASKED, STAMP).body)) == []
