"""feedback as a user runs it, on a real store."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pointsman.cli import commands
from pointsman.core.feedback import Feedback
from pointsman.core.record import Judgement
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter
from tests.cli.recorded import AT, record, words_of


def run(workspace: Workspace, act: str, *words: str) -> Result:
    return CliRunner().invoke(commands, ["feedback", act, "--data", str(workspace.data), *words])


def name(number: int) -> str:
    return f"{number:024x}"


@pytest.fixture
def told(workspace: Workspace) -> Workspace:
    """Forty exchanges; users liked three quarters of them, and a person judged the first thirty."""
    workspace.store.journal.append([record(number, conversation=f"c{number // 2}") for number in range(40)])
    liked = [number % 4 != 0 for number in range(40)]
    workspace.store.feedback.take(
        [Feedback(f"{n}", "users", "thumb", "exchange", name(n), float(liked[n]), AT + n, AT + n) for n in range(40)]
    )
    workspace.store.journal.judge(
        [
            Judgement(name(n), AT + n, "support", "z/big", "control", float(liked[n] != (n % 10 == 0)), "person:ann")
            for n in range(30)
        ]
    )
    return workspace


def test_a_file_is_read_joined_and_counted_once(told: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    lines = [{"exchange": name(n), "score": n / 10, "at": AT + n, "source": "survey"} for n in range(10)]
    lines.append({"exchange": "nobody", "score": 1, "at": AT})
    lines.append({"conversation": "c1", "event": "purchase", "value_usd": "12.5", "at": AT + 50})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{broken\n")
    shown = words_of(run(told, "import", str(path)))
    assert "ratings.jsonl, line 13: is not JSON" in shown
    assert "ratings.jsonl 12 1 11 1 0 0 0" in shown  # read, not read; joined, waiting
    assert "Joined to their exchanges now: 51." in shown  # those of the gateway too
    assert "ratings.jsonl 12 1 0 0 0 0 12" in words_of(run(told, "import", str(path)))
    graders = [one.grader for one in told.store.journal.judgements(Filter(exchange=name(2)))]
    assert sorted(graders) == [
        "feedback:import:conversation:event:purchase", "feedback:survey:score", "feedback:users:thumb", "person:ann",
    ]  # fmt: skip


def test_a_file_without_feedback_and_a_source_that_is_no_name_are_errors(told: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"hello":"world"}\n')
    result = run(told, "import", str(path))
    assert result.exit_code == 1
    assert "line 1: Object contains unknown field `hello`" in result.output
    assert "docs/feedback.md" in str(result.exception)
    assert "is no name" in run(told, "import", str(path), "--source", "a b").output


def test_the_list_says_who_said_what_of_which_and_where_it_stands(told: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    said = [
        {"exchange": name(1), "test": "failed", "at": AT + 100, "source": "ci"},
        {"client_id": "order-7", "edit": {"from": "a b c d", "to": "a b c"}, "at": AT + 101, "source": "desk"},
        {"conversation": "c2", "event": "refund", "value_usd": -3, "at": AT + 102, "source": "shop"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in said))
    run(told, "import", str(path))
    shown = words_of(run(told, "list", "-n", "4"))
    assert "shop conversation c2 refund -$3.00 joined to 2" in shown
    assert "desk client id order-7 edit, 86 % kept waiting" in shown
    assert f"ci exchange {name(1)} test failed joined" in shown
    assert f"users exchange {name(39)} thumb up joined" in shown
    assert "No such feedback" in words_of(run(told, "list", "--unknown"))
    assert "No such feedback" in words_of(run(told, "list", "--source", "nobody"))
    (line,) = run(told, "list", "--source", "ci", "--json").output.splitlines()
    assert json.loads(line)["feedback"]["score"] == 0.0


def test_what_no_exchange_has_as_its_name_is_listed_as_unknown(workspace: Workspace) -> None:
    workspace.store.feedback.take([Feedback("1", "users", "thumb", "exchange", "nobody", 1.0, AT, AT)])
    assert "users exchange nobody thumb up unknown" in words_of(run(workspace, "list", "--unknown"))
    assert "users thumb 1 0 0 1 0 1.00" in words_of(run(workspace, "sources"))


def test_sources_show_what_each_signal_is_worth(told: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps({"exchange": name(35), "test": "failed", "at": AT, "source": "ci"}) + "\n")
    run(told, "import", str(path))
    shown = words_of(run(told, "sources"))
    assert "users thumb 40 40 0 0 0 0.75" in shown
    assert "ci test 0 ~0.90 ~0.10 0." in shown
    (words,) = [
        line.split() for line in run(told, "sources").output.splitlines() if line.split()[:3] == ["users", "thumb", "30"]
    ]
    of_good, of_bad = float(words[3]), float(words[4])
    assert of_good > 0.8
    assert of_bad < 0.5


def test_without_feedback_it_says_how_to_send_some(workspace: Workspace) -> None:
    workspace.store.journal.append([record(1)])
    assert "POST /v1/feedback" in words_of(run(workspace, "sources"))


def test_nothing_is_made_where_there_is_no_installation(workspace: Workspace) -> None:
    result = run(workspace, "list")
    assert (result.exit_code, "nothing is recorded" in str(result.exception)) == (1, True)
    assert not workspace.data.exists()


def test_past_calls_are_named_by_their_logs_own_id(workspace: Workspace, tmp_path: Path) -> None:
    calls, ratings = tmp_path / "calls.jsonl", tmp_path / "ratings.csv"
    calls.write_text(json.dumps({"at": AT, "model": "big", "id": "trace-9", "usage": {"input": 10, "output": 1}}) + "\n")
    ratings.write_text("client_id,score,at\ntrace-9,0.25,2026-11-01\n")
    words_of(CliRunner().invoke(commands, ["import", "--data", str(workspace.data), str(calls)]))
    assert "Joined to their exchanges now: 1." in words_of(run(workspace, "import", str(ratings)))
    (judged,) = workspace.store.journal.judgements(Filter())
    assert (judged.score, judged.arm, judged.grader) == (0.25, "observed", "feedback:import:score")
