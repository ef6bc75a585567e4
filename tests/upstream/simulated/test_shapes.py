"""JSON of a shape that is asked for is valid under its schema."""

from typing import Any

import jsonschema
import pytest

from pointsman.upstream.simulated.shapes import instance

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}, "required": ["a", "b"]},
    {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "integer"}, "minItems": 2}}},
    {"type": "object", "properties": {"kind": {"enum": ["red", "green"]}, "fixed": {"const": 7}}},
    {"type": "object", "properties": {"maybe": {"type": ["string", "null"]}, "none": {"type": "null"}}},
    {"type": "object", "properties": {"one": {"anyOf": [{"type": "boolean"}, {"type": "string"}]}}},
    {"$defs": {"P": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}, "$ref": "#/$defs/P"},
    {"type": "array", "items": {"type": "boolean"}},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_instance_is_valid(schema: dict[str, Any]) -> None:
    jsonschema.validate(instance(schema, {}, "no hint"), schema)


def test_values_come_from_what_is_known_then_from_the_text() -> None:
    schema = {"properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"enum": ["low", "high"]}}}
    assert instance(schema, {"a": "known"}, "a: other, b = 12, the level is high") == {"a": "known", "b": 12, "c": "high"}


def test_a_value_of_the_wrong_type_gives_way_to_a_simple_one() -> None:
    assert instance({"properties": {"b": {"type": "integer"}}}, {"b": "many"}, "") == {"b": 1}


def test_a_schema_that_refers_to_itself_ends() -> None:
    node: dict[str, Any] = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}
    value, depth = instance({"$defs": {"N": node}, "$ref": "#/$defs/N"}, {}, ""), 0
    while value is not None:
        value, depth = value["next"], depth + 1
    assert depth < 20
