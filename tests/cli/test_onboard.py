"""`pointsman onboard` as a user runs it: a table, a new model behind a real server, its grades, and learning from both."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pointsman.cli import commands
from pointsman.control.plans import plan_of
from pointsman.core.errors import PointsmanError
from pointsman.serve.workspace import Workspace
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.setup import config_toml
from pointsman.upstream.simulated.zoo import Zoo

NEW = "sim-owl-m"
ASKED = 60


def run(*words: str) -> Result:
    return CliRunner().invoke(commands, words)


@pytest.fixture
def zoo() -> Zoo:
    return Zoo(seed=3)


@pytest.fixture
def feature(zoo: Zoo) -> str:
    """A feature whose answers are numbers: the new model is strong there."""
    return next(name for name, one in features().items() if one.grader.kind == "numeric")


@pytest.fixture
def table(zoo: Zoo, feature: str, tmp_path: Path) -> Path:
    """Answers of all models but the new one, which is as good as the dearest at English numbers."""
    path = tmp_path / "table.jsonl"
    names = ("sim-eagle-xl", "sim-heron-l", "sim-crane-m", "sim-wren-s")
    with path.open("w") as file:
        english = [task for task in features()[feature].tasks(800, 1) if task.language == "en"]
        for place, task in enumerate(english):
            for name in names:
                said = zoo.truth(name, task)
                row = {"prompt_id": str(place), "messages": json.dumps(task.messages), "expected": task.answer,
                       "dataset": task.family, "model": f"zoo/{name}", "score": float(said.right),
                       "prompt_tokens": said.input_tokens, "completion_tokens": said.output_tokens}  # fmt: skip
                file.write(json.dumps(row) + "\n")
    return path


@pytest.fixture
def config(zoo: Zoo, tmp_path: Path) -> Iterator[Path]:
    with serving(zoo) as url:
        path = tmp_path / "pointsman.toml"
        path.write_text(config_toml(zoo, url, data="data") + f'[releases."zoo/{NEW}"]\nlike = "zoo/sim-heron-l"\n', "utf-8")
        yield path


def written(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_new_model_is_asked_few_prompts_and_then_serves(
    zoo: Zoo, feature: str, table: Path, config: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new.jsonl"
    options = ("--config", str(config), "--out", str(out), "--prompts", str(ASKED))
    found = run("onboard", f"zoo/{NEW}", str(table), *options, "--run", feature)
    assert found.exit_code == 0, found.output
    said = " ".join(found.output.split())
    assert f"{ASKED} of {ASKED} answers graded" in said
    assert zoo.tally[NEW, "asked"] == ASKED
    rows = written(out)
    assert len({row["prompt_id"] for row in rows}) == ASKED
    assert all(row["score"] in (0.0, 1.0) and row["completion_tokens"] and row["cost_usd"] for row in rows)

    learned = run("learn", str(table), str(out), "--config", str(config))
    assert learned.exit_code == 0, learned.output
    said = " ".join(learned.output.split())
    assert f"zoo/{NEW} is new here: graded on {ASKED} prompts" in said
    workspace = Workspace(config)
    plan = plan_of(workspace.snapshot(), "auto", "anything")
    workspace.close()
    assert f"zoo/{NEW}" in plan.accepted

    again = run("onboard", f"zoo/{NEW}", str(table), str(out), *options[:2], "--out", str(tmp_path / "more.jsonl"))
    assert again.exit_code == 0, again.output
    assert not {row["dup_group"] for row in rows} & {row["dup_group"] for row in written(tmp_path / "more.jsonl")}


def test_without_a_configuration_prompts_are_written_to_be_graded_by_hand(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POINTSMAN_CONFIG", raising=False)
    found = run("onboard", "acme/new", "table.jsonl", "--prompts", "40", "--out", "new.jsonl")
    assert found.exit_code == 0, found.output
    rows = written(tmp_path / "new.jsonl")
    assert len(rows) == 40
    assert all(row["model"] == "acme/new" and row["score"] is None and row["messages"] for row in rows)
    with pytest.raises(PointsmanError, match="no row has a score"):
        CliRunner().invoke(commands, ("evaluate", "table.jsonl", "new.jsonl"), catch_exceptions=False)
    for row in rows:
        row["score"] = 1
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    learned = run("learn", "table.jsonl", "new.jsonl", "--out", "it.snapshot")
    assert learned.exit_code == 0, learned.output
    assert "acme/new is new here: graded on 40 prompts" in " ".join(learned.output.split())
    assert not (tmp_path / ".pointsman").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--out", "new.csv"), "name a file that ends in .jsonl"),
        (("--out", "new.jsonl", "--run", "unheard"), "unheard has no check"),
        (("--out", "none/new.jsonl"), "cannot be written"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], reason: str, table: Path, config: Path) -> None:
    with pytest.raises(PointsmanError, match=reason):
        CliRunner().invoke(
            commands, ("onboard", f"zoo/{NEW}", str(table), "--config", str(config), *words), catch_exceptions=False
        )


def test_a_model_that_cannot_be_called_is_not(feature: str, table: Path, config: Path, tmp_path: Path) -> None:
    words = ("onboard", "zoo/unheard", str(table), "--config", str(config), "--out", str(tmp_path / "n.jsonl"))
    with pytest.raises(PointsmanError, match="zoo/unheard is not in the published configuration"):
        CliRunner().invoke(commands, (*words, "--run", feature), catch_exceptions=False)
    assert not (tmp_path / "n.jsonl").exists()
