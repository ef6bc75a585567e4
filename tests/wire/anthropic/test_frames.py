"""Streamed replies, written: the order that Anthropic's clients rely on, whatever order events come in."""

import json
from typing import Any

from msgspec import Raw
from tests.wire.anthropic.vectors import Strict

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    End,
    Failed,
    Finish,
    Logprobs,
    Media,
    Opaque,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    Used,
    WholePart,
)
from pointsman.wire.anthropic.stream import encoder
from pointsman.wire.dialect import Stamp

REQUEST = ChatRequest("m", ())
STAMP = Stamp("x1", 5, "auto")
OPAQUE = Opaque("server_tool_use", Raw(b'{"type":"server_tool_use","id":"s","name":"n","input":{"q": 1}}'))


def write(*events: StreamEvent) -> tuple[dict[str, Any], set[str]]:
    writer = encoder(REQUEST, STAMP)
    stream = b"".join(writer.feed(event) for event in events) + writer.end()
    assert writer.end() == b""
    return Strict(stream).message, writer.lost


def content(*events: StreamEvent) -> list[Any]:
    found: list[Any] = write(*events)[0]["content"]
    return found


def test_a_reply_of_another_dialect() -> None:
    message, lost = write(
        Start("c1", "gpt", 7, "default", {"system_fingerprint": Raw(b'"f"'), "x": Raw(b"null")}),
        ThinkingDelta(0, "hm"),
        TextDelta(1, "four"),
        Finish("length", "length"),
        Used(Usage(input=10, output=4, cached=3, reasoning=2)),
        End(),
    )
    assert message == {
        "id": "c1",
        "type": "message",
        "role": "assistant",
        "model": "gpt",
        "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "four"}],
        "stop_reason": "max_tokens",
        "stop_sequence": None,
        "usage": {
            "service_tier": "standard",
            "input_tokens": 7,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 3,
            "output_tokens": 4,
            "output_tokens_details": {"thinking_tokens": 2},
        },
    }
    assert lost == {"system_fingerprint"}


def test_nothing_at_all_is_still_a_message() -> None:
    message, lost = write()
    assert (message["id"], message["model"], message["content"], message["stop_reason"]) == ("x1", "auto", [], "end_turn")
    assert not lost


def test_calls_that_overlap_do_not_as_blocks() -> None:
    events: list[StreamEvent] = [
        ToolCallDelta(0, "a", "look"),
        ToolCallDelta(1, "b", "find"),
        ToolCallDelta(0, arguments='{"x":'),
        ToolCallDelta(1, arguments='{"y":"}'),
        ToolCallDelta(2, "c", "none"),
        ToolCallDelta(0, arguments="1}"),
        ToolCallDelta(1, arguments='"}'),
        TextDelta(3, "done"),
        Finish("tool_calls"),
    ]
    assert content(*events) == [
        {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "find", "input": {"y": "}"}},
        {"type": "tool_use", "id": "c", "name": "none", "input": {}},
        {"type": "text", "text": "done"},
    ]


def test_the_open_block_streams_at_once_and_the_next_as_soon_as_it_can() -> None:
    writer = encoder(REQUEST, STAMP)
    assert b"message_start" in writer.feed(ToolCallDelta(0, "a", "look"))
    assert b'{\\"x\\":' in writer.feed(ToolCallDelta(0, arguments='{"x":'))
    assert writer.feed(ToolCallDelta(1, "b", "find", "{")) == b""
    released = writer.feed(ToolCallDelta(0, arguments="1}"))
    assert released.index(b"content_block_stop") < released.index(b'"id":"b"')
    assert b"content_block_delta" in writer.feed(ToolCallDelta(1, arguments="}"))
    assert b'"id":"c"' in writer.feed(ToolCallDelta(2, "c", "look"))


def test_text_after_a_call_is_a_new_block() -> None:
    assert [
        block["type"]
        for block in content(TextDelta(0, "a"), ToolCallDelta(1, "t", "n", "{}"), TextDelta(0, "b"), TextDelta(2, "c"))
    ] == ["text", "tool_use", "text", "text"]


