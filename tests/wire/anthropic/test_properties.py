"""Properties of the codec: what is written is read again, and no bytes break a reader."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from tests.wire.anthropic.vectors import Strict

from pointsman.core.chat import (
    CacheMark,
    ChatRequest,
    CitationDelta,
    End,
    Finish,
    Media,
    Message,
    Opaque,
    Output,
    Reasoning,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
    Used,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire.anthropic import count, errors, reply, request, stream, watch
from pointsman.wire.dialect import Stamp
from pointsman.wire.fold import fold

STAMP = Stamp("x1", 5, "auto")
REQUEST = ChatRequest("m", (), dialect="anthropic")
SAMPLES = [
    b"""{"model":"m","system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"image","source":{}}]}],
    "tools":[{"name":"n","input_schema":{}}],"tool_choice":{"type":"any"},"thinking":{"type":"adaptive"},"metadata":{}}""",
    b"""{"type":"message","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"n","input":{}}],
    "stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens_details":{"thinking_tokens":1}}}""",
    b"""event: message_start
data: {"type":"message_start","message":{"id":"i","usage":{}}}

data: {"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","input":{}}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}

data: {"type":"content_block_stop","index":0}

data: {"type":"message_delta","delta":{},"usage":{}}

data: {"type":"error","error":{"type":"api_error"}}

