"""Odd JSON: bytes that are no text, half surrogate pairs, and fields taken one by one."""

import json

import pytest
from tests.wire.hard import PLAIN

from pointsman.core.chat import ChatRequest
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Address, Stamp
from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS
from pointsman.wire.fields import Fields, is_text, mended

REQUESTS = {
    "openai_chat": b'{"model":"m","messages":[{"role":"user","content":"x"}],"new":"\xff"}',
    "openai_responses": b'{"model":"m","input":"x","new":"\xff"}',
    "anthropic": b'{"model":"m","messages":[{"role":"user","content":"x"}],"new":"\xff"}',
    "gemini": b'{"contents":[{"parts":[{"text":"x"}]}],"new":"\xff"}',
    "bedrock_converse": b'{"messages":[{"role":"user","content":[{"text":"x"}]}],"new":"\xff"}',
}
REPLIES = {
    "openai_chat": b'{"choices":[],"new":"\xff"}',
    "openai_responses": b'{"output":[],"new":"\xff"}',
    "anthropic": b'{"type":"message","content":[],"new":"\xff"}',
    "gemini": b'{"candidates":[{"finishReason":"STOP","new":"\xff"}]}',
    "bedrock_converse": b'{"output":{"message":{"content":[]}},"stopReason":"end_turn","new":"\xff"}',
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(WireError, match="not UTF-8"):
        OF_PROVIDERS[name].request.decode(REQUESTS[name], Address("m"))
    OF_PROVIDERS[name].request.decode(REQUESTS[name].replace(b"\xff", b"y"), Address("m"))


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_that_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(WireError, match="not UTF-8"):
        OF_PROVIDERS[name].reply.decode(REPLIES[name])
    assert OF_PROVIDERS[name].reply.decode(REPLIES[name].replace(b"\xff", b"y"))


@pytest.mark.parametrize("name", DIALECTS)
def test_a_frame_that_is_no_text_reaches_no_client(name: str) -> None:
    """Found by atheris: values that are kept as they came are not looked at by the JSON decoder."""
    frames = [b"data: " + json.dumps({**event, "new": "?"}).encode().replace(b"?", b"\xff") for event in PLAIN[name]]
    decoder = DIALECTS[name].stream.decoder()
    events = [*decoder.feed(b"\n\n".join([*frames, b""])), *decoder.end()]
    assert decoder.unread
    for client in DIALECTS.values():
        encoder = client.stream.encoder(ChatRequest("m", ()), Stamp("x", 1, "m"))
        assert is_text(b"".join([*map(encoder.feed, events), encoder.end()]))


def test_half_a_surrogate_pair_is_read_on_without() -> None:
    assert Fields(b'{"a":"x\\ud83d","b":"\\ud83d\\ude82"}').text("a") == "x\ufffd"
    assert mended(b'{"b":"\\ud83d\\ude82"}') == b'{"b":"\\ud83d\\ude82"}'


def test_fields_are_taken_once_and_named_with_their_place() -> None:
    fields = Fields(b'{"a":"x","b":7,"c":0.5,"d":true,"e":null,"f":1}', "messages[0]")
    assert (fields.text("a"), fields.whole("b"), fields.number("c"), fields.flag("d")) == ("x", 7, 0.5, True)
    assert (fields.text("e"), fields.text("g"), list(fields.left)) == (None, None, ["f"])
    with pytest.raises(WireError, match=r"'messages\[0\].f' is of the wrong type") as caught:
        fields.text("f")
    assert caught.value.param == "messages[0].f"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":' + b"[" * 200_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        Fields(body)
