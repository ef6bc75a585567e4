"""Whether an answer has the form that was asked for, in bounded time and without fetching anything."""

import json
from typing import Any

import pytest
from msgspec import Raw

from pointsman.core.chat import ChatRequest
from pointsman.core.chat.request import Output
from pointsman.gateway.verifying import LONGEST, WORK, verifier

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def asking(schema: object) -> ChatRequest:
    return ChatRequest("auto", (), output=Output("json_schema", Raw(json.dumps(schema).encode())))


@pytest.mark.parametrize(
    ("answer", "fits"),
    [('{"n": 1}', True), ('{"n": "1"}', False), ("{}", False), ("It is 1.", False), ('{"n": 1}' + " " * LONGEST, False)],
)
def test_an_answer_is_valid_or_it_is_none(answer: str, fits: bool) -> None:
    found = verifier(asking(NUMBER))
    assert found is not None
    assert found(answer) is fits


@pytest.mark.parametrize("output", [None, Output("text"), Output("json")])
def test_without_a_schema_every_text_will_do(output: Output | None) -> None:
    found = verifier(ChatRequest("auto", (), output=output))
    assert found is not None
    assert found("whatever")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "(a+)+$"},
        {"type": "array", "uniqueItems": True},
        {"type": "object", "patternProperties": {"(a+)+$": {}}},
        {"type": "string", "p\u00e4ttern": "x"},
        {"type": "object", "unevaluatedProperties": False},
        {"description": "x" * LONGEST},
        {"$ref": "http://127.0.0.1:9/x"},
        {"$ref": "#/nowhere"},
        {"$ref": "#/$defs/none"},
        {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
        {
            "$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(30)} | {"a30": {}},
            "$ref": "#/$defs/a0",
        },
    ],
)
def test_what_might_take_any_time_is_not_applied(schema: dict[str, Any]) -> None:
    assert verifier(asking(schema)) is None


def test_the_larger_a_schema_the_shorter_the_answers_that_are_checked() -> None:
    parts = 1000
    found = verifier(asking({"anyOf": [{"const": "no"}] * parts + [{}]}))
    assert found is not None
    assert found(" " * 100 + "1")
    assert not found(" " * (WORK // parts) + "1")


def test_what_a_schema_defines_itself_is_followed() -> None:
    found = verifier(asking({"$defs": {"n": NUMBER}, "type": "array", "items": {"$ref": "#/$defs/n"}}))
    assert found is not None
    assert found('[{"n": 1}]')
    assert not found('[{"n": "1"}]')


def test_a_schema_that_is_none_is_met_by_nothing() -> None:
    found = verifier(asking({"type": "nothing"}))
    assert found is not None
    assert not found("{}")
