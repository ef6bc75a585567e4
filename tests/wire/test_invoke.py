"""InvokeModel's streams of Anthropic's events, as the server-sent events that Anthropic itself would send."""

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import Failed, TextDelta
from pointsman.core.errors import WireError
from pointsman.wire.anthropic import stream
from pointsman.wire.event_stream import framed
from pointsman.wire.invoke import InvokeStream

EVENTS = (
    {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "grün"}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}},
)


def chunk(event: bytes) -> bytes:
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return framed(headers, json.dumps({"bytes": b64encode(event).decode(), "p": "ab"}).encode())


def test_what_comes_out_is_what_anthropic_sends_however_it_is_cut() -> None:
    data = b"".join(chunk(json.dumps(event).encode()) for event in EVENTS)
    expected = b"".join(b"event: %s\ndata: %s\n\n" % (str(e["type"]).encode(), json.dumps(e).encode()) for e in EVENTS)
    for cut in range(len(data)):
        invoke = InvokeStream()
        assert invoke.feed(data[:cut]) + invoke.feed(data[cut:]) == expected
    assert TextDelta(0, "grün") in stream.decoder().feed(expected)


def test_an_event_over_several_lines_becomes_one() -> None:
    assert InvokeStream().feed(chunk(b'{\n"type":\r\n"ping"}')) == b'event: ping\ndata: {"type":"ping"}\n\n'


def test_an_exception_is_an_error_of_anthropic() -> None:
    data = framed({":message-type": "exception", ":exception-type": "throttlingException"}, b'{"message":"Slow."}')
    found = InvokeStream().feed(data)
    assert found == b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"Slow."}}\n\n'
    assert any(isinstance(event, Failed) and event.status == 429 for event in stream.decoder().feed(found))


def test_events_that_are_not_known_are_passed_over() -> None:
    assert InvokeStream().feed(framed({":event-type": "new", ":message-type": "event"}, b"{}")) == b""


@pytest.mark.parametrize("payload", [b"{}", b'{"bytes":"?"}', b'{"bytes":"e30="}', b'{"bytes":"YQ=="}'])
def test_a_chunk_without_an_event_is_an_error(payload: bytes) -> None:
    found = InvokeStream().feed(framed({":event-type": "chunk", ":message-type": "event"}, payload))
    assert found.startswith(b'event: error\ndata: {"type":"error","error":{"type":"api_error"')


def test_what_came_before_damage_is_given_out_first() -> None:
    invoke = InvokeStream()
    assert invoke.feed(chunk(b'{"type":"ping"}') + bytes(40)) == b'event: ping\ndata: {"type":"ping"}\n\n'
    for after in (invoke.end, lambda: invoke.feed(b"")):
        with pytest.raises(WireError):
            after()


@given(st.lists(st.binary(max_size=60)), st.binary(max_size=60))
def test_no_bytes_do_anything_but_events_or_the_wires_own_error(chunks: list[bytes], payload: bytes) -> None:
    invoke = InvokeStream()
    try:
        for piece in (chunk(payload), framed({":event-type": "chunk", ":message-type": "event"}, payload), *chunks):
            invoke.feed(piece)
        invoke.end()
    except WireError:
        pass
