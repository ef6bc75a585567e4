"""The ``openai`` SDK's responses: create, stream, the helper, parse, tools, reasoning, async, and what goes wrong."""

import json
from collections.abc import Iterator
from typing import Any, Final

import openai
import pytest
from pydantic import BaseModel

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import Usage, call, fails, text, thinking, turn
from tests.client.suites.conftest import Cell
from tests.client.suites.schema import check

SPEAKS: Final = "openai_responses"
ASKS: Final = "How is the weather in Oslo?"
WEATHER: Final[Any] = {
    "type": "function",
    "name": "weather",
    "description": "Look the weather up.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
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


def test_a_response(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain", " and sun."), usage=Usage(30, 9, cached=10, reasoning=4)))
    reply = client.responses.create(
        model=cell.model, instructions="Be brief.", input=ASKS, max_output_tokens=300, temperature=0.5, store=False
    )
    check(reply)
    assert (reply.output_text, reply.status) == ("Rain and sun.", "completed")
    assert reply.usage
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.total_tokens) == (30, 9, 39)
    asked = json.dumps(upstream.last)
    assert "Be brief." in asked
    assert "300" in asked


def test_a_stream(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain", " and", " sun.")))
    events = list(client.responses.create(model=cell.model, input=ASKS, stream=True, store=False))
    for event in events:
        check(event)
    assert [event.delta for event in events if event.type == "response.output_text.delta"] == ["Rain", " and", " sun."]
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "Rain and sun."


def test_the_streaming_helper_runs_tools(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    upstream.play(FINDS, turn(text("Rain ", "there.")))
    history: list[Any] = [{"role": "user", "content": ASKS}]
    with client.responses.stream(model=cell.model, input=history, tools=[WEATHER], store=False) as stream:
        pieces = "".join(event.delta for event in stream if event.type == "response.function_call_arguments.delta")
        said = stream.get_final_response().output
    calls = [item for item in said if item.type == "function_call"]
    assert pieces == "".join(one.arguments for one in calls)
    assert [json.loads(one.arguments) for one in calls] == [{"city": "Oslo"}, {"city": "Rom"}]
    assert len({one.call_id for one in calls}) == 2
    history += [{name: getattr(one, name) for name in ("type", "call_id", "name", "arguments")} for one in calls]
    history += [
        {"type": "function_call_output", "call_id": one.call_id, "output": f"rain {at}"} for at, one in enumerate(calls)
    ]
    with client.responses.stream(model=cell.model, input=history, tools=[WEATHER], store=False) as stream:
        assert stream.get_final_response().output_text == "Rain there."
    asked = json.dumps(upstream.last)
    assert asked.index("rain 0") < asked.index("rain 1")


def test_parse(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    upstream.play(*[turn(text('{"name":"Oslo",', '"people":700000}'))] * 2)
    parsed = client.responses.parse(model=cell.model, input=ASKS, text_format=City, store=False)
    assert parsed.output_parsed == City(name="Oslo", people=700000)
    assert "people" in json.dumps(upstream.last)
    with client.responses.stream(model=cell.model, input=ASKS, text_format=City, store=False) as stream:
        assert stream.get_final_response().output_parsed == City(name="Oslo", people=700000)


def test_reasoning_comes_back_and_is_sent_again(client: openai.OpenAI, cell: Cell, upstream: Upstream) -> None:
    if cell.provider != "openai_chat":
        upstream.play(turn(thinking("Hm", "m.", signature="c2VhbGVk"), text("Rain.")), turn(text("Yes.")))
    else:
        upstream.play(turn(text("Rain."), usage=Usage(reasoning=3)), turn(text("Yes.")))
    history: list[Any] = [{"role": "user", "content": ASKS}]
    more: Any = {
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    reply = client.responses.create(model=cell.model, input=history, **more)
    check(reply)
    thought = [item for item in reply.output if item.type == "reasoning"]
    assert [part.text for item in thought for part in [*item.summary, *(item.content or ())]] == (
        [] if cell.provider == "openai_chat" else ["Hmm."]
    )
    history += [item.model_dump(exclude_none=True) for item in reply.output]
    history.append({"role": "user", "content": "Sure?"})
    assert client.responses.create(model=cell.model, input=history, **more).output_text == "Yes."
    if cell.provider == SPEAKS:
        assert "c2VhbGVk" in json.dumps(upstream.last), "the same deployment gets its own reasoning back"


async def test_async(cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain.")), turn(text("Rain", ".")))
    async with openai.AsyncOpenAI(base_url=cell.v1, api_key=cell.key, max_retries=0, timeout=20) as client:
        reply = await client.responses.create(model=cell.model, input=ASKS, store=False)
        assert reply.output_text == "Rain."
        stream = await client.responses.create(model=cell.model, input=ASKS, stream=True, store=False)
        assert [event.delta async for event in stream if event.type == "response.output_text.delta"] == ["Rain", "."]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error(client: openai.OpenAI, cell: Cell, upstream: Upstream, status: int, kind: Any, *, stream: bool) -> None:
    upstream.play(fails(status, "the model is asleep", retry_after=7 if status == 429 else None))
    with pytest.raises(kind, match="the model is asleep") as caught:
        client.responses.create(model=cell.named(f"fails-{status}"), input=ASKS, stream=stream, store=False)
    assert caught.value.status_code == status
    assert caught.value.response.headers.get("retry-after") == ("7" if status == 429 else None)


@pytest.mark.parametrize("wrong", ["error", "cut"])
def test_a_stream_that_goes_wrong(client: openai.OpenAI, cell: Cell, upstream: Upstream, wrong: str) -> None:
    """The SDK hands an error event on as an event; a provider's own cut ends as the HTTP library says."""
    upstream.play(turn(text("Rain", " and", " sun."), **{f"{wrong}_after": 2}))
    pieces, errors = [], []
    try:
        for event in client.responses.create(model=cell.named(wrong), input=ASKS, stream=True, store=False):
            pieces += [event.delta] if event.type == "response.output_text.delta" else []
            errors += [event] if event.type in {"error", "response.failed"} else []
    except Exception as error:
        if not (cell.direct or isinstance(error, openai.APIError)):
            raise
        errors.append(error)  # type: ignore[arg-type]
    assert pieces == ["Rain", " and"]
    assert len(errors) == 1
