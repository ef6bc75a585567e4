"""What bench/bound.py measures, on a small table; and what it says where there is none."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from tests.policy.test_teach import NAMES, table

import bound


def write_table(path: Path, *, priced: bool = True) -> None:
    rows = table(300)
    lines = [
        {
            "prompt_id": str(place),
            "prompt": f"{'add the numbers' if rows.score[place, 1] > rows.score[place, 2] else 'write a letter'} {place}",
            "model": name[2:],
            "score": rows.score[place, column],
            "cost_usd": (0.01, 0.001, 0.001)[column] if priced else None,
        }
        for place in range(len(rows))
        for column, name in enumerate(NAMES)
    ]
    columns = pa.Table.from_pylist(lines)
    pa_parquet.write_table(columns if priced else columns.drop_columns(["cost_usd"]), path)


def run(monkeypatch: pytest.MonkeyPatch, directory: Path, *words: str) -> int:
    monkeypatch.setattr(bound, "SIZES", (200, 400))
    monkeypatch.setattr(sys, "argv", ["bound.py", "--tables", str(directory), "--seeds", "0:1", "--draws", "60", *words])
    return bound.main()


def test_a_split_is_measured_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(tmp_path / "t.parquet")
    write_table(tmp_path / "bare.parquet", priced=False)
    words = ("--only", "t,bare,absent", "--cache", str(tmp_path / "cache"))
    assert run(monkeypatch, tmp_path, *words) == 0
    first = capsys.readouterr().out
    kept = tmp_path / "cache" / "bound.t.0.60.json"
    found = json.loads(kept.read_text("utf-8"))
    assert found["violations"] <= 0.2 * found["draws"]
    assert 0 < found["saved"] <= found["hindsight"] + 0.05
    assert found["sizes"]["0.05"]["half"] in (200, 400)
    assert "Skipped: bare: no costs are known" in first
    assert "Skipped: absent: the table is not there." in first
    kept.write_text(json.dumps(found | {"violations": 60}), "utf-8")
    assert run(monkeypatch, tmp_path, *words) == 1
    assert "FAILED: t: 1000 violations in 1,000 draws" in capsys.readouterr().err


def test_without_tables_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path) == 0
    assert "mmlu_pro: the table is not there" in capsys.readouterr().out
