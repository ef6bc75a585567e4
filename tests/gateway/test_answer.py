"""An error on its way to the client: true status, OpenAI's envelope, Retry-After where waiting helps."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import GatewayError
from pointsman.gateway.answer import refuse
from pointsman.gateway.server.message import Headers, line
from pointsman.wire.openai_chat import errors


@dataclass
class Listener:
    """A client that keeps what it is told."""

    gone: bool = False
    peer: str = ""
    told: list[tuple[int, Headers, bytes]] = field(default_factory=list)

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        self.told.append((status, headers, body))

    def start(self, *_: Any, **__: Any) -> None:
        raise AssertionError("an error is a whole reply")

    def send(self, *_: Any, **__: Any) -> bool:
        raise AssertionError("an error is a whole reply")

    async def room(self) -> None:
        raise AssertionError("an error is a whole reply")

    def finish(self, *_: Any, **__: Any) -> None:
        raise AssertionError("an error is a whole reply")


def told(error: GatewayError, headers: Headers | None = None) -> tuple[int, dict[bytes, bytes], dict[str, object]]:
    client = Listener()
    refuse(client, error, errors, headers)
    [(status, fields, body)] = client.told
    read = [(one.partition(b": ")[0], one.partition(b": ")[2].removesuffix(b"\r\n")) for one in fields]
    assert len({name for name, _ in read}) == len(read)
    return status, dict(read), json.loads(body)["error"]


@given(st.integers(400, 599).filter(lambda status: status != 429), st.text(max_size=80), st.none() | st.text(max_size=10))
def test_the_envelope_is_openais_and_any_words_survive(status: int, words: str, param: str | None) -> None:
    found, headers, error = told(GatewayError(status, "a_code", words, param=param))
    assert found == status
    assert headers == {b"content-type": b"application/json"}
    assert (error["message"], error["code"], error["param"]) == (words, "a_code", param)
    assert isinstance(error["type"], str)


@pytest.mark.parametrize(
    ("seconds", "header"), [(None, None), (0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (1.01, b"2"), (30.0, b"30")]
)
def test_waiting_is_told_in_whole_seconds_and_never_zero(seconds: float | None, header: bytes | None) -> None:
    """A client that reads 0 comes back at once."""
    _, headers, _ = told(GatewayError(503, "c", "m", retry_after=seconds))
    assert headers.get(b"retry-after") == header


def test_a_429_of_ours_always_says_how_long_to_wait() -> None:
    """An agent that is not told comes back at once, for ever."""
    assert told(GatewayError(429, "c", "m"))[1][b"retry-after"] == b"1"


def test_further_headers_come_with_it() -> None:
    _, headers, _ = told(GatewayError(400, "c", "m"), [line(b"x-pointsman-exchange", b"id")])
    assert headers[b"x-pointsman-exchange"] == b"id"
