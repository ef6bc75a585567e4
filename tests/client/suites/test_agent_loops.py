"""What Claude Code and Codex send, turn by turn: their headers, the shapes of their bodies, and tools that really run.

Small agents made after 2.1.332 and 0.171.0 as `make agents` runs them, with texts of their own. They keep what a reply
brings and send it back as the real ones do: Claude Code its blocks, Codex the items of each ``output_item.done``.
"""

import http.client
import json
import subprocess
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.client.scripted.server import Seen, Upstream
from tests.client.scripted.turn import Turn, call, fails, text, thinking, turn
from tests.client.suites.conftest import KEY, Cell, Recorded
from tests.client.suites.schema import check_event, check_request
from tests.client.suites.test_schema import events

BETAS: Final = (
    "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,thinking-token-count-2026-05-13,"
    "advanced-tool-use-2025-11-20,effort-2025-11-24"
)
CACHED: Final = {"cache_control": {"type": "ephemeral"}}
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema(required: str, **more: Any) -> dict[str, Any]:
    """Return a schema of arguments in all the words that the agents' schemas use."""
    known = {required: {"description": "What to act on", "type": "string"}, **more}
    return {"type": "object", "properties": known, "required": [required], "additionalProperties": False}


class Agent(ABC):
    """An agent at work in a folder. ``session`` is what it calls the conversation; ``lossy`` what replies named as lost."""

    speaks: str
    path: str

    def __init__(self, cell: Cell, folder: Path) -> None:
        self.cell, self.folder, self.model = cell, folder, cell.model
        self.session = str(uuid.uuid4())
        self.lossy: set[str] = set()

    def work(self) -> str:
        """Call the model, run what it wants run, and so on until it answers."""
        while True:
            calls, answer = self.take(self.post())
            if not calls:
                return answer
            self.give([(id_, self.run(name, arguments)) for id_, name, arguments in calls])

    def post(self) -> list[Any]:
        """Send the conversation so far; return the events of the reply, each checked against the published schema."""
        connection = http.client.HTTPConnection(urlsplit(self.cell.address).netloc, timeout=30)
        try:
            connection.request(
                "POST", self.path, json.dumps(self.body()), {**self.headers(), "content-type": "application/json"}
            )
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise PermissionError(response.status, response.headers["retry-after"], json.loads(data))
        self.lossy |= set(filter(None, response.headers.get("x-pointsman-lossy", "").split(", ")))
        found = events(data)
        for event in found:
            check_event(self.speaks, event)
        return found

    def run(self, name: str, arguments: dict[str, Any]) -> str:
        """Run a tool, as the model asked."""
        notes = self.folder / "notes.txt"
        if name in {"Bash", "exec_command"}:
            command = arguments["command" if name == "Bash" else "cmd"]
            return subprocess.run(
                ["/bin/sh", "-c", command], cwd=self.folder, capture_output=True, text=True, check=True
            ).stdout
        assert name == "Edit"
        said = notes.read_text("utf-8")
        notes.write_text(said.replace(arguments["old_string"], arguments["new_string"]), "utf-8")
        return "The file has been updated."

    @abstractmethod
    def headers(self) -> dict[str, str]: ...

    @abstractmethod
    def body(self) -> dict[str, Any]: ...

    @abstractmethod
    def take(self, events: list[Any]) -> tuple[list[tuple[str, str, dict[str, Any]]], str]:
        """Keep what the model said; return its calls (id, name, arguments) and its text."""

    @abstractmethod
    def give(self, results: list[tuple[str, str]]) -> None:
        """Put results of calls into the conversation."""


