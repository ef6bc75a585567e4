"""Chats as an application sends them: whole, streamed, typed, with tools; synchronous and asynchronous."""

import asyncio
import json
from typing import Any, Final

import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.tasks import Task
from pointsman.upstream.simulated.zoo import Zoo
from tests.serve.conftest import Up

WEATHER: Final[Any] = {
    "type": "function",
    "function": {
        "name": "look_up_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
ASKS_FOR_WEATHER: Final[Any] = [{"role": "user", "content": "Call look_up_weather with city: Oslo and days: 3"}]


class Invoice(BaseModel):
    """What is wanted of a letter. The zoo puts the model's words into the first field and takes the others from the text."""

    words: str
    total: float
    supplier: str


INVOICE: Final[Any] = [{"role": "user", "content": "total: 41.5, supplier: Alder"}]


def task(feature: str = "extraction") -> Task:
    return next(iter(features()[feature].tasks(1, seed=3)))


def messages(feature: str = "extraction") -> Any:
    return task(feature).messages


def text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_chat_is_answered_as_the_model_itself_would(client: openai.OpenAI, zoo: Zoo) -> None:
    reply = client.chat.completions.create(model="auto", messages=messages())
    direct = client.chat.completions.create(model="sim-eagle-xl", messages=messages())
    assert reply.model == "sim-eagle-xl"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.choices[0].message.content
    assert reply.choices == direct.choices
    assert reply.usage
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0


def test_the_headers_say_what_was_decided(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=messages(), extra_headers={"x-pointsman-feature": "extraction"}
    )
    assert raw.headers["x-pointsman-mode"] == "observe"
    assert raw.headers["x-pointsman-arm"] == "reference"
    assert raw.headers["x-pointsman-deployment"] == "zoo/sim-eagle-xl"
    assert raw.headers["x-pointsman-feature"] == "extraction"
    assert len(raw.headers["x-pointsman-snapshot"]) == 12
    assert raw.headers["x-pointsman-exchange"]
    assert raw.parse().choices[0].message.content


def test_the_feature_may_come_with_the_metadata(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=messages("coding"), metadata={"feature": "coding"}, store=True
    )
    assert raw.headers["x-pointsman-feature"] == "coding"


@pytest.mark.parametrize("model", ["sim-crane-m", "zoo/sim-crane-m"])
def test_a_model_keeps_its_name_or_is_pinned(client: openai.OpenAI, model: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model=model, messages=messages())
    assert raw.headers["x-pointsman-deployment"] == "zoo/sim-crane-m"
    assert raw.parse().model == "sim-crane-m"


def test_a_stream_says_the_same_and_brings_usage_only_when_asked(client: openai.OpenAI) -> None:
    for _ in range(2):  # the second finds the zoo's cache warm, as the streams do
        whole = client.chat.completions.create(model="auto", messages=messages("backoffice"))
    plain = list(client.chat.completions.create(model="auto", messages=messages("backoffice"), stream=True))
    asked = list(
        client.chat.completions.create(
            model="auto", messages=messages("backoffice"), stream=True, stream_options={"include_usage": True}
        )
    )
    assert text(plain) == text(asked) == whole.choices[0].message.content
    assert len(plain) > 5
    assert plain[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None and chunk.choices for chunk in plain)
    assert (asked[-1].choices, asked[-1].usage) == ([], whole.usage)


def test_a_stream_without_usage_is_counted_all_the_same(client: openai.OpenAI, up: Up) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=messages("support"), stream=True)
    list(raw.parse())
    whole = client.chat.completions.create(model="auto", messages=messages("support"))
    assert whole.usage
    (record,) = up.recorded(raw.headers["x-pointsman-exchange"])
    assert record.streamed
    assert record.attempts[0].usage
    assert record.attempts[0].usage.output == whole.usage.completion_tokens
    assert record.cost_nano


def test_the_stream_helper_gathers_the_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="auto", messages=messages("backoffice"))
    with client.chat.completions.stream(model="auto", messages=messages("backoffice")) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content == whole.choices[0].message.content


