"""A file of cases: what it may say, and every mistake with its line, its reason and what to do."""

import json
from pathlib import Path

import pytest

from pointsman.control.cases.case import Case, Check
from pointsman.control.cases.reading import read_cases
from pointsman.core.errors import ConfigError, TableError

GOOD = {"id": "a", "prompt": "What is 2 + 2?", "expected": "4", "grader": "numeric"}


def jsonl(path: Path, *rows: object) -> Path:
    place = path / "cases.jsonl"
    place.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return place


def read(path: Path, *rows: object, default: Check | None = None) -> list[Case]:
    return read_cases(jsonl(path, *rows), default)


def test_a_case_says_what_is_asked_and_what_is_right(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "?"}]
    first, second, third = read(
        tmp_path,
        {**GOOD, "system": "Be brief.", "spec": "1%", "task": "sums", "customer": "acme", "dup_group": "g", "unheard": 1},
        {"id": 2, "messages": turns, "request": {"temperature": 0}, "grader": {"kind": "regex", "spec": "^h"}},
        {"prompt_id": "c", "prompt": "x", "grader": "json", "expected": {"a": 1}},
    )
    system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 2?"}
    labels = {"task": "sums", "customer": "acme"}
    assert first == Case("a", {"messages": [system, user]}, Check("numeric", "1%"), "4", "g", labels)
    assert (second.id, second.fields) == ("2", {"messages": turns, "temperature": 0})
    assert second.check == Check("regex", "^h")
    assert (third.id, third.expected) == ("c", '{"a":1}')


def test_prompts_with_the_same_text_are_one_group(tmp_path: Path) -> None:
    first, second, third = read(
        tmp_path, {**GOOD, "id": "1"}, {**GOOD, "id": "2", "prompt": "what  is 2 + 2?"}, {**GOOD, "id": "3", "prompt": "no"}
    )
    assert first.group == second.group != third.group


def test_csv_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(
        'id,prompt,expected,grader,spec,task\n1,"Two\nlines, and ""quotes""",4,numeric,0.01,sums\n2,x,y,exact,,\n',
        "utf-8-sig",
    )
    first, second = read_cases(path)
    assert first.fields["messages"][0]["content"] == 'Two\nlines, and "quotes"'
    assert first.check == Check("numeric", "0.01")
    assert (second.check, second.labels) == (Check("exact"), {})


def test_a_default_grades_those_that_say_nothing(tmp_path: Path) -> None:
    plain = {"id": "a", "prompt": "x", "expected": "y"}
    one, two = read(tmp_path, plain, {**plain, "id": "b", "spec": "case"}, default=Check("exact"))
    assert (one.check, two.check) == (Check("exact"), Check("exact", "case"))


@pytest.mark.parametrize(
    ("row", "reason", "remedy"),
    [
        ("{", "is not JSON", "write one JSON object per line"),
        ("[1]", "is no JSON object", "write one JSON object per line"),
        ({**GOOD, "id": ""}, "there is no id", "give each case one"),
        ({**GOOD, "id": None}, "there is no id", "give each case one"),
        ({**GOOD, "id": [1]}, "there is no id", "a text or a number"),
        ({**GOOD, "prompt": " "}, "prompt is no text, or empty", "write what is asked"),
        ({**GOOD, "prompt": 5}, "prompt is no text, or empty", "write what is asked"),
        ({**GOOD, "messages": [1]}, "write either prompt", "and not both"),
        ({**GOOD, "prompt": None}, "write either prompt", "and not both"),
        ({"id": "a", "grader": "exact", "messages": "no json"}, "messages is not JSON", "write a list"),
        ({"id": "a", "grader": "exact", "messages": []}, "no list of messages", '[{"role": "user"'),
        (
            {"id": "a", "grader": "exact", "messages": [{"role": "nobody"}]},
            "a message has no role, or none of",
            "correct it",
        ),
        ({**GOOD, "request": [1]}, "request is no object", "temperature"),
        ({**GOOD, "request": "{"}, "request is not JSON", "write an object"),
        ({**GOOD, "request": {"model": "x"}}, "request holds model", "remove it"),
        ({"id": "a", "grader": "exact", "messages": [{"role": "user", "content": 1}]}, "content", "correct it or delete"),
        ({**GOOD, "request": {"web_search_options": {}}}, "asks the provider itself to act", "correct it or delete"),
        ({**GOOD, "grader": None}, "there is no grader", "add the column grader, or --grader"),
        ({**GOOD, "grader": "exakt"}, "there is no grader 'exakt'", "write one of exact"),
        ({**GOOD, "spec": "near"}, "spec is a tolerance", "correct spec"),
        ({**GOOD, "grader": "regex"}, "spec is a regular expression, and there is none", "correct spec"),
        ({**GOOD, "grader": "regex", "spec": "("}, "is not a regular expression", "correct spec"),
        ({**GOOD, "grader": "code", "spec": "assert f("}, "spec is not Python", "correct spec"),
        ({**GOOD, "grader": "python", "spec": "none"}, '"module:function"', "correct spec"),
        ({**GOOD, "grader": "judge"}, "names the judging deployment", "correct spec"),
        ({**GOOD, "expected": ""}, "expected is blank", "fill in the right answer or delete the line"),
        ({**GOOD, "expected": None, "grader": "json"}, "expected is blank", "fill in the right answer"),
        ({**GOOD, "expected": None, "grader": "code"}, "expected is blank", "fill in the right answer"),
    ],
)
def test_a_mistake_says_its_line_its_reason_and_what_to_do(tmp_path: Path, row: object, reason: str, remedy: str) -> None:
    with pytest.raises(TableError) as caught:
        read(tmp_path, {**GOOD, "id": "good"}, row)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/cases.jsonl, line 2: ")
    assert reason in said
    assert remedy in said


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        read(tmp_path, GOOD, "", {**GOOD}, *({"id": n} for n in range(30)))
    lines = str(caught.value).splitlines()
    assert 'line 3: id "a" stands in line 1 already' in lines[0]
    assert "line 4: write either prompt" in lines[1]
    assert (len(lines), lines[-1]) == (21, "and 11 more")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("cases.txt", b"", "ends in none of .jsonl"),
        ("cases.jsonl", b"", "there is no case in it"),
        ("cases.jsonl", b"\xff\xfe", "is not UTF-8 text"),
        ("cases.csv", b"id,prompt\n1,a,b\n", "line 2: has more cells"),
        ("cases.csv", b'id,prompt\n1,"a\n', "is not CSV"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(TableError, match=reason):
        read_cases(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="there is no such file"):
        read_cases(tmp_path / "none.jsonl")
    (tmp_path / "dir.jsonl").mkdir()
    with pytest.raises(TableError, match="cannot be read"):
        read_cases(tmp_path / "dir.jsonl")


def test_code_is_no_check_of_an_answer_alone() -> None:
    with pytest.raises(ConfigError, match="sandbox"):
        Check("code", "assert True").grade({}, "x = 1", None)
