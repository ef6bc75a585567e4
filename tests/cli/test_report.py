"""report as a user runs it, on a real store."""

import json

import pytest

from pointsman.core.chat import Usage
from pointsman.core.record import Attempt
from pointsman.serve.workspace import Workspace
from tests.cli.recorded import AT, publish, record, run, words_of


def test_a_place_without_an_installation_is_said_and_left_empty(workspace: Workspace) -> None:
    for command in ("report", "journal"):
        result = run(workspace, command)
        assert result.exit_code == 1
        assert f"nothing is recorded in {workspace.data} yet" in str(result.exception)
        assert "`pointsman import FILE`" in str(result.exception)
    assert not workspace.data.exists()


def test_an_empty_report_says_what_to_do(workspace: Workspace) -> None:
    publish(workspace)
    for command in ("report", "journal"):
        assert "No exchanges are recorded. Send requests" in words_of(run(workspace, command, "--feature", "support"))
        assert "pointsman import FILE" in words_of(run(workspace, command))


def test_where_nothing_matches_what_there_is_is_named(workspace: Workspace) -> None:
    workspace.store.journal.append([record(1), record(2, feature="coding")])
    for command in ("report", "journal"):
        shown = words_of(run(workspace, command, "--feature", "supprt"))
        assert shown == "No exchanges of feature supprt are recorded; there are: coding, support."
        late = words_of(run(workspace, command, "--feature", "support", "--since", "2026-01-01"))
        assert late == "No exchanges are recorded for this time."


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
