"""Recorded exchanges of the Responses API: read and written again without a difference."""

import json
import random
from typing import Any

from tests.wire.transcripts import Exchange, differences, exchanges

from pointsman.core.chat import ChatRequest, StreamEvent
from pointsman.wire import sse
from pointsman.wire.dialect import Stamp
from pointsman.wire.fold import fold
from pointsman.wire.openai_responses import count, errors, reply, request, stream, watch

# What a response always has by the official client's model, and what some providers leave out.
REQUIRED = {
    "background": False, "cache_write_tokens": 0, "logprobs": [], "store": True, "text": {"format": {"type": "text"}},
    "tool_choice": "auto", "tools": [], "truncation": "disabled",
}  # fmt: skip


def recorded(*, stream: bool | None = None, failed: bool = False) -> list[Exchange]:
    found = [each for each in exchanges("openai_responses", "chat") if (each.status != 200) is failed]
    return [each for each in found if stream in (None, each.stream)]


def plain_request(body: Any) -> Any:
    """One spelling for what may be written in several: an item with a role is a message; false and empty are defaults."""
    made = {name: value for name, value in body.items() if (name, value) != ("stream", False)}
    made["tools"] = [{n: v for n, v in tool.items() if (n, v) != ("description", "")} for tool in body.get("tools", [])]
    if isinstance(body.get("input"), list):
        made["input"] = [{"type": "message", **item} if "role" in item else item for item in body["input"]]
    for name in ("reasoning", "tools"):
        if not any((made.get(name) or {}).values() if name == "reasoning" else made[name]):
            made.pop(name, None)
    return made


def plain_reply(value: Any, request_body: Any) -> Any:
    """A response with what every response has."""
    made = filled(value, {**REQUIRED, "text": {"format": {"type": "text"}, **request_body.get("text", {})}})
    for item in made["output"]:
        if item["type"] == "reasoning" and not item.get("content"):
            item["content"] = None
    made["status"] = "completed" if made["status"] == "complete" else made["status"]
    return made


def filled(response: Any, required: dict[str, Any]) -> Any:
    made = json.loads(json.dumps(response))
    for name in ("background", "store", "text", "tool_choice", "tools", "truncation"):
        if made.get(name) is None:
            made[name] = required[name]
    if made.get("usage"):
        made["usage"].setdefault("input_tokens_details", {}).setdefault("cache_write_tokens", 0)
    for item in made["output"]:
        for part in item.get("content") or () if item["type"] == "message" else ():
            part.setdefault("logprobs", [])
            for token in part["logprobs"]:  # rounded in some frames, and not in others
                token["logprob"] = round(token["logprob"], 3) + 0.0
    return made


def frames(raw: bytes) -> list[Any]:
    splitter = sse.Splitter()
    found = [sse.data(frame) for frame in (*splitter.feed(raw), splitter.rest())]
    return [json.loads(data) for data in found if data and data.strip() != b"[DONE]"]


def final(raw: bytes) -> Any:
    """The response that a stream ends with, its items as the frames before had them, in an order that does not depend on
    which of the provider's tools was ready first.
    """
    events = frames(raw)
    response = next(event["response"] for event in reversed(events) if "response" in event)
    ended = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    items = [ended.get(index, item) for index, item in enumerate(response["output"])]
    return {**response, "output": sorted(items, key=lambda item: item["id"])}


def read(raw: bytes, cut: int) -> tuple[list[StreamEvent], set[str]]:
    decoder = stream.decoder()
    return [*decoder.feed(raw[:cut]), *decoder.feed(raw[cut:]), *decoder.end()], decoder.unread


def asked(each: Exchange) -> ChatRequest:
    return request.decode(each.request)


def test_every_request_comes_back_without_a_difference() -> None:
    for each in recorded() + recorded(failed=True):
        encoded = request.encode(asked(each))
        assert encoded.lost == ()
        assert differences(plain_request(json.loads(each.request)), plain_request(json.loads(encoded.body))) == [], each.id
        assert request.decode(encoded.body) == asked(each), each.id
        assert request.unfit(asked(each)) is None


def test_every_request_is_bound_by_what_it_refers_to() -> None:
    for each in recorded():
        body = json.loads(each.request)
        bound = {name for name in ("previous_response_id", "conversation") if body.get(name)}
        if bound:
            assert request.state(asked(each)) in bound, each.id


def test_every_whole_reply_comes_back_without_a_difference() -> None:
    for each in recorded(stream=False):
        events = reply.decode(each.reply)
        encoded = reply.encode(events, asked(each), Stamp())
        assert encoded.lost == ()
        body = json.loads(each.request)
        before, after = (plain_reply(json.loads(raw), body) for raw in (each.reply, encoded.body))
        assert differences(before, after) == [], each.id
        if json.loads(each.reply)["status"] != "complete":  # one provider's word for it, which is not written again
            assert reply.decode(encoded.body)[1:] == events[1:], each.id
        assert count.answer(each.reply) == fold(events)
        counted, said = count.count(each.reply), fold(events)
        assert (counted.usage, counted.finish, counted.id) == (said.usage, said.finish, said.id), each.id
        assert errors.reported(each.reply) is None


def test_every_stream_comes_back_without_a_difference() -> None:
    for each in recorded(stream=True):
        events, unread = read(each.reply, 0)
        assert unread == set(), each.id
        encoder = stream.encoder(asked(each), Stamp())
        out = b"".join([*(encoder.feed(event) for event in events), encoder.end()])
        assert encoder.lost == set()
        again, _ = read(out, 0)
        assert again[1:] == events[1:], each.id
        body = json.loads(each.request)
        before, after = (plain_reply(final(raw), body) for raw in (each.reply, out))
        assert differences(before, after) == [], each.id


def test_every_stream_reads_the_same_at_every_cut() -> None:
    draw = random.Random(7)
    for each in recorded(stream=True):
        size = len(each.reply)
        whole = read(each.reply, 0)
        for cut in range(size) if size <= 4096 else draw.sample(range(size), 64):
            assert read(each.reply, cut) == whole, (each.id, cut)


def test_every_stream_that_passes_as_it_is_adds_up_to_the_same() -> None:
    for each in recorded(stream=True):
        said = fold(read(each.reply, 0)[0])
        for texts in (False, True):
            reader = watch.watch(texts=texts)
            seen = [*reader.feed(each.reply), *reader.end()]
            assert b"".join(frame for frame, _ in seen) == each.reply
            answer = reader.answer()
            assert (answer.usage, answer.finish, answer.id) == (said.usage, said.finish, said.id), each.id
            assert reader.ended == {0}
            assert not texts or answer == said, each.id


def test_every_error_is_read() -> None:
    for each in recorded(failed=True):
        fault = errors.read(each.status, each.reply)
        assert fault is not None, each.id
        assert fault.message
