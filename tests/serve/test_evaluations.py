"""``pointsman eval run`` as a user runs it: real models behind a real gateway, stopped at any time, taken up again."""

import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pointsman.cli import commands
from pointsman.control.tables import read_outcomes
from pointsman.core.errors import PointsmanError
from pointsman.store.interfaces import Filter
from pointsman.upstream.simulated.faults import Fault
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.models import JUDGE
from pointsman.upstream.simulated.zoo import Zoo
from tests.serve.conftest import Up

BIG, MID, SMALL = "zoo/sim-eagle-xl", "zoo/sim-heron-l", "zoo/sim-gnat-xs"
MODELS = f"{BIG},{SMALL}"
Start = Callable[..., Up]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def up(start: Start) -> Up:
    return start()


def written(path: Path, count: int, *names: str) -> Path:
    """Cases of some of the zoo's features."""
    with path.open("w") as file:
        for name in names or ("extraction", "backoffice"):
            feature = features()[name]
            for place, task in enumerate(feature.tasks(count, 3)):
                case = {"id": f"{name}{place}", "messages": task.messages, "expected": task.answer, "task": name,
                        "grader": feature.grader.kind, "spec": feature.grader.spec}  # fmt: skip
                file.write(json.dumps(case) + "\n")
    return path


def run(up: Up, *words: str, **options: object) -> Result:
    command = ("eval", "run", "--config", str(up.config), "--gateway", up.base_url, "--yes", *words)
    return CliRunner().invoke(commands, command, **options)  # type: ignore[arg-type]


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def asked(zoo: Zoo) -> int:
    return sum(count for (_, event), count in zoo.tally.items() if event == "asked")


@pytest.mark.long
def test_cases_become_a_table_that_is_learned_from(up: Up, zoo: Zoo, tmp_path: Path) -> None:
    cases = written(tmp_path / "cases.jsonl", 25)
    found = run(up, str(cases), "--models", MODELS)
    assert found.exit_code == 0, found.output
    assert all(len(line) <= 80 or line.startswith("Next:") for line in found.output.splitlines())
    table = tmp_path / "cases.outcomes.jsonl"
    assert len(rows(table)) == 100
    assert asked(zoo) == 100

    right: dict[str, list[bool]] = {BIG: [], SMALL: []}
    for name in ("extraction", "backoffice"):  # what a model says is known beforehand, so every grade is
        for task in features()[name].tasks(25, 3):
            for model, said in right.items():
                said.append(zoo.truth(model.partition("/")[2], task).right)
    outcomes = read_outcomes([table])
    assert outcomes.deployments == (BIG, SMALL)
    whole = [row["score"] == 1.0 for row in rows(table) if row["model"] == BIG]
    assert sum(whole) == sum(right[BIG])
    assert outcomes.tasks == ("backoffice", "extraction")

    records = up.recorded(*(str(row["exchange"]) for row in rows(table)))
    assert len(records) == 100
    for record in records:
        assert record.decision is not None
        assert (record.feature, record.decision.arm, record.outcome) == ("eval", "pinned", "ok")
    journal = {record.id: record.cost_nano for record in records}
    assert {str(row["exchange"]): round(float(str(row["cost_usd"])) * 1e9) for row in rows(table)} == journal

    learned = CliRunner().invoke(commands, ("learn", str(table), "--config", str(up.config), "--out", "it.snapshot"))
    assert learned.exit_code == 0, learned.output

    again = run(up, str(cases), "--models", MODELS)
    assert again.exit_code == 0, again.output
    assert "100 are in" in again.output
    assert asked(zoo) == 100


def test_other_checks_of_the_same_answers_cost_nothing(up: Up, zoo: Zoo, tmp_path: Path) -> None:
    cases = written(tmp_path / "cases.jsonl", 5, "backoffice")
    assert run(up, str(cases), "--models", SMALL).exit_code == 0
    told = [{**json.loads(line), "spec": "50%"} for line in cases.read_text().splitlines()]
    cases.write_text("".join(json.dumps(case) + "\n" for case in told))
    found = run(up, str(cases), "--models", SMALL)
    assert found.exit_code == 0, found.output
    assert "5 rows of" in found.output
    assert "$0.00 spent" in found.output
    assert asked(zoo) == 5
    assert len(rows(tmp_path / "cases.outcomes.jsonl")) == 5
    seeded = run(up, str(cases), "--models", SMALL, "--seed", "4")
    assert seeded.exit_code == 0, seeded.output
    assert asked(zoo) == 10


