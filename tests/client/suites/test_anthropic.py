"""The ``anthropic`` SDK: messages, the streaming helper, tools, thinking, counts, parse, async, and what goes wrong."""

import json
from collections.abc import Iterator
from typing import Any, Final

import anthropic
import pytest
from pydantic import BaseModel

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import Usage, call, fails, text, thinking, turn
from tests.client.suites.conftest import Cell
from tests.client.suites.schema import check

SPEAKS: Final = "anthropic"
ASKS: Final[Any] = [{"role": "user", "content": "How is the weather in Oslo?"}]
WEATHER: Final[Any] = {
    "name": "weather",
    "description": "Look the weather up.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
FINDS: Final = turn(
    text("Let me", " see."),
    call("weather", '{"city"', ':"Oslo"}', id="toolu_a"),
    call("weather", '{"city"', ':"Rom"}', id="toolu_b"),
)


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
def client(cell: Cell) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=cell.address, api_key=cell.key, max_retries=0, timeout=20) as client:
        yield client


def test_a_message(client: anthropic.Anthropic, cell: Cell, upstream: Upstream) -> None:
    """The SDK has no word for sampling parameters any more; older ones and other clients send them."""
    upstream.play(turn(text("Rain", " and sun."), usage=Usage(30, 9, cached=10)))
    reply = client.messages.create(
        model=cell.model, max_tokens=300, system="Be brief.", messages=ASKS, extra_body={"top_p": 0.5}
    )
    check(reply)
    assert [block.text for block in reply.content if block.type == "text"] == ["Rain and sun."]
    assert (reply.stop_reason, reply.role, reply.type) == ("end_turn", "assistant", "message")
    assert (reply.usage.input_tokens, reply.usage.cache_read_input_tokens, reply.usage.output_tokens) == (20, 10, 9)
    asked = json.dumps(upstream.last)
    assert "Be brief." in asked
    assert "300" in asked


