"""Every check: what is right, what is wrong, what is ungraded, and which specs are refused."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.control import grade as grading
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
        ("numeric", "", "结果是１，２３４．５。", "1234.5", 1.0),
        ("numeric", "", "答案是－３", "-3", 1.0),
        ("numeric", "", "选1，200不对", "200", 1.0),
        ("numeric", "", "-3", "3", 0.0),
        ("numeric", "", "that is –3", "-3", 1.0),
        ("numeric", "", "from 2010-2015", "2015", 1.0),
        ("numeric", "", "7-3", "3", 1.0),
        ("numeric", "", "1e-3", "0.001", 1.0),
        ("numeric", "", "6.02e23", "6.02E+23", 1.0),
        ("numeric", "", "1,2345", "2345", 1.0),
        ("numeric", "", r"$\boxed{1{,}234}$", "1234", 1.0),
        ("numeric", "", "12%", "12 %", 1.0),
        ("numeric", "", "12%", "12", 1.0),
        ("numeric", "", "12%", "0.12", 1.0),
        ("numeric", "", "0.12", "12%", 1.0),
        ("numeric", "", "12", "12％", 1.0),
        ("numeric", "", "12%", "1200%", 0.0),
        ("numeric", "", "NaN", "5", 0.0),
        ("numeric", "", "5", "NaN", None),
        ("numeric", "", "infinity", "5", 0.0),
        ("numeric", "0", "123456789012345678901234567890", "123456789012345678901234567891", 0.0),
        ("numeric", "1%", "1e999999999999", "5", 0.0),
        ("numeric", "1%", "5", "1e999999999999", 0.0),
        ("numeric", "1%", "1e999999999999", "1e999999999999", 1.0),
        ("numeric", "", "1e99999999999999999999999", "5", 0.0),
        ("numeric", "", "5", "1e99999999999999999999999", None),
        ("numeric", "", "1e-999999999999", "0", 0.0),
        ("regex", r"(?i)\byes\b", "Well, YES.", None, 1.0),
        ("regex", r"^yes$", "Well, yes", None, 0.0),
        ("json_schema", '{"type": "object", "required": ["a"]}', 'Here:\n```json\n{"a": 1}\n```', None, 1.0),
        ("json_schema", '{"type": "object", "required": ["a"]}', '{"b": 1}', None, 0.0),
        ("json_schema", '{"type": "object"}', "no json", None, 0.0),
        ("json_schema", '{"type": "number"}', "NaN", None, 0.0),
        ("json_schema", '{"type": "object"}', '{"a": Infinity}', None, 0.0),
        ("json_schema", '{"type": "array"}', 'Here: [{"a": 1}] as asked', None, 1.0),
        ("json_schema", '{"type": "object"}', 'See [1]: {"a": 1}', None, 1.0),
        ("json_schema", '{"type": "object"}', '```json\n{"a": 1}\n```\nand run\n```sh\nls {}\n```', None, 1.0),
        ("json_schema", '{"required": ["b"]}', '```\n{"a": 1}\n```\nno:\n```\n{"b": 1}\n```', None, 1.0),
        ("json_schema", '{"type": "object"}', '```json {"a": 1} ```', None, 1.0),
        ("json_schema", '{"type": "object"}', '```json \r\n{"a": 1}\r\n```', None, 1.0),
        ("json_schema", '{"$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}}', "3", None, 1.0),
        ("json_schema", '{"$ref": "http://127.0.0.1:9/none"}', "3", None, None),
        ("json_fields", "", '{"a": NaN}', '{"a": 1}', 0.0),
        ("json_fields", "", '{"a": 1}', '{"a": NaN}', None),
        ("json_fields", "", '{"a": null}', '{"a": null}', 1.0),
        ("json_fields", "", "{}", '{"a": null}', 0.0),
        ("json_fields", "", '{"a": "1"}', '{"a": 1}', 0.0),
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
        ("regex", "a{99999999999}", "regular expression"),
        ("regex", "(" * 3000 + ")" * 3000, "regular expression"),
        ("json_schema", '{"not":' * 3000 + "{}" + "}" * 3000, "nested too deeply"),
        ("python", "quits_at_import:f", "SystemExit"),
        ("json_schema", "{", "JSON"),
        ("json_schema", '{"type": "objekt"}', "JSON Schema"),
        ("json_schema", "[]", "JSON Schema"),
        ("json_schema", '{"pattern": "("}', "JSON Schema"),
        ("python", "no_colon", "module:function"),
        ("python", "no_such_module_here:f", "PYTHONPATH"),
        ("python", "math:pi", "not a function"),
        ("judge", "", "provider/model"),
    ],
)
def test_an_unusable_check_is_refused_with_a_remedy(own_checks: str, kind: GraderKind, spec: str, words: str) -> None:
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
        "def nothing(request, answer, expected):\n    return None\n"
        "def nan(request, answer, expected):\n    return float('nan')\n"
        "def two(request, answer, expected):\n    return 2.0\n"
        "def below(request, answer, expected):\n    return -0.0001\n"
        "def huge(request, answer, expected):\n    return 10 ** 400\n"
        "def text(request, answer, expected):\n    return '1'\n"
        "def numpy_bool(request, answer, expected):\n    import numpy\n    return numpy.isclose(1.0, 1.0)\n"
        "def numpy_float(request, answer, expected):\n    import numpy\n    return numpy.float32(0.5)\n"
        "def quits(request, answer, expected):\n    raise SystemExit(answer)\n"
        "def spoils(request, answer, expected):\n    request['messages'].append(1)\n    return True\n"
        "def turns(request, answer, expected):\n"
        "    while True:\n        try:\n            answer += '.'[:0]\n        except Exception:\n            pass\n",
        encoding="utf-8",
    )
    (tmp_path / "quits_at_import.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_checks", raising=False)
    return "own_checks"


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("good", 1.0), ("half", 0.5), ("broken", None), ("nonsense", None), ("nothing", None), ("nan", None), ("two", None),
        ("below", None), ("huge", None), ("text", None), ("numpy_bool", 1.0), ("numpy_float", 0.5), ("quits", None),
    ],
)  # fmt: skip
def test_the_owners_function(own_checks: str, name: str, score: float | None) -> None:
    result = grade(Grader("python", f"{own_checks}:{name}"), {"messages": []}, "secret", "secret")
    assert result.score == score
    assert (result.score is None) == bool(result.note)
    assert "secret" not in result.note


def test_the_owners_function_cannot_change_the_request(own_checks: str) -> None:
    """The same request goes to the candidates afterwards."""
    request = {"messages": [{"role": "user"}]}
    assert grade(Grader("python", f"{own_checks}:spoils"), request, "a", None).score == 1.0
    assert request == {"messages": [{"role": "user"}]}


@pytest.mark.parametrize(
    ("kind", "spec", "answer"),
    [
        ("regex", r"^(a+)+$", "a" * 40 + "b"),
        ("json_schema", r'{"pattern": "^(a+)+$"}', '"' + "a" * 40 + 'b"'),
        ("python", "own_checks:turns", "a"),
    ],
)
def test_a_check_that_does_not_end_is_ungraded_in_bounded_time(
    own_checks: str, monkeypatch: pytest.MonkeyPatch, kind: GraderKind, spec: str, answer: str
) -> None:
    monkeypatch.setattr(grading, "LONGEST_S", 0.05)
    monkeypatch.setattr(grading, "LONGEST_OWN_S", 0.05)
    result = grade(Grader(kind, spec), {"messages": []}, answer, None)
    assert result == grading.Grade(None, "the check took longer than 0.05 s")


@pytest.mark.parametrize(
    "answer",
    [
        "```json" + 200_000 * "\n",
        100_000 * "```",
        200_000 * "{",
        200_000 * "[",
        '{"a":' * 100_000,
        300_000 * "1",
        200_000 * "1,",
    ],
    ids=lambda answer: answer[:8],
)
def test_an_answer_that_goes_round_in_circles_is_graded_at_once(answer: str) -> None:
    """A model that repeats itself up to its limit is no rarity; none of these may take more than linear time."""
    for kind, spec in (("numeric", ""), ("json_fields", ""), ("json_schema", "{}"), ("exact", "")):
        result = grade(Grader(kind, spec), {}, answer, '{"a": 5}')  # type: ignore[arg-type]
        assert "took longer" not in result.note


@pytest.mark.parametrize("depth", [100, 400, 900, 100_000])
def test_nesting_of_any_depth_is_graded_or_ungraded_and_never_an_error(depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    assert graded("json_fields", "", nested, nested) == (1.0 if depth == 100 else None)
    assert graded("json_schema", '{"properties": {"a": {"$ref": "#"}}}', nested) in (1.0, 0.0, None)


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


JUNK = st.text("0123456789.,-+−–eE%＋１２，．{}[]`\n \"'naif", max_size=60) | st.text(max_size=200)


@given(JUNK, JUNK)
def test_no_answer_breaks_a_check(answer: str, expected: str) -> None:
    for kind, spec in (("exact", ""), ("numeric", ""), ("numeric", "5%"), ("json_fields", ""), ("json_schema", "{}")):
        score = grade(Grader(kind, spec), {}, answer, expected).score  # type: ignore[arg-type]
        assert score is None or 0 <= score <= 1


@given(JUNK)
def test_an_answer_equals_itself(answer: str) -> None:
    assert graded("exact", "case", answer, answer) == 1.0
    assert graded("numeric", "", answer, answer) in (1.0, None)
    assert graded("json_fields", "", answer, answer) in (1.0, None)
