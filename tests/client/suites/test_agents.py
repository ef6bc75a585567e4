"""Claude Code and Codex themselves, at work in a folder: a command run, a file edited, the results sent back, an answer.

`make agents` installs them (800 MB) and names their place in ``POINTSMAN_AGENTS``. Everything that they could call outside
is switched off, and whatever is left of it would go to a proxy that does not exist. ``test_agent_loops`` sends what they
send, in every build.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.client.scripted.server import Upstream
from tests.client.scripted.turn import Call, Text, call, fails, text, thinking, turn
from tests.client.suites.conftest import Cell, Recorded

ASKED: Final = "Put the new line in the place of the old one in notes.txt"
PATCH: Final = """apply_patch <<'EOF'
*** Begin Patch
*** Update File: notes.txt
@@
-old line
+new line
*** End Patch
EOF"""
SPEAKS_OF: Final = {"claude": "anthropic", "codex": "openai_responses"}


@pytest.fixture(scope="session")
def programs() -> dict[str, Path]:
    place = os.environ.get("POINTSMAN_AGENTS")
    if place is None:
        pytest.skip("no agents: POINTSMAN_AGENTS does not name a folder of them (make agents)")
    modules = Path(place) / "node_modules"
    found = {
        "claude": next(modules.glob("@anthropic-ai/claude-code-*/claude")),
        "codex": next(modules.glob("@openai/codex-*/vendor/*/bin/codex")),
    }
    return {name: path.resolve() for name, path in found.items()}


@pytest.fixture(params=SPEAKS_OF)
def agent(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def speaks(agent: str) -> str:
    return SPEAKS_OF[agent]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the agent works."""
    place = tmp_path / "work"
    place.mkdir()
    (place / "notes.txt").write_text("old line\n", "utf-8")
    return place


def run(program: Path, arguments: list[str], folder: Path, environment: dict[str, str]) -> list[dict[str, Any]]:
    """Run an agent to its end; return the events that it prints."""
    closed = {
        "HOME": str(folder.parent),
        "PATH": os.environ["PATH"],
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    ran = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=closed | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, (ran.stdout[-2000:], ran.stderr[-2000:])
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


def claude(program: Path, cell: Cell, folder: Path) -> tuple[str, str]:
    """Let Claude Code work; return its session's id and its answer."""
    environment = {
        "ANTHROPIC_BASE_URL": cell.address,
        "ANTHROPIC_API_KEY": cell.key,
        "CLAUDE_CONFIG_DIR": str(folder.parent / "claude"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
    }
    asked = ["-p", ASKED, "--model", cell.model, "--allowedTools", "Bash,Read,Edit"]
    last = run(program, [*asked, "--output-format", "stream-json", "--verbose"], folder, environment)[-1]
    return last["session_id"], last["result"]


def codex(program: Path, cell: Cell, folder: Path) -> tuple[str, str]:
    """Let Codex work; return its thread's id and its answer."""
    home = folder.parent / "codex"
    home.mkdir()
    (home / "config.toml").write_text(
        f"""model = "{cell.model}"
model_provider = "pointsman"
approval_policy = "never"
check_for_update_on_startup = false
web_search = "disabled"
agents.enabled = false
analytics.enabled = false
feedback.enabled = false
[model_providers.pointsman]
name = "Pointsman"
base_url = "{cell.v1}"
env_key = "POINTSMAN_KEY"
wire_api = "responses"
""",
        "utf-8",
    )
    asked = ["exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", "--json", ASKED]
    events = run(program, asked, folder, {"CODEX_HOME": str(home), "POINTSMAN_KEY": cell.key})
    said = [event["item"]["text"] for event in events if event.get("item", {}).get("type") == "agent_message"]
    return events[0]["thread_id"], said[-1]


def thought(cell: Cell) -> tuple[Text, ...]:
    """Return what the model thinks first, where its dialect shows it: the seal has to come back with the call."""
    return (thinking("Look", " first.", signature="c2VhbGVk"),) if cell.provider != "openai_chat" else ()


def of_claude(folder: Path) -> list[Call]:
    path = str(folder / "notes.txt")
    edit = {"file_path": path, "old_string": "old line", "new_string": "new line"}
    return [
        call("Bash", '{"command":"wc -l', ' notes.txt","description":"Count the lines"}', id="toolu_1"),
        call("Read", json.dumps({"file_path": path}), id="toolu_2"),
        call("Edit", json.dumps(edit), id="toolu_3"),
    ]


def of_codex(folder: Path) -> list[Call]:
    return [
        call("exec_command", '{"cmd":"wc -l', ' notes.txt"}', id="call_1"),
        call("exec_command", json.dumps({"cmd": PATCH}), id="call_2"),
    ]


AGENTS: Final = {"claude": claude, "codex": codex}
FAILURES: Final = {
    "cut": turn(text("Bro", "ken"), cut_after=1),
    "error": turn(text("Bro", "ken"), error_after=1),
    "429": fails(429, retry_after=1),
    "500": fails(500),
    "529": fails(529),
}


def test_an_agent_at_work(
    agent: str, programs: dict[str, Path], cell: Cell, upstream: Upstream, folder: Path, recorded: Recorded
) -> None:
    first, *others = (of_claude if agent == "claude" else of_codex)(folder)
    turns = [turn(*thought(cell), first), *(turn(one) for one in others), turn(text("It is ", "done."))]
    upstream.play(*turns)
    session, answer = AGENTS[agent](programs[agent], cell, folder)
    assert answer == "It is done."
    assert (folder / "notes.txt").read_text("utf-8") == "new line\n"
    assert "1 notes.txt" in json.dumps(upstream.seen[1].body), "what the command printed comes back"
    if cell.provider == SPEAKS_OF[agent]:
        assert "c2VhbGVk" in json.dumps(upstream.seen[1].body), "what the model thought comes back with its seal"
    if not cell.direct:
        assert {one["attempts"][-1]["deployment"] for one in recorded(session, len(turns))} == {cell.model}


@pytest.mark.parametrize("wrong", FAILURES)
def test_an_agent_asks_again(
    agent: str, programs: dict[str, Path], cell: Cell, upstream: Upstream, folder: Path, wrong: str
) -> None:
    upstream.play(FAILURES[wrong], turn(text("It is ", "done.")))
    _, answer = AGENTS[agent](programs[agent], cell, folder)
    assert answer == "It is done."
