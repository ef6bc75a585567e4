"""LangChain's chat models in each dialect: invoke, stream, a tool loop, structured output."""

import json
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import Usage, call, fails, text, turn
from tests.client.suites.conftest import Cell

ASKS: Any = [SystemMessage("Be brief."), HumanMessage("How is the weather in Oslo?")]


class City(BaseModel):
    """A city."""

    name: str
    people: int


def _weather(city: str) -> str:
    """Look the weather up."""
    return f"rain in {city}"


weather = tool("weather", _weather)


def model(cell: Cell, speaks: str, name: str = "scripted") -> BaseChatModel:
    named: Any = {
        "model": cell.named(name),
        "api_key": cell.key,
        "max_retries": 1 if speaks == "gemini" else 0,
        "timeout": 20,
    }
    match speaks:
        case "anthropic":
            return ChatAnthropic(**named, base_url=cell.address, max_tokens=300)
        case "gemini":
            return ChatGoogleGenerativeAI(**named, base_url=cell.address)
        case _:
            return ChatOpenAI(**named, base_url=cell.v1, use_responses_api=speaks == "openai_responses", stream_usage=True)


def test_invoke_and_stream(cell: Cell, upstream: Upstream, speaks: str) -> None:
    upstream.play(
        turn(text("Rain", " and sun."), usage=Usage(30, 9)), turn(text("Rain", " and", " sun."), usage=Usage(30, 9))
    )
    chat = model(cell, speaks)
    reply = chat.invoke(ASKS)
    assert reply.text == "Rain and sun."
    total: Any = None
    pieces = []
    for chunk in chat.stream(ASKS):
        pieces += [chunk.text] if chunk.text else []
        total = chunk if total is None else total + chunk
    assert pieces == ["Rain", " and", " sun."]
    assert isinstance(total, AIMessageChunk)
    for said in (reply, total):
        assert said.usage_metadata
        assert (said.usage_metadata["input_tokens"], said.usage_metadata["output_tokens"]) == (30, 9)


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop(cell: Cell, upstream: Upstream, speaks: str, *, stream: bool) -> None:
    upstream.play(
        turn(call("weather", '{"city"', ':"Oslo"}', id="call_a"), call("weather", '{"city":"Rom"}', id="call_b")),
        turn(text("Wet.")),
    )
    chat = model(cell, speaks).bind_tools([weather])
    said: Any = chat.invoke(ASKS) if not stream else None
    for chunk in chat.stream(ASKS) if stream else ():
        said = chunk if said is None else said + chunk
    assert [one["args"] for one in said.tool_calls] == [{"city": "Oslo"}, {"city": "Rom"}]
    results = [ToolMessage(weather.invoke(one["args"]), tool_call_id=one["id"], name="weather") for one in said.tool_calls]
    assert chat.invoke([*ASKS, said, *results]).text == "Wet."
    asked = json.dumps(upstream.last)
    assert asked.index("rain in Oslo") < asked.index("rain in Rom")


def test_structured_output(cell: Cell, upstream: Upstream, speaks: str) -> None:
    upstream.play(turn(text('{"name":"Oslo",', '"people":700000}')))
    chat = model(cell, speaks).with_structured_output(City, method="json_schema")
    assert chat.invoke(ASKS) == City(name="Oslo", people=700000)
    assert "people" in json.dumps(upstream.last)


def test_an_error(cell: Cell, upstream: Upstream, speaks: str) -> None:
    upstream.play(fails(400, "the model is asleep"))
    with pytest.raises(Exception, match="the model is asleep"):
        model(cell, speaks, "fails-400").invoke(ASKS)