def test_a_judge_is_asked_through_the_gateway_too(up: Up, zoo: Zoo, tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    tasks = list(features()["support"].tasks(6, 1))
    cases.write_text("".join(json.dumps({"id": n, "messages": task.messages}) + "\n" for n, task in enumerate(tasks)))
    words = ("--grader", "judge", "--spec", f"zoo/{JUDGE}")
    found = run(up, str(cases), "--models", MODELS, *words)
    assert found.exit_code == 0, found.output
    held = rows(tmp_path / "cases.outcomes.jsonl")
    assert all(row["score"] == 0.5 for row in held if row["model"] == BIG)
    assert zoo.tally[JUDGE, "asked"] == 12
    assert all(float(str(row["grading_usd"])) > 0 for row in held if row["model"] == SMALL)
    plain = tmp_path / "plain.jsonl"
    plain.write_text('{"id": 1, "prompt": "x", "expected": "y"}\n')
    wrong = run(up, str(plain), "--models", SMALL, "--grader", "judge", "--spec", "zoo/nobody")
    assert "zoo/nobody is not in the published configuration" in str(wrong.exception)


@pytest.fixture
def slow(zoo: Zoo) -> None:
    zoo.speed = 0.5


def eval_process(up: Up, cases: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pointsman", "eval", "run", "--config", str(up.config), "--gateway", up.base_url]
    return subprocess.Popen(
        [*command, "--yes", str(cases), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def holds(path: Path, count: int) -> bool:
    """Wait until a table holds so many lines."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.long
@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_what_was_interrupted_goes_on(up: Up, zoo: Zoo, tmp_path: Path, sign: signal.Signals) -> None:
    cases = written(tmp_path / "cases.jsonl", 40, "backoffice")
    table = tmp_path / "cases.outcomes.jsonl"
    with eval_process(up, cases, "--models", MODELS) as process:
        assert holds(table, 10)
        process.send_signal(sign)
        said, _ = process.communicate(timeout=30)
    if sign is signal.SIGINT:
        assert process.returncode == 130, said
        assert "the same command goes on from there" in " ".join(said.split())
    before = table.read_bytes()
    done = before.count(b"\n")
    assert 10 <= done < 80
    torn = before + b'{"prompt_id":"backoff'
    table.write_bytes(torn)
    zoo.speed = 0.0
    found = run(up, str(cases), "--models", MODELS)
    assert found.exit_code == 0, found.output
    assert "was cut short: it is dropped" in " ".join(found.output.split())
    assert table.read_bytes().startswith(before)
    held = rows(table)
    assert len({(row["prompt_id"], row["model"]) for row in held}) == len(held) == 80
    assert asked(zoo) <= 80 + 8  # no more than what was under way is paid for twice
    exchanges = [str(row["exchange"]) for row in held]
    assert len(up.recorded(*exchanges)) == 80


def test_the_cap_holds_and_the_same_command_goes_on(up: Up, zoo: Zoo, tmp_path: Path) -> None:
    cases = written(tmp_path / "cases.jsonl", 20, "backoffice")
    words = (str(cases), "--models", BIG, "--max-output", "1000")
    found = run(up, *words, "--cap-usd", "0.12")
    assert found.exit_code == 1, found.output
    said = " ".join(found.output.split())
    assert "the cap is reached" in said
    held = rows(tmp_path / "cases.outcomes.jsonl")
    assert 0 < len(held) < 20
    workspace = up.workspace
    up.recorded(*(str(row["exchange"]) for row in held))
    spent = sum(record.cost_nano or 0 for record in workspace.store.journal.exchanges(Filter(feature="eval")))
    workspace.close()
    assert 0 < spent <= 120_000_000
    rest = run(up, *words, "--cap-usd", "5")
    assert rest.exit_code == 0, rest.output
    assert asked(zoo) == 20


def test_who_fails_is_said_and_asked_again(up: Up, zoo: Zoo, tmp_path: Path) -> None:
    cases = written(tmp_path / "cases.jsonl", 10, "backoffice")
    zoo.fail("sim-gnat-xs", Fault("status", 500))
    found = run(up, str(cases), "--models", MODELS, "--concurrency", "2")  # else all may be asked before five have failed
    assert found.exit_code == 1, found.output
    said = " ".join(found.output.split())
    assert f"{SMALL}: status 500" in said
    assert "left alone in this run" in said
    assert "the same command asks those again" in said
    assert len(rows(tmp_path / "cases.outcomes.jsonl")) == 10
    zoo.fail("sim-gnat-xs", None)
    again = run(up, str(cases), "--models", MODELS)
    assert again.exit_code == 0, again.output
    assert len(rows(tmp_path / "cases.outcomes.jsonl")) == 20


def test_nothing_is_spent_before_it_is_agreed_to(up: Up, zoo: Zoo, tmp_path: Path) -> None:
    cases = written(tmp_path / "cases.jsonl", 3, "backoffice")
    words = ("eval", "run", "--config", str(up.config), "--gateway", up.base_url, str(cases), "--models", MODELS)
    refused = CliRunner().invoke(commands, words, input="n\n")
    assert refused.exit_code == 1
    assert "about $" in refused.output
    assert asked(zoo) == 0
    assert CliRunner().invoke(commands, words, input="y\n").exit_code == 0
    assert asked(zoo) == 6


def test_a_feature_s_check_grades_cases_that_say_none(up: Up, tmp_path: Path) -> None:
    cases = tmp_path / "cases.csv"
    cases.write_text("id,prompt,expected\n1,What is 2 + 2?,4\n2,What is 3 + 3?,6\n")
    found = run(up, str(cases), "--models", MID, "--feature", "backoffice")
    assert found.exit_code == 0, found.output
    held = rows(tmp_path / "cases.outcomes.jsonl")
    assert [(row["grader"], row["feature"]) for row in held] == [("numeric", "backoffice")] * 2


def test_a_client_s_key_is_asked_for_and_not_shown(
    config: Path, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(b"my-own-key").hexdigest()
    config.write_text(config.read_text() + f'\n[keys.me]\nsha256 = "{digest}"\n')
    up = start()
    cases = written(tmp_path / "cases.jsonl", 1, "backoffice")
    monkeypatch.delenv("POINTSMAN_KEY", raising=False)
    refused = run(up, str(cases), "--models", SMALL)
    assert "--key-env" in str(refused.exception)
    monkeypatch.setenv("MY_KEY", "my-own-key")
    found = run(up, str(cases), "--models", SMALL, "--key-env", "MY_KEY")
    assert found.exit_code == 0, found.output
    for place in [*Path(up.config.parent / "data").rglob("*"), tmp_path / "cases.outcomes.jsonl"]:
        assert not place.is_file() or b"my-own-key" not in place.read_bytes()
    assert "my-own-key" not in found.output


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--models", "zoo/nobody"), "zoo/nobody is not in the published configuration"),
        (("--models", SMALL, "--gateway", "http://127.0.0.1:9/v1"), "start it with `pointsman up`"),
        (("--models", SMALL, "--grader", "regex", "--spec", "("), "is not a regular expression"),
        (("--models", SMALL, "--feature", "unheard"), "there is no grader; add the column grader"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_called(
    up: Up, zoo: Zoo, tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"id": 1, "prompt": "x", "expected": "y"}\n')
    if "--grader" not in words and "--feature" not in words:
        words = (*words, "--grader", "exact")
    found = run(up, str(cases), *words)
    assert isinstance(found.exception, PointsmanError), found.output
    assert reason in str(found.exception)
    assert asked(zoo) == 0


def test_two_at_once_do_not_write_one_table(up: Up, zoo: Zoo, tmp_path: Path) -> None:
    cases = written(tmp_path / "cases.jsonl", 10, "backoffice")
    zoo.speed = 1.0
    first: list[Result] = []
    thread = threading.Thread(target=lambda: first.append(run(up, str(cases), "--models", SMALL)))
    thread.start()
    assert zoo.wait_for("sim-gnat-xs", "asked")
    second = run(up, str(cases), "--models", SMALL)
    assert "another evaluation" in str(second.exception)
    thread.join(60)
    assert first[0].exit_code == 0


def test_code_is_run_in_the_sandbox(up: Up, tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    rows_ = [{"id": n, "prompt": "Write add(a, b).", "grader": "code", "spec": "assert add(1, 2) == 3"} for n in range(3)]
    cases.write_text("".join(json.dumps(row) + "\n" for row in rows_))
    found = run(up, str(cases), "--models", SMALL)
    if "cannot be isolated here" in str(found.exception):
        pytest.skip("programs cannot be isolated on this machine")
    assert found.exit_code == 0, found.output
    held = rows(tmp_path / "cases.outcomes.jsonl")
    assert [row["score"] for row in held] == [0.0] * 3  # the zoo writes no code
