import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.control.imports import lines
from pointsman.control.imports.lines import Read, values
from pointsman.core.errors import TableError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from('a"\\[]{},é')), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)


def read(path: Path, text: str | bytes) -> list[Read]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(values(path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def test_each_line_is_a_value_and_blank_ones_are_none(file: Path) -> None:
    assert read(file, '{"a":1}\n\n  {"a":2}  \r\n{"a":3}') == [Read(1, {"a": 1}), Read(3, {"a": 2}), Read(4, {"a": 3})]


def test_a_bad_line_is_told_and_the_rest_read(file: Path) -> None:
    first, bad, last = read(file, '{"a":1}\n{"a":\n{"a":3}\n')
    assert (first, last) == (Read(1, {"a": 1}), Read(3, {"a": 3}))
    assert bad.line == 2
    assert bad.problem.startswith("is not JSON")


def test_a_bad_first_line_is_told_and_the_rest_read(file: Path) -> None:
    assert [one.line for one in read(file, 'nonsense\n{"a":3}\n') if not one.problem] == [2]


def test_bytes_that_are_no_text_are_told(file: Path) -> None:
    found = read(file, b'{"a":"\xff\xfe"}\n{"a":1}\n')
    assert [bool(one.problem) for one in found] == [True, False]


def test_an_empty_file_holds_nothing(file: Path) -> None:
    assert read(file, "") == []
    assert read(file, "\n \n") == []
    assert read(file, "[]") == []


def test_a_byte_order_mark_is_no_mistake(file: Path) -> None:
    assert read(file, "\ufeff" + '{"a":1}\n') == [Read(1, {"a": 1})]
    assert read(file, "\ufeff" + '[{"a":1}]') == [Read(1, {"a": 1})]


def test_an_object_over_several_lines_is_one_value(file: Path) -> None:
    assert read(file, json.dumps({"a": [1, 2]}, indent=2)) == [Read(1, {"a": [1, 2]})]


def test_a_page_of_a_list_is_its_elements(file: Path) -> None:
    page = {"object": "list", "data": [{"a": 1}, {"a": 2}], "has_more": False}
    assert [one.value for one in read(file, json.dumps(page))] == [{"a": 1}, {"a": 2}]
    assert [one.value for one in read(file, json.dumps(page, indent=1))] == [{"a": 1}, {"a": 2}]


def test_an_array_knows_the_lines_of_its_elements(file: Path) -> None:
    found = read(file, '\n [\n {"a":1},\n\n {"a":\n 2}, {"a":3}\n]\n')
    assert found == [Read(3, {"a": 1}), Read(5, {"a": 2}), Read(6, {"a": 3})]


def test_a_bad_element_is_told_and_the_rest_read(file: Path) -> None:
    found = read(file, '[{"a":1},\n{"a":nope},\n{"a":3}]')
    assert [(one.line, bool(one.problem)) for one in found] == [(1, False), (2, True), (3, False)]


def test_an_array_that_is_not_closed_is_told(file: Path) -> None:
    found = read(file, '[{"a":1},{"a":2')
    assert found[0] == Read(1, {"a": 1})
    assert "not closed" in found[1].problem


@given(elements=st.lists(objects, max_size=8), indent=st.sampled_from([None, 0, 2]), window=st.integers(1, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
def test_arrays_are_cut_the_same_wherever_the_window_ends(
    file: Path, monkeypatch: pytest.MonkeyPatch, elements: list[object], indent: int | None, window: int
) -> None:
    monkeypatch.setattr(lines, "_WINDOW", window)
    assert [one.value for one in read(file, json.dumps(elements, indent=indent, ensure_ascii=False))] == elements


@given(elements=st.lists(objects, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_lines_come_back_as_they_were(file: Path, elements: list[object]) -> None:
    assert [one.value for one in read(file, "".join(json.dumps(one) + "\n" for one in elements))] == elements


def test_what_is_too_long_is_refused_without_being_held(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "ELEMENT_BYTES", 100)
    monkeypatch.setattr(lines, "_WINDOW", 50)
    found = read(file, '{"a":1}\n{"a":"' + "x" * 1000 + '"}\n{"a":3}\n')
    assert [(one.line, one.problem[:14]) for one in found] == [(1, ""), (2, "is longer than"), (3, "")]
    found = read(file, '[{"a":1},{"a":"' + "x" * 1000 + '"}]')
    assert [one.problem[:14] for one in found] == ["", "is longer than"]


def test_every_byte_is_told_to_the_progress_bar(file: Path) -> None:
    for text in ('{"a":1}\n{"b":\n' * 50, json.dumps([{"a": 1}] * 50)):
        file.write_text(text)
        told: list[int] = []
        list(values(file, told.append))
        assert sum(told) in (len(text), len(text) - 1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"nowhere\.jsonl cannot be read"):
        list(values(tmp_path / "nowhere.jsonl"))
