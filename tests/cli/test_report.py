"""report, journal and import as a user runs them, on a real store."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from pointsman.cli import commands
from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Decision, Deployment, Objective, Plan, Prediction, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter

AT = 1_764_000_000_000
NAMES = ("z/big", "z/small")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("POINTSMAN_CONFIG", raising=False)
    return Workspace(None, tmp_path / "data")


def publish(workspace: Workspace) -> None:
    prices = (Price(Rates(Decimal(2), Decimal(10))), Price(Rates(Decimal("0.1"), Decimal("0.4"))))
    snapshot = Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "z", name[2:], name[2:], price) for name, price in zip(NAMES, prices, strict=True)},
        {"auto": Route("auto", "z/big", ("z/small",), Objective(), 0.05, {"*": Plan("*", reference="z/big")})},
    )
    workspace.publish(lambda _: snapshot, made_by="a test")


def record(number: int, **fields: object) -> ExchangeRecord:
    decision = Decision(
        "z/big", ("z/small",), NAMES, (0.95, 0.05), "canary", "control", "held on the reference",
        (Prediction("z/big", 0.9, 0.02, 3_000_000), Prediction("z/small")), {"z/tiny": "context too short"}, "abc",
    )  # fmt: skip
    attempt = Attempt("z/big", "first", AT, 200, "", 40.0, 120.0, Usage(1000, 100, 250), 3_000_000, "stop")
    base = ExchangeRecord(
        f"{number:024x}", AT + number, "auto", "support", "ok", 200, decision, (attempt,), route="auto", latency_ms=120.0,
        vector=b"\x01abc",
    )  # fmt: skip
    return msgspec.structs.replace(base, **fields)


def run(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(commands, [words[0], "--data", str(workspace.data), *words[1:]])


def words_of(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_a_place_without_an_installation_is_said_and_left_empty(workspace: Workspace) -> None:
    for command in ("report", "journal"):
        result = run(workspace, command)
        assert result.exit_code == 1
        assert f"nothing is recorded in {workspace.data} yet" in str(result.exception)
        assert "`pointsman import FILE`" in str(result.exception)
    assert not workspace.data.exists()


def test_an_empty_report_says_what_to_do(workspace: Workspace) -> None:
    publish(workspace)
    assert "pointsman import FILE" in words_of(run(workspace, "report"))
    assert "No exchanges are recorded" in words_of(run(workspace, "journal"))


def test_the_report_in_words(workspace: Workspace) -> None:
    publish(workspace)
    failed = Attempt("z/big", "first", AT, 503, "overloaded")
    workspace.store.journal.append(
        [*(record(number) for number in range(9)), record(9, outcome="error", status=503, attempts=(failed,))]
    )
    shown = words_of(run(workspace, "report"))
    assert "support z/big 10 1 (10 %) $0.0270 120 ms 120 ms 9,000 25 % 900" in shown
    assert "support $0.0270 z/small $0.001260 -95 % quality unknown" in shown
    assert "Without a known cost" not in shown


def test_the_report_says_what_has_no_cost(workspace: Workspace) -> None:
    free = Attempt("z/odd [x]", "first", AT, 200, usage=Usage(10, 1))
    workspace.store.journal.append([record(1), record(2, attempts=(free,))])
    shown = words_of(run(workspace, "report"))
    assert "support z/odd [x] 1 0 unknown 120 ms 120 ms 10 0 % 1" in shown
    assert "Without a known cost (+?): 1." in shown
    assert "run `pointsman up` once" in shown


def test_the_report_as_json(workspace: Workspace) -> None:
    publish(workspace)
    workspace.store.journal.append([record(1), record(2, feature="coding")])
    result = run(workspace, "report", "--json", "--feature", "coding")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert [line["feature"] for line in found["lines"]] == ["coding"]
    assert found["total"]["cost_nano"] == 3_000_000
    assert found["elsewhere"][0]["alternatives"][0]["quality"] == "quality unknown"


def test_moments(workspace: Workspace) -> None:
    workspace.store.journal.append([record(1)])
    assert "support" in words_of(run(workspace, "report", "--since", "2025-11-01", "--until", "2025-12-24T18:30"))
    assert "No exchanges" in words_of(run(workspace, "report", "--until", "2025-11-01"))
    assert "No exchanges" in words_of(run(workspace, "journal", "--since", "2026-01-01 00:00"))
    wrong = run(workspace, "report", "--since", "3 fortnights")
    assert wrong.exit_code == 2
    assert "'3 fortnights' is no moment: write 30m, 24h, 7d" in wrong.output


def test_the_journal_lists_the_newest_first(workspace: Workspace) -> None:
    workspace.store.journal.append([record(number) for number in range(30)])
    shown = words_of(run(workspace, "journal", "--limit", "2"))
    assert shown.index(f"{29:024x}") < shown.index(f"{28:024x}")
    assert f"{27:024x}" not in shown
    assert "support canary z/big held on the reference 1,000 + 100 $0.003000 120 ms ok" in shown


def test_nothing_is_lost_on_80_columns(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure is there, whole, beside the names of its feature and its model."""
    monkeypatch.setenv("COLUMNS", "80")
    publish(workspace)
    workspace.store.journal.append([record(1)])
    for words in (("report",), ("journal",), ("journal", "--id", f"{1:024x}")):
        result = run(workspace, *words)
        assert max(len(line) for line in result.output.splitlines()) <= 80
    shown = words_of(run(workspace, "report"))
    for part in ("support z/big 1 0 $0.003000", "1,000 25 % 100", "support $0.003000 z/small $0.000140 -95 %"):
        assert part in shown
    assert "quality unknown" in shown
    listed = words_of(run(workspace, "journal"))
    assert f"{1:024x} ok support, canary: z/big (held on the reference) 1,000 + 100 tokens, $0.003000, 120 ms" in listed
    attempts = words_of(run(workspace, "journal", "--id", f"{1:024x}"))
    for part in ("1 z/big first 200 40 ms 120 ms stop", "1 z/big first 1,000 250 100 $0.003000"):
        assert part in attempts


