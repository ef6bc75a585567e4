"""Edits of a body in its own bytes: the value that is meant is found whatever stands around it, and nothing else changes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.edits import model_span, replaced, top_spans, with_model

texts = st.text(max_size=6) | st.sampled_from(
    ['"model"', "model", '\\"model\\":', "{", "}", "\\", 'a","model":"b', "\\u006d"]
)
names = st.sampled_from(["model", "messages", "mode", "n", 'x"y']) | st.text(max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
spacings = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n\t", " :\r\n ")])


@given(st.dictionaries(names, values, max_size=4), texts, texts, st.integers(0, 4), spacings, st.booleans())
def test_the_model_at_the_top_is_replaced_and_nothing_else(
    around: dict[str, Any], before: str, after: str, place: int, spacing: tuple[str, str], ascii_only: bool
) -> None:
    around.pop("model", None)
    items = list(around.items())
    items.insert(min(place, len(items)), ("model", before))
    body = json.dumps(dict(items), separators=spacing, ensure_ascii=ascii_only).encode()
    edited = with_model(body, after)
    assert json.loads(edited) == {**dict(items), "model": after}
    [(start, end)] = top_spans(body, ("model",))["model"]
    assert (edited[:start], edited[start:][len(msgspec.json.encode(after)) :]) == (body[:start], body[end:])


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a"}',
        b'{ "model" :\n"a" , "x":1.50}',
        b'{"x":{"model":"inner"},"model":"a"}',
        b'{"model":"a","tools":[{"model":"inner"}]}',
        b'{"x":"\\"model\\":\\"no\\"","model":"a"}',
        b'{"mo\\u0064el":"a"}',
        b'{"\\u006dodel":"a","x":"model"}',
        b'{"x":"model","model":"a"}',
        b'{"model":"\\"a\\\\"}',
        b'{"model":null}',
        b'{"model":{"a":[1]}}',
    ],
)
def test_however_it_is_spelled(body: bytes) -> None:
    assert json.loads(with_model(body, 'n"ä')) == {**json.loads(body), "model": 'n"ä'}


def test_a_field_that_stands_twice_is_edited_twice() -> None:
    assert with_model(b'{"model":"a","x":1,"model":"b"}', "c") == b'{"model":"c","x":1,"model":"c"}'


@pytest.mark.parametrize("body", [b'{"x":{"model":"inner"}}', b'{"x":["model",{"model":"a"}]}', b"{}", b'{"x":"model"}'])
def test_a_field_that_is_not_there_is_not_made_up(body: bytes) -> None:
    assert with_model(body, "new", sure=False) == body


def test_one_search_is_enough_where_there_can_be_no_doubt() -> None:
    assert model_span(b'{"model":"a"}') == (9, 12)
    for body in (b'{"model":"a","x":"model"}', b'{"model":"a","x":"\\u0041"}', b'{"model":7}'):
        assert model_span(body) is None


def test_however_deep_it_is() -> None:
    deep = b'{"x":' + b'[{"y":' * 100_000 + b"1" + b"}]" * 100_000 + b',"model":"a"}'
    edited = with_model(deep, "b", sure=False)
    assert edited == deep[:-4] + b'"b"}'


def test_several_fields_at_once() -> None:
    body = b'{"a": 1 ,"b":[1,{"a":2}], "c":"x"}'
    spans = top_spans(body, ("a", "c", "d"))
    assert {name: [body[start:end] for start, end in found] for name, found in spans.items()} == {
        "a": [b"1"],
        "c": [b'"x"'],
        "d": [],
    }
    changes = [(start, end, b"2") for found in spans.values() for start, end in found]
    assert replaced(body, sorted(changes)) == b'{"a": 2 ,"b":[1,{"a":2}], "c":2}'
    assert replaced(body, []) == body
