"""The table that is written: whole lines, torn lines, changed cases, and that it can be learned from."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.control.cases.case import Case, Check
from pointsman.control.cases.kept import Said
from pointsman.control.cases.rows import Row, Table, alone, key_of, row_of
from pointsman.control.grade import Grade
from pointsman.control.tables import read_outcomes
from pointsman.core.chat import Usage
from pointsman.core.errors import TableError

MODELS = ("p/big", "p/small")


def case(number: int, **more: object) -> Case:
    fields = {"messages": [{"role": "user", "content": f"what is {number}?"}]}
    made = Case(f"c{number}", fields, Check("numeric"), str(number), f"g{number}", {})
    return replace(made, **more)


def row(number: int, model: str, key: str = "k", **more: object) -> Row:
    said = Said(f"It is {number}.", usage=Usage(10, 5), cost_nano=1_500_000, latency_ms=12.34, exchange="x1")
    return row_of(case(number, **more), model, said, Grade(1.0), key=key, labels=())


def wanted(count: int, key: str = "k") -> dict[tuple[str, str], str]:
    return {(f"c{number}", model): key for number in range(count) for model in MODELS}


def filled(path: Path, count: int) -> bytes:
    table = Table(path, wanted(count))
    for number in range(count):
        for model in MODELS:
            table.add(row(number, model))
    table.close()
    return path.read_bytes()


def test_learn_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    filled(path, 3)
    found = read_outcomes([path])
    assert found.deployments == MODELS
    assert found.score.tolist() == [[1.0, 1.0]] * 3
    assert found.cost_nano.tolist() == [[1_500_000.0] * 2] * 3
    assert found.output_tokens.tolist() == [[5.0, 5.0]] * 3
    assert list(found.groups) == ["g0", "g1", "g2"]
    assert found.said is not None
    assert found.said[0, 0] == found.said[0, 1] != found.said[1, 0]


def test_labels_stand_in_every_row(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    table = Table(path, wanted(2))
    for number, labels in ((0, {"task": "sums"}), (1, {})):
        one = case(number, labels=labels)
        for model in MODELS:
            table.add(row_of(one, model, Said("1"), Grade(0.5), key="k", labels=("task",)))
    table.close()
    assert read_outcomes([path]).tasks == ("other", "sums")


def test_a_line_that_was_cut_anywhere_is_dropped_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    whole = filled(path, 2)
    last = whole.rindex(b"\n", 0, -1)
    for cut in (0, 1, *range(last, len(whole), 7), len(whole) - 1):
        path.write_bytes(whole[:cut])
        table = Table(path, wanted(2))
        lines = whole[:cut].count(b"\n")
        assert len(table.rows) == lines
        assert table.torn == (not whole[:cut].endswith(b"\n") and cut > 0)
        table.add(row(99, "p/big"))
        table.close()
        assert len([json.loads(line) for line in path.read_text().splitlines()]) == lines + 1


def test_a_last_line_of_nothing_is_dropped(tmp_path: Path) -> None:
    """A file system may keep a file's new length and lose what stood there."""
    path = tmp_path / "t.jsonl"
    whole = filled(path, 2)
    path.write_bytes(whole + bytes(50) + b"\n")
    table = Table(path, wanted(2))
    assert (len(table.rows), table.torn) == (4, True)
    table.close()
    assert path.read_bytes() == whole


def test_what_changed_is_asked_again_and_what_is_others_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    filled(path, 3)
    table = Table(path, {("c0", "p/big"): "k", ("c1", "p/big"): "changed", ("c7", "p/big"): "k"})
    assert table.stale == 1
    assert table.done == {("c0", "p/big")}
    assert len(table.rows) == 5
    table.close()
    assert b"c1" in path.read_bytes()
    assert len(path.read_bytes().splitlines()) == 5


@pytest.mark.parametrize("line", [b"{}", b"not json", b'{"prompt_id": "a", "model": "b"}', b"[]"])
def test_a_file_that_no_evaluation_wrote_is_left_alone(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "t.jsonl"
    data = line + b"\n" + line + b"\n"
    path.write_bytes(data)
    with pytest.raises(TableError, match="line 1: is no row of an evaluation; name another file with --out"):
        Table(path, {})
    assert path.read_bytes() == data


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"cannot be written .* name another place with --out"):
        Table(tmp_path / "none" / "t.jsonl", {})
    with pytest.raises(TableError, match="cannot be read"):
        Table(tmp_path, {})


def test_two_evaluations_do_not_write_one_table(tmp_path: Path) -> None:
    path, locks = tmp_path / "t.jsonl", tmp_path / "locks"
    with alone(path, locks):
        with pytest.raises(TableError, match="another evaluation"), alone(path, locks):
            pass
        with alone(tmp_path / "other.jsonl", locks):
            pass
    with alone(path, locks):
        pass


def test_a_key_changes_with_what_a_grade_depends_on() -> None:
    one = case(1)
    same = key_of(one, "asked", "p/big")
    assert same == key_of(one, "asked", "p/other")
    judged = replace(one, check=Check("judge", "p/judge"), expected=None)
    assert key_of(judged, "asked", "p/big") != key_of(judged, "asked", "p/other")
    others = (replace(one, expected="2"), replace(one, check=Check("numeric", "1")), replace(one, labels={"task": "x"}))
    assert len({same, key_of(one, "else", "p/big"), *(key_of(other, "asked", "p/big") for other in others)}) == 5


@given(st.text(max_size=400))
def test_a_short_answer_is_short(text: str) -> None:
    for kind in ("exact", "json", "numeric"):
        found = row_of(case(1, check=Check(kind)), "p/big", Said(text), Grade(None), key="k", labels=())["answer"]
        assert found is None or len(found) <= 200


def test_answers_that_say_the_same_are_the_same() -> None:
    def short(text: str, kind: str) -> object:
        return row_of(case(1, check=Check(kind)), "m", Said(text), Grade(1.0), key="k", labels=())["answer"]  # type: ignore[arg-type]

    assert short("So it is 1,200.", "numeric") == short("1200.0", "numeric")
    assert short('{"a": 1, "b": " x"}', "json") == short('here: {"b": "x", "a": 1.0}', "json_fields")
    assert short("x" * 999, "exact") == short("X" * 999, "exact") != short("y" * 999, "exact")
    assert short("free words", "judge") is None
