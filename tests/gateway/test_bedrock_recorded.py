"""Recorded exchanges of Bedrock, replayed through the gateway to clients of every dialect: addresses, replies and errors."""

import json

import pytest
from msgspec.structs import replace
from tests.gateway.conftest import Received, Rig, Start
from tests.gateway.platforms import EVENTS, at, check_signature
from tests.gateway.test_bedrock import CONVERSE, INVOKE, keys  # noqa: F401 - a fixture
from tests.gateway.test_dialects import ASKED, NAMES, path, post
from tests.wire.transcripts import Exchange, exchanges

from pointsman.core.routing import Provider
from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS
from pointsman.wire.fold import fold
from pointsman.wire.invoke import InvokeStream


class Replayed:
    """A provider that answers with what was recorded, whatever it is asked."""

    def __init__(self) -> None:
        self.now: Exchange | None = None
        self.target = ""

    async def __call__(self, received: Received) -> None:
        check_signature(received)
        assert self.now is not None
        self.target = received.target
        kind = "application/json" if self.now.status != 200 or not self.now.stream else EVENTS.decode()
        await received.reply(self.now.status, self.now.reply, content_type=kind)


def recorded(provider: Provider) -> list[Exchange]:
    if provider is CONVERSE:
        return exchanges("bedrock", "chat")
    return [each for each in exchanges("anthropic") if each.path.endswith(("/invoke", "/invoke-with-response-stream"))]


def text(provider: Provider, each: Exchange) -> str:
    """What a recorded reply says, read without the gateway."""
    theirs = OF_PROVIDERS[provider.dialect]
    if not each.stream:
        return fold(theirs.reply.decode(each.reply)).text
    data = each.reply if provider is CONVERSE else InvokeStream().feed(each.reply)
    decoder = theirs.stream.decoder()
    return fold((*decoder.feed(data), *decoder.end())).text


@pytest.mark.parametrize("provider", [CONVERSE, INVOKE], ids=["converse", "invoke"])
@pytest.mark.parametrize("ours", NAMES)
async def test_what_was_recorded_arrives(rig: Rig, upstream_at: Start, ours: str, provider: Provider) -> None:
    found, replayed = recorded(provider), Replayed()
    if not found:
        pytest.skip("none was recorded")
    upstream = await upstream_at(replayed)
    rig.publish(at(upstream.port, provider, "a-model"))
    for each in found:
        replayed.now, model = each, each.model.replace("%3A", ":")
        asked = replace(ASKED, model=f"p1/{model}", stream=each.stream)
        url = path(ours, stream=each.stream).replace("/auto:", f"/p1/{model}:")
        status, _, body = await post(rig, url, DIALECTS[ours].request.encode(asked).body)
        assert (status, replayed.target) == (each.status, each.path), each.id
        if each.status != 200:
            fault = DIALECTS[ours].errors.read(status, body)
            assert fault is not None
            assert fault.message.endswith(json.loads(each.reply)["message"]), each.id
            continue
        decoder = DIALECTS[ours].stream.decoder()
        events = (*decoder.feed(body), *decoder.end()) if each.stream else DIALECTS[ours].reply.decode(body)
        assert fold(events).text == text(provider, each), each.id
