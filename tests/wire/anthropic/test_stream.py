"""Streamed replies, read: every hard case, also split at every byte."""

import json
from typing import Any

import pytest
from msgspec import Raw
from tests.wire.anthropic.vectors import PING, block, call, ending, frame, start, text

from pointsman.core.chat import (
    CitationDelta,
    End,
    Failed,
    Finish,
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
from pointsman.wire import sse
from pointsman.wire.anthropic.stream import Decoder, decoder

BEGUN: list[StreamEvent] = [
    Start("msg_1", "claude-x", dialect="anthropic"),
    Used(Usage(input=10, output=1, cached=2, cache_written=1)),
]
THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}


def raw(value: object) -> Raw:
    return Raw(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def over(reason: Any, word: str, **own: Raw) -> list[StreamEvent]:
    used = Used(Usage(input=10, output=9, cached=2, cache_written=1))
    return [Finish(reason, word, own=own), used, End()]


HARD: dict[str, tuple[bytes, list[StreamEvent], set[str]]] = {
    "text, with pings and padding": (
        start() + PING + text(0, "Zwölf ", "火车 🚂") + PING + ending("end_turn"),
        [*BEGUN, TextDelta(0, "Zwölf "), TextDelta(0, "火车 🚂"), *over("stop", "end_turn")],
        set(),
    ),
    "a call whose name comes once and whose arguments are fragments": (
        start()
        + text(0, "so")
        + call(1, "t1", "look", "", '{"x"', ":1}")
        + call(2, "t2", "find", '{"y": 2}')
        + ending("tool_use"),
        [
            *BEGUN,
            TextDelta(0, "so"),
            ToolCallDelta(1, "t1", "look"),
            ToolCallDelta(1, arguments='{"x"'),
            ToolCallDelta(1, arguments=":1}"),
            ToolCallDelta(2, "t2", "find"),
            ToolCallDelta(2, arguments='{"y": 2}'),
            *over("tool_calls", "tool_use"),
        ],
        set(),
    ),
    "a call without arguments": (
        start() + call(0, "t1", "look") + call(1, "t2", "look", "") + ending("tool_use"),
        [
            *BEGUN,
            ToolCallDelta(0, "t1", "look"),
            ToolCallDelta(0, arguments="{}"),
            ToolCallDelta(1, "t2", "look"),
            ToolCallDelta(1, arguments="{}"),
            *over("tool_calls", "tool_use"),
        ],
        set(),
    ),
    "arguments that come with the start": (
        start()
        + block(0, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}, "caller": {"type": "direct"}})
        + ending("tool_use"),
        [
            *BEGUN,
            ToolCallDelta(0, "t", "n", own={"caller": Raw(b'{"type": "direct"}')}),
            ToolCallDelta(0, arguments='{"a": 1}'),
            *over("tool_calls", "tool_use"),
        ],
        set(),
    ),
    "thinking that is only a signature, sealed thinking, and shown thinking": (
        start()
        + block(0, THOUGHT, {"type": "signature_delta", "signature": "Eq+/="})
        + block(1, {"type": "redacted_thinking", "data": "x=="})
        + block(2, THOUGHT, {"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "s"})
        + ending("end_turn"),
        [
            *BEGUN,
            ThinkingDelta(0, signature="Eq+/="),
            ThinkingDelta(1, encrypted="x=="),
            ThinkingDelta(2, "hm"),
            ThinkingDelta(2, signature="s"),
            *over("stop", "end_turn"),
        ],
        set(),
    ),
    "blocks of nothing": (
        start() + text(0) + block(1, THOUGHT) + ending("end_turn"),
        [*BEGUN, TextDelta(0, ""), ThinkingDelta(1), *over("stop", "end_turn")],
        set(),
    ),
    "citations": (
        start()
        + block(
            0,
            {"type": "text", "text": "", "citations": []},
            {"type": "citations_delta", "citation": {"type": "char_location"}},
            {"type": "text_delta", "text": "a"},
        )
        + ending("end_turn"),
        [*BEGUN, CitationDelta(0, Raw(b'{"type": "char_location"}')), TextDelta(0, "a"), *over("stop", "end_turn")],
        set(),
    ),
    "hosted tools come whole": (
        start()
        + block(
            0,
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"query": "Zw'},
            {"type": "input_json_delta", "partial_json": 'ölf"}'},
        )
        + block(1, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []})
        + block(2, {"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "sum", "n": 1})
        + ending("pause_turn"),
        [
            *BEGUN,
            WholePart(
                0,
                Opaque(
                    "server_tool_use",
                    Raw('{"type":"server_tool_use","id":"s","name":"web_search","input":{"query": "Zwölf"}}'.encode()),
                ),
            ),
            WholePart(
                1,
                Opaque("web_search_tool_result", raw({"type": "web_search_tool_result", "tool_use_id": "s", "content": []})),
            ),
            WholePart(2, Opaque("compaction", raw({"type": "compaction", "content": "sum", "n": 1}))),
            *over("pause", "pause_turn"),
        ],
        set(),
    ),
    "input counts at the end replace those of the beginning": (
        start()
        + frame(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "max_tokens"},
                "usage": {"input_tokens": 500, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 3}},
            }
        )
        + frame({"type": "message_stop"}),
        [
            *BEGUN,
            Finish("length", "max_tokens"),
            Used(Usage(input=503, output=5, cached=2, cache_written=1, reasoning=3)),
            End(),
        ],
        set(),
    ),
    "what is said at the end": (
        start(container=None)
        + text(0, "a")
        + ending("refusal", beside={"context_management": {"n": 1}}, stop_details={"type": "refusal"}, container=None),
        [
            *BEGUN,
            TextDelta(0, "a"),
            *over("refusal", "refusal", stop_details=Raw(b'{"type": "refusal"}'), context_management=Raw(b'{"n": 1}')),
        ],
        set(),
    ),
    "an error after the beginning": (
        start() + text(0, "a") + frame({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        [*BEGUN, TextDelta(0, "a"), Failed("Overloaded", 529, "overloaded_error")],
        set(),
    ),
    "a stream that is cut": (
        start() + block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "a"}, stop=False).rstrip(b"\n"),
        [*BEGUN, TextDelta(0, "a")],
        set(),
    ),
    "what is not known is named": (
        start()
        + frame({"type": "new_event"})
        + block(
            0, {"type": "text", "text": "", "mood": 1}, {"type": "new_delta"}, {"type": "text_delta", "text": "a", "tone": 1}
        )
        + frame({"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "late"}})
        + b"data: nonsense\n\ndata: [DONE]\n\n"
        + ending("new_reason"),
        [
            *BEGUN,
            TextDelta(0, "", own={"mood": Raw(b"1")}),
            TextDelta(0, "a"),
            TextDelta(7, "late"),
            *over("other", "new_reason"),
        ],
        {"new_event", "new_delta", "text_delta.tone", "data that is not JSON"},
    ),
    "CRLF, comments, several data lines, and a BOM": (
        b"\xef\xbb\xbf: hello\r\n\r\n"
        + start().replace(b"\n", b"\r\n")
        + b'data: {"type": "content_block_start", "index": 0,\r\n'
        + b'data: "content_block": {"type": "text", "text": "a"}}\r\n\r\n'
        + ending("stop_sequence", stop_sequence="END").replace(b"\n", b"\r"),
        [
            *BEGUN,
            TextDelta(0, "a"),
            Finish("stop_sequence", "stop_sequence", "END"),
            *over("stop", "")[1:],
        ],
        set(),
    ),
}


def read(*chunks: bytes) -> tuple[list[StreamEvent], set[str]]:
    reader = decoder()
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.end(), reader.unread


@pytest.mark.parametrize("name", HARD)
def test_hard_cases(name: str) -> None:
    stream, events, unread = HARD[name]
    assert read(stream) == (events, unread)


@pytest.mark.parametrize("name", HARD)
def test_hard_cases_split_at_every_byte(name: str) -> None:
    stream, events, unread = HARD[name]
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == (events, unread)
    for cut in range(1, len(stream)):
        assert read(stream[:cut], stream[cut:]) == (events, unread)


def test_lines_of_a_megabyte() -> None:
    long = "x" * 2**20
    assert read(start() + text(0, long) + ending("end_turn"))[0][2] == TextDelta(0, long)


def test_a_block_beyond_all_bounds_is_refused() -> None:
    reader = Decoder()
    reader.feed(start() + block(0, {"type": "server_tool_use", "input": {}}, stop=False))
    piece = frame(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "x" * 2**20}}
    )
    for _ in range(sse.FRAME_LIMIT // 2**20):
        assert reader.feed(piece) == []
    with pytest.raises(WireError, match="a block of more than"):
        reader.feed(piece)


def test_every_reason_has_its_meaning() -> None:
    words = {
        "end_turn": "stop",
        "stop_sequence": "stop_sequence",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "pause_turn": "pause",
        "refusal": "refusal",
        "unheard_of": "other",
    }
    found = {word: next(e.reason for e in read(start() + ending(word))[0] if isinstance(e, Finish)) for word in words}
    assert found == words


@pytest.mark.parametrize(
    ("kind", "status"),
    [("rate_limit_error", 429), ("api_error", 500), ("invalid_request_error", 400), ("timeout_error", 504), ("odd", 502)],
)
def test_an_error_has_the_status_that_it_stands_for(kind: str, status: int) -> None:
    events, _ = read(frame({"type": "error", "error": {"type": kind, "message": ""}}))
    assert events == [Failed("the provider reported an error", status, kind)]
