"""The zoo over real HTTP: the official ``openai`` client against it, and raw sockets where a client hides too much."""

import contextlib
import json
import socket
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import openai
import pytest

from pointsman.core.price import Rates
from pointsman.upstream.simulated import JUDGE, Fault, Plain, Task, Zoo, features, running, serving

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}
TASK = next(features()["extraction"].tasks(1, 0))


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Zoo, str]]:
    zoo = Zoo(seed=7, extra_models={"vendor/any-name": Plain(Rates(Decimal(1), Decimal(2)), output_tokens=5)})
    with serving(zoo) as base_url:
        yield zoo, base_url


@pytest.fixture
def client(served: tuple[Zoo, str]) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served[1], api_key="none", max_retries=0) as client:
        yield client


def _create(client: openai.OpenAI, task: Task, model: str, **options: Any) -> Any:
    return client.chat.completions.create(**(task.body(model) | options))


@contextlib.contextmanager
def _connection(base_url: str, body: dict[str, Any], headers: str = "") -> Iterator[socket.socket]:
    parts, data = urlsplit(base_url), json.dumps(body).encode()
    head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: zoo\r\ncontent-length: {len(data)}\r\n{headers}\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + data)
        yield connection


def _read_all(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


# Truth.


@pytest.mark.parametrize("name", sorted(features()))
def test_http_says_what_the_truth_says(served: tuple[Zoo, str], client: openai.OpenAI, name: str) -> None:
    zoo, _ = served
    for task in features()[name].tasks(6, 4):
        for model in zoo.models:
            truth, reply = zoo.truth(model, task), _create(client, task, model)
            assert reply.choices[0].message.content == truth.text
            assert reply.usage.prompt_tokens == truth.input_tokens
            assert reply.usage.completion_tokens == truth.output_tokens
            assert reply.usage.prompt_tokens_details.cached_tokens in (0, truth.cached_tokens)
            assert (reply.choices[0].finish_reason, reply.model) == ("stop", model)
            assert reply.system_fingerprint == "simulated"


def test_the_second_request_with_a_system_prompt_reads_it_from_the_cache(client: openai.OpenAI) -> None:
    system = {"role": "system", "content": "Another company's long prompt. " * 12}
    body = {"model": "sim-owl-m", "messages": [system, {"role": "user", "content": "hello"}]}
    first, second = (client.chat.completions.create(**body).usage for _ in range(2))  # type: ignore[call-overload]
    assert first.prompt_tokens == second.prompt_tokens
    assert first.prompt_tokens_details.cached_tokens == 0
    assert second.prompt_tokens_details.cached_tokens == 93  # 372 characters, four a token


# Streams.


def test_the_pieces_of_a_stream_add_up_to_the_whole_answer(served: tuple[Zoo, str], client: openai.OpenAI) -> None:
    for task in (TASK, *features()["backoffice"].tasks(5, 2)):
        chunks = list(_create(client, task, "sim-heron-l", stream=True, stream_options={"include_usage": True}))
        whole = _create(client, task, "sim-heron-l")
        *content, last = chunks
        assert "".join(chunk.choices[0].delta.content or "" for chunk in content) == whole.choices[0].message.content
        assert [chunk.choices[0].finish_reason for chunk in content if chunk.choices[0].finish_reason] == ["stop"]
        assert content[0].choices[0].delta.role == "assistant"
        assert len(content) > 4
        assert all(chunk.usage is None for chunk in content)
        assert last.choices == []
        assert last.usage.completion_tokens == whole.usage.completion_tokens
        assert {chunk.id for chunk in chunks} == {whole.id}


def test_a_stream_carries_usage_only_when_asked_and_ends_with_done(served: tuple[Zoo, str]) -> None:
    body = TASK.body("sim-wren-s") | {"stream": True}
    with _connection(served[1], body, "connection: close\r\n") as connection:
        data = _read_all(connection)
    assert b"data: [DONE]\n\n" in data
    assert b"usage" not in data
    assert b"x-simulated: pointsman-zoo" in data


# Tools, schemas, limits.


def test_tool_calls_whole_and_streamed(client: openai.OpenAI) -> None:
    asks = {"messages": [{"role": "user", "content": "Use get_weather with city: Porto and days = 3"}], "tools": [WEATHER]}
    whole = client.chat.completions.create(model="sim-wren-s", **asks)  # type: ignore[call-overload]
    call = whole.choices[0].message.tool_calls[0]
    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.choices[0].message.content is None
    assert (call.type, call.function.name) == ("function", "get_weather")
    assert json.loads(call.function.arguments) == {"city": "Porto", "days": 3}
    chunks = list(client.chat.completions.create(model="sim-wren-s", stream=True, **asks))  # type: ignore[call-overload]
    deltas = [each for chunk in chunks for each in chunk.choices[0].delta.tool_calls or ()]
    assert {delta.index for delta in deltas} == {0}
    assert [delta.id for delta in deltas if delta.id] == [call.id]
    assert [delta.function.name for delta in deltas if delta.function.name] == ["get_weather"]
    assert "".join(delta.function.arguments for delta in deltas) == call.function.arguments
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", False),
        ("none", False),
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
    ],
)
def test_a_tool_is_called_when_the_request_asks_for_it(client: openai.OpenAI, choice: Any, called: bool) -> None:
    messages: Any = [{"role": "user", "content": "Will it rain?"}]
    reply = client.chat.completions.create(model="sim-wren-s", messages=messages, tools=[WEATHER], tool_choice=choice)  # type: ignore[list-item]
    assert bool(reply.choices[0].message.tool_calls) is called


