"""Hard cases that only show over a whole call, every client dialect on every provider dialect: forms that nobody asked for,
compressed replies, and counts that nobody sent or wanted to see.
"""

import gzip
import json

import pytest
from msgspec.structs import replace
from tests.gateway.conftest import Received, Rig, Script, Start
from tests.gateway.test_dialects import ASKED, NAMES, SAID, STAMP, path, post, speaking

from pointsman.core.chat import StreamEvent, Used
from pointsman.wire.answer import Answer
from pointsman.wire.dialect import Address
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.fold import fold

UNCOUNTED: tuple[StreamEvent, ...] = tuple([event for event in SAID if not isinstance(event, Used)])
ALL = [pytest.param(ours, theirs, id=f"{ours}-{theirs}") for ours in NAMES for theirs in NAMES]
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def answering(
    dialect: str, *, stream: bool, events: tuple[StreamEvent, ...] = SAID, packed: bool = False, dropped: bytes = b""
) -> Script:
    """A provider that answers in this form, whatever it was asked for. ``dropped``: what its replies do not hold."""

    async def script(received: Received) -> None:
        asked = DIALECTS[dialect].request.decode(received.body, Address("model-1", stream))
        if stream:
            encoder = DIALECTS[dialect].stream.encoder(replace(asked, include_usage=True), STAMP)
            body = b"".join([*map(encoder.feed, events), encoder.end()])
        else:
            body = DIALECTS[dialect].reply.encode(events, asked, STAMP).body
        assert not dropped or dropped in body
        body = body.replace(dropped, b"") if dropped else body
        fields = {"content_type": "text/event-stream" if stream else "application/json"}
        if packed:
            await received.reply(200, gzip.compress(body), content_encoding="gzip", **fields)
        else:
            await received.reply(200, body, **fields)

    return script


async def said(rig: Rig, ours: str, *, stream: bool, include_usage: bool = True) -> tuple[Answer, bytes]:
    """Ask as a client of a dialect does, and return what it reads."""
    asked = DIALECTS[ours].request.encode(replace(ASKED, stream=stream, include_usage=stream and include_usage))
    status, headers, body = await post(rig, path(ours, stream=stream), asked.body)
    assert status == 200, body
    assert headers["content-type"].startswith("text/event-stream" if stream else "application/json")
    if not stream:
        return fold(DIALECTS[ours].reply.decode(body)), body
    decoder = DIALECTS[ours].stream.decoder()
    return fold((*decoder.feed(body), *decoder.end())), body


def whole(answer: Answer) -> bool:
    [call] = answer.tool_calls
    return (answer.text, call.name, json.loads(call.arguments)) == ("I look: ä写", "look", {"city": "Ulm"})


@BOTH
@pytest.mark.parametrize(("ours", "theirs"), ALL)
async def test_a_reply_comes_in_the_form_that_was_asked_for(
    rig: Rig, upstream_at: Start, ours: str, theirs: str, stream: bool
) -> None:
    upstream = await upstream_at(answering(theirs, stream=not stream))
    rig.publish(speaking(theirs, upstream.port))
    answer, _ = await said(rig, ours, stream=stream)
    assert whole(answer)


@BOTH
@pytest.mark.parametrize(("ours", "theirs"), ALL)
async def test_a_compressed_reply_is_unpacked(rig: Rig, upstream_at: Start, ours: str, theirs: str, stream: bool) -> None:
    upstream = await upstream_at(answering(theirs, stream=stream, packed=True))
    rig.publish(speaking(theirs, upstream.port))
    answer, _ = await said(rig, ours, stream=stream)
    assert whole(answer)


@BOTH
@pytest.mark.parametrize(("ours", "theirs"), ALL)
async def test_counts_that_nobody_sent_are_made_here_and_marked(
    rig: Rig, upstream_at: Start, ours: str, theirs: str, stream: bool
) -> None:
    dropped = {"anthropic": b',"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
               b'"output_tokens":0}'}.get(theirs, b"")  # fmt: skip
    upstream = await upstream_at(answering(theirs, stream=stream, events=UNCOUNTED, dropped=dropped))
    rig.publish(speaking(theirs, upstream.port))
    answer, _ = await said(rig, ours, stream=stream)
    assert whole(answer)
    [record] = await rig.records()
    served = record.served_by
    assert served is not None
    assert served.usage is not None
    assert served.estimated
    assert min(served.usage.input, served.usage.output) > 0


@pytest.mark.parametrize("theirs", NAMES)
async def test_counts_that_a_client_did_not_ask_for_are_kept_from_it(rig: Rig, upstream_at: Start, theirs: str) -> None:
    upstream = await upstream_at(answering(theirs, stream=True))
    rig.publish(speaking(theirs, upstream.port))
    answer, body = await said(rig, "openai_chat", stream=True, include_usage=False)
    assert whole(answer)
    assert (answer.usage, b'"usage"' in body) == (None, False)
    [record] = await rig.records()
    assert record.served_by is not None
    assert (record.served_by.usage, record.served_by.estimated) == (SAID[-1].usage, False)  # type: ignore[union-attr]
    if theirs == "openai_chat":
        assert json.loads(upstream.requests[0].body)["stream_options"] == {"include_usage": True}
