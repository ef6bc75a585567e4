"""Every reply and every event, as it comes over the wire, against the published schema of the client's dialect.

Whole and streamed, for each kind of turn: what the client hears must be what the model said.
"""

import http.client
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import Turn, Usage, call, fails, refusal, text, thinking, turn
from tests.client.suites.conftest import Cell
from tests.client.suites.heard import Heard, heard, heard_stream
from tests.client.suites.schema import check_error, check_event, check_reply

TURNS: Final[dict[str, Turn]] = {
    "text": turn(text("Good", " morning", ", Zoë ☀")),
    "one piece": turn(text("Yes.")),
    "no content": turn(),
    "length": turn(text("It was a dark and"), finish="length"),
    "call": turn(call("weather", '{"ci', 'ty":"Os', 'lo"}')),
    "call without arguments": turn(call("clock")),
    "text and call": turn(text("Let me", " see."), call("weather", '{"city":"Oslo"}')),
    "parallel calls": turn(
        call("weather", '{"city":', '"Oslo"}', id="call_a"), call("weather", '{"city":', '"Rom"}', id="call_b")
    ),
    "thinking": turn(thinking("Hmm", ", well", signature="c2lnbmVk"), text("42")),
    "thinking and call": turn(thinking("Look", " up", signature="c2lnbmVk"), call("clock", "{}")),
    "signature only": turn(thinking(signature="c2lnbmVk"), text("42")),
    "refusal": turn(refusal("I can", "not help.")),
    "usage": turn(text("ok"), usage=Usage(input=2000, output=300, cached=1500, reasoning=120)),
    "cache written": turn(text("ok"), usage=Usage(input=2000, output=30, cached=500, written=1000)),
    "long line": turn(text("x" * 200_000)),
    "interleaved calls": turn(
        call("weather", '{"city":', '"Oslo"}', id="call_a"),
        call("weather", '{"city":', '"Rom"}', id="call_b"),
        interleaved=True,
    ),
    "odd text": turn(text("a\n\ndata: b\r\n", "\u2028\u0000", "😀")),
}  # fmt: skip

PARAMETERS: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "openai_chat": {
        "messages": [{"role": "user", "content": "Go"}],
        "tools": [{"type": "function", "function": {"name": n, "parameters": PARAMETERS}} for n in ("weather", "clock")],
    },
    "openai_responses": {
        "input": "Go",
        "tools": [{"type": "function", "name": n, "parameters": PARAMETERS, "strict": False} for n in ("weather", "clock")],
    },
    "anthropic": {
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "Go"}],
        "tools": [{"name": n, "input_schema": PARAMETERS} for n in ("weather", "clock")],
    },
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "Go"}]}],
        "tools": [{"functionDeclarations": [{"name": n, "parameters": PARAMETERS} for n in ("weather", "clock")]}],
    },
}
EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
PATHS: Final = {"openai_chat": "/v1/chat/completions", "openai_responses": "/v1/responses", "anthropic": "/v1/messages"}


def ask(
    cell: Cell, speaks: str, *, stream: bool, model: str = "scripted", status: int = 200, more: Mapping[str, Any] = EMPTY
) -> tuple[http.client.HTTPMessage, bytes]:
    """Send a request by hand and return head and body of a reply of the status that is expected."""
    body = {**BODIES[speaks], **more}
    if speaks == "gemini":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        path = f"/v1beta/models/{cell.named(model)}:{verb}"
    else:
        path, body = PATHS[speaks], body | {"model": cell.named(model), "stream": stream}
        if speaks == "openai_chat" and stream:
            body["stream_options"] = {"include_usage": True}
    names = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}
    key = {names[speaks]: cell.key} if speaks in names else {"authorization": f"Bearer {cell.key}"}
    connection = http.client.HTTPConnection(urlsplit(cell.address).netloc, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json", **key})
        response = connection.getresponse()
        data = response.read()
        assert response.status == status, data
        return response.headers, data
    finally:
        connection.close()


def events(data: bytes) -> list[Any]:
    """Return the JSON of each event; the event's name must be its type's."""
    found = []
    for frame in data.decode().replace("\r\n", "\n").split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in frame.split("\n"))
        if fields["data"] != "[DONE]":
            found.append(json.loads(fields["data"]))
            assert fields.get("event") == found[-1].get("type")
    return found


@pytest.mark.parametrize("said", TURNS)
def test_a_whole_reply(cell: Cell, upstream: Upstream, speaks: str, said: str) -> None:
    upstream.play(TURNS[said])
    head, data = ask(cell, speaks, stream=False)
    reply = json.loads(data)
    if cell.provider != "openai_chat" and any(getattr(part, "signature", "") for part in TURNS[said].parts):
        assert b"c2lnbmVk" in data or "thinking." in head["x-pointsman-lossy"], "lost in silence"
    check_reply(speaks, reply)
    assert heard(speaks, reply) == Heard.of(TURNS[said], speaks, cell.provider)


@pytest.mark.parametrize("said", TURNS)
def test_a_stream(cell: Cell, upstream: Upstream, speaks: str, said: str) -> None:
    upstream.play(TURNS[said])
    head, data = ask(cell, speaks, stream=True)
    assert head.get_content_type() == "text/event-stream"
    assert (b"data: [DONE]" in data) == (speaks == "openai_chat")
    found = events(data)
    for event in found:
        check_event(speaks, event)
    assert heard_stream(speaks, found) == Heard.of(TURNS[said], speaks, cell.provider)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
@pytest.mark.parametrize("stream", [False, True])
def test_an_error(cell: Cell, upstream: Upstream, speaks: str, status: int, *, stream: bool) -> None:
    upstream.play(fails(status, "the model is asleep"))
    head, data = ask(cell, speaks, stream=stream, model=f"fails-{status}", status=status)
    assert head.get_content_type() == "application/json"
    error = json.loads(data)
    check_error(speaks, error)
    assert error["error"]["message"] == "the model is asleep"


@pytest.mark.parametrize("wrong", ["error", "cut"])
def test_a_stream_that_goes_wrong(cell: Cell, upstream: Upstream, speaks: str, wrong: str) -> None:
    if cell.direct and wrong == "cut":
        return
    upstream.play(turn(text("Rain", " and", " sun."), **{f"{wrong}_after": 2}))
    _, data = ask(cell, speaks, stream=True, model=wrong)
    assert b"[DONE]" not in data
    *begun, last = events(data)
    for event in begun:
        check_event(speaks, event)
    check_error(speaks, last)
