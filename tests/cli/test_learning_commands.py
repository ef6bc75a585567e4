"""learn, predict, route and evaluate as a user runs them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from click.testing import CliRunner, Result

import pointsman
from pointsman.cli import commands
from pointsman.control.plans import plan_of
from pointsman.core.errors import PointsmanError
from pointsman.serve.workspace import Workspace
from tests.policy.test_teach import NAMES, table

CONFIG = """
[gateway]
data = "data"
[providers.p]
base_url = "http://127.0.0.1:9/v1"
credential = "none"
[deployments."p/big"]
price = {input = 10, output = 40}
[deployments."p/sums"]
price = {input = 1, output = 4}
[deployments."p/words"]
price = {input = 1, output = 4}
[routes.auto]
reference = "p/big"
candidates = ["p/sums", "p/words"]
objective = "match"
tolerance = 3
[models]
big = "p/big"
sums = "p/sums"
words = "p/words"
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(commands, words)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of the policy tests as a file, its texts made anew from the same two kinds."""
    rows = table()
    path = tmp_path_factory.mktemp("tables") / "t.parquet"
    lines = []
    for place in range(len(rows)):
        kind = "add the numbers" if rows.score[place, 1] > rows.score[place, 2] else "write a letter about"
        for column, name in enumerate(NAMES):
            lines.append(
                {"prompt_id": str(place), "prompt": f"{kind} {place}", "model": name[2:], "score": rows.score[place, column],
                 "prompt_tokens": 20, "completion_tokens": 30, "cost_usd": 0.001}
            )  # fmt: skip
    pa_parquet.write_table(pa.Table.from_pylist(lines), path)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "pointsman.toml"
    path.write_text(CONFIG, "utf-8")
    return path


def test_without_any_configuration_a_snapshot_is_written_and_predicts(
    outcomes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    learned = run("learn", str(outcomes), "--route", "auto", "--out", "it.snapshot")
    assert learned.exit_code == 0, learned.output
    assert "no deployment is known for 3 models of the table: big, sums, words" in learned.output
    prompts = tmp_path / "p.jsonl"
    prompts.write_text(
        '{"prompt_id": "a", "prompt": "add the numbers 7"}\n{"prompt_id": "b", "prompt": "write a letter about 8"}\n'
    )
    predicted = run("predict", str(prompts), "--snapshot", "it.snapshot", "--out", "o.parquet")
    assert predicted.exit_code == 0, predicted.output
    found = pa_parquet.read_table("o.parquet")
    assert found.column_names == [
        "prompt_id", "deployment", "quality", "quality_sd", "cost_usd", "cost_usd_p90", "output_tokens", "output_tokens_p90",
    ]  # fmt: skip
    rows = {(row["prompt_id"], row["deployment"]): row for row in found.to_pylist()}
    assert len(rows) == 6
    assert rows["a", "sums"]["quality"] > rows["a", "words"]["quality"] + 0.2
    assert rows["b", "words"]["quality"] > rows["b", "sums"]["quality"] + 0.2
    assert rows["a", "big"]["cost_usd"] == pytest.approx(0.001, rel=0.05)
    assert rows["a", "big"]["cost_usd_p90"] == pytest.approx(0.001, rel=0.05)
    assert [rows["a", "big"][name] for name in ("output_tokens", "output_tokens_p90")] == pytest.approx([30, 30], rel=0.05)
    explained = run("route", "add the numbers 7", "--snapshot", "it.snapshot")
    assert explained.exit_code == 0, explained.output
    assert "chance" in explained.output
    assert not (tmp_path / ".pointsman").exists()


def test_learning_publishes_and_the_route_acts_with_its_control_share(outcomes: Path, config: Path) -> None:
    learned = run("learn", str(outcomes), "--route", "auto", "--config", str(config))
    assert learned.exit_code == 0, learned.output
    said = " ".join(learned.output.split())
    assert "measured on the prompts that this trade-off was chosen on: held out from learning, not from choosing" in said
    assert "accepted is what it chose beside the reference: p/sums, p/words" in said
    assert "at most 3 points below p/big is estimated, with 1 standard error to spare, not tested" in said
    assert "route auto is in auto" in said
    workspace = Workspace(config)
    plan = plan_of(workspace.snapshot(), "auto", "anything")
    workspace.close()
    assert (plan.mode, plan.accepted, plan.acting_share) == ("auto", ("p/sums", "p/words"), 0.95)
    explained = run("route", "add the numbers 7", "--config", str(config))
    assert "> " in explained.output
    assert "p/sums: good enough for less" in explained.output


def test_where_the_reference_suffices_learning_says_so_and_the_route_stays(config: Path, tmp_path: Path) -> None:
    lines = [
        {
            "prompt_id": str(n),
            "prompt": f"{n} of a kind",
            "model": name,
            "score": float(name == "big"),
            "completion_tokens": 9,
        }
        for n in range(60)
        for name in ("big", "sums", "words")
    ]
    pa_parquet.write_table(pa.Table.from_pylist(lines), tmp_path / "t.parquet")
    learned = run("learn", str(tmp_path / "t.parquet"), "--config", str(config))
    assert learned.exit_code == 0, learned.output
    said = " ".join(learned.output.split())
    assert "one model suffices here: p/big" in said
    assert "it is the reference: nothing else is accepted" in said
    assert "route auto stays on p/big (observe)" in said
    workspace = Workspace(config)
    plan, policies = plan_of(workspace.snapshot(), "auto", "anything"), workspace.snapshot().policies
    workspace.close()
    assert (plan.mode, plan.accepted, plan.acting_share) == ("observe", (), 0.0)
    assert policies["auto"]
    assert run("route", "7 of a kind", "--config", str(config)).exit_code == 0


def test_a_bound_that_was_asked_for_is_tested_before_anything_is_published(outcomes: Path, config: Path) -> None:
    config.write_text(CONFIG.replace("tolerance = 3", "tolerance = 10"), "utf-8")
    learned = run("learn", str(outcomes), "--tested", "--config", str(config))
    assert learned.exit_code == 0, learned.output
    said = " ".join(learned.output.split())
    assert re.search(r"tested on \d+ of your requests, .*: at most 10 points below p/big, at 95 %", said)
    assert "accepted: p/sums, p/words" in said
    assert "estimated" not in said
    workspace = Workspace(config)
    plan = plan_of(workspace.snapshot(), "auto", "anything")
    workspace.close()
    assert plan.mode == "auto"
    assert plan.tested is not None
    assert (plan.tested.tolerance, plan.tested.confidence) == (0.1, 0.95)


def test_where_nothing_passes_it_says_what_is_needed_and_stays(outcomes: Path, config: Path) -> None:
    config.write_text(CONFIG.replace("tolerance = 3", "tolerance = 1\nconfidence = 0.99"), "utf-8")
    learned = run("learn", str(outcomes), "--config", str(config))
    assert learned.exit_code == 0, learned.output
    said = " ".join(learned.output.split())
    assert "at most 1 point below p/big, at 99 %: did not pass on" in said
    assert re.search(r"about [\d,]+ more judgements set apart would let it pass: [\d,]+ more prompts|hardly help", said)
    assert "nothing but the reference p/big is accepted" in said
    assert "route auto stays on p/big (observe)" in said


def test_no_report_promises_more_than_a_test() -> None:
    sources = Path(pointsman.__file__).parent.rglob("*.py")
    assert not [path for path in sources if re.search(r"\b(certified|proven|guaranteed)\b", path.read_text("utf-8"))]


def test_evaluate_compares_with_simpler_ways(outcomes: Path, tmp_path: Path, config: Path) -> None:
    done = run("evaluate", str(outcomes), "--seeds", "2", "--json", "--out", str(tmp_path / "out"), "--config", str(config))
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    ways = {way["way"]: way for way in found["ways"]}
    assert set(ways) == {
        "best single",
        "best per label",
        "cheapest",
        "random",
        "nearest neighbours",
        "auto",
        "best possible",
    }
    assert ways["best single"]["change"] == [0, 0, 0]
    assert ways["best possible"]["quality"] >= max(way["quality"] for way in ways.values())
    assert (tmp_path / "out" / "cost_and_quality.png").stat().st_size > 10_000
    shown = run("evaluate", str(outcomes), "--seeds", "1", "--tolerance", "8", "--config", str(config))
    assert "best possible (out of reach)" in shown.output
    assert "The tolerance is kept by estimates, not by a test" in " ".join(shown.output.split())
    assert found["tested"] is False
    assert "Choosing per request against the best fixed model (p/big)" in " ".join(shown.output.split())
    assert "One model suffices" not in shown.output


def test_evaluate_says_where_one_model_suffices(tmp_path: Path) -> None:
    lines = [
        {"prompt_id": str(n), "prompt": f"{n} of a kind", "model": name, "score": score, "cost_usd": cost}
        for n in range(60)
        for name, score, cost in (("good", 1.0, 0.001), ("bad", 0.0, 0.002))
    ]
    pa_parquet.write_table(pa.Table.from_pylist(lines), tmp_path / "t.parquet")
    shown = run("evaluate", str(tmp_path / "t.parquet"), "--seeds", "2")
    assert shown.exit_code == 0, shown.output
    assert "One model suffices here" in " ".join(shown.output.split())


def accuracy_only(outcomes: Path, path: Path) -> Path:
    whole = pa_parquet.read_table(outcomes)
    pa_parquet.write_table(whole.drop_columns(["cost_usd", "completion_tokens"]), path)
    return path


def test_a_table_without_costs_is_learned_and_evaluated_by_quality_alone(outcomes: Path, tmp_path: Path) -> None:
    bare = accuracy_only(outcomes, tmp_path / "bare.parquet")
    shown = run("evaluate", str(bare), "--seeds", "1", "--out", str(tmp_path))
    assert shown.exit_code == 0, shown.output
    assert "only quality counts" in shown.output
    assert "cheapest" not in shown.output
    assert "no picture" in shown.output
    assert not list(tmp_path.glob("*.png"))
    learned = run("learn", str(bare), "--out", str(tmp_path / "it.snapshot"))
    assert learned.exit_code == 0, learned.output
    assert "only quality is weighed" in learned.output
    written = tmp_path / "o.parquet"
    predicted = run("predict", str(bare), "--snapshot", str(tmp_path / "it.snapshot"), "--out", str(written))
    assert predicted.exit_code == 0, predicted.output
    assert set(pa_parquet.read_table(written).column("cost_usd").to_pylist()) == {None}


def test_predictions_are_typed_bounded_and_at_prices_where_there_are_any(
    outcomes: Path, tmp_path: Path, config: Path
) -> None:
    assert run("learn", str(outcomes), "--config", str(config), "--out", str(tmp_path / "it.snapshot")).exit_code == 0
    prompts = tmp_path / "p.csv"
    prompts.write_text("prompt_id,prompt,prompt_tokens\n7,add the numbers 7,1000\n8,,10\n", "utf-8")
    empty = run("predict", str(prompts), "--snapshot", str(tmp_path / "it.snapshot"), "--out", str(tmp_path / "o.parquet"))
    assert empty.exit_code in (0, 1)
    prompts.write_text("prompt_id,prompt,prompt_tokens\n7,add the numbers 7,1000\n", "utf-8")
    done = run("predict", str(prompts), "--snapshot", str(tmp_path / "it.snapshot"), "--out", str(tmp_path / "o.parquet"))
    assert done.exit_code == 0, done.output
    found = pa_parquet.read_table(tmp_path / "o.parquet")
    assert [str(field.type) for field in found.schema] == ["string", "string", *["double"] * 6]
    rows = {row["deployment"]: row for row in found.to_pylist()}
    assert list(rows) == ["p/big", "p/sums", "p/words"]
    assert all(0 <= row["quality"] <= 1 and row["quality_sd"] > 0 for row in rows.values())
    assert rows["p/big"]["cost_usd"] == pytest.approx((1000 * 10 + 30 * 40) / 1e6, rel=0.05)
    assert rows["p/sums"]["cost_usd"] == pytest.approx((1000 * 1 + 30 * 4) / 1e6, rel=0.05)


def test_a_running_snapshot_is_not_touched_by_writing_one(outcomes: Path, config: Path, tmp_path: Path) -> None:
    assert run("learn", str(outcomes), "--config", str(config), "--out", str(tmp_path / "it.snapshot")).exit_code == 0
    workspace = Workspace(config)
    assert workspace.published() is None
    workspace.close()


MISTAKES = {
    ("learn", "none.parquet", "--out", "x"): "no such file",
    ("predict", "none.parquet", "--snapshot", "none.snapshot", "--out", "x"): "cannot be read",
    ("route", "hello", "--snapshot", "none.snapshot"): "cannot be read",
    ("evaluate", "none.csv"): "no such file",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_say_what_to_do(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert result.exit_code == 1
    assert isinstance(result.exception, PointsmanError)
    assert MISTAKES[words] in str(result.exception)


def test_a_snapshot_cut_in_half_is_refused(outcomes: Path, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    assert run("learn", str(outcomes), "--out", str(whole)).exit_code == 0
    half.write_bytes(whole.read_bytes()[:-100])
    result = run("route", "hello", "--snapshot", str(half))
    assert "damaged or cut short" in str(result.exception)


def test_help_is_quick_and_every_command_has_one() -> None:
    done = subprocess.run([sys.executable, "-m", "pointsman", "--help"], capture_output=True, text=True, check=True)
    for name in (
        "up",
        "demo",
        "check",
        "report",
        "import",
        "trial",
        "accept",
        "rollback",
        "learn",
        "evaluate",
        "predict",
        "route",
    ):
        assert f"  {name} " in done.stdout
