"""Every command of docs/evaluations.md, in order, as a new user types them: the zoo stands for the models."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pointsman.cli import commands
from pointsman.control.cases.reading import read_cases
from pointsman.upstream.simulated.features import features
from tests.serve.conftest import Up

PAGE = Path(__file__).parents[2] / "docs" / "evaluations.md"
NAMES = {"openai/big": "zoo/sim-eagle-xl", "openai/small": "zoo/sim-wren-s"}


def typed() -> list[list[str]]:
    """The commands of the page, without what is said beside them."""
    lines = re.findall(r"^    (pointsman [^#\n]+)", PAGE.read_text("utf-8"), re.MULTILINE)
    return [shlex.split(line) for line in lines]


def cases() -> list[str]:
    return re.findall(r'^    (\{"id".*\})$', PAGE.read_text("utf-8"), re.MULTILINE)


def test_the_page_s_cases_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(cases()))
    assert [case.check.kind for case in read_cases(path)] == ["numeric", "json", "code"]


def test_the_page_s_commands_work_in_order(
    config: Path, start: Callable[..., Up], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config.write_text(config.read_text("utf-8") + "\n[journal]\nprompts = true\n", "utf-8")
    tasks = list(features()["support"].tasks(90, 1))
    told = [
        {"id": n, "messages": task.messages, "expected": task.answer, "grader": "exact", "feature": "support"}
        for n, task in enumerate(tasks[:60])
    ]
    Path("cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in told), "utf-8")
    up = start()
    words = typed()
    assert [" ".join(each[1:3]) for each in words] == [
        "up", "eval run", "evaluate cases.outcomes.jsonl", "learn cases.outcomes.jsonl", "eval grow", "eval run",
    ]  # fmt: skip

    def run(each: list[str]) -> str:
        named = [NAMES.get(word, ",".join(NAMES.get(name, name) for name in word.split(","))) for word in each[1:]]
        more = ["--gateway", up.base_url, "--yes"] if each[1:3] == ["eval", "run"] else []
        found = CliRunner().invoke(commands, [*named, *more, "--config", str(config)])
        assert found.exit_code == 0, found.output
        return " ".join(found.output.split())

    for each in words[1:4]:
        said = run(each)
    assert "published snapshot" in said

    client = up.client()
    exchanges = []
    for task in tasks[60:]:
        reply = client.chat.completions.with_raw_response.create(
            model="auto",
            messages=task.messages,  # type: ignore[arg-type]
            extra_headers={"x-pointsman-feature": "support"},
        )
        exchanges.append(reply.headers["x-pointsman-exchange"])
    up.recorded(*exchanges)

    said = run(words[4])
    assert "fill in expected in each line" in said
    right = {task.user: task.answer for task in tasks}
    grown = [json.loads(line) for line in Path("support.cases.jsonl").read_text("utf-8").splitlines()]
    assert all(row["expected"] is None and row["why"].startswith("predicted: ") for row in grown)
    whole = [{**row, "expected": right[row["messages"][-1]["content"]]} for row in grown]
    Path("support.cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in whole), "utf-8")
    said = run(words[5])
    assert f"{2 * len(whole)} of {2 * len(whole)} written" in said
