"""Errors in OpenAI's envelope."""

import json

import pytest

from pointsman.core.errors import GatewayError
from pointsman.wire.dialect import Fault
from pointsman.wire.openai_chat import errors


def test_the_envelope_has_every_field() -> None:
    body = errors.envelope(GatewayError(404, "model_not_found", "no such model", param="model"))
    assert json.loads(body) == {
        "error": {"message": "no such model", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    }


def test_a_cut_stream_ends_with_an_error_event() -> None:
    event = errors.event(GatewayError(502, "upstream_cut", "p/m: closed"))
    assert event.startswith(b'data: {"error":{')
    assert event.endswith(b"}\n\n")
    assert json.loads(event[6:])["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>\n  <b>Bad Gateway</b></html>", "<html> <b>Bad Gateway</b></html>"),
        (b'[{"error":{"code":502,"message":"no quota"}}]', "no quota"),
        (b'{"detail":"nope"}', '{"detail":"nope"}'),
        (b"\xff\xfe", "��"),
        (b"", "(no text)"),
        (b"x" * 100_000, "x" * 500),
    ],
)
def test_there_are_words_in_anything(body: bytes, words: str) -> None:
    assert errors.words(body) == words


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"error":{"message":"m","code":429}}', 429),
        (b'{"error":{"message":"m","code":"rate_limit"}}', 502),
        (b'{"error":{"message":"m","code":200}}', 502),
        (b'{"choices":[]}', None),
    ],
)
def test_an_error_inside_a_reply_has_a_status(body: bytes, status: int | None) -> None:
    assert errors.reported(body) == status


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            b'{"error":{"message":"m","type":"t","param":"messages","code":"c"}}',
            Fault("m", "c", "t", "messages"),
        ),
        (b'{"error":{"message":"m","code":429,"param":null}}', Fault("m")),
        (b'{"error":{}}', Fault("")),
        (b'{"error":"m"}', None),
        (b"[]", None),
        (b"\xff", None),
    ],
)
def test_a_providers_error_is_read(body: bytes, fault: Fault | None) -> None:
    assert errors.read(400, body) == fault
