"""The whole way on a small table: measured, kept, compared, told."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

import routing
from choosing import report, runs
from choosing.figures import Figures, figures
from choosing.floors import floors
from choosing.runs import OWN, WAYS, Source

NAME = "routerbench_part"
UNPRICED = "routerdc7"
PROMPTS = 160


def write_tables(directory: Path, name: str = NAME) -> None:
    """Write a table of two kinds of prompts; ``adder`` and ``poet`` are cheap and right on one kind, ``sage`` is dear."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, PROMPTS)
    ids = [f"p{place}" for place in range(PROMPTS)]
    texts = [" ".join(f"secretword{word}" for word in rng.integers(0, 30, 12) + 25 * kind) for kind in kinds]
    labels = [("sums", "verses")[kind] for kind in kinds]
    groups = [f"g{place:03}" for place in range(PROMPTS)]
    prompts = {"prompt_id": ids, "dataset": labels, "prompt": texts, "dup_group": groups}
    pa_parquet.write_table(pa.table(prompts), directory / f"{name}.prompts.parquet")
    right = {"adder": kinds == 0, "poet": kinds == 1, "sage": rng.uniform(size=PROMPTS) < 0.7}
    lines = [
        {
            "prompt_id": one,
            "dataset": labels[place],
            "model": model,
            "score": float(scores[place]),
            "prompt_tokens": 12,
            "completion_tokens": int(rng.integers(20, 90)),
            "cost_usd": {"adder": 0.001, "poet": 0.001, "sage": 0.01}[model],
        }
        for place, one in enumerate(ids)
        for model, scores in right.items()
    ]
    columns = pa.Table.from_pylist(lines)
    if name == UNPRICED:
        columns = columns.drop_columns(["cost_usd"])
    pa_parquet.write_table(columns, directory / f"{name}.parquet")


def measured(directory: Path, name: str = NAME) -> Figures:
    source = Source(directory, name)
    return figures(source, runs.runs(source, range(2), directory / "cache", WAYS, lambda _: None))


def test_who_reads_the_text_is_ahead_of_who_does_not(tmp_path: Path) -> None:
    write_tables(tmp_path)
    found = measured(tmp_path)
    assert found.headline.own.mean > 0.9
    assert found.headline.others["best single"].verdict == "above"
    assert found.headline.others["zero-router hull"].verdict == "above"
    assert found.headline.others["best possible"].ahead.mean <= 1e-9
    assert found.savings[OWN].share.mean < 0.2
    assert found.accuracy.others["best single"].ahead.mean > 0.1
    assert found.lengths is not None


def test_without_costs_accuracy_is_compared(tmp_path: Path) -> None:
    write_tables(tmp_path, UNPRICED)
    found = measured(tmp_path, UNPRICED)
    assert not found.priced
    assert found.headline.own == found.accuracy.own
    assert found.savings == {}
    assert "accuracy [95 %]" in report.document([found], [])


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tables(tmp_path)
    first = measured(tmp_path)
    monkeypatch.setattr(runs, "_measured", None)
    again = measured(tmp_path)
    assert again.headline.own == first.headline.own
    assert floors([again]) == floors([first])


def test_a_changed_table_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tables(tmp_path)
    source = Source(tmp_path, NAME)
    runs.runs(source, [0], tmp_path / "cache", ("cheapest",), lambda _: None)
    table = pa_parquet.read_table(tmp_path / f"{NAME}.parquet")
    pa_parquet.write_table(table.slice(1), tmp_path / f"{NAME}.parquet")
    monkeypatch.setattr(runs, "_measured", lambda *_: pytest.fail("measured again"))
    with pytest.raises(pytest.fail.Exception):
        runs.runs(Source(tmp_path, NAME), [0], tmp_path / "cache", ("cheapest",), lambda _: None)


def test_the_command_writes_the_document_and_names_what_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tables(tmp_path)
    monkeypatch.setattr(report, "DOCUMENT", tmp_path / "document.md")
    monkeypatch.setattr(report, "PICTURES", tmp_path / "pictures")
    options = f"--seeds 0:1 --cache {tmp_path}/cache --write --only {NAME},mmlu_pro --parts none"
    monkeypatch.setattr("sys.argv", f"routing.py --tables {tmp_path} {options}".split())
    routing.main()
    assert "skipped mmlu_pro: there is no mmlu_pro.parquet" in capsys.readouterr().out
    told = (tmp_path / "document.md").read_text("utf-8")
    assert "1 of the ten seeds" in told
    assert "Skipped: mmlu_pro" in told
    assert "share of outputs within the predicted 90 % quantile of length" in told
    pictures = list((tmp_path / "pictures").iterdir())
    assert {each.name for each in pictures} == {"routing-curves.svg", "routing-leads.svg"}
    assert all("secretword" not in path.read_text("utf-8") for path in [tmp_path / "document.md", *pictures])
