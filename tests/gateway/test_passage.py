"""One call's way between two dialects: errors and counts, without a socket."""

import json

import pytest
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.routing import Deployment, Variant
from pointsman.gateway.entries import Entry
from pointsman.gateway.passage import Passage
from pointsman.wire.anthropic import request as anthropic
from pointsman.wire.dialect import Address
from pointsman.wire.gemini import request as gemini
from pointsman.wire.gemini.signatures import SKIP_VALIDATION

REQUEST = ChatRequest("auto", (Message("user", (Text("hello"),)),))


def passage(ours: str = "openai_chat", theirs: str = "openai_chat") -> Passage:
    to = Deployment("p/m", "p", "m", "m", dialect=theirs)
    return Passage(Entry(ours), REQUEST, b"{}", to, "x", 1, asks_usage=True, unseal=False)


def test_a_providers_envelope_passes_as_it_is() -> None:
    body = b'{ "error": {"message": "slow down", "x": 1.50} }'
    assert passage().refusal(429, body) is body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>\n  <b>Bad Gateway</b></html>", "p answered 502: <html> <b>Bad Gateway</b></html>"),
        (b'[{"error":{"code":502,"message":"no quota"}}]', "p answered 502: no quota"),
        (b'{"detail":"nope"}', 'p answered 502: {"detail":"nope"}'),
        (b"\xff\xfe", "p answered 502: ��"),
        (b"", "p answered 502: (no text)"),
    ],
)
def test_anything_else_is_wrapped(body: bytes, words: str) -> None:
    error = json.loads(passage().refusal(502, body))["error"]
    assert error == {"message": words, "type": "server_error", "param": None, "code": "upstream_error"}


def test_long_pages_are_cut() -> None:
    assert len(passage().refusal(500, b"x" * 100_000)) < 1000


def test_an_error_of_another_dialect_keeps_its_words() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"too busy"}}'
    assert json.loads(passage(theirs="anthropic").refusal(529, body))["error"]["message"] == "too busy"


def test_what_was_said_is_read_where_what_it_took_was_not_told() -> None:
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}]}).encode()
    sent, said = passage().whole(body, streamed=False, graded=False)
    assert (sent, said.text, said.usage) == (body, "four", None)


def test_a_history_that_the_model_would_refuse_unsigned_is_encoded_and_not_passed() -> None:
    part = {"functionCall": {"name": "f", "args": {}}, "new": 1}
    call = {"role": "model", "parts": [part]}
    result = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "4"}}}]}
    body = json.dumps(
        {"contents": [{"role": "user", "parts": [{"text": "x"}]}, call, result], "labels": {"a": "b"}}
    ).encode()
    request = gemini.decode(body, Address("gemini-3-flash"))
    for model, passes in (("gemini-2.5-flash", True), ("gemini-3-flash", False)):
        to = Deployment("p/m", "p", model, model, dialect="gemini")
        way = Passage(Entry("gemini"), request, body, to, "x", 1, asks_usage=False, unseal=False)
        assert way.direct is passes
        sent = json.loads(way.outbound())
        assert sent["contents"][1]["parts"][0] == part | ({} if passes else {"thoughtSignature": SKIP_VALIDATION})
        assert (sent["labels"], way.lost) == ({"a": "b"}, ())


def test_a_limit_that_nobody_stated_goes_in_the_field_that_the_provider_knows() -> None:
    for ours in ("openai_chat", "anthropic"):
        for field in ("max_tokens", "max_completion_tokens"):
            sent = json.loads(passage(ours).outbound(100, field))
            assert {name: value for name, value in sent.items() if name.startswith("max_")} == {field: 100}
    assert json.loads(passage(theirs="bedrock_converse").outbound(100))["inferenceConfig"] == {"maxTokens": 100}
    assert b"max" not in passage("anthropic").outbound()


def test_a_limit_that_a_client_stated_is_translated_into_the_field_that_the_provider_knows() -> None:
    asked = {"model": "x", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    request = anthropic.decode(json.dumps(asked).encode(), Address())
    to = Deployment("p/m", "p", "m", "m", variant=Variant(effort="low"))
    for one, own in ((request, Deployment("p/m", "p", "m", "m")), (replace(REQUEST, max_output_tokens=9), to)):
        for field in ("max_tokens", "max_completion_tokens"):
            way = Passage(Entry(one.dialect), one, b"{}", own, "x", 1, asks_usage=False, unseal=False)
            sent = json.loads(way.outbound(None, field))
            assert {name: value for name, value in sent.items() if name.startswith("max_")} == {field: 9}


def test_a_variant_keeps_its_own_and_is_asked_in_its_dialect() -> None:
    to = Deployment("p/m", "p", "m", "m", dialect="anthropic", variant=Variant(effort="high"))
    way = Passage(Entry("openai_chat"), REQUEST, b"{}", to, "x", 1, asks_usage=True, unseal=False)
    limit = way.own_limit()
    assert json.loads(way.outbound())["max_tokens"] == json.loads(way.outbound(limit))["max_tokens"] == limit == 20_480