def test_a_tool_result_is_answered_in_words(client: openai.OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages: Any = [
        {"role": "user", "content": "Use get_weather"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"},
    ]
    reply = client.chat.completions.create(model="sim-wren-s", messages=messages, tools=[WEATHER])  # type: ignore[list-item]
    assert reply.choices[0].message.content == "The tool says: 12 degrees"


def test_a_json_schema_is_followed(client: openai.OpenAI) -> None:
    reply = _create(client, TASK, "sim-eagle-xl")
    assert TASK.schema is not None
    assert set(json.loads(reply.choices[0].message.content)) <= set(TASK.schema["properties"])
    task = next(features()["backoffice"].tasks(1, 0))
    schema = {"type": "object", "properties": {"answer": {"type": "string"}, "sure": {"type": "boolean"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    value = json.loads(_create(client, task, "sim-eagle-xl", response_format=wanted).choices[0].message.content)
    assert value["sure"] is True
    assert "Answer" in value["answer"] or "答案" in value["answer"]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_tokens_cuts_the_answer(client: openai.OpenAI, name: str) -> None:
    reply = _create(client, TASK, "sim-finch-s", **{name: 6})
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 6
    whole = _create(client, TASK, "sim-finch-s").choices[0].message.content
    assert whole.startswith(reply.choices[0].message.content)


# Names and errors.


def test_models_are_listed_with_their_owner(served: tuple[Zoo, str], client: openai.OpenAI) -> None:
    listed = list(client.models.list())
    assert [model.id for model in listed] == [*served[0].models, JUDGE, "vendor/any-name"]
    assert all("simulated" in model.owned_by for model in listed)


def test_an_extra_model_answers_something_short(client: openai.OpenAI) -> None:
    reply = _create(client, TASK, "vendor/any-name", response_format={"type": "text"})
    assert reply.usage.completion_tokens == 5
    assert "Simulated" in reply.choices[0].message.content


def test_the_judge_answers_over_http(client: openai.OpenAI) -> None:
    text = f"<request>\n{TASK.user}\n</request>\n\n<answer_a>\n{TASK.answer}\n</answer_a>\n\n<answer_b>\nno\n</answer_b>"
    reply = client.chat.completions.create(model=JUDGE, messages=[{"role": "user", "content": text}])
    assert (reply.choices[0].message.content or "").splitlines()[-1] == "VERDICT: A"


def test_an_unknown_model_is_404_in_openais_envelope(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        _create(client, TASK, "gpt-imaginary")
    assert (caught.value.code, caught.value.param, caught.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    assert "sim-eagle-xl" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b"{}", b'{"model": "sim-owl-m"}', b'{"model": "sim-owl-m", "messages": []}',
        b'{"model": "sim-owl-m", "messages": ["hello"]}', b'{"model": 7, "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "sim-owl-m", "messages": [{"role": "user", "content": "x"}], "max_tokens": "many"}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_bad_requests_are_400(served: tuple[Zoo, str], body: bytes) -> None:
    with pytest.raises(HTTPError, match="400") as caught:
        urlopen(Request(f"{served[1]}/chat/completions", data=body))  # noqa: S310 - loopback
    with caught.value as reply:
        error = json.loads(reply.read())["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"]


def test_other_paths_are_404(served: tuple[Zoo, str]) -> None:
    with pytest.raises(HTTPError, match="404") as caught:
        urlopen(f"{served[1]}/embeddings")  # noqa: S310 - loopback
    caught.value.close()


# Faults.


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError),
     (529, openai.InternalServerError)],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_error_statuses(client: openai.OpenAI, status: int, error: type[openai.APIStatusError], stream: bool) -> None:
    with pytest.raises(error) as caught:
        _create(client, TASK, "sim-owl-m", stream=stream, extra_headers={"x-sim-fault": f"status={status};retry-after=2"})
    assert caught.value.status_code == status
    assert caught.value.response.headers["retry-after"] == "2"
    assert "simulated" in str(caught.value)


def test_a_fault_of_a_model_lasts_until_it_is_taken_back(served: tuple[Zoo, str], client: openai.OpenAI) -> None:
    zoo, _ = served
    zoo.fail("sim-stork-m", Fault("status", 503))
    try:
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                _create(client, TASK, "sim-stork-m")
        assert _create(client, TASK, "sim-owl-m").choices
    finally:
        zoo.fail("sim-stork-m", None)
    assert _create(client, TASK, "sim-stork-m").choices
    assert zoo.tally["sim-stork-m", "fault"] == 2


def test_a_reset_comes_before_any_byte(served: tuple[Zoo, str]) -> None:
    with (
        _connection(served[1], TASK.body("sim-owl-m"), "x-sim-fault: reset\r\n") as connection,
        pytest.raises(ConnectionResetError),
    ):
        connection.recv(1)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_stream_is_cut_after_so_many_content_chunks(served: tuple[Zoo, str], after: int) -> None:
    body = TASK.body("sim-owl-m") | {"stream": True}
    with _connection(served[1], body, f"x-sim-fault: cut={after}\r\n") as connection:
        data = _read_all(connection)
    chunks = [json.loads(line[6:]) for line in data.decode().splitlines() if line.startswith("data: {")]
    assert sum(bool(chunk["choices"][0]["delta"].get("content")) for chunk in chunks) == after
    assert b"[DONE]" not in data
    assert not data.endswith(b"0\r\n\r\n")


def test_a_whole_reply_is_cut_in_its_body(served: tuple[Zoo, str]) -> None:
    with _connection(served[1], TASK.body("sim-owl-m"), "x-sim-fault: cut\r\n") as connection:
        head, _, body = _read_all(connection).partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    assert 0 < len(body) < length


@pytest.mark.parametrize("stream", [False, True])
def test_garbage_is_not_json(served: tuple[Zoo, str], stream: bool) -> None:
    body = TASK.body("sim-owl-m") | {"stream": stream}
    with _connection(served[1], body, "x-sim-fault: garbage\r\nconnection: close\r\n") as connection:
        data = _read_all(connection)
    assert data.startswith(b"HTTP/1.1 200")
    assert b"<html>" in data


def test_nonsense_is_well_formed(client: openai.OpenAI) -> None:
    reply = _create(client, TASK, "sim-eagle-xl", extra_headers={"x-sim-fault": "nonsense"})
    assert "{" not in reply.choices[0].message.content


def test_a_slow_first_byte_outlasts_an_impatient_client(served: tuple[Zoo, str], client: openai.OpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        _create(client, TASK, "sim-crane-m", extra_headers={"x-sim-fault": "slow=30"}, timeout=0.2)


@pytest.mark.parametrize("fault", ["explode", "status=teapot", "status=200", "slow=1;retry-after=soon", "status"])
def test_an_unknown_fault_is_refused(client: openai.OpenAI, fault: str) -> None:
    with pytest.raises(openai.BadRequestError, match="x-sim-fault"):
        _create(client, TASK, "sim-owl-m", extra_headers={"x-sim-fault": fault})


# Time.


@pytest.mark.parametrize("stream", [False, True])
def test_work_stops_when_the_client_leaves(stream: bool) -> None:
    zoo = Zoo(speed=1000.0)  # the first token takes minutes
    with serving(zoo) as base_url:
        with _connection(base_url, TASK.body("sim-owl-m") | {"stream": stream}):
            assert zoo.wait_for("sim-owl-m", "asked")
        assert zoo.wait_for("sim-owl-m", "gone")
        assert not zoo.wait_for("sim-owl-m", "gone", count=2, timeout_s=0)
    assert zoo.tally["sim-owl-m", "served"] == 0


def test_pace_follows_the_model_and_the_speed() -> None:
    assert Zoo(speed=0.0).pace("sim-eagle-xl").first_s == 0
    whole, tenth = Zoo(speed=1.0).pace("sim-eagle-xl"), Zoo(speed=0.1).pace("sim-eagle-xl")
    assert whole.first_s == pytest.approx(10 * tenth.first_s)
    assert whole.token_s == pytest.approx(1 / Zoo().models["sim-eagle-xl"].tokens_per_s)
    assert Zoo(speed=1.0).pace("sim-gnat-xs").first_s < whole.first_s


async def test_it_runs_beside_an_event_loop() -> None:
    zoo = Zoo()
    async with running(zoo) as base_url, openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:
        reply = await client.chat.completions.create(**TASK.body("sim-finch-s"))
        assert reply.choices[0].message.content == zoo.truth("sim-finch-s", TASK).text
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((urlsplit(base_url).hostname or "", urlsplit(base_url).port or 0))
