"""The ``llm`` command with the gateway in extra-openai-models.yaml: prompt, stream, tools, schema, conversation."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from llm.cli import cli

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import call, fails, text, turn
from tests.client.suites.conftest import Cell

Run = Callable[..., Result]
SPEAKS: Final = ("openai_chat", "openai_responses")
WEATHER: Final = 'def weather(city: str) -> str:\n    "Look the weather up."\n    return f"rain in {city}"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command's user folder: one for all, because its database takes seconds to make."""
    return tmp_path_factory.mktemp("llm")


@pytest.fixture
def llm(cell: Cell, speaks: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, in this process, because it takes a second to start."""
    models: Any = [
        {
            "model_id": name,
            "model_name": cell.named(name),
            "api_base": cell.v1,
            "api_key_name": "pointsman",
            "supports_tools": True,
            "supports_schema": True,
            "responses": speaks == "openai_responses",
        }
        for name in ("scripted", "fails-400")
    ]
    (folder / "extra-openai-models.yaml").write_text(json.dumps(models), "utf-8")
    (folder / "keys.json").write_text(json.dumps({"pointsman": cell.key}), "utf-8")
    monkeypatch.setenv("LLM_USER_PATH", str(folder))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments)

    return run


def test_a_prompt_and_its_continuation(cell: Cell, upstream: Upstream, llm: Run) -> None:
    upstream.play(turn(text("Rain", " and sun.")), turn(text("Ye", "s.")))
    first = llm("-m", "scripted", "How is the weather in Oslo?", "-s", "Be brief.", "--no-stream")
    assert (first.stdout, first.exit_code) == ("Rain and sun.\n", 0), first.stderr
    assert llm("-c", "Sure?").stdout == "Yes.\n"
    asked = json.dumps(upstream.last)
    assert asked.index("Oslo") < asked.index("Rain and sun.") < asked.index("Sure?")


@pytest.mark.parametrize("stream", [False, True])
def test_tools(cell: Cell, upstream: Upstream, llm: Run, *, stream: bool) -> None:
    upstream.play(turn(call("weather", '{"city"', ':"Oslo"}')), turn(text("Wet.")))
    said = llm("-m", "scripted", "How is it?", "--functions", WEATHER, *([] if stream else ["--no-stream"]))
    assert said.stdout.endswith("Wet.\n"), said.stderr
    assert "rain in Oslo" in json.dumps(upstream.last)


def test_a_schema(cell: Cell, upstream: Upstream, llm: Run) -> None:
    upstream.play(turn(text('{"name":"Oslo",', '"people":700000}')))
    said = llm("-m", "scripted", "Oslo", "--schema", "name, people int")
    assert json.loads(said.stdout) == {"name": "Oslo", "people": 700000}, said.stderr
    assert "people" in json.dumps(upstream.last)


def test_an_error(cell: Cell, upstream: Upstream, llm: Run) -> None:
    upstream.play(fails(400, "the model is asleep"))
    said = llm("-m", "fails-400", "hello")
    assert said.exit_code == 1
    assert "the model is asleep" in said.stderr
