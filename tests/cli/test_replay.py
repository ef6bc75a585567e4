"""``pointsman replay`` and ``pointsman drill`` as a user sees them."""

import itertools
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.past import a_world, past
from pointsman.cli import commands
from pointsman.serve.workspace import Workspace


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of an installation that served 900 exchanges, half of them graded."""
    world, data = a_world(60, learned_from=120), tmp_path_factory.mktemp("served")
    workspace = Workspace(None, data)
    workspace.publish(lambda _: world.snapshot, made_by="a test")
    rows = list(itertools.islice(past(world, 900, graded=0.5), 900))
    workspace.store.journal.append([record for record, _ in rows])
    workspace.store.journal.judge([judgement for _, judgement in rows if judgement is not None])
    workspace.close()
    return data


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(commands, [words[0], "--data", str(data), *words[1:]])


def lines_of(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line.rstrip() for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    "words",
    [
        ("replay",),
        ("replay", "--without", "sim-stork-m", "--since", "2020-01-01"),
        ("replay", "--price", "zoo=2x", "--feature", "support"),
        ("replay", "--objective", "worth 0.01", "--with", "sim-heron-l"),
        ("drill", "sim-stork-m"),
        ("drill", "--all"),
    ],
)
def test_an_answer_fits_eighty_columns(served: Path, words: tuple[str, ...]) -> None:
    lines = lines_of(run(served, *words))
    assert lines
    assert max(map(len, lines)) <= 80


def test_as_it_is_nothing_changes(served: Path) -> None:
    text = "\n".join(lines_of(run(served, "replay")))
    assert "900 exchanges, decided by snapshot 1 (bench)" in text
    assert text.count("+0.0 %") == 5  # four features and all
    assert "~" not in text
    assert "answers graded by exact, worth" in " ".join(text.split())


def test_an_estimate_has_an_interval_or_a_reason_and_a_remedy(served: Path) -> None:
    text = " ".join(" ".join(lines_of(run(served, "replay", "--without", "sim-stork-m"))).split())
    assert "cannot tell" in text
    assert "quality cannot be told (never tried)" in text
    assert "`pointsman trial" in text
    assert "~ is partly expected" in text


def test_one_json_value_says_it_all(served: Path) -> None:
    result = run(served, "replay", "--price", "sim-eagle-xl=2x", "--json")
    found = json.loads(result.stdout)
    assert found["total"]["requests"] == 900
    assert found["total"]["exact_nano"] > found["total"]["nano_then"]
    assert {answer["feature"] for answer in found["features"]} == {"support", "coding", "extraction", "backoffice"}


def test_a_drill_says_who_takes_over_and_for_how_much(served: Path) -> None:
    lines = lines_of(run(served, "drill", "sim-stork-m"))
    assert lines[0] == "Without sim-stork-m"
    assert "were answered by" in " ".join(lines)
    assert any("zoo/sim-" in line and "~$" in line for line in lines)
    assert "At 2 times its prices everything would cost ~$" in " ".join(lines)


def test_the_loss_of_everything_is_said_in_full(served: Path) -> None:
    text = " ".join(" ".join(lines_of(run(served, "drill", "zoo"))).split())
    assert "900 nobody could serve" in text
    assert "could not be served: nothing else may answer here" in text


def test_what_answered_nothing_is_not_missed(served: Path) -> None:
    text = " ".join(lines_of(run(served, "drill", "sim-judge")))
    assert "Nothing of 900 exchanges was answered by it: its loss would change nothing here." in text


def test_drills_of_every_vendor_in_json(served: Path) -> None:
    (zoo,) = json.loads(run(served, "drill", "--all", "--json").stdout)
    assert (zoo["vendor"], zoo["requests"], zoo["lost"]) == ("zoo", 900, 900)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay", "--without", "acme"), "nothing is called 'acme'"),
        (("replay", "--price", "zoo"), "is no change of price"),
        (("replay", "--objective", "cheap"), "is no objective"),
        (("replay", "--snapshot", "9"), "there is no snapshot 9; snapshots are numbered 1 to 1"),
        (("replay", "--as-of", "2020-01-01"), "nothing was published yet at that time"),
        (("replay", "--route", "fast"), "there is no route 'fast'"),
        (("replay", "--prices", "none.toml"), "none.toml"),
        (("replay", "--table", "none.csv"), "none.csv: there is no such file"),
        (("drill", "acme"), "nothing is called 'acme'"),
    ],
)
def test_a_mistake_is_said_with_its_remedy(served: Path, words: tuple[str, ...], said: str) -> None:
    result = run(served, *words)
    assert result.exit_code == 1
    assert said in str(result.exception)


def test_a_drill_of_nobody_asks_whom(served: Path) -> None:
    result = run(served, "drill")
    assert result.exit_code == 2
    assert "name a vendor, or --all; providers: zoo" in result.output


def test_a_period_without_exchanges_is_said(served: Path) -> None:
    assert lines_of(run(served, "replay", "--until", "2020-01-01"))[0].startswith("No exchanges are recorded for this time.")


def test_an_empty_installation_says_where_to_begin(tmp_path: Path) -> None:
    for words in (("replay",), ("drill", "openai")):
        result = run(tmp_path / "new", *words)
        assert "is recorded in" in str(result.exception)
    assert not (tmp_path / "new").exists()
