"""The ``google-genai`` SDK: generate, stream, function calling (by hand, by itself), schema, chats, counts, errors."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import Usage, call, fails, text, thinking, turn
from tests.client.suites.conftest import Cell
from tests.client.suites.schema import check

SPEAKS: Final = "gemini"
ASKS: Final = "How is the weather in Oslo?"
BY_HAND: Final = types.AutomaticFunctionCallingConfig(disable=True)


class City(BaseModel):
    name: str
    people: int


def weather(city: str) -> str:
    """Look the weather up."""
    return f"rain in {city}"


@pytest.fixture
def client(cell: Cell) -> Iterator[genai.Client]:
    client = genai.Client(api_key=cell.key, http_options=types.HttpOptions(base_url=cell.address, timeout=20_000))
    yield client
    client.close()


def test_generate(client: genai.Client, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain", " and sun."), usage=Usage(30, 9, cached=10)))
    config = types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=300, temperature=0.5)
    reply = client.models.generate_content(model=cell.model, contents=ASKS, config=config)
    check(reply)
    assert reply.text == "Rain and sun."
    assert reply.candidates
    assert reply.candidates[0].finish_reason == types.FinishReason.STOP
    used = reply.usage_metadata
    assert used
    assert (used.prompt_token_count, used.cached_content_token_count, used.total_token_count) == (30, 10, 39)
    asked = json.dumps(upstream.last)
    assert "Be brief." in asked
    assert "300" in asked


def test_a_stream(client: genai.Client, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain", " and", " sun.")))
    chunks = list(client.models.generate_content_stream(model=cell.model, contents=ASKS))
    for chunk in chunks:
        check(chunk)
    assert [chunk.text for chunk in chunks if chunk.text] == ["Rain", " and", " sun."]
    used = chunks[-1].usage_metadata
    assert used
    assert used.total_token_count == 27


def test_functions_are_called_by_itself(client: genai.Client, cell: Cell, upstream: Upstream) -> None:
    upstream.play(
        turn(call("weather", '{"city"', ':"Oslo"}'), call("weather", '{"city":"Rom"}', id="call_2")), turn(text("Wet."))
    )
    config = types.GenerateContentConfig(tools=[weather])
    reply = client.models.generate_content(model=cell.model, contents=ASKS, config=config)
    assert reply.text == "Wet."
    asked = json.dumps(upstream.last)
    assert asked.index("rain in Oslo") < asked.index("rain in Rom")


@pytest.mark.parametrize("stream", [False, True])
def test_a_signature_comes_back_and_is_sent_again(
    client: genai.Client, cell: Cell, upstream: Upstream, *, stream: bool
) -> None:
    calls = call("weather", '{"city":"Oslo"}')
    thought = () if cell.provider == "openai_chat" else (thinking("Hm", "m.", signature="c2VhbGVk"),)
    upstream.play(turn(*thought, calls), turn(text("Wet.")))
    config = types.GenerateContentConfig(
        tools=[weather],
        automatic_function_calling=BY_HAND,
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024),
    )
    parts: list[types.Part] = []
    if stream:
        for chunk in client.models.generate_content_stream(model=cell.model, contents=ASKS, config=config):
            parts += (chunk.candidates or [])[0].content.parts or []  # type: ignore[union-attr, unused-ignore]
    else:
        reply = client.models.generate_content(model=cell.model, contents=ASKS, config=config)
        parts += (reply.candidates or [])[0].content.parts or []  # type: ignore[union-attr, unused-ignore]
    assert "".join(part.text or "" for part in parts if part.thought) == ("Hmm." if thought else "")
    (called,) = (part.function_call for part in parts if part.function_call)
    assert (called.name, called.args) == ("weather", {"city": "Oslo"})
    answer = types.Part(
        function_response=types.FunctionResponse(id=called.id, name="weather", response={"result": "rain in Oslo"})
    )
    history: Any = [
        types.Content(role="user", parts=[types.Part(text=ASKS)]),
        types.Content(role="model", parts=parts),
        types.Content(role="user", parts=[answer]),
    ]
    assert client.models.generate_content(model=cell.model, contents=history, config=config).text == "Wet."
    asked = json.dumps(upstream.last)
    assert "rain in Oslo" in asked
    if cell.provider == SPEAKS:
        assert "c2VhbGVk" in asked, "the same deployment gets its own signature back"


@pytest.mark.parametrize("way", ["schema", "json_schema"])
def test_schema(client: genai.Client, cell: Cell, upstream: Upstream, way: str) -> None:
    upstream.play(turn(text('{"name":"Oslo",', '"people":700000}')))
    wanted: Any = {"response_schema": City} if way == "schema" else {"response_json_schema": City.model_json_schema()}
    config = types.GenerateContentConfig(response_mime_type="application/json", **wanted)
    reply = client.models.generate_content(model=cell.model, contents=ASKS, config=config)
    assert City.model_validate_json(reply.text or "") == City(name="Oslo", people=700000)
    if way == "schema":
        assert reply.parsed == City(name="Oslo", people=700000)
    assert "people" in json.dumps(upstream.last)


def test_a_chat_keeps_its_history(client: genai.Client, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain.")), turn(text("Ye", "s.")))
    chat = client.chats.create(model=cell.model)
    assert chat.send_message(ASKS).text == "Rain."
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("Sure?")) == "Yes."
    asked = json.dumps(upstream.last)
    assert asked.index("Oslo") < asked.index("Rain.") < asked.index("Sure?")


def test_count_tokens(client: genai.Client, cell: Cell, upstream: Upstream) -> None:
    """A provider that cannot count is not asked: the gateway says so, or counts itself."""
    if cell.provider in {"anthropic", "gemini"}:
        upstream.play(turn(count=41))
        assert client.models.count_tokens(model=cell.model, contents=ASKS).total_tokens == 41
        return
    try:
        assert (client.models.count_tokens(model=cell.model, contents=ASKS).total_tokens or 0) > 4
    except errors.ClientError as error:
        assert error.code == 404  # noqa: PT017 - either is right


async def test_async(cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain.")), turn(text("Rain", ".")))
    client = genai.Client(api_key=cell.key, http_options=types.HttpOptions(base_url=cell.address, timeout=20_000))
    reply = await client.aio.models.generate_content(model=cell.model, contents=ASKS)
    assert reply.text == "Rain."
    stream = await client.aio.models.generate_content_stream(model=cell.model, contents=ASKS)
    assert [chunk.text async for chunk in stream if chunk.text] == ["Rain", "."]
    await client.aio.aclose()
    client.close()


@pytest.mark.parametrize(("status", "word"), [(400, "INVALID_ARGUMENT"), (429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL")])
@pytest.mark.parametrize("stream", [False, True])
def test_an_error(client: genai.Client, cell: Cell, upstream: Upstream, status: int, word: str, *, stream: bool) -> None:
    upstream.play(fails(status, "the model is asleep"))
    with pytest.raises(errors.APIError, match="the model is asleep") as caught:
        if stream:
            list(client.models.generate_content_stream(model=cell.named(f"fails-{status}"), contents=ASKS))
        else:
            client.models.generate_content(model=cell.named(f"fails-{status}"), contents=ASKS)
    assert (caught.value.code, caught.value.status) == (status, word)


@pytest.mark.parametrize("wrong", ["error", "cut"])
def test_a_stream_that_goes_wrong(client: genai.Client, cell: Cell, upstream: Upstream, wrong: str) -> None:
    upstream.play(turn(text("Rain", " and", " sun."), **{f"{wrong}_after": 2}))
    pieces = []
    with pytest.raises(Exception if cell.direct else errors.APIError):
        for chunk in client.models.generate_content_stream(model=cell.named(wrong), contents=ASKS):
            pieces += [chunk.text] if chunk.text else []
    assert pieces == ["Rain", " and"]


def test_a_wrong_key(cell: Cell, upstream: Upstream) -> None:
    if cell.direct:
        return
    client = genai.Client(api_key="wrong", http_options=types.HttpOptions(base_url=cell.address))
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model=cell.model, contents=ASKS)
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    client.close()
