"""journal as a user runs it, on a real store."""

import msgspec
import pytest
from msgspec.structs import replace

from pointsman.core.chat import Usage
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.serve.workspace import Workspace
from tests.cli.recorded import AT, publish, record, run, words_of


def test_the_journal_lists_the_newest_first(workspace: Workspace) -> None:
    workspace.store.journal.append([record(number) for number in range(30)])
    shown = words_of(run(workspace, "journal", "--limit", "2"))
    assert shown.index(f"{29:024x}") < shown.index(f"{28:024x}")
    assert f"{27:024x}" not in shown
    assert "support canary z/big held on the reference 1,000 + 100 $0.003000 120 ms ok" in shown


def test_the_journal_as_json_lines_without_vectors(workspace: Workspace) -> None:
    workspace.store.journal.append([record(1), record(2, feature="coding")])
    result = run(workspace, "journal", "--json", "--feature", "coding")
    (line,) = result.output.splitlines()
    assert msgspec.json.decode(line, type=ExchangeRecord) == record(2, feature="coding", vector=b"")


def test_one_exchange_whole(workspace: Workspace) -> None:
    retried = Attempt("z/small", "fallback", AT, 200, "", 5.0, 9.0, Usage(1000, 90), 1_500_000, "stop")
    workspace.store.journal.append(
        [record(1, attempts=(Attempt("z/big", "first", AT, 503, "overloaded", basis="unknown", bounds=(0, 5_000)), retried))]
    )
    workspace.store.journal.judge(
        [Judgement(f"{1:024x}", AT, "support", "z/small", "candidate", 0.5, "exact", note="close")]
    )
    shown = words_of(run(workspace, "journal", "--id", f"{1:024x}"))
    for part in (
        "canary, control: held on the reference (snapshot abc)",
        "-> z/big 95 % 90 ± 2 % $0.003000",
        "z/small 5.0 %",
        "left out: z/tiny: context too short",
        "1 z/big first 503 failed $0.00 to $0.000005000",
        "attempt 1 failed: overloaded",
        "2 z/small fallback 200 5 ms 9 ms stop 1,000 0 90 $0.001500",
        "z/small candidate 0.50 exact close",
        "feature vector 4 bytes",
    ):
        assert part in shown


def test_who_goes_on_with_a_conversation_says_where_it_began(workspace: Workspace) -> None:
    began = record(1)
    assert began.decision is not None
    workspace.store.journal.append([began, record(2, decision=replace(began.decision, course=began.id))])
    line = f"chance spoke at the conversation's start: exchange {began.id}"
    assert [line in words_of(run(workspace, "journal", "--id", f"{n:024x}")) for n in (1, 2)] == [False, True]


def test_an_exchange_that_is_not_there(workspace: Workspace) -> None:
    publish(workspace)
    result = run(workspace, "journal", "--id", "nope")
    assert result.exit_code == 1
    assert "there is no exchange nope" in str(result.exception)


def test_a_long_reason_stands_below_the_table(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    reason = "cannot connect to http://127.0.0.1:9 (Connection refused): is it running, and is base_url right?"
    workspace.store.journal.append(
        [record(1, attempts=(Attempt("z/big", "first", AT, 0, reason),), outcome="error", status=502)]
    )
    result = run(workspace, "journal", "--id", f"{1:024x}")
    assert f"attempt 1 failed: {reason}" in result.output.splitlines()
    assert "1 z/big first failed" in words_of(result)
    assert f"120 ms, failed: {reason}" in words_of(run(workspace, "journal"))


def test_an_exchange_that_reached_nobody_has_no_table_of_attempts(workspace: Workspace) -> None:
    workspace.store.journal.append([record(1, attempts=(), outcome="error", status=400)])
    assert "attempt" not in words_of(run(workspace, "journal", "--id", f"{1:024x}"))


def test_an_answer_that_was_not_given_is_said_to_be_unused(workspace: Workspace) -> None:
    other = Attempt("z/small", "first", AT, 200, "", 5.0, 9.0, Usage(1000, 90), 1_500_000, "stop", unused=True)
    given = Attempt("z/big", "asked", AT, 200, "", 5.0, 9.0, Usage(1000, 90), 3_000_000, "stop")
    workspace.store.journal.append([one := record(1, attempts=(other, given))])
    shown = words_of(run(workspace, "journal", "--id", one.id))
    assert "1 z/small first 200 5 ms 9 ms unused 1,000 0 90 $0.001500" in shown
    assert "2 z/big asked 200 5 ms 9 ms stop 1,000 0 90 $0.003000" in shown
    assert one.cost_nano == 4_500_000
