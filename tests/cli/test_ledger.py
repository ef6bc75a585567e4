"""ledger as a user runs it, on a real store."""

import csv
import io
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from pointsman.cli import commands
from pointsman.core.chat import Usage
from pointsman.core.ledger import Line
from pointsman.core.record import Attempt
from pointsman.serve.workspace import Workspace
from pointsman.store.sqlite import FILE
from tests.cli.recorded import AT, record, words_of

TERMS = "input=2 output=10 source=config"
SETTLED = Attempt("z/big", "first", AT, 200, usage=Usage(1000, 100), cost_nano=3_000_000, basis="reported", terms=TERMS)
OPEN = Attempt("z/small", "first", AT, basis="unknown", terms=TERMS, bounds=(0, 500_000), most_input=9, most_output=9)


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    workspace.store.journal.append(
        [
            record(1, attempts=(SETTLED,), customer="acme"),
            record(2, attempts=(OPEN, replace(SETTLED, cause="fallback")), customer="acme", feature="coding"),
        ]
    )
    workspace.store.ledger.append([Line("x", AT, "judge", "z/judge", nano=1_000_000, feature="support")])
    return workspace


def run(workspace: Workspace, verb: str, *words: str) -> Result:
    return CliRunner().invoke(commands, ["ledger", verb, "--data", str(workspace.data), *words])


def ledger(workspace: Workspace, *words: str) -> str:
    return words_of(run(workspace, *words))


def test_a_good_ledger_is_verified_and_its_head_printed(filled: Workspace, tmp_path: Path) -> None:
    head = ledger(filled, "head")
    assert head == filled.store.ledger.head().text
    shown = ledger(filled, "verify")
    assert "5 lines since" in shown
    assert "are good: $0.007000 settled, 1 calls unsettled" in shown
    assert f"head {head}" in shown
    (tmp_path / "aside").write_text(head + "\n")
    assert "are good" in ledger(filled, "verify", "--head", str(tmp_path / "aside"))
    assert "are good" in ledger(filled, "verify", "--head", head)


def test_a_changed_line_is_told_and_the_command_fails(filled: Workspace) -> None:
    filled.close()
    connection = sqlite3.connect(filled.data / FILE)
    with connection:
        connection.execute("DROP TRIGGER ledger_unchanged")
        connection.execute("UPDATE ledger SET line = replace(line, '3000000', '3000') WHERE n = 4")
    connection.close()
    result = run(filled, "verify")
    assert result.exit_code == 1
    assert "line 4: its hash does not follow from it and the line before" in str(result.exception)
    assert "3 lines since" in result.output


def test_a_head_that_is_none_is_refused(filled: Workspace) -> None:
    for wrong in ("nowhere.txt", "5:xyz"):
        result = run(filled, "verify", "--head", wrong)
        assert result.exit_code == 2
        assert "is neither COUNT:HASH nor a file" in result.output


def test_an_empty_ledger_says_so(workspace: Workspace) -> None:
    workspace.store.journal.append([record(1, source="import:x")])
    assert ledger(workspace, "verify").endswith("the ledger is empty")
    assert "begins with the first request" in ledger(workspace, "report")


def test_exports_go_out_whole_and_from_a_line_on(filled: Workspace) -> None:
    rows = list(csv.DictReader(io.StringIO(run(filled, "export").output)))
    assert [row["why"] for row in rows] == ["opening", "first", "first", "fallback", "judge"]
    assert rows[2]["most_usd"] == "0.000500000"
    later = run(filled, "export", "--format", "jsonl", "--after", "3").output.splitlines()
    assert [json.loads(line)["line"]["why"] for line in later] == ["fallback", "judge"]


def test_the_report_adds_up_by_what_is_asked_for(filled: Workspace) -> None:
    shown = ledger(filled, "report", "--by", "feature")
    assert "coding 2 1 $0.003000 1 $0.00 $0.000500 1,000 0 0 100" in shown
    assert "support 2 1 $0.004000 1,000 0 0 100" in shown
    assert "all 4 2 $0.007000" in shown
    assert "1 calls are unsettled, for their usage never came: the bill lies between $0.007000 and $0.007500" in shown
    assert "judge 1 0 $0.001000" in ledger(filled, "report", "--by", "why")
    assert "acme z/small 1 0" in ledger(filled, "report", "--by", "customer,deployment")


def test_the_report_as_json_has_nano_dollars(filled: Workspace) -> None:
    found = json.loads(run(filled, "report", "--by", "vendor,day", "--json").output)
    assert found["sums"]["total"]["settled_nano"] == 7_000_000
    assert [row["names"] for row in found["sums"]["rows"]] == [["z", "2025-11-24"]]


@pytest.mark.parametrize("by", ["", "colour", "day,day"])
def test_what_cannot_be_grouped_by_is_refused(filled: Workspace, by: str) -> None:
    result = run(filled, "report", "--by", by)
    assert result.exit_code == 2
    assert "write some of customer, feature" in result.output


def test_margins_are_shown_where_the_owner_says_what_customers_pay(filled: Workspace, tmp_path: Path) -> None:
    config = tmp_path / "pointsman.toml"
    config.write_text("[customers.acme]\nper_request_usd = 0.01\n")
    shown = ledger(filled, "report", "--config", str(config))
    assert "acme 2 2,200 $0.0200 $0.006000 $0.006000 $0.006500 $0.0135 to $0.0140 68 %" in shown


def test_a_report_of_a_time_without_calls(filled: Workspace) -> None:
    assert "No call was made in this time." in ledger(filled, "report", "--until", "2020-01-01")


def test_an_export_is_reconciled(filled: Workspace, tmp_path: Path) -> None:
    table = tmp_path / "z.csv"
    table.write_text("day,model,requests,input_tokens,output_tokens\n2025-11-24,big,2,2000,200\n2025-11-24,small,1,5,1\n")
    shown = ledger(filled, "reconcile", "--provider", "z", str(table))
    assert "z: 3 days and models compared by requests, input tokens, output tokens; 2 are equal" in shown
    assert "2025-11-24 small requests 1 0 +1 within the bounds of 1 unsettled calls" in shown
    assert "3 of 3 differences are explained" in shown
    table.write_text("day,model,cost_usd\n2025-11-24,big,0.005\n")
    result = run(filled, "reconcile", "--provider", "z", str(table), "--json")
    assert result.exit_code == 1
    (count,) = json.loads(result.output)["days"][0]["differing"]
    assert count == {"name": "nano", "theirs": 5_000_000, "ours": 6_000_000, "reason": ""}
    shown = " ".join(run(filled, "reconcile", "--provider", "z", str(table)).output.split())
    assert "2025-11-24 big amount $0.005000 $0.006000 -$0.001000 unexplained" in shown


def test_a_table_has_to_be_somebodys(filled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("day,requests\n2025-11-24,1\n")
    assert "--provider NAME" in str(run(filled, "reconcile", str(tmp_path / "t.csv")).exception)
    (tmp_path / "t.csv").write_text("day,requests\n")
    assert "not one row" in str(run(filled, "reconcile", "--provider", "z", str(tmp_path / "t.csv")).exception)
    assert run(filled, "reconcile").exit_code == 2


def test_an_empty_ledger_cannot_be_reconciled(workspace: Workspace, tmp_path: Path) -> None:
    workspace.store.journal.append([])
    (tmp_path / "t.csv").write_text("day,requests\n2025-11-24,1\n")
    result = run(workspace, "reconcile", "--provider", "z", str(tmp_path / "t.csv"))
    assert "the ledger is empty" in str(result.exception)
