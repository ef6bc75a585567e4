"""Errors: what is made, and what is read."""

import json

import pytest
from openai.types.responses import ResponseErrorEvent

from pointsman.core.errors import GatewayError
from pointsman.wire import sse
from pointsman.wire.openai_responses import errors


def test_the_envelope_is_openais() -> None:
    body = json.loads(errors.envelope(GatewayError(429, "slow", "wait", param="model")))
    assert body == {"error": {"message": "wait", "type": "requests", "param": "model", "code": "slow"}}


def test_the_event_is_what_the_client_raises_on_and_what_the_reference_says() -> None:
    frame = errors.event(GatewayError(502, "upstream_cut", "it broke"))
    assert frame.startswith(b"event: error\ndata: ")
    data = sse.data(frame) or b""
    event = ResponseErrorEvent.model_validate_json(data, strict=True)
    assert (event.code, event.message) == ("upstream_cut", "it broke")
    assert errors.reported(data) == 502
    assert json.loads(data)["error"]["message"] == "it broke"  # the official client raises where there is an ``error``


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": "completed", "error": None, "output": []}, None),
        ({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}}, 429),
        ({"status": "failed", "error": None}, 502),
        (
            {"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "m"}}},
            500,
        ),
        ({"type": "response.completed", "response": {"status": "completed", "error": None}}, None),
        ({"type": "error", "code": "invalid_image", "message": "m"}, 400),
        ({"type": "error", "code": None, "message": "m"}, 502),
        ({"error": {"code": 503, "message": "m"}}, 503),
        ({"error": {"code": "40400", "message": "m"}}, 502),
        ({"error": {"type": "authentication_error", "message": "m"}}, 401),
        ([], None),
    ],
)
def test_errors_inside_a_reply_of_status_200(body: object, status: int | None) -> None:
    assert errors.reported(json.dumps(body).encode()) == status


def test_a_providers_error_is_read() -> None:
    fault = errors.read(400, b'{"error":{"message":"m","type":"t","code":"c","param":"p"}}')
    assert fault is not None
    assert (fault.message, fault.kind, fault.code, fault.param) == ("m", "t", "c", "p")
    assert errors.read(502, b"<html>") is None
