"""Outcome tables: what is read, and what each mistake is answered with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest

from pointsman.control.tables import join, read_outcomes, read_prompts
from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.errors import TableError
from pointsman.policy import features

Row = dict[str, Any]

ROWS: list[Row] = [
    {"prompt_id": "a", "prompt": "What is 2 + 2?", "dataset": "sums", "model": "big", "score": 1.0, "prompt_tokens": 9,
     "completion_tokens": 4, "cost_usd": 0.002},
    {"prompt_id": "a", "prompt": "What is 2 + 2?", "dataset": "sums", "model": "small", "score": 0.0, "prompt_tokens": 9,
     "completion_tokens": 2, "cost_usd": 0.0001},
    {"prompt_id": "b", "prompt": "what is  2 + 2?", "dataset": "sums", "model": "small", "score": 0.5, "prompt_tokens": 9,
     "completion_tokens": 3, "cost_usd": None},
    {"prompt_id": "c", "prompt": "把这句话翻译成英文", "dataset": "zh", "model": "big", "score": None, "prompt_tokens": 9,
     "completion_tokens": None, "cost_usd": None},
]  # fmt: skip


def parquet(path: Path, rows: list[Row]) -> Path:
    pa_parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def csv(path: Path, rows: list[Row]) -> Path:
    pa_csv.write_csv(pa.Table.from_pylist(rows), path)
    return path


def jsonl(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize(("write", "suffix"), [(parquet, "parquet"), (csv, "csv"), (jsonl, "jsonl")])
def test_every_kind_of_file_gives_the_same_table(
    tmp_path: Path, write: Callable[[Path, list[Row]], Path], suffix: str
) -> None:
    table = read_outcomes([write(tmp_path / f"t.{suffix}", ROWS)])
    assert table.deployments == ("big", "small")
    assert len(table) == 2, "a prompt without any grade is left out"
    np.testing.assert_array_equal(table.score, [[1.0, 0.0], [np.nan, 0.5]])
    np.testing.assert_array_equal(table.cost_nano, [[2_000_000, 100_000], [np.nan, np.nan]])
    np.testing.assert_array_equal(table.output_tokens, [[4, 2], [np.nan, 3]])
    assert table.groups[0] == table.groups[1], "case and blanks do not make another text"
    assert [table.tasks[place] for place in table.task] == ["sums", "sums"]
    request = ChatRequest("", (Message("user", (Text("What is 2 + 2?"),)),))
    assert table.vectors[0].tobytes() == features.vector(request)


def test_prompts_may_lie_in_a_file_beside_and_messages_count_as_prompts(tmp_path: Path) -> None:
    bare = [{key: value for key, value in row.items() if key != "prompt"} for row in ROWS]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    parquet(tmp_path / "t.prompts.parquet", [{"prompt_id": name, "messages": messages, "dup_group": "g"} for name in "cba"])
    table = read_outcomes([parquet(tmp_path / "t.parquet", bare)])
    assert set(table.groups) == {"g"}
    request = ChatRequest("", (Message("system", (Text("Be brief."),)), Message("user", (Text("Hi"),))))
    assert table.vectors[1].tobytes() == features.vector(request)


def test_repeated_grades_are_averaged(tmp_path: Path) -> None:
    again = [*ROWS, {**ROWS[0], "score": 0.0}]
    assert read_outcomes([parquet(tmp_path / "t.parquet", again)]).score[0, 0] == 0.5


def test_tables_are_joined_over_all_their_models(tmp_path: Path) -> None:
    other = [{**row, "model": {"big": "huge", "small": "small"}[str(row["model"])]} for row in ROWS]
    table = join([read_outcomes([parquet(tmp_path / f"{n}.parquet", rows)]) for n, rows in enumerate((ROWS, other))])
    assert table.deployments == ("big", "small", "huge")
    assert table.score.shape == (4, 3)
    assert np.isnan(table.score[:2, 2]).all()
    assert table.score[2, 2] == 1.0


def test_customers_are_tags_of_the_table_that_says_them(tmp_path: Path) -> None:
    said = [{**row, "customer": {"a": "acme", "b": "", "c": "zoo"}[str(row["prompt_id"])]} for row in ROWS]
    table = read_outcomes([parquet(tmp_path / "t.parquet", said)])
    (tagged,) = table.tagged
    assert [tagged.names[place] if place >= 0 else "" for place in tagged.place] == ["customer:acme", ""]
    both = join([read_outcomes([parquet(tmp_path / "u.parquet", ROWS)]), table])
    assert [one.place.tolist() for one in both.tagged] == [[-1, -1, 0, -1]]
    assert read_prompts(jsonl(tmp_path / "p.jsonl", said)).customers == ("customer:acme",) * 2 + ("", "customer:zoo")
    assert read_outcomes([parquet(tmp_path / "u.parquet", ROWS)]).tagged == ()


def test_prompts_alone_keep_their_order_and_their_stated_tokens(tmp_path: Path) -> None:
    rows = [{"prompt_id": str(n), "prompt": f"number {n}", "prompt_tokens": n or None} for n in (3, 0, 7)]
    prompts = read_prompts(jsonl(tmp_path / "p.jsonl", rows))
    assert prompts.ids == ("3", "0", "7")
    assert prompts.input_tokens[0] == 3
    assert prompts.input_tokens[1] > 3
    assert prompts.vectors.shape == (3, features.LENGTH)


def without(column: str) -> list[Row]:
    return [{key: value for key, value in row.items() if key != column} for row in ROWS]


MISTAKES: dict[str, list[Row]] = {
    "there is no column score": without("score"),
    "there is no column model": without("model"),
    "there is no t.prompts.jsonl beside it": without("prompt"),
    "row 1, column score: 7 is not in": [{**ROWS[0], "score": 7}, *ROWS[1:]],
    "column score holds string, not numbers": [{**row, "score": "good"} for row in ROWS],
    'all rows are of one model ("big")': [{**row, "model": "big"} for row in ROWS],
    "row 2, column cost_usd: -1 cannot be": [ROWS[0], {**ROWS[1], "cost_usd": -1}, *ROWS[2:]],
    "row 3, column prompt_id is empty": [*ROWS[:2], {**ROWS[2], "prompt_id": None}, ROWS[3]],
    "row 2: the prompt is missing": [ROWS[0], {**ROWS[1], "prompt_id": "z", "prompt": None}, *ROWS[2:]],
    "no row has a score": [{**row, "score": None} for row in ROWS],
    "column prompt holds int64, not text": [{**row, "prompt": 5} for row in ROWS],
    "row 1, column messages: 'messages[0].role' is missing": [{**row, "messages": [{"content": "x"}]} for row in ROWS],
    "line 4, column score holds text, and a number before": [*ROWS[:3], {**ROWS[3], "score": "1"}],
}


@pytest.mark.parametrize("said", MISTAKES)
def test_each_mistake_says_where_it_is(tmp_path: Path, said: str) -> None:
    path = jsonl(tmp_path / "t.jsonl", MISTAKES[said])
    with pytest.raises(TableError) as raised:
        read_outcomes([path])
    assert said in str(raised.value)
    assert str(path) in str(raised.value)


def test_unreadable_files_are_said_to_be(tmp_path: Path) -> None:
    cut = parquet(tmp_path / "cut.parquet", ROWS)
    cut.write_bytes(cut.read_bytes()[:200])
    empty = tmp_path / "empty.csv"
    empty.write_text("", "utf-8")
    headed = tmp_path / "headed.csv"
    headed.write_text("prompt_id,prompt,model,score\n", "utf-8")
    for path, said in (
        (cut, "cannot be read as parquet"),
        (empty, "cannot be read as csv"),
        (headed, "there is no row in it"),
        (tmp_path / "none.parquet", "no such file"),
        (tmp_path / "table.xlsx", "convert it"),
        (tmp_path, "convert it"),
    ):
        with pytest.raises(TableError, match=said):
            read_outcomes([path])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json}", "line 60002 is not JSON"),
        ("[1]", "line 60002 is no JSON object"),
        ("\xff", "line 60002 is not JSON"),
    ],
)
def test_a_broken_line_is_found_however_far_down(tmp_path: Path, line: str, said: str) -> None:
    """Arrow counts rows within its own blocks of a megabyte."""
    path = tmp_path / "long.jsonl"
    good = json.dumps(ROWS[0]) + "\n"
    path.write_bytes((good * 60_000 + "\n").encode() + line.encode("latin-1") + b"\n")
    with pytest.raises(TableError, match=f"{said}.*; correct it or leave it out"):
        read_outcomes([path])


def test_text_in_another_encoding_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("prompt_id,model,score,prompt\na,big,1,café\na,small,0,café\n".encode("latin-1"))
    with pytest.raises(TableError, match="column prompt is not UTF-8 text; save the file as UTF-8"):
        read_outcomes([path])


def test_a_prompt_that_is_not_in_the_file_beside_is_named(tmp_path: Path) -> None:
    parquet(tmp_path / "t.prompts.parquet", [{"prompt_id": "a", "prompt": "x"}])
    with pytest.raises(TableError, match=r'2 prompts of t\.parquet are not in it, the first "b"'):
        read_outcomes([parquet(tmp_path / "t.parquet", without("prompt"))])


def test_answers_are_the_same_whatever_their_case_and_blanks(tmp_path: Path) -> None:
    said = {("a", "big"): "B", ("a", "small"): " b ", ("b", "small"): None, ("b", "big"): "x  y", ("c", "small"): "X y"}
    rows = [
        {"prompt_id": prompt, "prompt": f"question {prompt}", "model": model, "score": 1.0, "answer": answer}
        for (prompt, model), answer in said.items()
    ]
    table = read_outcomes([parquet(tmp_path / "t.parquet", rows)])
    assert table.said is not None
    first, second, third = table.said.tolist()
    assert first[0] == first[1] >= 0
    assert second[0] >= 0 > second[1]
    assert (third[0], third[1]) == (-1, second[0])
    assert read_outcomes([parquet(tmp_path / "none.parquet", ROWS)]).said is None


def test_answers_of_joined_tables_stay_where_they_are(tmp_path: Path) -> None:
    rows = [{**row, "answer": row["model"]} for row in ROWS]
    with_them = read_outcomes([parquet(tmp_path / "a.parquet", rows)])
    both = join([read_outcomes([parquet(tmp_path / "b.parquet", ROWS)]), with_them])
    assert both.said is not None
    assert with_them.said is not None
    assert both.said.tolist() == [[-1, -1], [-1, -1], *with_them.said.tolist()]
    assert both.grouped().said is not None
