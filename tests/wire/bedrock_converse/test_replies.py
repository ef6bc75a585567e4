"""Replies of Converse, whole and streamed: their events, their errors, and that every cut gives the same."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from pointsman.core.chat import (
    CitationDelta,
    End,
    Failed,
    Finish,
    FinishReason,
    Media,
    Opaque,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    Used,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire.bedrock_converse import count, errors, reply, stream
from pointsman.wire.event_stream import framed

USAGE = {"inputTokens": 3, "outputTokens": 5, "totalTokens": 20, "cacheReadInputTokens": 8, "cacheWriteInputTokens": 4}


def body(*content: Any, **fields: Any) -> bytes:
    message = {"message": {"role": "assistant", "content": list(content)}}
    return json.dumps({"output": message, "stopReason": "end_turn", "usage": USAGE, **fields}).encode()


def event(name: str, **payload: Any) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return framed(headers, json.dumps({"p": "abc", **payload}).encode())


def exception(name: str, message: str) -> bytes:
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return framed(headers, json.dumps({"message": message}).encode())


def delta(block: int, **inner: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=block, delta=inner)


def read(*chunks: bytes) -> list[StreamEvent]:
    decoder = stream.decoder()
    events = [one for chunk in chunks for one in decoder.feed(chunk)]
    assert decoder.end() == []
    assert decoder.unread == set()
    return events


def test_a_whole_reply() -> None:
    events = reply.decode(
        body(
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": "eHg="}},
            {"text": "Hi"},
            {"toolUse": {"toolUseId": "i", "name": "n", "input": {"a": 1}, "type": "tool_use"}},
            {"image": {"format": "png", "source": {"bytes": "iVBOR"}}},
            {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": [{"title": "t"}]}},
            {"odd": {}},
            serviceTier={"type": "flex"},
            metrics={"latencyMs": 1},
            trace={"a": 1},
            additionalModelResponseFields={"x": 1},
        )
    )
    assert events == (
        Start(service_tier="flex", dialect="bedrock_converse"),
        ThinkingDelta(0, "Hm.", "sig"),
        ThinkingDelta(1, encrypted="eHg="),
        TextDelta(2, "Hi"),
        ToolCallDelta(3, "i", "n", '{"a": 1}'),
        WholePart(4, Media("image", data="iVBOR", mime="image/png")),
        TextDelta(5, "ab"),
        CitationDelta(5, Raw(b'{"title": "t"}')),
        WholePart(6, Opaque("odd", Raw(b'{"odd": {}}'))),
        Finish("stop", "end_turn", own={"additionalModelResponseFields": Raw(b'{"x": 1}')}),
        Used(Usage(15, 5, 8, 4), own={"trace": Raw(b'{"a": 1}')}),
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop_sequence"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "error"),
        ("new", "other"),
    ],
)
def test_why_a_reply_ended(word: str, reason: FinishReason) -> None:
    assert Finish(reason, word) in reply.decode(body(stopReason=word))
    assert Finish(reason, word) in read(event("messageStop", stopReason=word))


@pytest.mark.parametrize("usage", [None, {}, {"inputTokens": -1, "outputTokens": "many"}, []])
def test_counts_that_are_none_are_nothing(usage: Any) -> None:
    assert reply.decode(body(usage=usage))[-1] == Used(Usage())


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"<html>", b'{"message":"no"}', body({"toolResult": {"toolUseId": "i", "content": []}})]
)
def test_what_is_no_reply_is_an_error(data: bytes) -> None:
    with pytest.raises(WireError):
        reply.decode(data)


STREAM = (
    event("messageStart", role="assistant"),
    delta(0, reasoningContent={"text": "Hm."}),
    delta(0, reasoningContent={"signature": "sig"}),
    event("contentBlockStop", contentBlockIndex=0),
    delta(1, text=""),
    delta(1, text="grü"),
    delta(1, text="n 🚂"),
    delta(1, citation={"title": "t"}),
    event("contentBlockStart", contentBlockIndex=2, start={"toolUse": {"toolUseId": "i", "name": "n"}}),
    delta(2, toolUse={"input": ""}),
    event("contentBlockStart", contentBlockIndex=3, start={"toolUse": {"toolUseId": "j", "name": "m"}}),
    delta(2, toolUse={"input": '{"a"'}),
    delta(3, toolUse={"input": "{}"}),
    delta(2, toolUse={"input": ":1}"}),
    event("contentBlockStop", contentBlockIndex=2),
    event(
        "contentBlockStart",
        contentBlockIndex=4,
        start={"toolUse": {"toolUseId": "k", "name": "s", "type": "server_tool_use"}},
    ),
    delta(4, toolUse={"input": '{"q": '}),
    delta(4, toolUse={"input": "1}"}),
    event("contentBlockStop", contentBlockIndex=4),
    event("contentBlockStart", contentBlockIndex=5, start={"toolResult": {"toolUseId": "k", "status": "success"}}),
    delta(5, toolResult=[{"json": {}}]),
    event("contentBlockStop", contentBlockIndex=5),
    event("messageStop", stopReason="tool_use", additionalModelResponseFields={"x": 1}),
    event("metadata", usage=USAGE, metrics={"latencyMs": 1}, trace={"a": 1}),
)
EVENTS = [
    Start(dialect="bedrock_converse"),
    ThinkingDelta(0, "Hm."),
    ThinkingDelta(0, signature="sig"),
    TextDelta(1, "grü"),
    TextDelta(1, "n 🚂"),
    CitationDelta(1, Raw(b'{"title": "t"}')),
    ToolCallDelta(2, "i", "n"),
    ToolCallDelta(3, "j", "m"),
    ToolCallDelta(2, arguments='{"a"'),
    ToolCallDelta(3, arguments="{}"),
    ToolCallDelta(2, arguments=":1}"),
    WholePart(
        4, Opaque("toolUse", Raw(b'{"toolUse":{"toolUseId":"k","name":"s","input":{"q": 1},"type":"server_tool_use"}}'))
    ),
    WholePart(5, Opaque("toolResult", Raw(b'{"toolResult":{"toolUseId":"k","status":"success","content":[{"json": {}}]}}'))),
    Finish("tool_calls", "tool_use", own={"additionalModelResponseFields": Raw(b'{"x": 1}')}),
    Used(Usage(15, 5, 8, 4), own={"trace": Raw(b'{"a": 1}')}),
    End(),
]


def test_a_stream() -> None:
    assert read(*STREAM) == EVENTS


def test_a_stream_cut_anywhere() -> None:
    data = b"".join(STREAM)
    for cut in range(len(data)):
        assert read(data[:cut], data[cut:]) == read(data)
    assert read(*(data[at : at + 1] for at in range(len(data)))) == EVENTS


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("internalServerException", 500),
        ("modelStreamErrorException", 502),
        ("serviceUnavailableException", 503),
        ("throttlingException", 429),
        ("validationException", 400),
        ("newException", 502),
    ],
)
def test_an_exception_within_a_stream(name: str, status: int) -> None:
    data = STREAM[0] + exception(name, "No more.")
    assert read(data) == [Start(dialect="bedrock_converse"), Failed("No more.", status, name)]
    assert errors.reported(data) == status


def test_an_error_that_the_service_does_not_model() -> None:
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "Broken."}
    assert read(framed(headers, b"")) == [Failed("Broken.", 502, "InternalError")]


def test_what_is_not_understood_is_named() -> None:
    decoder = stream.decoder()
    data = event("newEvent") + delta(0, newDelta={}) + framed({":event-type": "metadata"}, b"\xff")
    assert [type(one) for one in decoder.feed(data + STREAM[0][:9])] == [Used, End]
    decoder.end()
    assert decoder.unread == {"newEvent", "contentBlockDelta", "a message that was cut"}


@pytest.mark.parametrize(
    ("status", "data", "fault"),
    [
        (400, b'{"message":"Bad."}', ("Bad.", "ValidationException")),
        (403, b'{"Message":"No."}', ("No.", "AccessDeniedException")),
        (
            429,
            b'{"__type":"com.amazon.coral.service#ThrottlingException","message":"Slow."}',
            ("Slow.", "ThrottlingException"),
        ),
        (418, b'{"message":"Tea."}', ("Tea.", "")),
    ],
)
def test_an_error_beside_a_status(status: int, data: bytes, fault: tuple[str, str]) -> None:
    found = errors.read(status, data)
    assert found is not None
    assert (found.message, found.kind) == fault


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", body({"text": "message"}), b"\x00" * 20, event("messageStart")])
def test_what_is_no_error(data: bytes) -> None:
    assert errors.read(400, data) is None
    assert errors.reported(data) is None


def test_an_error_within_a_whole_reply() -> None:
    assert errors.reported(b'{"__type":"ThrottlingException","message":"Slow."}') == 429
    assert errors.reported(b'{"message":"Odd."}') == 502


def test_counted_tokens() -> None:
    assert count.tokens(b'{"inputTokens":7}') == 7
    with pytest.raises(WireError):
        count.tokens(b'{"message":"no"}')


names = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["delta", "start", "text", "toolUse", "toolResult", "contentBlockIndex", "usage", "input", "type"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.sampled_from(names), values | st.binary(max_size=9)), max_size=5))
def test_events_of_any_kind_are_read_or_named(wanted: list[tuple[str, Any]]) -> None:
    decoder = stream.decoder()
    for name, value in wanted:
        payload = value if isinstance(value, bytes) else json.dumps(value).encode()
        decoder.feed(framed({":event-type": name, ":message-type": "event"}, payload))
    decoder.end()


@given(st.binary(max_size=99) | values.map(body) | values.map(lambda value: json.dumps(value).encode()))
def test_bytes_of_any_kind_are_a_reply_or_an_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        reply.decode(data)
    errors.read(400, data)
    errors.reported(data)
