"""The ``openai`` SDK's chat completions: create, stream, the streaming helper, parse, tools, async, and what goes wrong."""

import json
from collections.abc import Iterator
from typing import Any, Final

import openai
import pytest
from pydantic import BaseModel

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import Usage, call, fails, text, turn
from tests.client.suites.conftest import Cell
from tests.client.suites.schema import check

SPEAKS: Final = "openai_chat"
ASKS: Final[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How is the weather in Oslo?"}]
WEATHER: Final[Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Look the weather up.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
FINDS: Final = turn(call("weather", '{"city"', ':"Oslo"}', id="call_a"), call("weather", '{"city"', ':"Rom"}', id="call_b"))


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
def client(cell: Cell) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=cell.v1, api_key=cell.key, max_retries=0, timeout=20) as client:
        yield client


def test_a_chat(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain", " and sun."), usage=Usage(30, 9, cached=10, reasoning=4)))
    reply = client.chat.completions.create(model=cell.model, messages=ASKS, max_completion_tokens=300, temperature=0.5)
    check(reply)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("Rain and sun.", "stop")
    assert reply.usage
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (30, 9, 39)
    asked = json.dumps(upstream.last)
    assert "Be brief." in asked
    assert "300" in asked
    assert "0.5" in asked


@pytest.mark.parametrize("usage", [False, True])
def test_a_stream(client: openai.OpenAI, cell: Cell, upstream: Upstream, *, usage: bool) -> None:
    upstream.play(turn(text("Rain", " and", " sun.")))
    more: Any = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(client.chat.completions.create(model=cell.model, messages=ASKS, stream=True, **more))
    for chunk in chunks:
        check(chunk)
    pieces = [said for chunk in chunks if chunk.choices and (said := chunk.choices[0].delta.content)]
    assert pieces == ["Rain", " and", " sun."]
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([27] if usage else [])
    assert bool(chunks[-1].choices) != usage


def test_the_streaming_helper_runs_tools(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    upstream.play(FINDS, turn(text("Rain ", "there.")))
    with client.chat.completions.stream(model=cell.model, messages=ASKS, tools=[WEATHER]) as stream:
        deltas = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        said = stream.get_final_completion().choices[0]
    assert {delta.index for delta in deltas} == {0, 1}
    assert said.finish_reason == "tool_calls"
    calls = said.message.tool_calls or []
    assert [one.function.parsed_arguments for one in calls] == [{"city": "Oslo"}, {"city": "Rom"}]
    assert len({one.id for one in calls}) == 2
    results = [{"role": "tool", "tool_call_id": one.id, "content": f"rain {at}"} for at, one in enumerate(calls)]
    called = [
        {"id": one.id, "type": "function", "function": {"name": "weather", "arguments": one.function.arguments}}
        for one in calls
    ]
    history: Any = [*ASKS, {"role": "assistant", "content": said.message.content, "tool_calls": called}, *results]
    with client.chat.completions.stream(model=cell.model, messages=history, tools=[WEATHER]) as stream:
        assert stream.get_final_completion().choices[0].message.content == "Rain there."
    asked = json.dumps(upstream.last)
    assert asked.index("rain 0") < asked.index("rain 1")


def test_tool_choice(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    upstream.play(FINDS)
    chosen: Any = {"type": "function", "function": {"name": "weather"}}
    reply = client.chat.completions.create(
        model=cell.model, messages=ASKS, tools=[WEATHER], tool_choice=chosen, parallel_tool_calls=True
    )
    check(reply)
    assert [one.function.name for one in reply.choices[0].message.tool_calls or [] if one.type == "function"] == [
        "weather"
    ] * 2
    words = {
        "openai_chat": "tool_choice",
        "openai_responses": "tool_choice",
        "anthropic": "tool_choice",
        "gemini": "toolConfig",
    }
    assert "weather" in json.dumps(upstream.last[words[cell.provider]])


def test_parse(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    upstream.play(*[turn(text('{"name":"Oslo",', '"people":700000}'))] * 2)
    parsed = client.chat.completions.parse(model=cell.model, messages=ASKS, response_format=City)
    assert parsed.choices[0].message.parsed == City(name="Oslo", people=700000)
    assert "people" in json.dumps(upstream.last)
    with client.chat.completions.stream(model=cell.model, messages=ASKS, response_format=City) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == City(name="Oslo", people=700000)


async def test_async(cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain.")), turn(text("Rain", ".")))
    async with openai.AsyncOpenAI(base_url=cell.v1, api_key=cell.key, max_retries=0, timeout=20) as client:
        reply = await client.chat.completions.create(model=cell.model, messages=ASKS)
        assert reply.choices[0].message.content == "Rain."
        stream = await client.chat.completions.create(model=cell.model, messages=ASKS, stream=True)
        assert [c.choices[0].delta.content async for c in stream if c.choices and c.choices[0].delta.content] == [
            "Rain",
            ".",
        ]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error(client: openai.OpenAI, cell: Cell, upstream: Upstream, status: int, kind: Any, *, stream: bool) -> None:
    upstream.play(fails(status, "the model is asleep", retry_after=7 if status == 429 else None))
    with pytest.raises(kind, match="the model is asleep") as caught:
        client.chat.completions.create(model=cell.named(f"fails-{status}"), messages=ASKS, stream=stream)
    assert caught.value.status_code == status
    assert caught.value.type
    assert caught.value.response.headers.get("retry-after") == ("7" if status == 429 else None)


def test_an_error_inside_a_stream(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain", " and", " sun."), error_after=2))
    pieces = []
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model=cell.named("error"), messages=ASKS, stream=True):
            pieces += [chunk.choices[0].delta.content] if chunk.choices[0].delta.content else []
    assert pieces == ["Rain", " and"]


def test_a_cut_stream(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    """The provider's own cut ends as the HTTP library says; the gateway's with an error that the SDK raises."""
    upstream.play(turn(text("Rain", " and", " sun."), cut_after=2))
    raised: Any = Exception if cell.direct else openai.APIError
    pieces = []
    with pytest.raises(raised):
        for chunk in client.chat.completions.create(model=cell.named("cut"), messages=ASKS, stream=True):
            pieces += [chunk.choices[0].delta.content] if chunk.choices[0].delta.content else []
    assert pieces == ["Rain", " and"]


@pytest.mark.parametrize("after", [0, 1])
def test_leaving_stops_the_provider(client: openai.OpenAI, cell: Cell, upstream: Upstream, after: int) -> None:
    upstream.play(turn(text("Rain", " and", " sun."), hold_after=after))
    hurried = client.with_options(timeout=0.5)
    with pytest.raises(openai.APITimeoutError if after == 0 else Exception):
        list(hurried.chat.completions.create(model=cell.named("hold"), messages=ASKS, stream=after > 0))
    assert upstream.left.wait(5)
