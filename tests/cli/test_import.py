"""import as a user runs it, on a real store."""

import json
import re
from pathlib import Path

from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter
from tests.cli.recorded import AT, publish, run, words_of


def test_import_tells_what_came_of_each_file_and_fills_the_report(workspace: Workspace, tmp_path: Path) -> None:
    publish(workspace)
    good = tmp_path / "good.jsonl"
    calls = [
        {"at": AT + n, "model": "big", "usage": {"input": 1000, "output": 100}, "labels": {"team": "blue"}} for n in range(3)
    ]
    good.write_text("".join(json.dumps(call) + "\n" for call in calls) + "{broken\n")
    other = tmp_path / "other.json"
    completion = {
        "object": "chat.completion",
        "id": "c",
        "created": AT // 1000,
        "model": "odd-one",
        "usage": {"prompt_tokens": 7},
    }
    other.write_text(json.dumps([completion]))
    shown = words_of(run(workspace, "import", str(good), str(other), "--feature-from", "team"))
    assert "good.jsonl, line 4: is not JSON" in shown
    assert "good.jsonl pointsman 3 3 0 1 0 3,000 300 $0.009000 0" in shown
    assert "other.json openai 1 1 0 0 0 7 0 $0.00 1" in shown
    assert "Without a known price: odd-one." in shown
    assert "good.jsonl pointsman 3 0 0 1 0" in words_of(run(workspace, "import", str(good)))
    assert "blue z/big 3 0 $0.009000 3,000 0 % 300" in words_of(run(workspace, "report"))
    assert [one.source for one in workspace.store.journal.exchanges(Filter(feature="blue"))] == ["import:good.jsonl"] * 3


def test_import_shows_only_the_first_complaints(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("{broken\n" * 25 + json.dumps({"at": AT, "model": "m"}) + "\n")
    shown = words_of(run(workspace, "import", str(path)))
    assert "line 10: is not JSON" in shown
    assert "line 11:" not in shown
    assert "15 more could not be read" in shown


def test_a_file_without_calls_is_an_error(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"hello":"world"}\n')
    result = run(workspace, "import", str(path))
    assert result.exit_code == 1
    assert "line 1: is in none of the known formats (otel, litellm, langfuse, openai, pointsman)" in result.output
    assert "docs/imports.md" in str(result.exception)
    missing = run(workspace, "import", str(tmp_path / "nowhere"))
    assert missing.exit_code == 2
    assert "does not exist" in missing.output


LOGS = {
    "own.jsonl": {"at": AT, "model": "big", "feature": "ours", "usage": {"input": 10, "output": 1}, "cost_usd": "0.001"},
    "openai.jsonl": {
        "timestamp": "2025-11-24T16:00:00Z",
        "request": {"model": "big", "messages": [{"role": "user", "content": "hi"}], "metadata": {"feature": "pairs"}},
        "response": {"object": "chat.completion", "model": "big", "usage": {"prompt_tokens": 20, "completion_tokens": 2}},
    },
    "litellm.json": [
        {
            "request_id": "a", "call_type": "acompletion", "spend": 0.002, "prompt_tokens": 30, "completion_tokens": 3,
            "startTime": "2025-11-24T16:00:00Z", "endTime": "2025-11-24T16:00:01Z", "model": "big",
            "metadata": {}, "request_tags": ["feature:tags"], "status": "success",
        }
    ],
    "langfuse.jsonl": {
        "id": "o", "trace_id": "t", "type": "GENERATION", "start_time": "2025-11-24T16:00:00Z", "provided_model_name": "big",
        "usage_details": {"input": 40, "output": 4}, "metadata": {"feature": "traces"},
    },
    "otel.jsonl": {
        "resourceSpans": [{"scopeSpans": [{"spans": [{
            "traceId": "a", "spanId": "b", "startTimeUnixNano": str(AT * 1_000_000), "endTimeUnixNano": str(AT * 1_000_000),
            "attributes": [
                {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                {"key": "gen_ai.request.model", "value": {"stringValue": "big"}},
                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "50"}},
                {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "5"}},
                {"key": "feature", "value": {"stringValue": "spans"}},
            ],
        }]}]}]
    },
}  # fmt: skip


def test_every_format_reaches_the_same_report(workspace: Workspace, tmp_path: Path) -> None:
    publish(workspace)
    for name, content in LOGS.items():
        (tmp_path / name).write_text(json.dumps(content) + "\n", "utf-8")
    shown = words_of(run(workspace, "import", *(str(tmp_path / name) for name in LOGS)))
    for name, kind in zip(LOGS, ("pointsman", "openai", "litellm", "langfuse", "otel"), strict=True):
        assert f"{name} {kind} 1 1 0 0 0" in shown
    report = words_of(run(workspace, "report"))
    for feature, tokens in (("ours", 10), ("pairs", 20), ("tags", 30), ("traces", 40), ("spans", 50)):
        assert re.search(rf"{feature} z/big 1 0 \$\d[\d.]* .*?\b{tokens} 0 % {tokens // 10}\b", report), feature
    assert "all 5 0" in report


def test_where_nothing_was_read_there_is_nothing_to_see(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("not json\n")
    result = run(workspace, "import", str(path))
    assert result.exit_code == 1
    assert "line 1: is not JSON" in result.output
    assert "See them" not in result.output