class ClaudeCode(Agent):
    speaks = "anthropic"
    path = "/v1/messages?beta=true"

    def __init__(self, cell: Cell, folder: Path) -> None:
        super().__init__(cell, folder)
        reminder = {"type": "text", "text": "<system-reminder>\nThe branch is main.\n</system-reminder>"}
        self.messages: list[Any] = [
            {"role": "user", "content": [reminder, {"type": "text", "text": "Put the new line in.", **CACHED}]},
            {"role": "system", "content": "# Environment\nThe platform is linux."},
        ]

    def headers(self) -> dict[str, str]:
        return {
            "accept": "application/json",
            "user-agent": "claude-cli/2.1.332 (external, sdk-cli)",
            "x-claude-code-session-id": self.session,
            "x-stainless-lang": "js",
            "x-stainless-retry-count": "0",
            "x-stainless-timeout": "600",
            "anthropic-beta": BETAS,
            "anthropic-dangerous-direct-browser-access": "true",
            "anthropic-version": "2023-06-01",
            "x-api-key": self.cell.key,
            "x-app": "cli",
            "accept-encoding": "gzip, deflate, br, zstd",
        }

    def body(self) -> dict[str, Any]:
        wait = {"timeout": {"type": "number", "exclusiveMinimum": 0, "maximum": 600_000, "default": 120_000}}
        tools = {
            "Bash": schema("command", **wait),
            "Edit": schema("file_path", old_string={}, new_string={"type": "string"}),
        }
        user = {"device_id": "0" * 64, "account_uuid": "", "session_id": self.session}
        return {
            "model": self.model,
            "messages": self.messages,
            "system": [
                {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.332; cc_entrypoint=sdk-cli;"},
                {"type": "text", "text": "You are an agent.", **CACHED},
                {"type": "text", "text": "\nHelp with the files of this folder.", **CACHED},
            ],
            "tools": [
                {"name": name, "description": f"Runs {name}", "input_schema": {"$schema": _DRAFT, **schema}}
                for name, schema in tools.items()
            ],
            "metadata": {"user_id": json.dumps(user, separators=(",", ":"))},
            "max_tokens": 32_000,
            "thinking": {"type": "adaptive", "display": "updates"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": "high"},
            "stream": True,
        }

    def take(self, events: list[Any]) -> tuple[list[tuple[str, str, dict[str, Any]]], str]:
        blocks: list[dict[str, Any]] = []
        for event in events:
            if event["type"] == "content_block_start":
                blocks.append(dict(event["content_block"]))
                fragments = ""
            elif event["type"] == "content_block_delta":
                delta = event["delta"]
                word = delta["type"].removesuffix("_delta")
                if word == "input_json":
                    fragments += delta["partial_json"]
                    blocks[-1]["input"] = json.loads(fragments) if fragments.endswith("}") else {}
                else:
                    blocks[-1][word] += delta[word]
        self.messages.append({"role": "assistant", "content": blocks})
        calls = [(one["id"], one["name"], one["input"]) for one in blocks if one["type"] == "tool_use"]
        return calls, "".join(one["text"] for one in blocks if one["type"] == "text")

    def give(self, results: list[tuple[str, str]]) -> None:
        blocks: list[dict[str, Any]] = [
            {"tool_use_id": id_, "type": "tool_result", "content": said, "is_error": False} for id_, said in results
        ]
        blocks[-1] |= CACHED
        self.messages.append({"role": "user", "content": blocks})


class Codex(Agent):
    speaks = "openai_responses"
    path = "/v1/responses"
    hosted = False

    def __init__(self, cell: Cell, folder: Path) -> None:
        super().__init__(cell, folder)
        said = (("developer", "You are a coding agent."), ("user", "<cwd>here</cwd>"), ("user", "Put the new line in."))
        self.input: list[Any] = [
            {"type": "message", "id": f"msg_{at}", "role": role, "content": [{"type": "input_text", "text": words}]}
            for at, (role, words) in enumerate(said)
        ]

    def headers(self) -> dict[str, str]:
        return {
            "x-codex-beta-features": "remote_compaction_v2",
            "x-codex-window-id": f"{self.session}:0",
            "x-codex-turn-metadata": json.dumps({"session_id": self.session, "request_kind": "turn"}),
            "x-client-request-id": self.session,
            "session-id": self.session,
            "thread-id": self.session,
            "accept": "text/event-stream",
            "authorization": f"Bearer {self.cell.key}",
            "originator": "codex_exec",
            "user-agent": "codex_exec/0.171.0 (codex_exec; 0.171.0)",
            "accept-encoding": "zstd,gzip",
        }

    def body(self) -> dict[str, Any]:
        wait = {"yield_time_ms": {"type": "number", "description": "How long to wait"}, "tty": {"type": "boolean"}}
        kinds = {"sandbox_permissions": {"type": "string", "enum": ["use_default", "require_escalated"]}}
        goal: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
        tools = {"exec_command": schema("cmd", **wait, **kinds), "get_goal": goal}
        functions: list[dict[str, Any]] = [
            {"type": "function", "name": name, "description": f"Runs {name}", "strict": False, "parameters": parameters}
            for name, parameters in tools.items()
        ]
        if self.hosted:
            functions += [
                {"type": "namespace", "name": "multi_agent_v1", "description": "Sub-agents", "tools": functions[1:]},
                {"type": "web_search", "external_web_access": True},
            ]
        return {
            "model": self.model,
            "stream": True,
            "input": self.input,
            "tools": functions,
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "reasoning": {"summary": "auto"},
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": self.session,
            "client_metadata": {"session_id": self.session, "x-codex-window-id": f"{self.session}:0"},
        }

    def take(self, events: list[Any]) -> tuple[list[tuple[str, str, dict[str, Any]]], str]:
        items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        self.input += items
        calls = [
            (one["call_id"], one["name"], json.loads(one["arguments"])) for one in items if one["type"] == "function_call"
        ]
        said = [part["text"] for one in items if one["type"] == "message" for part in one["content"]]
        return calls, "".join(said)

    def give(self, results: list[tuple[str, str]]) -> None:
        self.input += [
            {
                "type": "function_call_output",
                "id": f"fco_{id_}",
                "call_id": id_,
                "output": f"Process exited with code 0\n{said}",
            }
            for id_, said in results
        ]


class CodexAsItComes(Codex):
    """With the tools that only OpenAI's Responses has a word for."""

    hosted = True


AGENTS: Final = {"claude code": ClaudeCode, "codex": Codex, "codex as it comes": CodexAsItComes}
COUNTS: Final = {"Bash": {"command": "wc -l notes.txt", "description": "Count"}, "exec_command": {"cmd": "wc -l notes.txt"}}
EDITS: Final = {
    "Edit": {"file_path": "notes.txt", "old_string": "old line", "new_string": "new line"},
    "exec_command": {"cmd": "sed -i 's/old line/new line/' notes.txt"},
}


@pytest.fixture(params=AGENTS)
def kind(request: pytest.FixtureRequest) -> type[Agent]:
    return AGENTS[request.param]


@pytest.fixture
def speaks(kind: type[Agent]) -> str:
    return kind.speaks


@pytest.fixture
def agent(kind: type[Agent], cell: Cell, tmp_path: Path) -> Agent:
    (tmp_path / "notes.txt").write_text("old line\n", "utf-8")
    return kind(cell, tmp_path)


def test_an_agent_at_work(agent: Agent, kind: type[Agent], cell: Cell, upstream: Upstream, recorded: Recorded) -> None:
    counts, edits = ("Bash", "Edit") if kind is ClaudeCode else ("exec_command", "exec_command")
    thought = [thinking("Look", " first.", signature="c2VhbGVk")] if cell.provider != "openai_chat" else []
    upstream.play(
        turn(*thought, text("I ", "look."), call(counts, *_cut(COUNTS[counts]), id="call_1")),
        turn(call(counts, *_cut(COUNTS[counts]), id="call_2"), call(edits, *_cut(EDITS[edits]), id="call_3")),
        turn(text("It is ", "done.")),
    )
    assert agent.work() == "It is done."
    assert (agent.folder / "notes.txt").read_text("utf-8") == "new line\n"
    first, second, third = (json.dumps(seen.body) for seen in upstream.seen)
    assert ("1 notes.txt" in first, second.count("1 notes.txt"), third.count("1 notes.txt")) == (False, 1, 2)
    if kind.speaks == cell.provider:
        assert "c2VhbGVk" in third, "what the model thought comes back with its seal"
    if not cell.direct:
        assert [one["outcome"] for one in recorded(agent.session, 3)] == ["ok"] * 3
        foreign = kind is CodexAsItComes and kind.speaks != cell.provider
        hosted = {name.rpartition(".")[2] for name in agent.lossy} & {"namespace", "web_search"}
        assert hosted == ({"namespace", "web_search"} if foreign else set())


def test_an_agent_is_told_how_long_to_wait(agent: Agent, cell: Cell, upstream: Upstream) -> None:
    upstream.play(fails(429, "the model is asleep", retry_after=7))
    agent.model = cell.named("fails-429")
    with pytest.raises(PermissionError) as caught:
        agent.work()
    assert caught.value.args[:2] == (429, "7")


@pytest.mark.parametrize("kind", [ClaudeCode, Codex])
def test_a_seal_stays_with_who_made_it_when_another_stands_in(
    kind: type[Agent], scripted: Upstream, gateway: str, tmp_path: Path, recorded: Recorded
) -> None:
    """The provider fails in the middle of a turn that began with reasoning; the same model elsewhere goes on with it."""
    (tmp_path / "notes.txt").write_text("old line\n", "utf-8")
    name, edit = ("Edit", EDITS["Edit"]) if kind is ClaudeCode else ("exec_command", EDITS["exec_command"])
    turns = [
        turn(thinking("Look", " first.", signature="c2VhbGVk"), call(name, *_cut(edit), id="call_1")),
        turn(text("It is ", "done.")),
    ]

    def answer(seen: Seen) -> Turn:
        return fails(500) if seen.dialect == kind.speaks and len(turns) == 1 else turns.pop(0)

    scripted.reset()
    scripted.answer = answer
    agent = kind(Cell(gateway, KEY, kind.speaks, direct=False), tmp_path)
    agent.model = f"{kind.speaks}-first"
    assert agent.work() == "It is done."
    assert (tmp_path / "notes.txt").read_text("utf-8") == "new line\n"
    began, failed, stood_in = scripted.seen
    assert (began.dialect, failed.dialect, stood_in.dialect) == (kind.speaks, kind.speaks, "openai_chat")
    assert ("c2VhbGVk" in json.dumps(failed.body), "c2VhbGVk" in json.dumps(stood_in.body)) == (True, False)
    assert "thinking.signature" in agent.lossy
    check_request(stood_in)
    causes = [[attempt["cause"] for attempt in one["attempts"]] for one in recorded(agent.session, 2)]
    assert causes == [["first", "fallback"], ["first"]]


def _cut(arguments: dict[str, Any]) -> tuple[str, str]:
    """Return arguments as a model writes them: in pieces."""
    whole = json.dumps(arguments)
    return whole[:7], whole[7:]