""",
]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
some = words.filter(bool)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


def raw(value: object) -> Raw:
    return Raw(json.dumps(value, ensure_ascii=False).encode())


objects = st.dictionaries(words, values, max_size=3).map(raw)
arguments = objects.map(lambda value: bytes(value).decode())
own = st.dictionaries(st.sampled_from(["x_new", "x_newer"]), values.filter(lambda v: v is not None).map(raw), max_size=2)
cache = st.none() | st.builds(CacheMark, st.sampled_from(["", "5m", "1h"]))
opaques = st.builds(
    lambda kind, more: Opaque(kind, raw({"type": kind, "n": more})), st.sampled_from(["search_result", "x"]), values
)
texts = st.builds(Text, some, cache, st.lists(objects, max_size=2).map(tuple), own=own)
sources = st.one_of(
    st.fixed_dictionaries({"data": some, "mime": words}),
    st.fixed_dictionaries({"url": some}),
    st.fixed_dictionaries({"file_id": some}),
)
images = st.builds(lambda source, mark, more: Media("image", cache=mark, own=more, **source), sources, cache, own)
files = st.builds(
    lambda source, name, mark, more: Media("file", name=name, cache=mark, own=more, **source),
    sources | st.fixed_dictionaries({"text": some, "mime": some}),
    words,
    cache,
    own,
)
results = st.builds(
    ToolResult, words, st.lists(texts | images | files | opaques, max_size=2).map(tuple), st.booleans(), cache=cache, own=own
)
thoughts = st.builds(Thinking, words, some, own=own) | st.builds(Thinking, encrypted=some, own=own)
calls = st.builds(ToolCall, words, arguments, words, cache=cache, own=own)
turns = st.builds(
    Message, st.just("user"), st.lists(texts | images | files | results | opaques, max_size=3).map(tuple), own=own
)
turns |= st.builds(
    Message, st.just("assistant"), st.lists(texts | thoughts | calls | opaques, max_size=3).map(tuple), own=own
)
tools = st.builds(Tool, words, words, objects, st.none() | st.booleans(), cache=cache, own=own) | opaques
reasoning = st.builds(
    Reasoning, st.sampled_from(["", "low", "max"]), st.sampled_from([-1, 0, 1024]), st.none() | st.booleans(), own=own
) | st.builds(Reasoning, st.sampled_from(["low", "high"]))


@st.composite
def requests(draw: Callable[[Any], Any]) -> ChatRequest:
    system = draw(st.lists(texts, min_size=1, max_size=2).map(tuple) | st.none())
    said = draw(st.lists(turns, min_size=1, max_size=4))
    later = draw(st.booleans())
    choice = draw(st.none() | st.builds(ToolChoice, st.sampled_from(["auto", "any", "none"]), own=own))
    if draw(st.booleans()):
        choice = ToolChoice("named", (draw(words),), own=draw(own))
    serial = choice is not None and choice.mode != "none"
    return ChatRequest(
        draw(some),
        (*([Message("system", system)] if system else []), *said, *([Message("system", (Text("now"),))] if later else [])),
        stream=draw(st.booleans()),
        tools=tuple(draw(st.lists(tools, max_size=2))),
        tool_choice=choice,
        parallel_tools=draw(st.none() | st.booleans()) if serial else None,
        output=draw(st.none() | st.builds(Output, st.just("json_schema"), objects, own=own)),
        max_output_tokens=draw(st.integers(0, 99)),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_k=draw(st.none() | st.integers(0, 99)),
        stop=tuple(draw(st.lists(words, max_size=2))),
        reasoning=draw(st.none() | reasoning),
        service_tier=draw(st.sampled_from(["", "auto", "standard_only"])),
        user=draw(st.none() | words),
        dialect="anthropic",
        own=draw(own),
    )


@given(requests())
def test_a_request_that_is_written_is_read_again(asked: ChatRequest) -> None:
    encoded = request.encode(asked)
    assert encoded.lost == ()
    assert request.decode(encoded.body) == asked


@given(requests(), st.sampled_from(["openai_chat", "openai_responses", "gemini"]))
def test_a_request_of_another_dialect_is_written_as_one_that_can_be_read(asked: ChatRequest, dialect: str) -> None:
    asked = replace(asked, dialect=dialect)
    request.unfit(asked)
    encoded = request.encode(asked)
    body = json.loads(encoded.body)
    roles = [turn["role"] for turn in body["messages"]]
    assert set(roles) <= {"user", "assistant"}
    assert all(one != other for one, other in pairwise(roles))
    assert {name for name, value in asked.own.items() if bytes(value) != b"null"} <= set(encoded.lost)


@st.composite
def replies(draw: Callable[[Any], Any]) -> list[StreamEvent]:
    """Whole replies as events, one delta to a part, as a reply that is read has them."""
    made: list[StreamEvent] = [Start(draw(some), draw(some), service_tier=draw(words), own=draw(own), dialect="anthropic")]
    for part in range(draw(st.integers(0, 4))):
        match draw(st.sampled_from(["text", "thinking", "sealed", "call", "whole"])):
            case "text":
                made.append(TextDelta(part, draw(some), own=draw(own)))
                made += [CitationDelta(part, citation) for citation in draw(st.lists(objects, max_size=2))]
            case "thinking":
                made.append(ThinkingDelta(part, draw(words), draw(some), own=draw(own)))
            case "sealed":
                made.append(ThinkingDelta(part, encrypted=draw(some), own=draw(own)))
            case "call":
                made.append(ToolCallDelta(part, draw(some), draw(words), draw(arguments), own=draw(own)))
            case _:
                made.append(WholePart(part, draw(opaques)))
    word, reason = draw(
        st.sampled_from([("end_turn", "stop"), ("tool_use", "tool_calls"), ("new", "other"), ("max_tokens", "length")])
    )
    made.append(Finish(reason, word, draw(words)))
    cached, written, fresh = (draw(st.integers(0, 999)) for _ in range(3))
    usage = Usage(cached + written + fresh, draw(st.integers(0, 999)), cached, written, draw(st.integers(0, 999)))
    return [*made, Used(usage, own=draw(own))]


@given(replies())
def test_a_reply_that_is_written_whole_is_read_again(events: list[StreamEvent]) -> None:
    encoded = reply.encode(events, REQUEST, STAMP)
    assert encoded.lost == ()
    assert list(reply.decode(encoded.body)) == events


@given(replies(), st.lists(st.integers(1, 400), max_size=5))
def test_a_reply_that_is_streamed_is_the_same_reply(events: list[StreamEvent], cuts: list[int]) -> None:
    writer = stream.encoder(REQUEST, STAMP)
    streamed = b"".join(map(writer.feed, [*events, End()]))
    assert writer.lost == set()
    Strict(streamed)
    reader, at, read = stream.decoder(), 0, []
    for cut in [*cuts, len(streamed)]:
        read += reader.feed(streamed[at : at + cut])
        at += cut
    assert read[-1] == End()
    assert fold(read) == fold(events)
    assert json.loads(reply.encode(read, REQUEST, STAMP).body) == json.loads(reply.encode(events, REQUEST, STAMP).body)


@given(st.lists(arguments, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_calls_however_they_overlap_are_blocks_that_do_not(inputs: list[str], rng: Any) -> None:
    pending = {part: [text[at : at + 3] for at in range(0, len(text), 3)] for part, text in enumerate(inputs)}
    events: list[StreamEvent] = [ToolCallDelta(part, f"c{part}", "n") for part in pending]
    while pending:
        part = rng.choice(list(pending))
        events.append(ToolCallDelta(part, arguments=pending[part].pop(0)))
        if not pending[part]:
            del pending[part]
    writer = stream.encoder(REQUEST, STAMP)
    message = Strict(b"".join([*map(writer.feed, events), writer.end()])).message
    assert writer.lost == set()
    assert [block["input"] for block in message["content"]] == [json.loads(text) for text in inputs]


@st.composite
def damaged(draw: Callable[[Any], Any]) -> bytes:
    """A sample with some of it cut out, doubled, or replaced."""
    body = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        at, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
        new = draw(
            st.sampled_from(
                [b"", b"null", b"[]", b"{}", b'"', b"1e999", b"\xff", b"\\ud800", b"-1", bytes(body[at:end]) * 2]
            )
        )
        body[at : min(end, at + 24)] = new
    return bytes(body)


@pytest.mark.parametrize("read", [request.decode, reply.decode, count.count, count.answer, count.tokens])
@given(data=st.binary(max_size=60) | damaged())
def test_bytes_of_any_kind_are_read_or_refused(read: Callable[[bytes], object], data: bytes) -> None:
    try:
        read(data)
    except WireError as error:
        assert str(error)  # noqa: PT017 - the words are what is checked


@given(st.binary(max_size=60) | damaged())
def test_what_is_read_can_be_written(data: bytes) -> None:
    try:
        asked = request.decode(data)
    except WireError:
        return
    again = request.decode(request.encode(asked).body)
    assert request.decode(request.encode(again).body) == again


@given(st.lists(st.binary(max_size=60) | damaged(), max_size=3))
def test_streams_of_any_kind_are_read(chunks: list[bytes]) -> None:
    reader, seen = stream.decoder(), watch.watch(texts=True)
    events = [event for chunk in chunks for event in reader.feed(chunk)] + reader.end()
    passed = [frame for chunk in chunks for frame, _ in seen.feed(chunk)] + [frame for frame, _ in seen.end()]
    assert b"".join(passed).strip() == b"".join(chunks).strip()
    assert fold(events) == seen.answer()
    writer = stream.encoder(REQUEST, STAMP)
    b"".join([*map(writer.feed, events), writer.end()]).decode()


@given(st.binary(max_size=60) | damaged())
def test_errors_of_any_kind_are_read(data: bytes) -> None:
    errors.read(500, data)
    assert errors.reported(data) in (None, 500, 502)
