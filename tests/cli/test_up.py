"""``pointsman up`` before it serves: what it found, what to look at, and the example to paste."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pointsman.cli import up
from pointsman.control.config import load
from pointsman.core.errors import ConfigError
from pointsman.serve.workspace import Workspace
from pointsman.upstream.discover import Found, keyed, running
from pointsman.upstream.providers import LoopbackServer
from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.zoo import Zoo
from pointsman.upstream.transport import HttpTransport

URL = "http://127.0.0.1:8787/v1"


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Callable[[Found], None]:
    """Let discovery find what a test says."""

    def replace(found: Found) -> None:
        monkeypatch.setattr(up, "run", lambda _: found)

    return replace


def example(printed: str) -> str:
    """The lines to paste."""
    lines = printed.splitlines()
    begin = lines.index("    from openai import OpenAI")
    return textwrap.dedent("\n".join(lines[begin : begin + 4]))


def test_keys_are_found_by_name_and_their_notes_are_told(
    finds: Callable[[Found], None], capsys: pytest.CaptureFixture[str]
) -> None:
    finds(keyed({"OPENAI_API_KEY": "sk-secret", "MOONSHOT_API_KEY": "sk-other", "AZURE_OPENAI_API_KEY": "sk-third"}))
    config, made_by = up._configured(Workspace(), None)
    up._greet(config, URL, keyed=bool(config.keys))
    printed = capsys.readouterr().out
    assert made_by == "what was found on this machine"
    assert "found OpenAI (OPENAI_API_KEY)" in printed
    assert "found Moonshot (Kimi) (MOONSHOT_API_KEY)\n      A key from platform.moonshot.cn needs" in printed
    assert "look at: Azure OpenAI: AZURE_OPENAI_API_KEY is set but AZURE_OPENAI_ENDPOINT is not" in printed
    assert "pointsman up --reference openai/MODEL" in printed
    assert 'model="openai/MODEL"' in example(printed)
    assert "sk-" not in printed


async def as_ollama(url: str) -> Found:
    """Discover the zoo as if its port were Ollama's."""
    transport = HttpTransport()
    try:
        return Found(await running(transport, [LoopbackServer("ollama", "Ollama", urlsplit(url).port or 0)]))
    finally:
        await transport.close()


async def test_a_local_server_is_found_with_its_models(
    finds: Callable[[Found], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Zoo(seed=7)) as url:
        finds(await as_ollama(url))
        config, _ = up._configured(Workspace(), None)
        printed = capsys.readouterr().out
        assert f"found Ollama ({url}): sim-eagle-xl, sim-heron-l, " in printed
        assert "sim-finch-s, and 3 more" in printed
        assert "pointsman up --reference ollama/sim-eagle-xl" in printed
        config, _ = up._configured(Workspace(), "ollama/sim-owl-m")
        up._greet(config, URL, keyed=bool(config.keys))
        printed = capsys.readouterr().out
        assert "--reference" not in printed
        assert 'model="auto"' in example(printed)
        with pytest.raises(ConfigError, match=r"'sim-owl' is not a deployment; did you mean ollama/sim-owl-m\?"):
            up._configured(Workspace(), "sim-owl")


def test_nothing_found_says_what_to_do_and_ends(finds: Callable[[Found], None], capsys: pytest.CaptureFixture[str]) -> None:
    finds(Found())
    with pytest.raises(SystemExit) as ended:
        up._configured(Workspace(), None)
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    for part in ("export OPENAI_API_KEY=", "ollama serve", "pointsman demo"):
        assert part in printed


def test_a_configuration_is_used_and_what_is_worth_a_word_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = tmp_path / "pointsman.toml"
    path.write_text('[providers.openai]\n[keys.shop]\nsha256 = "' + "0" * 64 + '"\n', "utf-8")
    config, made_by = up._configured(Workspace(path), None)
    up._greet(config, URL, keyed=bool(config.keys))
    printed = capsys.readouterr().out
    assert (config, made_by) == (load(path), f"configuration {path}")
    assert "look at: provider openai: env:OPENAI_API_KEY holds nothing here" in printed
    assert "look at: route auto names no reference" in printed
    assert 'api_key="YOUR-KEY"' in example(printed)
    path.write_text("", "utf-8")
    up._configured(Workspace(path), None)
    assert "look at: no provider is configured" in capsys.readouterr().out
