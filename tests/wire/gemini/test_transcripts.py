"""Recorded exchanges of Gemini: read and written again without a difference."""

import json
import random
import re
from collections.abc import Sequence
from typing import Any

from tests.wire.transcripts import Exchange, differences, exchanges

from pointsman.core.chat import ChatRequest, StreamEvent
from pointsman.wire.dialect import Address, Stamp
from pointsman.wire.gemini import count, errors, reply, request, stream, watch
from pointsman.wire.gemini.frames import Frames

VERBATIM = {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}
LISTS = {"contents", "tools", "parts", "functionDeclarations"}
COUNTS = ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")


def recorded() -> list[Exchange]:
    return [each for each in exchanges("gemini") if each.operation in ("chat", "count_tokens")]


def plain(value: Any) -> Any:
    """One spelling for what the API takes in several: camelCase, lists, one function to a tool, no empty objects."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, inner in value.items():
        key = re.sub(r"_+([a-z0-9])", lambda letter: letter.group(1).upper(), name)
        found[key] = inner if key in VERBATIM else plain([inner] if key in LISTS and isinstance(inner, dict) else inner)
    if "tools" in found:
        functions = [each for tool in found["tools"] for each in tool.get("functionDeclarations", ())]
        found["tools"] = [
            *functions,
            *({k: v} for tool in found["tools"] for k, v in tool.items() if k != "functionDeclarations"),
        ]
    return {
        key: inner
        for key, inner in found.items()
        if inner != {} or key in ("args", "googleSearch", "codeExecution", "urlContext")
    }


def full(body: Any) -> Any:
    """A reply with the values that the API leaves out because they are the default ones."""
    body = json.loads(json.dumps(body))
    for index, candidate in enumerate(body.get("candidates", ())):
        candidate.setdefault("index", index)
        content = candidate.setdefault("content", {})
        content.setdefault("role", "model")
        content.setdefault("parts", [])
    if "usageMetadata" in body:
        for name in COUNTS:
            body["usageMetadata"].setdefault(name, 0)
    return body


def without(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [without(item, name) for item in value]
    return {k: without(v, name) for k, v in value.items() if k != name} if isinstance(value, dict) else value


def asked(one: Exchange) -> ChatRequest:
    model = one.path.rpartition("models/")[2].partition(":")[0]
    read = request.decode_count if one.operation == "count_tokens" else request.decode
    return read(one.request, Address(model, one.stream))


def written(events: Sequence[StreamEvent], to: ChatRequest) -> Any:
    encoded = reply.encode(events, to, Stamp())
    assert encoded.lost == ()
    return json.loads(encoded.body)


def test_requests_are_written_as_they_came() -> None:
    ones = recorded()
    for one in ones:
        encoded = request.encode_count(asked(one), bare=True)
        assert encoded.lost == ()
        assert differences(plain(json.loads(one.request)), plain(json.loads(encoded.body))) == [], one.id
    assert len(ones) > 200


def test_counts_and_errors_are_read() -> None:
    for one in recorded():
        if one.operation == "count_tokens":
            assert count.tokens(one.reply) == json.loads(one.reply)["totalTokens"]
        elif one.status != 200:
            fault = errors.read(one.status, one.reply)
            assert fault is not None
            assert (errors.reported(one.reply), fault.message) == (one.status, json.loads(one.reply)["error"]["message"])


def test_whole_replies_are_written_as_they_came_whole_and_streamed() -> None:
    ones = [one for one in recorded() if one.operation == "chat" and one.status == 200 and not one.stream]
    for one in ones:
        came = full(json.loads(one.reply))
        events, to = reply.decode(json.dumps(json.loads(one.reply), indent=2).encode()), asked(one)
        assert differences(came, full(written(events, to))) == [], one.id
        assert count.answer(one.reply).usage == count.count(one.reply).usage
        for encoder in (stream.encoder(to, Stamp()), stream.array_encoder(to, Stamp())):
            sent = b"".join([*(encoder.feed(event) for event in events), encoder.end()])
            decoder = stream.decoder()
            again = full(written([*decoder.feed(sent), *decoder.end()], to))
            # Events have no place for the number of a token: it is lost in a stream, and named.
            assert encoder.lost <= {"logprobsResult"}
            assert differences(without(came, "tokenId"), without(again, "tokenId")) == [], one.id
    assert len(ones) > 200


def test_streams_say_the_same_at_every_cut() -> None:
    ones = [one for one in recorded() if one.stream and one.status == 200]
    for one in ones:
        frames = Frames()
        array = b"[" + b",\r\n".join([frames.payload(frame) or b"" for frame in frames.feed(one.reply)]) + b"]"
        decoder = stream.decoder()
        events = decoder.feed(one.reply) + decoder.end()
        assert decoder.unread == set()
        written(events, asked(one))
        for form in (one.reply, array):
            places = range(len(form)) if len(form) <= 4096 else random.Random(one.id).sample(range(len(form)), 64)
            for cut in places:
                decoder, reader = stream.decoder(), watch.watch(texts=True)
                assert decoder.feed(form[:cut]) + decoder.feed(form[cut:]) + decoder.end() == events
                passed = reader.feed(form[:cut]) + reader.feed(form[cut:]) + reader.end()
                assert b"".join([frame for frame, _ in passed]) == form
                assert reader.ended == {0}
    assert len(ones) > 5