def test_the_journal_as_json_lines_without_vectors(workspace: Workspace) -> None:
    workspace.store.journal.append([record(1), record(2, feature="coding")])
    result = run(workspace, "journal", "--json", "--feature", "coding")
    (line,) = result.output.splitlines()
    assert msgspec.json.decode(line, type=ExchangeRecord) == record(2, feature="coding", vector=b"")


def test_one_exchange_whole(workspace: Workspace) -> None:
    retried = Attempt("z/small", "fallback", AT, 200, "", 5.0, 9.0, Usage(1000, 90), 1_500_000, "stop")
    workspace.store.journal.append([record(1, attempts=(Attempt("z/big", "first", AT, 503, "overloaded"), retried))])
    workspace.store.journal.judge(
        [Judgement(f"{1:024x}", AT, "support", "z/small", "candidate", 0.5, "exact", note="close")]
    )
    shown = words_of(run(workspace, "journal", "--id", f"{1:024x}"))
    for part in (
        "canary, control: held on the reference (snapshot abc)",
        "-> z/big 95 % 90 ± 2 % $0.003000",
        "z/small 5.0 %",
        "left out: z/tiny: context too short",
        "1 z/big first 503 overloaded",
        "2 z/small fallback 200 5 ms 9 ms stop 1,000 0 90 $0.001500",
        "z/small candidate 0.50 exact close",
        "feature vector 4 bytes",
    ):
        assert part in shown


def test_an_exchange_that_is_not_there(workspace: Workspace) -> None:
    publish(workspace)
    result = run(workspace, "journal", "--id", "nope")
    assert result.exit_code == 1
    assert "there is no exchange nope" in str(result.exception)


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
