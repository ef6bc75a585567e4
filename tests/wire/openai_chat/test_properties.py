"""What holds for any request, any reply, any stream and any bytes."""

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from pointsman.core.chat import (
    CacheMark,
    ChatRequest,
    CitationDelta,
    End,
    Failed,
    Finish,
    Logprobs,
    Media,
    Message,
    Opaque,
    Output,
    Part,
    Reasoning,
    Refusal,
    RefusalDelta,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    TokenLogprob,
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
from pointsman.wire.dialect import Stamp
from pointsman.wire.openai_chat import count, errors, reply, request, stream

ASKED = ChatRequest("m", (), include_usage=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
full = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
words = st.text("abcdefghijk-_1", min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
numbers = st.none() | st.floats(-10, 10)
counts = st.integers(0, 10**9)


def raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


something = (json_values.filter(lambda value: value not in (None, "", [], {}))).map(raw)
objects = st.dictionaries(texts, json_values, max_size=3).map(raw)
owns = st.dictionaries(st.sampled_from(["new", "x_field", "überall"]), something, max_size=2)
inner_owns = st.dictionaries(st.sampled_from(["new", "x"]), something, min_size=1, max_size=2).map(raw)
marks = st.none() | st.builds(CacheMark, st.sampled_from(["", "5m", "1h"]))


@st.composite
def medias(draw: st.DrawFn) -> Media:
    kind = draw(st.sampled_from(["image", "audio", "file", "video"]))
    where: list[dict[str, Any]] = [{"data": "aGVsbG8=", "mime": {"file": "application/pdf"}.get(kind, f"{kind}/x")}]
    if kind != "audio":
        where.append({"url": "https://a.example/b?c=,;base64"})
    if kind == "file":
        where += [{"file_id": "file-1"}, {"data": "aGVsbG8="}]
    more = {"name": draw(st.sampled_from(["", "a.pdf"]))} if kind == "file" else {}
    if kind in ("image", "video"):
        more = {"detail": draw(st.sampled_from(["", "low"]))}
    field = {"image": "image_url", "audio": "input_audio", "file": "file", "video": "video_url"}[kind]
    own = draw(owns) | ({field: draw(inner_owns)} if draw(st.booleans()) else {})
    return Media(kind, cache=draw(marks), own=own, **draw(st.sampled_from(where)), **more)


said = st.builds(Text, texts, marks, own=owns)
opaques = objects.map(lambda inner: Opaque("new_kind", Raw(b'{"type":"new_kind","new_kind":' + bytes(inner) + b"}")))
thoughts = st.one_of(
    st.builds(Thinking, full, own=st.sampled_from([{}, {"reasoning": raw(None)}])),
    st.builds(Thinking, full, full, id=words, own=st.just({"reasoning_details": raw({"index": 3})})),
    st.builds(Thinking, encrypted=full, own=inner_owns.map(lambda inner: {"reasoning_details": inner})),
)
calls = st.one_of(
    st.builds(ToolCall, words, texts, words, signature=st.sampled_from(["", "c2ln"]), own=owns),
    st.builds(ToolCall, words, texts, words, st.just("custom"), own=owns),
)


@st.composite
def turns(draw: st.DrawFn) -> Message:
    role = draw(st.sampled_from(["system", "developer", "user", "assistant", "tool"]))
    own = draw(owns)
    parts: Sequence[Part]
    if role == "tool":
        inner = tuple(draw(st.lists(said | opaques, max_size=2)))
        return Message(role, (ToolResult(draw(words), inner, name=draw(st.sampled_from(["", "f"])), own=own),))
    if role == "assistant":
        thought = draw(st.lists(thoughts, max_size=1))
        content = draw(st.lists(said | st.builds(Refusal, full, own=owns) | opaques, max_size=2))
        parts = [*thought, *content, *draw(st.lists(calls, max_size=3))]
    else:
        parts = draw(st.lists(said | medias() | opaques, max_size=3))
    return Message(role, tuple(parts), draw(st.sampled_from(["", "ann"])), own)


tools = st.lists(
    st.builds(
        Tool,
        words,
        texts,
        objects,
        st.sampled_from([None, True, False]),
        st.sampled_from(["function", "custom"]),
        marks,
        own=owns,
    )
    | opaques,
    max_size=3,
).map(tuple)
choices = st.one_of(
    st.sampled_from([ToolChoice("auto"), ToolChoice("any"), ToolChoice("none")]),
    st.builds(ToolChoice, st.just("named"), st.lists(words, min_size=1, max_size=3).map(tuple)).map(
        lambda choice: choice if len(choice.names) > 1 else ToolChoice("named", choice.names)
    ),
    st.builds(ToolChoice, st.just("auto"), st.lists(words, min_size=1, max_size=2).map(tuple)),
)
outputs = st.one_of(
    st.sampled_from([Output("text"), Output("json")]),
    st.builds(Output, st.just("json_schema"), objects, words, texts, st.sampled_from([None, True, False]), owns),
)
reasonings = st.one_of(
    st.builds(Reasoning, st.sampled_from(["low", "none", "extreme"])),
    st.builds(Reasoning, st.sampled_from(["", "high"]), st.integers(0, 9999), st.sampled_from([None, True, False])),
)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    own = draw(owns)
    limit = draw(st.none() | st.integers(1, 99))
    if limit is not None and draw(st.booleans()):
        own["max_tokens"] = raw(None)
    messages = tuple(draw(st.lists(turns(), min_size=1, max_size=4)))
    custom: set[str] = set()
    agreed = []
    for message in messages:  # a result of a custom tool is known by its call
        custom |= {call.id for call in message.tool_calls if call.kind == "custom"}
        parts = [
            msgspec.structs.replace(part, kind="custom") if isinstance(part, ToolResult) and part.id in custom else part
            for part in message.parts
        ]
        agreed.append(msgspec.structs.replace(message, parts=tuple(parts)))
    return ChatRequest(
        model=draw(texts),
        messages=tuple(agreed),
        stream=draw(st.booleans()),
        include_usage=draw(st.booleans()),
        tools=draw(tools),
        tool_choice=draw(st.none() | choices),
        parallel_tools=draw(st.sampled_from([None, True, False])),
        output=draw(st.none() | outputs),
        max_output_tokens=limit,
        temperature=draw(numbers),
        top_p=draw(numbers),
        top_k=draw(st.none() | counts),
        presence_penalty=draw(numbers),
        frequency_penalty=draw(numbers),
        seed=draw(st.none() | st.integers(-(2**60), 2**60)),
        stop=tuple(draw(st.lists(texts, max_size=5))),
        logprobs=draw(st.none() | st.integers(0, 20)),
        choices=draw(st.integers(1, 4)),
        reasoning=draw(st.none() | reasonings),
        verbosity=draw(st.sampled_from(["", "low"])),
        service_tier=draw(st.sampled_from(["", "flex", "new"])),
        user=draw(st.none() | texts),
        metadata=draw(st.dictionaries(texts, texts, max_size=2)),
        cache_key=draw(texts),
        store=draw(st.sampled_from([None, True, False])),
        own=own,
    )


@given(requests())
def test_a_request_survives_the_way_out_and_back(asked: ChatRequest) -> None:
    encoded = request.encode(asked)
    assert encoded.lost == ()
    assert request.decode(encoded.body) == asked
    seen = request.glance(encoded.body)
    for name in ("model", "stream", "include_usage", "max_output_tokens", "choices", "user", "metadata", "cache_key"):
        assert getattr(seen, name) == getattr(asked, name), name
    for name in ("media", "json_schema", "system_text", "user_text"):
        assert getattr(seen, name) == getattr(asked, name), name
    assert len(seen.tools) == len(asked.tools)


@given(requests(), st.sampled_from(["anthropic", "gemini", "openai_responses"]))
def test_a_request_from_elsewhere_is_always_written(asked: ChatRequest, dialect: str) -> None:
    foreign = msgspec.structs.replace(asked, dialect=dialect)
    encoded = request.encode(foreign)
    assert request.decode(encoded.body).messages
    request.unfit(foreign)
    for bag in (foreign.own, *(message.own for message in foreign.messages)):
        assert {name for name, value in bag.items() if value != raw(None)} <= set(encoded.lost)


tokens = st.builds(
    TokenLogprob,
    texts,
    st.floats(-50, 0),
    st.none() | st.lists(st.integers(0, 255), max_size=3).map(tuple),
    st.lists(st.builds(TokenLogprob, texts, st.floats(-50, 0)), max_size=2).map(tuple),
)
starts = st.builds(
    Start,
    st.sampled_from(["", "chatcmpl-1", "gen-1"]),
    texts,
    st.integers(1, 2**32),
    st.sampled_from(["", "default", "odd"]),
    st.dictionaries(st.sampled_from(["system_fingerprint", "provider", "new"]), something, max_size=2),
    st.just("openai_chat"),
)
finishes = st.sampled_from(
    [
        Finish("stop", "stop"),
        Finish("length", "length"),
        Finish("tool_calls", "tool_calls"),
        Finish("content_filter", "content_filter"),
        Finish("stop_sequence", "stop", "END"),
        Finish("error", "insufficient_system_resource", own={"finish_reason": raw("insufficient_system_resource")}),
        Finish("other", "brand_new", own={"finish_reason": raw("brand_new"), "native_finish_reason": raw("x")}),
    ]
)
usages = st.builds(
    Used,
    st.builds(Usage, counts, counts, counts, counts, counts),
    own=st.dictionaries(st.sampled_from(["cost", "new"]), something.filter(lambda r: bytes(r) != b"0"), max_size=2),
)


@st.composite
def said_by_one(draw: st.DrawFn, choice: int, *, streamed: bool) -> list[StreamEvent]:
    """The parts of one choice, each as one delta, in the order of a whole reply."""
    made: list[StreamEvent] = []
    text = draw(full | st.none())
    if draw(st.booleans()):
        signature, sealed = draw(st.sampled_from([("", ""), ("c2ln", ""), ("", "b3BhcXVl")]))
        thought = "" if sealed else draw(full)
        made.append(ThinkingDelta(len(made), thought, signature, sealed, choice=choice))
        if signature and draw(st.booleans()):
            made.append(ThinkingDelta(len(made), draw(full), choice=choice))
    place = len(made)
    if text is not None:
        made.append(TextDelta(len(made), text, choice))
    if draw(st.booleans()):
        made.append(RefusalDelta(len(made), draw(full), choice))
    if text is not None and draw(st.booleans()):
        made.append(CitationDelta(place, draw(something), choice))
    parts = sum(1 for event in made if not isinstance(event, CitationDelta))
    for _ in range(draw(st.integers(0, 3))):
        kind: Literal["function", "custom"] = draw(st.sampled_from(["function", "custom"]))
        signature = draw(st.sampled_from(["", "c2ln"])) if kind == "function" else ""
        made.append(ToolCallDelta(parts, draw(words), draw(words), draw(texts), kind, signature, choice))
        parts += 1
    if draw(st.booleans()):
        image = Media("image", data="aGVsbG8=", mime="image/png", own={} if streamed else draw(owns))
        made.append(WholePart(parts, image, choice))
    if draw(st.booleans()):
        made.append(Logprobs(tuple(draw(st.lists(tokens, min_size=1, max_size=2))), choice=choice))
    finish = draw(finishes)
    return [*made, msgspec.structs.replace(finish, choice=choice)]


@st.composite
def replies(draw: st.DrawFn, *, streamed: bool = False) -> list[StreamEvent]:
    events: list[StreamEvent] = [draw(starts)]
    for choice in range(draw(st.integers(1, 3))):
        events += draw(said_by_one(choice, streamed=streamed))
    return [*events, *draw(st.lists(usages, max_size=1))]


@given(replies())
def test_a_whole_reply_survives_the_way_out_and_back(events: list[StreamEvent]) -> None:
    encoded = reply.encode(events, ASKED, Stamp())
    assert encoded.lost == ()
    assert list(reply.decode(encoded.body)) == events


def pieces(events: list[StreamEvent], chance: random.Random) -> list[StreamEvent]:
    """Cut deltas in two, and let those of several choices come in any order that keeps each one's own."""
    queues: dict[int, list[StreamEvent]] = {}
    for event in events[1:]:
        if not isinstance(event, Used):
            queues.setdefault(getattr(event, "choice", 0), []).extend(_cut(event, chance))
    mixed: list[StreamEvent] = []
    while any(queues.values()):
        mixed.append(queues[chance.choice([index for index, queue in queues.items() if queue])].pop(0))
    return [events[0], *mixed, *(event for event in events if isinstance(event, Used)), End()]


def _cut(event: StreamEvent, chance: random.Random) -> list[StreamEvent]:
    name = {TextDelta: "text", RefusalDelta: "text", ToolCallDelta: "arguments"}.get(type(event))
    text = getattr(event, name) if name else ""
    if name is None or len(text) < 2:
        return [event]
    place = chance.randrange(1, len(text))
    first = msgspec.structs.replace(event, **{name: text[:place]})
    if isinstance(event, ToolCallDelta):
        return [first, ToolCallDelta(event.part, arguments=text[place:], choice=event.choice)]
    return [first, msgspec.structs.replace(event, **{name: text[place:]})]


@given(replies(streamed=True), st.randoms(use_true_random=False))
def test_a_stream_survives_the_way_out_and_back_at_every_cut(events: list[StreamEvent], chance: random.Random) -> None:
    sent = pieces(events, chance)
    encoder = stream.encoder(ASKED, Stamp())
    out = b"".join([*(encoder.feed(event) for event in sent), encoder.end()])
    assert encoder.lost == set()
    decoder = stream.decoder()
    assert decoder.feed(out) + decoder.end() == sent
    assert decoder.unread == set()
    cut = chance.randrange(len(out))
    again = stream.decoder()
    assert again.feed(out[:cut]) + again.feed(out[cut:]) + again.end() == sent


@given(st.lists(replies(streamed=True), min_size=1, max_size=1), st.integers(0, 1))
def test_a_reply_from_elsewhere_is_always_written(made: list[list[StreamEvent]], included: int) -> None:
    events = [
        Start("msg_1", "m", own={"stop_details": raw("x")}),
        *made[0][1:],
        Failed("no", 529, "overloaded_error"),
        End(),
    ]
    asked = msgspec.structs.replace(ASKED, include_usage=bool(included))
    encoder = stream.encoder(asked, Stamp("e1", 5, "m"))
    out = b"".join([*(encoder.feed(event) for event in events), encoder.end()])
    assert "stop_details" in encoder.lost
    decoder = stream.decoder()
    again = decoder.feed(out) + decoder.end()
    assert Failed("no", 500, "server_error") in again
    assert any(isinstance(event, Used) for event in again) == (
        bool(included) and any(isinstance(event, Used) for event in events)
    )
    whole = reply.encode(made[0][:1] and [Start(), *made[0][1:]], ASKED, Stamp("e1", 5, "m"))
    assert reply.decode(whole.body)[0] == Start("e1", "m", 5, dialect="openai_chat")


scraps = st.lists(
    st.sampled_from(
        [
            *(
                b"data: ",
                b"\n",
                b"\n\n",
                b"\r\n\r\n",
                b"\r",
                b": x\n",
                b"event: error\n",
                b"[DONE]",
                b"\xef\xbb\xbf",
                b"\xff",
            ),
            *(b"{", b"}", b"[", b"]", b",", b":", b"null", b"1e400", b'"\\ud800"', b'""', b"true", b"-1", b'"x"', b"{}"),
            *(
                f'"{name}":'.encode()
                for name in ("id", "model", "messages", "role", "content", "tool_calls", "index", "usage")
            ),
            *(
                f'"{name}":'.encode()
                for name in ("choices", "delta", "message", "finish_reason", "error", "function", "name")
            ),
            *(
                f'"{name}":'.encode()
                for name in ("type", "tools", "tool_choice", "image_url", "logprobs", "stop", "audio", "own")
            ),
        ]
    ),
    max_size=40,
).map(b"".join)


@given(st.binary(max_size=80) | scraps)
def test_no_bytes_break_a_decoder(body: bytes) -> None:
    for read in (request.decode, request.glance, reply.decode, count.count, count.answer):
        with suppress(WireError):
            read(body)
    errors.read(500, body)
    errors.reported(body)
    decoder = stream.decoder()
    decoder.feed(body)
    decoder.end()


_names = st.sampled_from(
    [
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "url",
        "input_audio",
        "data",
        "format",
        "file",
        "file_data",
        "file_id",
        "refusal",
        "tool_calls",
        "id",
        "function",
        "name",
        "arguments",
        "custom",
        "input",
        "tool_call_id",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "signature",
        "summary",
        "index",
        "tools",
        "parameters",
        "tool_choice",
        "allowed_tools",
        "mode",
        "response_format",
        "json_schema",
        "schema",
        "stop",
        "n",
        "logprobs",
        "top_logprobs",
        "temperature",
        "seed",
        "stream",
        "stream_options",
        "include_usage",
        "metadata",
        "cache_control",
        "ttl",
        "functions",
        "function_call",
        "extra_content",
        "google",
        "thought_signature",
        "choices",
        "message",
        "delta",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "prompt_tokens_details",
        "error",
        "code",
        "audio",
        "images",
        "annotations",
        "top_k",
        "thinking",
        "bytes",
        "token",
        "logprob",
        "x_groq",
        "created",
    ]
)
_values = st.recursive(
    st.sampled_from([None, True, 1, -1, 2.5, "", "text", "function", "image_url", "data:a/b;base64,eA==", "json_schema"])
    | st.sampled_from(["auto", "assistant", "tool", "user", "reasoning.text", "thinking", "refusal", "file", 10**30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=6),
    max_leaves=25,
)


@given(st.dictionaries(_names, _values, max_size=8), st.lists(st.dictionaries(_names, _values, max_size=6), max_size=3))
def test_odd_bodies_are_read_or_refused(fields: dict[str, Any], items: list[dict[str, Any]]) -> None:
    asked = {**fields, "model": "m", "messages": [{"role": "assistant", **item} for item in items]}
    body = msgspec.json.encode(asked)
    for read in (request.decode, request.glance):
        with suppress(WireError):
            request.encode(read(body))
    answered = [{**fields, "choices": [{"message": item, "index": 0} for item in items]}]
    answered.append({**fields, "choices": [{"delta": item, **item} for item in items]})
    for value in answered:
        whole = msgspec.json.encode(value)
        with suppress(WireError):
            reply.encode(reply.decode(whole), ASKED, Stamp())
        decoder, encoder = stream.decoder(), stream.encoder(ASKED, Stamp())
        for event in decoder.feed(b"data: " + whole + b"\n\ndata: [DONE]\n\n") + decoder.end():
            encoder.feed(event)
        encoder.end()
