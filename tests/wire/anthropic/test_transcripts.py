"""Recorded exchanges of the Messages API: read and written again without a difference, streams however they are cut."""

import json
import random
from typing import Any

from tests.wire.transcripts import Exchange, differences, exchanges

from pointsman.core.chat import StreamEvent
from pointsman.wire.anthropic import count, errors, reply, request, stream, watch
from pointsman.wire.anthropic.compose import encode
from pointsman.wire.dialect import Address, Stamp
from pointsman.wire.fold import fold


def recorded(*, streamed: bool) -> list[Exchange]:
    return [each for each in exchanges("anthropic", "chat") if each.status == 200 and each.stream is streamed]


def read(chunks: list[bytes]) -> list[StreamEvent]:
    decoder = stream.decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    events += decoder.end()
    assert decoder.unread == set()
    return events


def plain(body: Any) -> Any:
    """One spelling of a system prompt: a text is a list of one block."""
    system = body.get("system")
    return {**body, "system": [{"type": "text", "text": system}]} if isinstance(system, str) else body


def test_requests_come_back_as_they_were() -> None:
    found: dict[str, list[str]] = {}
    for each in exchanges("anthropic", "chat"):
        asked = request.decode(each.request)
        encoded = encode(asked)
        wrong = [*encoded.lost, *differences(plain(json.loads(each.request)), plain(json.loads(encoded.body)))]
        if wrong:
            found[each.id] = wrong
    assert found == {}


def test_what_is_counted_comes_back_as_it_was() -> None:
    found: dict[str, list[str]] = {}
    for each in exchanges("anthropic", "count_tokens"):
        encoded = request.count_request(request.decode(each.request))
        wrong = [*encoded.lost, *differences(plain(json.loads(each.request)), plain(json.loads(encoded.body)))]
        if wrong:
            found[each.id] = wrong
        if each.status == 200:
            assert json.loads(count.counted(count.tokens(each.reply))) == json.loads(each.reply)
    assert found == {}


def test_a_body_of_bedrock_has_its_model_in_the_address() -> None:
    for each in exchanges("anthropic", "invoke"):
        asked = request.decode(each.request, Address(each.model))
        before, after = plain(json.loads(each.request)), plain(json.loads(encode(asked).body))
        assert differences({**before, "model": each.model, "stream": False}, after) == []
        assert reply.decode(each.reply)


def test_errors_are_read() -> None:
    for each in exchanges("anthropic"):
        fault = errors.read(each.status, each.reply)
        assert (fault is not None) is (each.status >= 400)
        assert errors.reported(each.reply) == (each.status if fault else None)


def test_whole_replies_come_back_as_they_were() -> None:
    found: dict[str, list[str]] = {}
    for each in recorded(streamed=False):
        events = reply.decode(each.reply)
        assert fold(events).text == count.answer(each.reply).text
        asked = request.decode(each.request)
        encoded = reply.encode(events, asked, Stamp())
        encoder = stream.encoder(asked, Stamp())
        streamed = read([*map(encoder.feed, events), encoder.end()])
        assert json.loads(reply.encode(streamed, asked, Stamp()).body) == json.loads(encoded.body)
        wrong = [*encoded.lost, *differences(json.loads(each.reply), json.loads(encoded.body))]
        if wrong:
            found[each.id] = wrong
    assert found == {}


def test_streams_are_the_same_however_they_are_cut_and_after_being_written_again() -> None:
    rng = random.Random(5)
    for each in recorded(streamed=True):
        data: bytes = each.reply
        whole: Any = read([data])
        cuts = range(1, len(data)) if len(data) <= 4096 else sorted(rng.sample(range(1, len(data)), 64))
        for cut in cuts:
            assert read([data[:cut], data[cut:]]) == whole
        watched = watch.watch(texts=True)
        assert b"".join(frame for frame, _ in [*watched.feed(data), *watched.end()]) == data
        assert watched.answer() == fold(whole)
        encoder = stream.encoder(request.decode(each.request), Stamp())
        again = b"".join([*map(encoder.feed, whole), encoder.end()])
        assert encoder.lost == set()
        assert fold(read([again])) == fold(whole)
