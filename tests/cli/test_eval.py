"""``pointsman eval grow`` as a user runs it, and what ``eval run`` refuses before it looks at anything."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from pointsman.cli import commands
from pointsman.control.cases.reading import read_cases
from pointsman.core.errors import PointsmanError
from pointsman.core.record import ExchangeRecord, Judgement
from pointsman.core.routing import Decision, Deployment, Grader, Objective, Plan, Prediction, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace

ASKED = ("How many days are there in March?", "Which of 17 and 19 is larger, and by how much?", "Name the capital of Peru.")


def run(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(commands, ["eval", words[0], "--data", str(workspace.data_path), *words[1:]])


def record(place: int, prompt: str) -> ExchangeRecord:
    predictions = (Prediction("z/big", 0.9), Prediction("z/small", 0.2 + place / 10))
    decision = Decision("z/big", (), ("z/big",), (1.0,), "observe", "reference", "why", predictions)
    return ExchangeRecord(f"e{place}", 1000 + place, "auto", "support", "ok", 200, decision, prompt=prompt)


@pytest.fixture
def traffic(workspace: Workspace) -> Workspace:
    """Three requests with prompts, on the last of which a trial has seen two models disagree."""
    plan = Plan("*", reference="z/big", grader=Grader("exact", "case"))
    before = Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {"z/big": Deployment("z/big", "z", "big", "big")},
        {"auto": Route("auto", "z/big", (), Objective(), 0.05, {"*": plan})},
    )
    workspace.publish(lambda _: before, made_by="a test")
    journal = workspace.store.journal
    journal.append([record(place, f"system: Be brief.\n\nuser: {asked}") for place, asked in enumerate(ASKED)])
    row = Judgement("e2", 1, "support", "z/big", "reference", 1.0, "exact", "t")
    journal.judge([row, replace(row, deployment="z/small", arm="candidate", score=0.0)])
    return workspace


def test_cases_are_proposed_for_a_person_to_complete(traffic: Workspace, tmp_path: Path) -> None:
    found = run(traffic, "grow", "support", "--count", "2")
    assert found.exit_code == 0, found.output
    assert "2 cases, of 3 requests that tell models apart (3 in the journal, 3 with a prompt)" in found.output
    path = tmp_path / "support.cases.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["e2", "e0"]
    assert rows[0]["why"] == "graded in a trial: z/big 1.00, z/small 0.00"
    assert rows[1]["why"].startswith("predicted: z/big 0.90, z/small 0.20")

    with pytest.raises(PointsmanError, match=r"line 1: expected is blank, .*; fill in the right answer or delete the line"):
        read_cases(path)
    path.write_text("".join(json.dumps({**row, "expected": "Lima"}) + "\n" for row in rows))
    first, _ = read_cases(path)
    assert (first.id, first.check.kind, first.check.spec, first.labels) == ("e2", "exact", "case", {"feature": "support"})

    again = run(traffic, "grow", "support")
    assert "may hold answers that somebody filled in; name another with --out" in str(again.exception)
    assert "Lima" in path.read_text()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("unheard",), "the journal has no request of unheard"),
        (("support", "--since", "1m"), "the journal has no request of support in that time"),
        (("bare",), "set prompts = true under [journal] in pointsman.toml"),
        (("agreed",), "run `pointsman trial agreed`"),
        (("support", "--out", "cases.csv"), "name a file that ends in .jsonl"),
    ],
)
def test_where_nothing_can_be_proposed_it_is_said_why(traffic: Workspace, words: tuple[str, ...], reason: str) -> None:
    bare = replace(record(7, ""), feature="bare")
    agreed = replace(record(8, "user: hello"), feature="agreed", decision=None)
    traffic.store.journal.append([bare, agreed])
    found = run(traffic, "grow", *words)
    assert found.exit_code == 1
    assert reason in str(found.exception)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--models", " , "), "--models names no deployment"),
        (("--models", "a/b", "--spec", "x"), "--spec belongs to a grader"),
        (("--models", "a/b", "--grader", "exakt"), "Invalid value for '--grader'"),
        (("--models", "a/b", "--cap-usd", "-1"), "Invalid value for '--cap-usd'"),
        (("--models", "a/b", "--concurrency", "0"), "Invalid value for '--concurrency'"),
        ((), "Missing option '--models'"),
    ],
)
def test_options_that_mean_nothing_are_refused(workspace: Workspace, words: tuple[str, ...], reason: str) -> None:
    Path("cases.jsonl").write_text('{"id": 1, "prompt": "x", "expected": "y", "grader": "exact"}\n')
    found = run(workspace, "run", "cases.jsonl", *words)
    assert found.exit_code == 2
    assert reason in found.output


def test_a_mistake_in_a_case_is_said_before_anything_else(workspace: Workspace, tmp_path: Path) -> None:
    Path("cases.jsonl").write_text('{"id": 1, "prompt": "x", "grader": "exact"}\n')
    found = run(workspace, "run", "cases.jsonl", "--models", "a/b")
    assert "cases.jsonl, line 1: expected is blank" in str(found.exception)
    assert list(tmp_path.iterdir()) == [tmp_path / "cases.jsonl"]