def test_a_typed_answer_is_parsed(client: openai.OpenAI) -> None:
    parsed = client.chat.completions.parse(model="auto", messages=INVOICE, response_format=Invoice).choices[0].message.parsed
    assert parsed
    assert (parsed.total, parsed.supplier) == (41.5, "Alder")
    with client.chat.completions.stream(model="auto", messages=INVOICE, response_format=Invoice) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == parsed


def test_a_json_schema_passes_through(client: openai.OpenAI) -> None:
    schema: dict[str, object] = Invoice.model_json_schema()
    reply = client.chat.completions.create(
        model="auto",
        messages=INVOICE,
        response_format={"type": "json_schema", "json_schema": {"name": "invoice", "schema": schema}},
    )
    answer = json.loads(reply.choices[0].message.content or "")
    assert (list(answer), answer["total"]) == (["words", "total", "supplier"], 41.5)


def test_a_tool_is_called_and_its_result_answered(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="auto", messages=ASKS_FOR_WEATHER, tools=[WEATHER])
    said = reply.choices[0].message
    assert reply.choices[0].finish_reason == "tool_calls"
    assert said.tool_calls
    (call,) = said.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("look_up_weather", {"city": "Oslo", "days": 3})
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    history: Any = [*ASKS_FOR_WEATHER, said.model_dump(exclude_none=True), result]
    assert client.chat.completions.create(model="auto", messages=history, tools=[WEATHER]).choices[0].message.content == (
        "The tool says: rain"
    )


def test_a_tool_call_is_streamed_in_pieces(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="auto", messages=ASKS_FOR_WEATHER, tools=[WEATHER]) as stream:
        pieces = [event.arguments_delta for event in stream if event.type == "tool_calls.function.arguments.delta"]
        final = stream.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls"
    assert final.message.tool_calls
    assert final.message.tool_calls[0].function.parsed_arguments == {"city": "Oslo", "days": 3}
    assert len(pieces) > 1
    assert "".join(pieces) == final.message.tool_calls[0].function.arguments


def test_models_are_listed_and_looked_up(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == "auto"
    assert "zoo/sim-owl-m" in names
    assert client.models.retrieve("auto").owned_by == "pointsman"
    assert client.models.retrieve("zoo/sim-owl-m").owned_by == "zoo"


async def test_the_asynchronous_client_sends_many_at_once(later: openai.AsyncOpenAI) -> None:
    tasks = list(features()["support"].tasks(20, seed=5))

    async def ask(one: Task) -> tuple[str | None, str]:
        wanted: Any = one.messages
        whole = later.chat.completions.create(model="auto", messages=wanted)
        stream = await later.chat.completions.create(model="auto", messages=wanted, stream=True)
        streamed = text([chunk async for chunk in stream])
        return (await whole).choices[0].message.content, streamed

    answers = await asyncio.gather(*(ask(one) for one in tasks))
    assert all(whole == streamed for whole, streamed in answers)
    assert len({whole for whole, _ in answers}) > 10


async def test_the_asynchronous_client_parses_and_calls_tools(later: openai.AsyncOpenAI) -> None:
    parsed = await later.chat.completions.parse(model="auto", messages=INVOICE, response_format=Invoice)
    assert parsed.choices[0].message.parsed
    assert parsed.choices[0].message.parsed.total == 41.5
    async with later.chat.completions.stream(model="auto", messages=ASKS_FOR_WEATHER, tools=[WEATHER]) as stream:
        final = (await stream.get_final_completion()).choices[0].message
    assert final.tool_calls
    assert final.tool_calls[0].function.parsed_arguments == {"city": "Oslo", "days": 3}
    assert [model.id async for model in later.models.list()][0] == "auto"  # noqa: RUF015 - no next() for these


async def test_a_stream_left_half_read_is_stopped_upstream(later: openai.AsyncOpenAI, zoo: Zoo) -> None:
    """At the model's own pace, so that there is something left to stop."""
    zoo.speed = 1.0
    try:
        stream = await later.chat.completions.create(model="sim-stork-m", messages=messages("backoffice"), stream=True)
        await anext(aiter(stream))
        await stream.close()
        assert await asyncio.to_thread(zoo.wait_for, "sim-stork-m", "gone")
    finally:
        zoo.speed = 0.0
