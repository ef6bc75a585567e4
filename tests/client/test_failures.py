"""What goes wrong, as the client sees it: the class it raises, the status, the words, and what it may do next."""

from typing import Any, Final

import openai
import pytest

from pointsman.upstream.simulated.faults import Fault
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.zoo import Zoo
from tests.serve.conftest import Up

MESSAGES: Final[Any] = next(iter(features()["backoffice"].tasks(1, seed=3))).messages


def ask(client: openai.OpenAI, model: str = "auto", wanted: Any = MESSAGES, **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=wanted, **more)


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, "nowhere/big-1")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError, match="'nothing' does not exist here"):
        client.models.retrieve("nothing")


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"wanted": []}, "messages"),
        ({"wanted": "hello"}, "messages"),
        ({"wanted": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"wanted": [{"content": "no role"}]}, "messages[0].role"),
        ({"model": ""}, "model"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"extra_body": {"stream": "yes"}}, "stream"),
    ],
    ids=str,
)
def test_a_mistake_in_the_request_names_its_field(client: openai.OpenAI, wrong: dict[str, Any], param: str) -> None:
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as caught:
        ask(client, **wrong)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


def test_a_body_that_is_no_json_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="not valid JSON"):
        client.post("/chat/completions", cast_to=object, content=b'{"model": "auto", "mess')


def test_a_mistake_that_only_the_provider_sees_keeps_its_words(client: openai.OpenAI) -> None:
    choice = {"type": "function", "function": {"name": "absent"}}
    tools = [{"type": "function", "function": {"name": "present", "parameters": {"type": "object"}}}]
    with pytest.raises(openai.BadRequestError, match="'absent', which is not among the tools") as caught:
        ask(client, tools=tools, tool_choice=choice)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "tool_choice")


def test_a_body_that_is_too_long_is_refused_and_the_client_goes_on(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match="larger than the 100000 bytes") as caught:
        ask(client, wanted=[{"role": "user", "content": "x" * 5_000_000}])
    assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
    assert ask(client).choices


@pytest.mark.parametrize("key", ["another-key", "key-of-the-sho"])
def test_a_wrong_key_is_refused_and_not_repeated(up: Up, key: str) -> None:
    with openai.OpenAI(base_url=up.base_url, api_key=key, max_retries=0) as stranger:
        for call in (lambda: ask(stranger), stranger.models.list):
            with pytest.raises(openai.AuthenticationError, match="see `pointsman key list`") as caught:
                call()
            assert caught.value.code == "invalid_api_key"
            assert key not in str(caught.value)


def test_a_rate_limit_says_how_long_to_wait(client: openai.OpenAI, zoo: Zoo) -> None:
    zoo.fail("sim-gnat-xs", Fault("status", 429, retry_after=7))
    with pytest.raises(openai.RateLimitError, match="simulated failure with status 429") as caught:
        ask(client, "zoo/sim-gnat-xs")
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["x-pointsman-deployment"] == "zoo/sim-gnat-xs"


@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_provider_is_an_internal_server_error(client: openai.OpenAI, zoo: Zoo, *, stream: bool) -> None:
    model = "sim-wren-s" if stream else "sim-finch-s"
    zoo.fail(model, Fault("status", 500))
    with pytest.raises(openai.InternalServerError, match="simulated failure with status 500") as caught:
        ask(client, model, stream=stream)
    assert caught.value.status_code == 500


def test_a_provider_that_hangs_up_is_a_bad_gateway(client: openai.OpenAI, zoo: Zoo) -> None:
    zoo.fail("sim-owl-m", Fault("reset"))
    with pytest.raises(openai.InternalServerError, match="zoo/sim-owl-m") as caught:
        ask(client, "sim-owl-m")
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_closed")


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_does_not_wait_stops_the_call(client: openai.OpenAI, zoo: Zoo, *, stream: bool) -> None:
    zoo.fail("sim-heron-l", Fault("slow", 30))
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.5), "sim-heron-l", stream=stream)
    assert zoo.wait_for("sim-heron-l", "gone", count=1 + stream)


def test_a_stream_that_is_cut_after_content_raises(client: openai.OpenAI, zoo: Zoo, up: Up) -> None:
    zoo.fail("sim-judge", Fault("cut", 3))
    raw = client.chat.completions.with_raw_response.create(model="zoo/sim-judge", messages=MESSAGES, stream=True)
    pieces: list[str | None] = []
    with pytest.raises(openai.APIError, match=r"zoo/sim-judge: .*(closed|ended)"):
        pieces.extend(chunk.choices[0].delta.content for chunk in raw.parse())
    assert any(pieces)
    (record,) = up.recorded(raw.headers["x-pointsman-exchange"])
    assert (record.outcome, record.status) == ("cut", 200)
