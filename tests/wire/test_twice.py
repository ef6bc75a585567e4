"""Bodies that say one thing twice: found whatever stands between, and nothing else is taken for one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.twice import fields_of, named_elsewhere, said_twice

VALUES = st.recursive(st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one))
NAMES = st.sampled_from(["model", "n", "stream", "messages", "tools", "x", "a b", 'q"', "é"])


def said(body: bytes) -> str | None:
    fields = fields_of(body)
    assert fields is not None
    return said_twice(body, fields)


@given(st.dictionaries(NAMES | st.text().filter(str.isdigit), VALUES), st.sampled_from([None, 1]), st.booleans())
def test_what_json_writes_is_plain(fields: dict[str, object], indent: int | None, ascii_: bool) -> None:
    assert said(json.dumps(fields, indent=indent, ensure_ascii=ascii_).encode("utf-8", "replace")) is None


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=5), st.sampled_from(["", " ", "\n\t"]))
def test_a_deciding_field_that_stands_twice_is_found(pairs: list[tuple[str, object]], blank: str) -> None:
    inner = f"{blank},{blank}".join(f"{json.dumps(name)}{blank}:{blank}{json.dumps(value)}" for name, value in pairs)
    names = [name for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1} & {"model", "n", "stream"}
    found = said(f"{{{blank}{inner}{blank}}}{blank}".encode())
    assert (found in twice) if twice else found is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "a", "Model": "b"}', b'{"MODEL": "b"}', b'{"model": "a", "\\u006dodel": "a"}',
        b'{"\\ud83d": 1, "n": 1, "n": 1}',
        '{"model": "a", "max_token\u017f": 9}'.encode(),
    ],
)  # fmt: skip
def test_other_spellings_are_found(body: bytes) -> None:
    assert said(body) is not None


def test_whom_else_to_ask() -> None:
    assert named_elsewhere(fields_of(b'{"model": "a", "models": ["b"]}') or {}) == "models"
    assert named_elsewhere(fields_of(b'{"model": "a", "models": null, "messages": [{"models": 1}]}') or {}) is None
    assert fields_of(b"[]") is None
