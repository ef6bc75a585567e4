"""Recorded exchanges of Bedrock's Converse: every reply read strictly, however it is cut; every request written again."""

import json
import random
from typing import Any

from tests.wire.transcripts import Exchange, differences, exchanges

from pointsman.core.chat import Finish, StreamEvent, Used
from pointsman.wire.bedrock_converse import count, errors, reply, request, stream
from pointsman.wire.dialect import Address
from pointsman.wire.fold import fold

CUTS = 400


def recorded(*, streamed: bool, status: int = 200) -> list[Exchange]:
    return [each for each in exchanges("bedrock", "chat") if each.status == status and each.stream is streamed]


def read(*chunks: bytes) -> list[StreamEvent]:
    decoder = stream.decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    events += decoder.end()
    assert decoder.unread == set()
    return events


def plain(body: Any) -> Any:
    """Leave out what says nothing: an empty list of instructions or parameters; ``success`` is what no status means."""
    if isinstance(body, list):
        return [plain(one) for one in body]
    if not isinstance(body, dict):
        return body
    gone = ("system", "inferenceConfig")
    return {
        name: plain(value)
        for name, value in body.items()
        if not (name in gone and not value) and not (name == "status" and value == "success")
    }


def test_requests_come_back_as_they_were() -> None:
    found: dict[str, list[str]] = {}
    for each in exchanges("bedrock", "chat"):
        asked = request.decode(each.request, Address(each.model, each.stream))
        encoded = request.encode(asked)
        wrong = [*encoded.lost, *differences(plain(json.loads(each.request)), plain(json.loads(encoded.body)))]
        if request.path(asked.model.replace("%3A", ":"), stream=each.stream) != each.path:
            wrong.append(each.path)
        if wrong:
            found[each.id] = wrong
    assert found == {}


def test_counts_are_asked_for_and_read() -> None:
    counts = [each for each in exchanges("bedrock", "count_tokens") if "converse" in json.loads(each.request)["input"]]
    assert counts
    for each in counts:
        inner = json.loads(each.request)["input"]["converse"]
        asked = request.decode(json.dumps(inner).encode(), Address(each.model.replace("%3A", ":")))
        assert differences({"input": {"converse": plain(inner)}}, json.loads(request.count_request(asked).body)) == []
        assert request.count_path(asked.model) == each.path
        if each.status == 200:
            assert count.tokens(each.reply) == json.loads(each.reply)["inputTokens"]


def test_whole_replies_are_read_to_the_last_word() -> None:
    for each in recorded(streamed=False):
        events = reply.decode(each.reply)
        row = json.loads(each.reply)
        content = row["output"]["message"]["content"]
        said = fold(events)
        assert said.text == "".join(block.get("text", "") for block in content), each.id
        calls = [block["toolUse"] for block in content if "toolUse" in block]
        assert [(call.id, call.name, json.loads(call.arguments)) for call in said.tool_calls] == [
            (call["toolUseId"], call["name"], call["input"]) for call in calls if call.get("type") != "server_tool_use"
        ]
        usage = row["usage"]
        assert said.usage is not None
        assert count.answer(each.reply) == said
        assert count.count(each.reply).usage == said.usage
        assert said.usage.input + said.usage.output == usage["totalTokens"], each.id
        assert isinstance(events[-2], Finish)
        assert isinstance(events[-1], Used)


def test_streams_are_the_same_however_they_are_cut() -> None:
    rng = random.Random(5)
    streams = recorded(streamed=True)
    assert streams
    for each in streams:
        data = each.reply
        whole = read(data)
        assert fold(whole).finish is not None
        assert read(*(data[at : at + 1] for at in range(len(data)))) == whole
        cuts = range(1, len(data)) if len(data) <= CUTS else rng.sample(range(1, len(data)), CUTS)
        for cut in cuts:
            assert read(data[:cut], data[cut:]) == whole


def test_errors_are_read() -> None:
    refused = recorded(streamed=False, status=400) + recorded(streamed=True, status=400)
    assert refused
    for each in refused:
        fault = errors.read(each.status, each.reply)
        assert fault is not None
        assert fault.message == json.loads(each.reply)["message"]
        assert fault.kind == "ValidationException"
