"""Vercel's ``ai`` package on Node, with five of its providers: text, streams, tools, objects, thinking, errors, leaving.

A program beside Node's packages (``tests/client/node/vercel.mjs``) runs it. The package reads what comes back through its
zod schemas, which pass over unknown fields; so each reply and event is checked against the published schema here as well.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import pytest

from tests.client.scripted.server import Seen, Upstream
from tests.client.scripted.turn import Turn, Usage, call, fails, text, thinking, turn
from tests.client.suites.conftest import ROOT, VERSIONS, Cell
from tests.client.suites.schema import check_event, check_reply
from tests.client.suites.test_schema import events

SDKS: Final = {
    "openai.chat": "openai_chat",
    "openai.responses": "openai_responses",
    "anthropic": "anthropic",
    "google": "gemini",
    "openai-compatible": "openai_chat",
}
FINDS: Final = turn(call("weather", '{"city"', ':"Oslo"}', id="call_a"), call("weather", '{"city"', ':"Rom"}', id="call_b"))
DOT: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
OSLO: Final = {"name": "Oslo", "people": 700000}
# By default the Responses provider refers to reasoning that OpenAI keeps, instead of sending it again.
STATELESS: Final = {"providerOptions": {"openai": {"store": False, "include": ["reasoning.encrypted_content"]}}}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def speaks(sdk: str) -> str:
    return SDKS[sdk]


@pytest.fixture(scope="module")
def node() -> Iterator[subprocess.Popen[str]]:
    command = [str(ROOT / ".clients/venv/bin/node"), "--preserve-symlinks", "--preserve-symlinks-main", "vercel.mjs"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT / ".clients/node", stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        _stdin(process).close()
        assert process.wait(10) == 0


def _stdin(process: "subprocess.Popen[str]") -> IO[str]:
    assert process.stdin is not None
    return process.stdin


def _say(process: "subprocess.Popen[str]", value: dict[str, Any]) -> None:
    _stdin(process).write(json.dumps(value) + "\n")
    _stdin(process).flush()


@pytest.fixture
def ask(node: "subprocess.Popen[str]", cell: Cell, sdk: str, speaks: str) -> Ask:
    """Ask the package for a call, and check what came over the wire for it."""

    def ask(kind: str, model: str = "scripted", **more: Any) -> dict[str, Any]:
        at = {"sdk": sdk, "base": f"{cell.address}/{VERSIONS[speaks]}", "key": cell.key, "model": cell.named(model)}
        _say(node, {**at, "call": kind, "prompt": "How is the weather in Oslo?", **more})
        assert node.stdout is not None
        heard: dict[str, Any] = json.loads(node.stdout.readline())
        for reply in heard["replies"]:
            if reply["status"] == 200 and "error" not in heard:
                _check(speaks, reply)
        return heard

    return ask


def _check(speaks: str, reply: dict[str, Any]) -> None:
    if reply["headers"]["content-type"].startswith("application/json"):
        check_reply(speaks, json.loads(reply["body"]))
        return
    for event in events(reply["body"].encode()):
        check_event(speaks, event)


@pytest.mark.parametrize("kind", ["generateText", "streamText"])
def test_text(ask: Ask, upstream: Upstream, kind: str) -> None:
    upstream.play(turn(text("Rain", " and", " sun."), usage=Usage(30, 9, cached=10)))
    heard = ask(kind, options={"maxOutputTokens": 300})
    assert (heard["text"], heard["finish"], heard["usage"]) == ("Rain and sun.", "stop", [30, 9, 10])
    assert heard["pieces"] == (["Rain", " and", " sun."] if kind == "streamText" else [])
    asked = json.dumps(upstream.last)
    assert "Be brief." in asked
    assert "300" in asked


def test_an_image_and_a_conversation(ask: Ask, upstream: Upstream) -> None:
    upstream.play(turn(text("A dot.")))
    image = {"type": "file", "mediaType": "image/png", "data": DOT}
    said = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": "At what?"},
        {"role": "user", "content": [{"type": "text", "text": "At this."}, image]},
    ]
    assert ask("generateText", prompt=said)["text"] == "A dot."
    asked = json.dumps(upstream.last)
    assert asked.index("Look.") < asked.index("At what?") < asked.index("At this.") < asked.index(DOT)


@pytest.mark.parametrize("kind", ["generateText", "streamText"])
def test_a_tool_loop(ask: Ask, upstream: Upstream, kind: str) -> None:
    upstream.play(FINDS, turn(text("Wet.")))
    heard = ask(kind, tools=True)
    assert heard["calls"] == [["weather", {"city": "Oslo"}], ["weather", {"city": "Rom"}]]
    assert (heard["text"], heard["finish"], len(upstream.seen)) == ("Wet.", "stop", 2)
    asked = json.dumps(upstream.last)
    assert asked.index("rain in Oslo") < asked.index("rain in Rom")


@pytest.mark.parametrize("kind", ["generateText", "streamText"])
def test_what_the_model_thinks_goes_back_with_its_seal(
    ask: Ask, cell: Cell, upstream: Upstream, sdk: str, speaks: str, kind: str
) -> None:
    shown = cell.provider != "openai_chat"
    thought = [thinking("Hm", "m.", signature="c2VhbGVk")] if shown else []
    upstream.play(turn(*thought, call("weather", '{"city":"Oslo"}', id="call_a")), turn(text("Wet.")))
    heard = ask(kind, tools=True, options=STATELESS)
    assert heard["text"] == "Wet."
    # Its provider for Chat Completions reads no reasoning, that for Responses reads summaries, and those are OpenAI's alone.
    reads = {"openai.chat": False, "openai.responses": cell.provider == "openai_responses"}.get(sdk, True)
    assert heard["reasoning"] == ("Hmm." if shown and reads else "")
    if shown and speaks == cell.provider:
        assert "c2VhbGVk" in json.dumps(upstream.last), "the same deployment gets its own signature back"


@pytest.mark.parametrize("kind", ["generateText", "streamText", "generateObject", "streamObject"])
def test_an_object(ask: Ask, upstream: Upstream, kind: str) -> None:
    upstream.play(turn(text('{"name":"Oslo",', '"people":700000}')))
    heard = ask(kind, schema=kind.endswith("Text"))
    assert (heard["output"], heard["finish"], heard["usage"][:2]) == (OSLO, "stop", [20, 7])
    assert "people" in json.dumps(upstream.last)


@pytest.mark.parametrize("status", [400, 429, 500, 529])
@pytest.mark.parametrize("kind", ["generateText", "streamText"])
def test_an_error(ask: Ask, upstream: Upstream, kind: str, status: int) -> None:
    upstream.play(fails(status, "the model is asleep", retry_after=7 if status == 429 else None))
    error = ask(kind, f"fails-{status}")["error"]
    assert (error["name"], error["status"]) == ("AI_APICallError", status)
    assert "the model is asleep" in error["message"], "the package's schema of an error has read it"
    assert error["isRetryable"] == (status != 400)
    assert error["headers"].get("retry-after") == ("7" if status == 429 else None)


@pytest.mark.parametrize("wrong", ["error", "cut"])
def test_a_stream_that_goes_wrong(ask: Ask, upstream: Upstream, wrong: str) -> None:
    upstream.play(turn(text("Rain", " and", " sun."), **{f"{wrong}_after": 2}))
    heard = ask("streamText", wrong)
    assert heard["pieces"] == ["Rain", " and"]
    assert heard["error"]["name"] in {"AI_StreamProviderError", "AI_APICallError"}


def test_leaving_in_the_middle_stops_the_provider(ask: Ask, upstream: Upstream) -> None:
    upstream.play(turn(text("Rain", " and", " sun."), hold_after=2))
    heard = ask("streamText", "hold", leaveAfter=2)
    assert (heard["pieces"], heard["error"]["name"]) == (["Rain", " and"], "AbortError")
    assert upstream.left.wait(5)


@pytest.mark.parametrize("kind", ["generateText", "streamText"])
def test_leaving_before_the_answer_stops_the_provider(
    ask: Ask, upstream: Upstream, node: "subprocess.Popen[str]", kind: str
) -> None:
    def leave(_: Seen) -> Turn:
        _say(node, {"abort": True})
        return turn(text("Rain."), hold_after=0)

    upstream.answer = leave
    assert ask(kind, "hold")["error"]["name"] == "AbortError"
    assert upstream.left.wait(5)


def test_a_wrong_key(ask: Ask, cell: Cell, upstream: Upstream) -> None:
    if not cell.direct:
        error = ask("generateText", key="wrong")["error"]
        assert (error["name"], error["status"], error["isRetryable"]) == ("AI_APICallError", 401, False)
        assert "not known to this gateway" in error["message"]
