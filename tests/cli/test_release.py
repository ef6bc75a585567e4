"""`pointsman release` as a user runs it: a table, a new model behind a real server, stages, and what is refused."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from pointsman.cli import commands
from pointsman.control.compile import compile_snapshot
from pointsman.control.config import load
from pointsman.control.plans import plan_of
from pointsman.core.errors import PointsmanError
from pointsman.core.release import Change
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.setup import config_toml
from pointsman.upstream.simulated.zoo import Zoo

NEW = "zoo/sim-owl-m"
FEATURE = next(name for name, one in features().items() if one.grader.kind == "numeric")


@pytest.fixture
def zoo() -> Zoo:
    return Zoo(seed=3)


@pytest.fixture
def config(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation whose configuration has been published once."""
    monkeypatch.setenv("COLUMNS", "140")
    with serving(zoo) as url:
        path = tmp_path / "pointsman.toml"
        path.write_text(config_toml(zoo, url, data="data") + f'[releases."{NEW}"]\nlike = "zoo/sim-heron-l"\n', "utf-8")
        workspace = Workspace(path)
        workspace.publish(lambda _: _compiled(path), made_by="a test")
        workspace.close()
        yield path


def _compiled(path: Path) -> Snapshot:
    return compile_snapshot(load(path), None, today=date(2026, 11, 28), made_by="a test").snapshot


@pytest.fixture
def table(zoo: Zoo, tmp_path: Path) -> Path:
    path = tmp_path / "table.jsonl"
    with path.open("w") as file:
        for place, task in enumerate(features()[FEATURE].tasks(300, 1)):
            for name in ("sim-eagle-xl", "sim-heron-l", "sim-crane-m", "sim-wren-s"):
                said = zoo.truth(name, task)
                row = {"prompt_id": str(place), "messages": json.dumps(task.messages), "expected": task.answer,
                       "model": f"zoo/{name}", "score": float(said.right), "prompt_tokens": said.input_tokens,
                       "completion_tokens": said.output_tokens}  # fmt: skip
                file.write(json.dumps(row) + "\n")
    return path


def run(config: Path, *words: str, answer: str = "") -> Result:
    return CliRunner().invoke(commands, (*words[:2], "--config", str(config), *words[2:]), input=answer)


def refused(config: Path, *words: str) -> str:
    with pytest.raises(PointsmanError) as raised:
        CliRunner().invoke(commands, (*words[:2], "--config", str(config), *words[2:]), catch_exceptions=False)
    return str(raised.value)


def snapshot(config: Path) -> Snapshot:
    workspace = Workspace(config)
    try:
        return workspace.snapshot()
    finally:
        workspace.close()


def test_a_release_is_asked_few_prompts_whose_cost_is_shown_before_and_goes_into_shadow(
    zoo: Zoo, config: Path, table: Path, tmp_path: Path
) -> None:
    words = ("release", "add", NEW, "--features", FEATURE, "--table", str(table), "--prompts", "40")
    stopped = run(config, *words, answer="n\n")
    assert stopped.exit_code == 1
    assert "40 calls, together at most $" in stopped.output
    assert zoo.tally[NEW[4:], "asked"] == 0
    assert snapshot(config).releases == ()

    out = tmp_path / "new.jsonl"
    done = run(config, *words, "--out", str(out), answer="y\n")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert f"new: {NEW}, $" in said
    assert "you expect: like zoo/sim-heron-l" in said
    assert "40 of 40 answers graded, mean grade" in said
    assert f"expected of {NEW} on all 300 prompts: mean grade" in said
    assert f"Shadow: {NEW} answers copies of 20 % of the requests of {FEATURE}" in said
    assert zoo.tally[NEW[4:], "asked"] == 40
    assert len(out.read_text().splitlines()) == 40
    now = snapshot(config)
    trial = plan_of(now, "auto", FEATURE).trial
    assert trial
    assert (trial.candidates, trial.cap_nano, now.releases[0].auto) == ((NEW,), 5_000_000_000, False)

    listed = run(config, "release", "list")
    assert f"{NEW}, arrived " in listed.output
    assert "shadow" in listed.output
    assert "tried for $0." in listed.output
    assert "is under way already" in refused(config, *words)


def test_the_prompts_cost_no_more_than_said(zoo: Zoo, config: Path, table: Path) -> None:
    words = ("--features", FEATURE, "--table", str(table), "--prompts", "10", "--prompts-cap", "0.000001", "--yes")
    done = run(config, "release", "add", NEW, *words)
    assert done.exit_code == 0, done.output
    assert "0 of 10 answers graded" in done.output
    assert zoo.tally[NEW[4:], "asked"] == 0


def test_it_is_tried_wherever_there_is_a_check_and_dropped_everywhere(config: Path) -> None:
    assert "No release was announced yet" in run(config, "release", "list").output
    added = run(config, "release", "add", NEW, "--auto")
    assert added.exit_code == 0, added.output
    assert set(snapshot(config).releases[0].features) == set(features())
    dropped = run(config, "release", "drop", NEW, "--reason", "too chatty")
    assert dropped.exit_code == 0, dropped.output
    now = snapshot(config)
    assert all(plan_of(now, "auto", feature).trial is None for feature in features())
    assert run(config, "release", "list").output.count("too chatty") == len(features())
    assert "is over" in refused(config, "release", "drop", NEW)


def test_a_model_that_was_just_written_into_the_file_is_found(config: Path) -> None:
    with config.open("a") as file:
        file.write('[deployments."zoo/fresh"]\nprice = {input = 1, output = 2}\n[deployments."zoo/bare"]\n')
    added = run(config, "release", "add", "zoo/fresh")
    assert added.exit_code == 0, added.output
    assert "zoo/fresh" in snapshot(config).deployments
    assert 'set price = {input = ..., output = ...} in [deployments."zoo/bare"]' in refused(
        config, "release", "add", "zoo/bare"
    )


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("add", "zoo/sim-owl"), "Did you mean zoo/sim-owl-m"),
        (("add", "zoo/sim-eagle-xl"), "is the reference"),
        (("add", NEW, "--features", "unheard"), 'no check is declared for feature "unheard"'),
        (("add", NEW, "--route", "other"), "routes: auto"),
        (("drop", NEW), "was not released"),
        (("trust", NEW), "is not barred"),
    ],
)
def test_what_is_wrong_is_said(config: Path, words: tuple[str, ...], reason: str) -> None:
    assert reason in refused(config, "release", *words)
    assert snapshot(config).releases == ()


def test_a_change_is_shown_and_its_owner_may_trust_it_again(config: Path) -> None:
    run(config, "release", "add", NEW)
    workspace = Workspace(config)
    change = Change(1_700_000_000_000, 1_700_000_100_000, "30 points worse than it was")
    workspace.publish(lambda now: replace(now, changes={NEW: change}), made_by="a test")
    workspace.close()
    assert "it serves nothing until it is tested anew" in run(config, "release", "list").output
    assert run(config, "release", "trust", NEW).exit_code == 0
    assert not snapshot(config).changes[NEW].barred
