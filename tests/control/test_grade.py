"""Every check: what is right, what is wrong, what is ungraded, and which specs are refused."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.control.grade import check, find_json, grade, last_number
from pointsman.core.errors import ConfigError
from pointsman.core.routing import Grader, GraderKind


def graded(kind: GraderKind, spec: str, answer: str, expected: str | None = None) -> float | None:
    return grade(Grader(kind, spec), {"messages": []}, answer, expected).score


@pytest.mark.parametrize(
    ("kind", "spec", "answer", "expected", "score"),
    [
        ("exact", "", "  Paris\n", "paris", 1.0),
        ("exact", "", "a  b", "a b", 1.0),
        ("exact", "case", "Paris", "paris", 0.0),
        ("exact", "case", "Paris ", "Paris", 1.0),
        ("exact", "", "Paris.", "Paris", 0.0),
        ("exact", "", "Paris", None, None),
        ("numeric", "", "Add 3 and 4: the answer is 1,234.50 dollars.", "1234.5", 1.0),
        ("numeric", "", "It is 12 but no, 13", "12", 0.0),
        ("numeric", "0.01", "3.14159", "3.15", 1.0),
        ("numeric", "0.001", "3.14159", "3.15", 0.0),
        ("numeric", "1%", "99.1", "100", 1.0),
        ("numeric", "1%", "98.9", "100", 0.0),
        ("numeric", "", "−5", "-5", 1.0),
        ("numeric", "", "答案：42", "42", 1.0),
        ("numeric", "", "none at all", "5", 0.0),
        ("numeric", "", "5", "five", None),
        ("numeric", "", "5", None, None),
        ("regex", r"(?i)\byes\b", "Well, YES.", None, 1.0),
        ("regex", r"^yes$", "Well, yes", None, 0.0),
        ("json_schema", '{"type": "object", "required": ["a"]}', 'Here:\n```json\n{"a": 1}\n```', None, 1.0),
        ("json_schema", '{"type": "object", "required": ["a"]}', '{"b": 1}', None, 0.0),
        ("json_schema", '{"type": "object"}', "no json", None, 0.0),
        ("json_fields", "", '{"a": 1, "b": " x "}', '{"a": 1.0, "b": "x"}', 1.0),
        ("json_fields", "a, b", '{"a": 1, "b": 3}', '{"a": 1, "b": 2, "c": 9}', 0.5),
        ("json_fields", "", '{"a": true}', '{"a": 1}', 0.0),
        ("json_fields", "", '{"a": [1, {"b": 2}]}', '{"a": [1, {"b": 2}]}', 1.0),
        ("json_fields", "", "[1]", '{"a": 1}', 0.0),
        ("json_fields", "", "nothing", '{"a": 1}', 0.0),
        ("json_fields", "", '{"a": 1}', "not json", None),
        ("json_fields", "z", '{"a": 1}', '{"a": 1}', None),
        ("json_fields", "", '{"a": 1}', None, None),
    ],
)
def test_checks(kind: GraderKind, spec: str, answer: str, expected: str | None, score: float | None) -> None:
    assert graded(kind, spec, answer, expected) == score


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("exact", "loose", "exact"),
        ("numeric", "about", "tolerance"),
        ("numeric", "-1", "tolerance"),
        ("regex", "(", "regular expression"),
        ("json_schema", "{", "JSON"),
        ("json_schema", '{"type": "objekt"}', "JSON Schema"),
        ("json_schema", "[]", "JSON Schema"),
        ("python", "no_colon", "module:function"),
        ("python", "no_such_module_here:f", "PYTHONPATH"),
        ("python", "math:pi", "not a function"),
        ("judge", "", "provider/model"),
    ],
)
def test_an_unusable_check_is_refused_with_a_remedy(kind: GraderKind, spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check(Grader(kind, spec))


def test_a_judge_is_not_a_check_of_one_answer() -> None:
    with pytest.raises(ConfigError, match="compares two answers"):
        graded("judge", "zoo/judge", "x")


@pytest.fixture
def own_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_checks.py").write_text(
        "def good(request, answer, expected):\n    return answer == expected and 'messages' in request\n"
        "def half(request, answer, expected):\n    return 0.5\n"
        "def broken(request, answer, expected):\n    raise RuntimeError(answer)\n"
        "def nonsense(request, answer, expected):\n    return 7\n"
        "def nothing(request, answer, expected):\n    return None\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_checks", raising=False)
    return "own_checks"


@pytest.mark.parametrize(
    ("name", "score"), [("good", 1.0), ("half", 0.5), ("broken", None), ("nonsense", None), ("nothing", None)]
)
def test_the_owners_function(own_checks: str, name: str, score: float | None) -> None:
    result = grade(Grader("python", f"{own_checks}:{name}"), {"messages": []}, "secret", "secret")
    assert result.score == score
    assert (result.score is None) == bool(result.note)
    assert "secret" not in result.note


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_a_number_is_found_with_and_without_separators(number: object) -> None:
    assert last_number(f"so it is {number:,} in all") == number
    assert last_number(f"so it is {number} in all") == number


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_is_found_in_a_code_block(value: object) -> None:
    import msgspec  # noqa: PLC0415 - only this property needs it

    if isinstance(value, str) and "```" in value:
        return
    text = msgspec.json.encode({"value": value}).decode()
    if "```" in text:
        return
    assert find_json(f"Here you are:\n```json\n{text}\n```\nAnything else?") == {"value": value}
    assert find_json(f"Sure: {text} - done") == {"value": value}


@given(st.text(max_size=200), st.text(max_size=50))
def test_no_answer_breaks_a_check(answer: str, expected: str) -> None:
    for kind in ("exact", "numeric", "json_fields"):
        score = graded(kind, "", answer, expected)
        assert score is None or 0 <= score <= 1