def test_blanks_after_whole_arguments_change_nothing() -> None:
    message, lost = write(ToolCallDelta(0, "a", "n", "{}"), TextDelta(1, "x"), ToolCallDelta(0, arguments=" \n"))
    assert [block["type"] for block in message["content"]] == ["tool_use", "text"]
    assert not lost


def test_arguments_that_are_no_object_are_named() -> None:
    writer = encoder(REQUEST, STAMP)
    writer.feed(ToolCallDelta(0, "a", "n", '{"x"'))
    writer.end()
    assert writer.lost == {"tool_calls.arguments"}


def test_brackets_within_strings_do_not_count_however_they_are_cut() -> None:
    arguments = '{"a":"}\\"{\\\\","b":[{}]}'
    cut = [ToolCallDelta(0, arguments=sign) for sign in arguments]
    found = content(ToolCallDelta(0, "a", "n"), *cut, ToolCallDelta(1, "b", "n"))
    assert [block["input"] for block in found] == [json.loads(arguments), {}]


def test_sealed_reasoning_and_sections_of_a_summary() -> None:
    message, lost = write(
        ThinkingDelta(0, "a", section=0, id="rs_1"), ThinkingDelta(0, "b", section=1), ThinkingDelta(0, encrypted="zz")
    )
    assert message["content"] == [
        {"type": "thinking", "thinking": "a\n\nb", "signature": ""},
        {"type": "redacted_thinking", "data": "zz"},
    ]
    assert lost == {"thinking.id"}


def test_reasons_for_the_end() -> None:
    call = ToolCallDelta(0, "t", "n", "{}")
    assert write(call, Finish("stop"))[0]["stop_reason"] == "tool_use"
    assert write(RefusalDelta(0, "no"), Finish("stop"))[0]["stop_reason"] == "refusal"
    assert write(Finish("content_filter"))[0]["stop_reason"] == "refusal"
    assert write(call, Finish("length"))[0]["stop_reason"] == "max_tokens"
    assert write(Finish("stop_sequence", stop_sequence="E"))[0]["stop_sequence"] == "E"
    message, lost = write(Finish("error", "MALFORMED"))
    assert (message["stop_reason"], lost) == ("end_turn", {"finish_reason"})


def test_what_cannot_be_said_is_named() -> None:
    _, lost = write(
        Start("c1", service_tier="flex"),
        TextDelta(0, "a", signature="s"),
        CitationDelta(0, Raw(b"{}")),
        Logprobs(()),
        WholePart(1, OPAQUE),
        WholePart(2, Media("image", data="x")),
        ToolCallDelta(3, "t", "n", "{}", kind="custom", signature="s", own={"extra": Raw(b"1")}),
        TextDelta(0, "other", choice=1),
        Used(Usage(), own={"cost": Raw(b"1")}),
        Finish("stop", own={"native": Raw(b"1")}),
    )
    assert lost == {
        *("service_tier", "thinking.signature", "citations", "logprobs", "server_tool_use", "image", "tool_calls.custom"),
        *("extra", "choices", "cost", "native"),
    }


def test_what_only_anthropic_has_words_for_is_written_back_to_its_own() -> None:
    message, lost = write(
        Start("msg_1", "claude", service_tier="batch", own={"diagnostics": Raw(b"{}")}, dialect="anthropic"),
        CitationDelta(0, Raw(b'{"type":"char_location"}')),
        TextDelta(0, "a"),
        WholePart(1, OPAQUE),
        Used(Usage(1, 2), own={"inference_geo": Raw(b'"eu"')}),
        Finish("pause", "pause_turn", own={"container": Raw(b'{"id":"c"}')}),
    )
    assert message["content"] == [
        {"type": "text", "text": "a", "citations": [{"type": "char_location"}]},
        {"type": "server_tool_use", "id": "s", "name": "n", "input": {"q": 1}},
    ]
    assert (message["diagnostics"], message["container"], message["stop_reason"]) == ({}, {"id": "c"}, "pause_turn")
    assert (message["usage"]["inference_geo"], message["usage"]["service_tier"]) == ("eu", "batch")
    assert not lost


def test_an_error_ends_the_stream() -> None:
    writer = encoder(REQUEST, STAMP)
    assert writer.feed(Failed("busy", 529, "x")) == (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    )
    assert writer.feed(TextDelta(0, "a")) + writer.feed(End()) + writer.end() == b""
