"""Streams: the hard cases as they come from the wire, each read at every cut, and what is written from events."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    End,
    Failed,
    Finish,
    Logprobs,
    Media,
    Opaque,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
    Used,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Stamp
from pointsman.wire.gemini import stream
from pointsman.wire.gemini.frames import Frames

ASKED = ChatRequest("m", ())
STAMP = Stamp("x1", 7, "stamped")


def chunk(*parts: object, finish: str | None = None, usage: object = None, **candidate: object) -> dict[str, Any]:
    one: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0, **candidate}
    if finish:
        one["finishReason"] = finish
    whole: dict[str, Any] = {"candidates": [one], "modelVersion": "g", "responseId": "r"}
    if usage:
        whole["usageMetadata"] = usage
    return whole


def sse(*chunks: object) -> bytes:
    return b"".join([b"data: " + json.dumps(each, ensure_ascii=False).encode() + b"\r\n\r\n" for each in chunks])


def array(*chunks: object) -> bytes:
    return b"[" + b"\n,\r\n".join([json.dumps(each, ensure_ascii=False, indent=1).encode() for each in chunks]) + b"\n]\n"


def read(*pieces: bytes) -> tuple[list[StreamEvent], set[str]]:
    decoder = stream.decoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.end(), decoder.unread


START = Start("r", "g", dialect="gemini")
CALL = {"functionCall": {"name": "look", "args": {}}}
COUNTS = {"promptTokenCount": 5, "candidatesTokenCount": 4, "thoughtsTokenCount": 2}
CASES: dict[str, tuple[list[object], list[StreamEvent]]] = {
    "text, with counts that are repeated": (
        [
            chunk({"text": "Zwölf "}, usage={"promptTokenCount": 5, "candidatesTokenCount": 1}),
            chunk({"text": '🚂 "{}\\"'}, usage={"promptTokenCount": 5, "candidatesTokenCount": 3}),
            chunk({"text": ""}, finish="STOP", usage=COUNTS),
        ],
        [
            START, TextDelta(0, "Zwölf "), Used(Usage(5, 1)), TextDelta(0, '🚂 "{}\\"'), Used(Usage(5, 3)),
            Finish("stop", "STOP"), Used(Usage(5, 6, reasoning=2)),
        ],
    ),
    "thoughts, text, and a signature on an empty text": (
        [
            chunk({"text": "hm", "thought": True}),
            chunk({"text": "m", "thought": True}, {"text": "four"}),
            chunk({"text": "", "thoughtSignature": "c2ln"}, finish="STOP"),
        ],
        [
            START, ThinkingDelta(0, "hm"), ThinkingDelta(0, "m"), TextDelta(1, "four"), TextDelta(2, "", signature="c2ln"),
            Finish("stop", "STOP"),
        ],
    ),
    "parallel calls without ids, the first signed, between texts": (
        [
            chunk({"text": "a"}, {**CALL, "thoughtSignature": "c2ln"}, CALL),
            chunk({"text": "b"}, {"functionCall": {"name": "find", "id": "c"}}),
            chunk(finish="STOP"),
        ],
        [
            START, TextDelta(0, "a"), ToolCallDelta(1, "", "look", "{}", signature="c2ln"),
            ToolCallDelta(2, "", "look", "{}"), TextDelta(3, "b"),
            ToolCallDelta(4, "c", "find", "{}"), Finish("tool_calls", "STOP"),
        ],
    ),
    "a prompt that was blocked": (
        [{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}}],
        [
            Start(dialect="gemini"),
            Finish("content_filter", "SAFETY", own={"promptFeedback": Raw(b'{"blockReason": "SAFETY"}')}),
            Used(Usage(3)),
        ],
    ),
    "no content, then grounding in two chunks": (
        [
            chunk(groundingMetadata={"groundingChunks": [1], "webSearchQueries": ["q"]}),
            {"candidates": [{"content": {}, "finishReason": "SAFETY", "groundingMetadata": {"groundingChunks": [1, 2]}}]},
        ],
        [
            START, Finish("content_filter", "SAFETY", own={
                "groundingMetadata": Raw(b'{"groundingChunks":[1,2],"webSearchQueries":["q"]}'),
            }),
        ],
    ),
    "several choices, media and code": (
        [
            {"candidates": [
                {"index": 1, "content": {"parts": [{"text": "b"}]}}, {"content": {"parts": [{"text": "a"}]}, "index": 0},
            ]},
            {"candidates": [{"index": 1, "content": {"parts": {"inlineData": {"mimeType": "image/png", "data": "aGk="}}}}]},
            chunk({"executableCode": {"code": "1"}}, finish="MAX_TOKENS"),
            {"candidates": [{"index": 1, "finishReason": "NEVER_SEEN"}]},
        ],
        [
            Start(dialect="gemini"), TextDelta(0, "b", 1), TextDelta(0, "a"),
            WholePart(1, Media("image", data="aGk=", mime="image/png"), 1),
            WholePart(1, Opaque("executableCode", Raw(b'{"executableCode":{"code":"1"}}'))), Finish("length", "MAX_TOKENS"),
            Finish("other", "NEVER_SEEN", choice=1),
        ],
    ),
    "an error after some text": (
        [chunk({"text": "a"}), {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}],
        [START, TextDelta(0, "a"), Failed("overloaded", 503, "UNAVAILABLE")],
    ),
    "a call that was not declared": ([chunk(CALL, finish="UNEXPECTED_TOOL_CALL")], [
        START, ToolCallDelta(0, "", "look", "{}"), Finish("tool_calls", "UNEXPECTED_TOOL_CALL"),
    ]),
    "a call that could not be read": ([chunk(finish="MALFORMED_FUNCTION_CALL")], [
        START, Finish("error", "MALFORMED_FUNCTION_CALL"),
    ]),
}  # fmt: skip


def tight(events: list[StreamEvent]) -> str:
    """Events as text in which blanks within verbatim JSON do not count."""
    return json.dumps([json.loads(_encoded(event)) for event in events])


def _encoded(event: StreamEvent) -> bytes:
    return msgspec.json.encode(event)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("form", [sse, array])
def test_every_case_at_every_cut(name: str, form: Any) -> None:
    chunks, expected = CASES[name]
    body = form(*chunks)
    events, unread = read(body)
    assert tight(events) == tight(expected)
    assert unread == set()
    for cut in range(len(body)):
        assert read(body[:cut], body[cut:])[0] == events
    assert read(*[body[at : at + 1] for at in range(len(body))])[0] == events


def test_line_ends_comments_a_bom_and_an_end_without_its_blank_line() -> None:
    one, two = (json.dumps(chunk({"text": text})).encode() for text in "ab")
    expected = [START, TextDelta(0, "a"), TextDelta(0, "b")]
    for end in (b"\n", b"\r\n", b"\r"):
        lines = [b": hello", b"", b"event: x", b"data:" + one[:1], b"data: " + one[1:], b"", b"data: " + two]
        for body in (end.join(lines), b"\xef\xbb\xbf" + end.join([b"data: " + one, b"", *lines[-1:]])):
            for cut in range(len(body)):
                assert read(body[:cut], body[cut:])[0] == expected


def test_what_is_not_understood_is_named() -> None:
    body = sse(chunk({"text": "a"}), {**chunk({"text": "b"}), "novel": 1}, {"candidates": 3}) + b"data: <html>\n\n"
    events, unread = read(body)
    assert events == [START, TextDelta(0, "a"), TextDelta(0, "b")]
    assert unread == {"novel", "candidates", "chunk"}


def test_a_service_tier_is_said_once() -> None:
    chunks = [chunk({"text": text}, usage={"promptTokenCount": 1, "serviceTier": "flex"}) for text in "abc"]
    events, _ = read(sse(*chunks))
    assert events[0] == Start("r", "g", 0, "flex", dialect="gemini")
    assert [event for event in events if isinstance(event, Used)] == [Used(Usage(1))] * 3


def test_a_terminator_of_others_is_an_end() -> None:
    assert read(b"data: [DONE]\n\n")[0] == [End()]


def test_a_whole_reply_is_a_stream_of_one_chunk() -> None:
    whole = json.dumps(chunk({"text": "a"}, finish="STOP"), indent=2).encode()
    assert read(whole)[0] == [START, TextDelta(0, "a"), Finish("stop", "STOP")]


def test_a_megabyte_in_one_line_and_one_frame_beyond_all_bounds() -> None:
    body = sse(chunk({"text": "x" * 1_000_000}))
    assert len(read(*[body[at : at + 4096] for at in range(0, len(body), 4096)])[0]) == 2
    for start in (b"data: ", b"[{"):
        frames = Frames(limit=100)
        frames.feed(start + b'"xxxxxxxx')
        with pytest.raises(WireError, match="more than 100 bytes"):
            frames.feed(b"x" * 100)


def written(*events: StreamEvent, form: Any = stream.encoder) -> tuple[bytes, set[str]]:
    encoder = form(ASKED, STAMP)
    return b"".join([*(encoder.feed(event) for event in events), encoder.end()]), encoder.lost


def test_fragments_of_calls_are_written_whole_and_the_end_bears_the_counts() -> None:
    body, lost = written(
        Start(model="gpt"),
        TextDelta(0, "hi"),
        ToolCallDelta(1, "a", "look"),
        ToolCallDelta(2, "b", "find"),
        ToolCallDelta(1, arguments='{"x"'),
        ToolCallDelta(2, arguments="{}"),
        ToolCallDelta(1, arguments=":1}"),
        Finish("tool_calls", "tool_calls"),
        Used(Usage(10, 5, cached=4, cache_written=1, reasoning=2)),
        End(),
    )
    chunks = [json.loads(frame.removeprefix(b"data: ")) for frame in body.split(b"\r\n\r\n") if frame]
    parts = [part for each in chunks for part in each["candidates"][0]["content"]["parts"]]
    assert parts == [
        {"text": "hi"},
        {"functionCall": {"name": "look", "args": {"x": 1}, "id": "a"}},
        {"functionCall": {"name": "find", "args": {}, "id": "b"}},
        {"text": ""},
    ]
    assert [each["candidates"][0].get("finishReason") for each in chunks] == [None, None, None, "STOP"]
    assert chunks[-1]["usageMetadata"] == {
        "promptTokenCount": 10, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 15,
        "cachedContentTokenCount": 4,
    }  # fmt: skip
    assert {(each["modelVersion"], each["responseId"]) for each in chunks} == {("gpt", "x1")}
    assert lost == {"usage.cache_written"}


def test_an_array_is_json_whatever_comes() -> None:
    for events in (
        [],
        [Failed("no", 503, "")],
        [TextDelta(0, "a"), Finish("length", "length")],
        [TextDelta(0, "a"), Failed("no")],
    ):
        body, _ = written(*events, form=stream.array_encoder)
        assert len(json.loads(body)) == len(events)


def test_what_has_no_word_is_named() -> None:
    _, lost = written(
        Start(own={"system_fingerprint": Raw(b"1")}),
        ThinkingDelta(0, "hm", encrypted="e", id="i"),
        TextDelta(1, "a"),
        CitationDelta(1, Raw(b"{}")),
        WholePart(2, Opaque("server_tool_use", Raw(b"{ }"))),
        Finish("stop_sequence", "stop_sequence", "END", own={"container": Raw(b"1")}),
    )
    assert lost == {
        "system_fingerprint", "thinking.encrypted", "thinking.id", "citations", "server_tool_use", "stop_sequence",
        "container",
    }  # fmt: skip


def test_probabilities_and_pretty_json_in_one_line() -> None:
    odds = Logprobs((TokenLogprob("a", -0.5, None, (TokenLogprob("a", -0.5), TokenLogprob("b", -1.0))),))
    body, _ = written(TextDelta(0, "a"), odds, ToolCallDelta(1, "", "f", '{\n "x": 1\n}'), Finish("stop"))
    assert odds in read(body)[0]
    assert all(frame.count(b"\n") == 0 for frame in body.split(b"\r\n\r\n"))