def test_a_stream(client: anthropic.Anthropic, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain", " and", " sun.")))
    events = list(client.messages.create(model=cell.model, max_tokens=300, messages=ASKS, stream=True))
    for event in events:
        check(event)
    assert [event.type for event in events if event.type != "content_block_delta"] == [
        "message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip


def test_the_streaming_helper_runs_tools(client: anthropic.Anthropic, cell: Cell, upstream: Upstream) -> None:
    upstream.play(FINDS, turn(text("Rain ", "there.")))
    with client.messages.stream(model=cell.model, max_tokens=300, messages=ASKS, tools=[WEATHER]) as stream:
        said = list(stream.text_stream)
        final = stream.get_final_message()
    assert said == ["Let me", " see."]
    assert final.stop_reason == "tool_use"
    calls = [block for block in final.content if block.type == "tool_use"]
    assert [one.input for one in calls] == [{"city": "Oslo"}, {"city": "Rom"}]
    assert len({one.id for one in calls}) == 2
    results = [
        {"type": "tool_result", "tool_use_id": one.id, "content": f"rain {at}", "is_error": at == 1}
        for at, one in enumerate(calls)
    ]
    history: Any = [*ASKS, {"role": "assistant", "content": final.content}, {"role": "user", "content": results}]
    with client.messages.stream(model=cell.model, max_tokens=300, messages=history, tools=[WEATHER]) as stream:
        assert stream.get_final_text() == "Rain there."
    asked = json.dumps(upstream.last)
    assert asked.index("rain 0") < asked.index("rain 1")


def test_thinking_comes_back_signed_and_is_sent_again(client: anthropic.Anthropic, cell: Cell, upstream: Upstream) -> None:
    if cell.provider == "openai_chat":
        upstream.play(turn(call("weather", '{"city":"Oslo"}', id="toolu_a")), turn(text("Rain.")))
    else:
        upstream.play(
            turn(thinking("Hm", "m.", signature="c2VhbGVk"), call("weather", '{"city":"Oslo"}', id="toolu_a")),
            turn(text("Rain.")),
        )
    more: Any = {"max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [WEATHER]}
    with client.messages.stream(model=cell.model, messages=ASKS, **more) as stream:
        final = stream.get_final_message()
    thought = [block for block in final.content if block.type == "thinking"]
    assert [block.thinking for block in thought] == ([] if cell.provider == "openai_chat" else ["Hmm."])
    (used,) = (block for block in final.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": used.id, "content": "rain"}
    history: Any = [*ASKS, {"role": "assistant", "content": final.content}, {"role": "user", "content": [result]}]
    reply = client.messages.create(model=cell.model, messages=history, **more)
    check(reply)
    assert [block.text for block in reply.content if block.type == "text"] == ["Rain."]
    if cell.provider == SPEAKS:
        assert "c2VhbGVk" in json.dumps(upstream.last), "the same deployment gets its own signature back"


def test_count_tokens(client: anthropic.Anthropic, cell: Cell, upstream: Upstream) -> None:
    """A provider that cannot count is not asked: the gateway says so, or counts itself."""
    if cell.provider in {"anthropic", "gemini"}:
        upstream.play(turn(count=41))
        assert client.messages.count_tokens(model=cell.model, messages=ASKS, tools=[WEATHER]).input_tokens == 41
    else:
        try:
            assert client.messages.count_tokens(model=cell.model, messages=ASKS).input_tokens > 4
        except anthropic.NotFoundError as error:
            assert error.status_code == 404  # noqa: PT017 - either is right


def test_parse(client: anthropic.Anthropic, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text('{"name":"Oslo",', '"people":700000}')))
    parsed = client.messages.parse(model=cell.model, max_tokens=300, messages=ASKS, output_format=City)
    assert parsed.parsed_output == City(name="Oslo", people=700000)
    assert "people" in json.dumps(upstream.last)


def test_what_is_cached_is_marked(client: anthropic.Anthropic, cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Yes."), usage=Usage(2000, 9, cached=500, written=1000)))
    system: Any = [{"type": "text", "text": "A long law.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    reply = client.messages.create(model=cell.model, max_tokens=300, system=system, messages=ASKS)
    check(reply)
    if cell.provider == "anthropic":
        assert upstream.last["system"] == system
        assert (reply.usage.input_tokens, reply.usage.cache_creation_input_tokens) == (500, 1000)
    assert reply.usage.cache_read_input_tokens == 500


async def test_async(cell: Cell, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain.")), turn(text("Rain", ".")))
    async with anthropic.AsyncAnthropic(base_url=cell.address, api_key=cell.key, max_retries=0, timeout=20) as client:
        reply = await client.messages.create(model=cell.model, max_tokens=300, messages=ASKS)
        assert [block.text for block in reply.content if block.type == "text"] == ["Rain."]
        async with client.messages.stream(model=cell.model, max_tokens=300, messages=ASKS) as stream:
            assert [said async for said in stream.text_stream] == ["Rain", "."]


@pytest.mark.parametrize(
    ("status", "kind", "word"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error(
    client: anthropic.Anthropic, cell: Cell, upstream: Upstream, status: int, kind: Any, word: str, *, stream: bool
) -> None:
    upstream.play(fails(status, "the model is asleep", retry_after=7 if status == 429 else None))
    with pytest.raises(kind, match="the model is asleep") as caught:
        client.messages.create(model=cell.named(f"fails-{status}"), max_tokens=300, messages=ASKS, stream=stream)
    assert caught.value.status_code == status
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == word
    assert caught.value.response.headers.get("retry-after") == ("7" if status == 429 else None)


@pytest.mark.parametrize("wrong", ["error", "cut"])
def test_a_stream_that_goes_wrong(client: anthropic.Anthropic, cell: Cell, upstream: Upstream, wrong: str) -> None:
    upstream.play(turn(text("Rain", " and", " sun."), **{f"{wrong}_after": 2}))
    pieces = []
    raised: Any = Exception if cell.direct else anthropic.APIError
    with (
        pytest.raises(raised),
        client.messages.stream(model=cell.named(wrong), max_tokens=300, messages=ASKS) as stream,
    ):
        for piece in stream.text_stream:
            pieces.append(piece)  # noqa: PERF402 - an exception ends it
    assert pieces == ["Rain", " and"]


def test_a_wrong_key(cell: Cell, upstream: Upstream) -> None:
    if cell.direct:
        return
    with (
        anthropic.Anthropic(base_url=cell.address, api_key="wrong", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError) as caught,
    ):
        client.messages.create(model=cell.model, max_tokens=300, messages=ASKS)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["type"] == "authentication_error"
