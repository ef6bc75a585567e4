"""Recorded exchanges of Chat Completions: read and written again without a difference."""

import json
import random
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from tests.wire.transcripts import Exchange, differences, exchanges

from pointsman.core.chat import End, StreamEvent, Used
from pointsman.wire.dialect import Stamp
from pointsman.wire.openai_chat import reply, request, stream

VERBATIM = {"parameters", "schema", "metadata", "arguments"}
UNREAD = {
    "choices.delta.reasoning_details.format",  # OpenRouter says whose form it is; a delta has no place for that
    "sla_metrics",  # what a provider measured, other values in every chunk
}


def recorded() -> list[Exchange]:
    return exchanges("openai_chat", "chat")


def plain(value: Any) -> Any:
    """One spelling for what the API takes in several.

    An empty list or text of no content is nothing, a tool without a type is a function, a part's number is its place.
    """
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: inner if name in VERBATIM else plain(inner) for name, inner in value.items() if inner not in ([], None)}
    if "function" in found:
        found.setdefault("type", "function")
    if found.get("description") == "":
        del found["description"]
    for place, call in enumerate(found.get("tool_calls", ())):
        if call.get("index") == place:
            del call["index"]
    return found


def asked(body: bytes) -> Any:
    """A request, with what the API takes for granted."""
    wire = plain(json.loads(body))
    if wire.get("stream") is False:
        del wire["stream"]
    if wire.get("n") == 1:
        del wire["n"]
    if wire.get("reasoning", {}).keys() == {"effort"}:  # OpenRouter takes both forms for the same
        wire["reasoning_effort"] = wire.pop("reasoning")["effort"]
    return wire


def test_requests_are_written_as_they_came() -> None:
    ones = [one for one in recorded() if json.loads(one.request)["messages"]]  # one has none, and was answered 400
    for one in ones:
        encoded = request.encode(request.decode(one.request))
        assert encoded.lost == ()
        assert differences(asked(one.request), asked(encoded.body)) == [], one.id
        assert request.encode(request.decode(encoded.body)) == encoded
    assert len(ones) > 250


def answered(body: bytes) -> Any:
    """A whole reply: a text of no words is none, and a count of zero is none said."""
    wire = plain(json.loads(body))
    for choice in wire["choices"]:
        choice["message"] = {name: value for name, value in choice["message"].items() if value not in ("", {})}
        choice["logprobs"] = choice.get("logprobs") or None
        for call in choice["message"].get("tool_calls", ()):
            call.get("function", {}).setdefault("arguments", "")
    wire["service_tier"] = wire.get("service_tier") or None
    wire["usage"] = counted(wire.get("usage"))
    return wire


def counted(usage: Any) -> Any:
    if not isinstance(usage, dict):
        return usage
    found = {name: counted(value) for name, value in usage.items()}
    return {name: value for name, value in found.items() if value not in (0, None, {}) or isinstance(value, bool)}


def test_whole_replies_are_written_as_they_came() -> None:
    ones = [one for one in recorded() if one.status == 200 and not one.stream]
    for one in ones:
        events = reply.decode(one.reply)
        encoded = reply.encode(events, request.decode(one.request), Stamp())
        assert encoded.lost == ()
        assert differences(answered(one.reply), answered(encoded.body)) == [], one.id
        assert reply.encode(reply.decode(encoded.body), request.decode(one.request), Stamp()) == encoded
    assert len(ones) > 250


def read(*pieces: bytes) -> tuple[list[StreamEvent], set[str]]:
    decoder = stream.decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)] + decoder.end()
    return events, decoder.unread


def settled(events: Sequence[StreamEvent]) -> list[StreamEvent]:
    """Events with the counts at the end, where a stream of ours says them; the last ones count."""
    used = [event for event in events if isinstance(event, Used)][-1:]
    rest = [event for event in events if not isinstance(event, Used | End)]
    return [*rest, *used, *(event for event in events if isinstance(event, End))]


def test_streams_say_the_same_at_every_cut_and_when_written_again() -> None:
    ones = [one for one in recorded() if one.stream and one.status == 200]
    for one in ones:
        events, unread = read(one.reply)
        assert unread <= UNREAD
        places = range(len(one.reply)) if len(one.reply) <= 4096 else random.Random(one.id).sample(range(len(one.reply)), 64)
        for cut in places:
            assert read(one.reply[:cut], one.reply[cut:]) == (events, unread), (one.id, cut)
        encoder = stream.encoder(replace(request.decode(one.request), include_usage=True), Stamp())
        again, _ = read(b"".join([*(encoder.feed(event) for event in settled(events)), encoder.end()]))
        assert encoder.lost == set()
        ended = settled(events) if End() in events else [*settled(events), End()]
        assert settled(again) == ended, one.id
    assert len(ones) > 25
