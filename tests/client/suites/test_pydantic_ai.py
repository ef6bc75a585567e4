"""pydantic-ai's agents on its OpenAI, Anthropic and Google models: tools, structured output, streams."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import Usage, call, text, turn
from tests.client.suites.conftest import Cell

ASKS = "How is the weather in Oslo?"


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
async def model(cell: Cell, speaks: str) -> AsyncIterator[Model]:
    model: Any
    match speaks:
        case "anthropic":
            provider = AnthropicProvider(api_key=cell.key, base_url=cell.address)
            # A name that is none of Anthropic's own: what its model can do has to be said.
            model = AnthropicModel(cell.model, provider=provider, profile={"supports_json_schema_output": True})
        case "gemini":
            model = GoogleModel(cell.model, provider=GoogleProvider(api_key=cell.key, base_url=cell.address))
        case "openai_chat":
            model = OpenAIChatModel(cell.model, provider=OpenAIProvider(api_key=cell.key, base_url=cell.v1))
        case _:
            model = OpenAIResponsesModel(cell.model, provider=OpenAIProvider(api_key=cell.key, base_url=cell.v1))
    async with model:
        yield model


def weather(city: str) -> str:
    """Look the weather up."""
    return f"rain in {city}"


async def test_an_agent_calls_its_tools(cell: Cell, upstream: Upstream, model: Model) -> None:
    upstream.play(
        turn(call("weather", '{"city"', ':"Oslo"}', id="call_a"), call("weather", '{"city":"Rom"}', id="call_b")),
        turn(text("Wet."), usage=Usage(40, 9)),
    )
    result = await Agent(model, instructions="Be brief.", tools=[weather]).run(ASKS)
    assert result.output == "Wet."
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.requests) == (60, 16, 2)
    asked = json.dumps(upstream.last)
    assert "Be brief." in asked
    assert asked.index("rain in Oslo") < asked.index("rain in Rom")


async def test_structured_output_by_tool(cell: Cell, upstream: Upstream, model: Model) -> None:
    upstream.play(turn(call("final_result", '{"name":"Oslo",', '"people":700000}')))
    assert (await Agent(model, output_type=City).run(ASKS)).output == City(name="Oslo", people=700000)


async def test_structured_output_by_schema(cell: Cell, upstream: Upstream, model: Model) -> None:
    upstream.play(turn(text('{"name":"Oslo",', '"people":700000}')))
    assert (await Agent(model, output_type=NativeOutput(City)).run(ASKS)).output == City(name="Oslo", people=700000)
    assert "people" in json.dumps(upstream.last)


async def test_a_stream_with_a_tool(cell: Cell, upstream: Upstream, model: Model) -> None:
    upstream.play(turn(call("weather", '{"city"', ':"Oslo"}')), turn(text("It", " rains", ".")))
    async with Agent(model, tools=[weather]).run_stream(ASKS) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert pieces == ["It", " rains", "."]
    assert "rain in Oslo" in json.dumps(upstream.last)
