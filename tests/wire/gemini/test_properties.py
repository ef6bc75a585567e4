"""What holds for any request, any reply, any stream and any bytes."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from pointsman.core.chat import (
    ChatRequest,
    Finish,
    Media,
    Message,
    Opaque,
    Output,
    Part,
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
from pointsman.wire.dialect import Address, Stamp
from pointsman.wire.gemini import count, errors, reply, request, stream, watch
from pointsman.wire.gemini.media import kind_of

ASKED = ChatRequest("m", (), dialect="gemini")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.text("abcdefghijk-_1", min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, json_values, max_size=3).map(json.dumps)
raws = objects.map(lambda text: Raw(text.encode()))
signatures = st.sampled_from(["", "c2lnbmVk", "AbC+/w=="])
counts = st.integers(0, 10**9)


def owns(*names: str) -> st.SearchStrategy[dict[str, Raw]]:
    return st.dictionaries(st.sampled_from(names), raws, max_size=2)


@st.composite
def medias(draw: st.DrawFn, *names: str) -> Media:
    mime = draw(st.sampled_from(["image/png", "audio/wav", "video/mp4", "application/pdf"]))
    where: dict[str, Any] = draw(
        st.sampled_from([{"data": "aGVsbG8="}, {"url": "https://a.example/b?c"}, {"file_id": "gs://bucket/b"}, {"data": ""}])
    )
    return Media(kind_of(mime), mime=mime, name=draw(st.sampled_from(["", "a.b"])), own=draw(owns(*names)), **where)


opaques = raws.map(lambda raw: Opaque("executableCode", Raw(b'{"executableCode":' + bytes(raw) + b"}")))
part_medias = medias("videoMetadata", "partMetadata", "inlineDataNew")
calls = st.builds(ToolCall, words, objects, words, signature=signatures, own=owns("partMetadata", "functionCall.new"))
user_parts = st.one_of(st.builds(Text, texts, signature=signatures, own=owns("videoMetadata", "new")), part_medias, opaques)
thoughts = st.builds(Thinking, texts, signatures, own=owns("partMetadata"))


@st.composite
def results(draw: st.DrawFn) -> ToolResult:
    error = draw(st.booleans())
    text = draw(texts | objects | objects.map(lambda inner: f'{{"error": {inner}}}') | st.just('{"result": "x"}'))
    said: tuple[Text, ...] = (Text(text),) if error or draw(st.booleans()) else ()
    shown = draw(st.lists(medias("mediaResolution") | opaques, max_size=2))
    own = draw(owns("partMetadata", "functionResponse.scheduling"))
    return ToolResult(draw(words), (*said, *shown), error=error, name=draw(words), own=own)


def turns(role: str, parts: st.SearchStrategy[Part]) -> st.SearchStrategy[Message]:
    return st.builds(Message, st.just(role), st.lists(parts, max_size=3).map(tuple), own=owns("new"))


messages = st.lists(
    st.one_of(
        turns("user", user_parts | results()), turns("tool", results()), turns("assistant", user_parts | thoughts | calls)
    ),
    min_size=1,
    max_size=4,
)
systems = st.builds(Message, st.just("system"), st.lists(st.builds(Text, texts), min_size=1, max_size=2).map(tuple))
tools = st.builds(Tool, words, texts, raws | st.just(Raw()), own=owns("behavior", "responseJsonSchema"))
choices = st.one_of(
    st.none(),
    st.builds(ToolChoice, st.sampled_from(["auto", "any", "none"]), own=owns("streamFunctionCallArguments")),
    st.builds(ToolChoice, st.just("named"), st.lists(words, min_size=1, max_size=2).map(tuple)),
    st.just(ToolChoice("auto", own={"mode": Raw(b'"VALIDATED"'), "allowedFunctionNames": Raw(b'["a"]')})),
)
outputs = st.none() | st.sampled_from([Output("text"), Output("json")]) | raws.map(lambda raw: Output("json_schema", raw))
efforts = st.sampled_from(["minimal", "low", "high", "xhigh"])
reasonings = st.none() | st.builds(Reasoning, efforts, st.none() | st.integers(-1, 99), st.none() | st.booleans())
floats = st.none() | st.floats(allow_nan=False, allow_infinity=False)
requests = st.builds(
    ChatRequest,
    st.just("gemini-2.5-pro"),
    st.builds(lambda system, rest: (*system, *rest), st.lists(systems, max_size=1), messages),
    stream=st.booleans(),
    tools=st.builds(
        lambda functions, others: (*functions, *others),
        st.lists(tools, max_size=2),
        st.lists(raws.map(lambda raw: Opaque("googleSearch", Raw(b'{"googleSearch":' + bytes(raw) + b"}"))), max_size=1),
    ),
    tool_choice=choices,
    output=outputs,
    max_output_tokens=st.none() | counts,
    temperature=floats,
    top_p=floats,
    top_k=st.none() | counts,
    presence_penalty=floats,
    frequency_penalty=floats,
    seed=st.none() | st.integers(-(2**31), 2**31),
    stop=st.lists(texts, max_size=2).map(tuple),
    logprobs=st.none() | st.integers(0, 20),
    choices=st.integers(1, 8),
    reasoning=reasonings,
    service_tier=st.sampled_from(["", "flex", "priority"]),
    dialect=st.just("gemini"),
    own=owns(
        "safetySettings", "cachedContent", "labels", "new", "generationConfig.speechConfig",
        "generationConfig.thinkingConfig.new", "toolConfig.retrievalConfig",
    ),
)  # fmt: skip


@given(requests)
def test_a_request_is_read_as_it_was_written(asked: ChatRequest) -> None:
    written = request.encode(asked)
    assert written.lost == ()
    assert request.decode(written.body, Address(asked.model, asked.stream)) == asked
    wrapped = request.encode_count(asked).body
    assert request.decode_count(wrapped, Address(asked.model, asked.stream)).messages == asked.messages


@st.composite
def candidates(draw: st.DrawFn, choice: int) -> list[StreamEvent]:
    """One candidate as a stream has it too: no unsigned text is empty, or follows one of its kind."""
    events: list[StreamEvent] = []
    last = ""
    called = False
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["text", "thought", "call", "media", "opaque"]))
        part, sealed = len(events), draw(signatures)
        if kind in ("text", "thought"):
            said = draw(texts)
            if not sealed and (last == kind or not said):
                continue
            last = "" if sealed else kind
            own = draw(owns("partMetadata", "new"))
            if kind == "text":
                events.append(TextDelta(part, said, choice, sealed, own))
            else:
                events.append(ThinkingDelta(part, said, sealed, choice=choice, own=own))
            continue
        last = ""
        if kind == "call":
            called = True
            own = draw(owns("functionCall.willContinue", "partMetadata"))
            id_ = draw(words | st.just(""))
            events.append(ToolCallDelta(part, id_, draw(words), draw(objects), signature=sealed, choice=choice, own=own))
        else:
            content: Media | Opaque = draw(medias("thoughtSignature", "thought")) if kind == "media" else draw(opaques)
            events.append(WholePart(part, content, choice))
    ends = [("stop", "STOP"), ("length", "MAX_TOKENS"), ("other", "NEW_REASON"), ("other", "OTHER")]
    reason, word = draw(st.sampled_from(ends))
    if word == "STOP" and called:
        reason = "tool_calls"
    own = draw(owns("safetyRatings", "groundingMetadata"))
    return [*events, Finish(reason, word, choice=choice, own=own)]  # type: ignore[arg-type]


@st.composite
def replies(draw: st.DrawFn) -> tuple[StreamEvent, ...]:
    start = Start(
        draw(words), draw(words), 0, draw(st.sampled_from(["", "flex"])), draw(owns("createTime", "modelStatus")), "gemini"
    )
    reasoning, cached = draw(counts), draw(counts)
    usage = Usage(cached + draw(counts), reasoning + draw(counts), cached, 0, reasoning)
    said = [event for choice in range(draw(st.integers(1, 3))) for event in draw(candidates(choice))]
    return (start, *said, Used(usage, own=draw(owns("promptTokensDetails", "trafficType"))))


@given(replies())
def test_a_reply_is_read_as_it_was_written(events: tuple[StreamEvent, ...]) -> None:
    written = reply.encode(events, ASKED, Stamp())
    assert written.lost == ()
    assert reply.decode(written.body) == events


@given(replies(), st.booleans(), st.data())
def test_a_stream_says_what_its_reply_says_however_it_is_cut(
    events: tuple[StreamEvent, ...], as_array: bool, data: st.DataObject
) -> None:
    encoder = stream.array_encoder(ASKED, Stamp()) if as_array else stream.encoder(ASKED, Stamp())
    body = b"".join([*(encoder.feed(event) for event in events), encoder.end()])
    assert encoder.lost == set()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    decoder, watched = stream.decoder(), watch.watch(texts=True)
    read, passed = [], b""
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        read += decoder.feed(body[start:end])
        passed += b"".join([frame for frame, _ in watched.feed(body[start:end])])
    read += decoder.end()
    passed += b"".join([frame for frame, _ in watched.end()])
    assert decoder.unread == set()
    assert json.loads(reply.encode(read, ASKED, Stamp()).body) == json.loads(reply.encode(events, ASKED, Stamp()).body)
    assert passed == body
    assert watched.ended == {event.choice for event in events if isinstance(event, Finish)}
    if as_array:
        json.loads(body)


VOCABULARY = [
    "contents", "parts", "role", "text", "thought", "thoughtSignature", "inlineData", "fileData", "mimeType",
    "data", "fileUri", "functionCall", "functionResponse", "name", "args", "id", "response", "error",
    "result", "tools", "functionDeclarations", "parameters", "type", "nullable", "toolConfig", "functionCallingConfig",
    "mode", "allowedFunctionNames", "generationConfig", "topK", "stopSequences", "responseSchema", "responseMimeType",
    "thinkingConfig", "thinkingLevel", "thinkingBudget", "systemInstruction", "candidates", "content",
    "finishReason", "index", "usageMetadata", "promptTokenCount", "candidatesTokenCount", "toolUsePromptTokenCount",
    "serviceTier", "promptFeedback", "blockReason", "logprobsResult", "chosenCandidates", "token", "logProbability",
    "responseId", "modelVersion", "message", "code", "status", "details", "groundingMetadata", "a.b",
    "c_d",
]  # fmt: skip
shaped = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([*VOCABULARY, "STOP", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(VOCABULARY), inner, max_size=4),
    max_leaves=25,
)
contents = st.fixed_dictionaries({"contents": shaped | st.lists(st.fixed_dictionaries({"parts": shaped}))}, optional={})
candidate_bodies = st.fixed_dictionaries({"candidates": shaped, "usageMetadata": shaped})
bodies = st.one_of(st.binary(), (shaped | contents | candidate_bodies).map(lambda value: json.dumps(value).encode()))


@given(bodies)
def test_bytes_of_any_kind_raise_nothing_but_the_wire_error(body: bytes) -> None:
    for read in (request.decode, request.decode_count, reply.decode, count.count, count.answer, count.tokens):
        try:
            found = read(body)
        except WireError:
            continue
        if isinstance(found, ChatRequest):
            _written_again(found)
        elif isinstance(found, tuple):
            reply.encode(found, ASKED, Stamp())
    errors.reported(body)
    errors.read(400, body)


def _written_again(found: ChatRequest) -> None:
    again = request.decode(request.encode(found).body, Address(found.model))
    assert request.decode(request.encode(again).body) == again


@given(st.lists(bodies | st.sampled_from([b"data: ", b"\r\n\r\n", b"\n\n", b"[", b",", b"]", b'{"candidates":[{', b'"\\'])))
def test_streams_of_any_kind_raise_nothing_and_pass_whole(chunks: list[bytes]) -> None:
    decoder, watched = stream.decoder(), watch.watch()
    whole = b"".join(chunks)
    at_once = stream.decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.end()
    again = at_once.feed(whole) + at_once.end()
    assert msgspec.json.encode(events) == msgspec.json.encode(again)  # as bytes, because NaN is not equal to itself
    passed = [frame for chunk in chunks for frame, _ in watched.feed(chunk)]
    assert b"".join([*passed, *(frame for frame, _ in watched.end())]) == whole
    watched.answer()
    encoder = stream.encoder(ASKED, Stamp())
    b"".join([*(encoder.feed(event) for event in events), encoder.end()])
