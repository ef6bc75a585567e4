"""Schemas: the API's older form is a piece of OpenAPI 3.0 (``parameters``, ``responseSchema``), the newer is JSON Schema.

Strategy: the older form is turned into JSON Schema, which every other dialect speaks: types in lower case, ``nullable`` as
one more type, counts as numbers, no ``propertyOrdering``. What already is JSON Schema is not even parsed.
Source: https://ai.google.dev/api/caching#Schema.
"""

import re

import msgspec
from msgspec import Raw

from pointsman.wire.gemini.fields import read

_OLDER = re.compile(
    rb'"type"\s*:\s*"[A-Z]|"nullable"|"property_?[oO]rdering"|"[a-z]+_[a-z]+"\s*:|"m(?:in|ax)[IPL]\w+"\s*:\s*"'
)
_ANY = msgspec.json.Decoder(object)
_COUNTS = frozenset(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"))
_SPELLED = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
}
_WITHIN = ("items", "additionalProperties")


def json_schema(raw: Raw, where: str) -> Raw:
    """Return a schema of the older form as JSON Schema; one that is JSON Schema already as it came. Raises WireError."""
    if not _OLDER.search(memoryview(raw)):
        return raw
    return Raw(msgspec.json.encode(_turned(read(_ANY, raw, where))))


def _turned(schema: object) -> object:
    if not isinstance(schema, dict):
        return schema
    turned: dict[str, object] = {}
    members: dict[str, object] = schema
    for name, value in members.items():
        key = _SPELLED.get(name, name)
        if key == "type" and isinstance(value, str):
            turned[key] = value.lower()
        elif key == "properties" and isinstance(value, dict):
            turned[key] = {each: _turned(inner) for each, inner in value.items()}
        elif key in _WITHIN:
            turned[key] = _turned(value)
        elif key == "anyOf" and isinstance(value, list):
            turned[key] = [_turned(inner) for inner in value]
        elif key in _COUNTS and isinstance(value, str) and value.isdecimal():
            turned[key] = int(value)
        elif key not in ("nullable", "propertyOrdering"):
            turned[key] = value
    return _nullable(turned) if schema.get("nullable") is True else turned


def _nullable(schema: dict[str, object]) -> dict[str, object]:
    """Let a schema also accept null."""
    kind, choices, words = schema.get("type"), schema.get("anyOf"), schema.get("enum")
    if isinstance(kind, str) and kind != "null":
        schema["type"] = [kind, "null"]
        if isinstance(words, list) and None not in words:
            schema["enum"] = [*words, None]
    if isinstance(choices, list):
        schema["anyOf"] = [*choices, {"type": "null"}]
    return schema
