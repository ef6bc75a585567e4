"""JSON of a shape that is asked for: an instance of a JSON Schema, with known values where the names agree.

Strategy: follow the schema; a property takes the value known under its name, else one found in the text as ``name: value``,
else the simplest value of its type. Covers what the strict modes of providers accept: objects, arrays, the plain types,
``enum``, ``const``, ``anyOf`` and ``$ref`` into ``$defs``.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_DEEPEST: Final = 20
_PLAIN: Final = {"string": "simulated", "integer": 1, "number": 1.0, "boolean": True, "null": None}


def instance(schema: Mapping[str, Any], known: Mapping[str, Any], text: str) -> Any:
    """Return a value of the schema's shape, filled from ``known`` and from what the text says."""
    return _value(schema, schema, "", known, text, 0)


def _value(schema: Any, root: Mapping[str, Any], name: str, known: Mapping[str, Any], text: str, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    if "$ref" in schema:
        target = str(schema["$ref"]).rpartition("/")[2]
        return _value(root.get("$defs", {}).get(target), root, name, known, text, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        said = [value for value in schema["enum"] if str(value) in text]
        return (said or schema["enum"])[0]
    if schema.get("anyOf"):
        return _value(schema["anyOf"][0], root, name, known, text, depth + 1)
    kind = schema.get("type", "object")
    kind = next((each for each in kind if each != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        return {key: _value(inner, root, key, known, text, depth + 1) for key, inner in properties.items()}
    if kind == "array":
        count = max(1, int(schema.get("minItems", 1)))
        return [_value(schema.get("items", {"type": "string"}), root, name, known, text, depth + 1) for _ in range(count)]
    return _plain(str(kind), known[name] if name in known else _said(name, text))


def _plain(kind: str, value: Any) -> Any:
    """Return a value as one of the plain types, the simplest one where it cannot be."""
    try:
        if kind == "string":
            return str(value) if value is not None else _PLAIN[kind]
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except (TypeError, ValueError):
        return _PLAIN[kind]
    return _PLAIN.get(kind)


def _said(name: str, text: str) -> str | None:
    """Return what a text gives as ``name: value``, ``name = value`` or ``name is value``."""
    found = re.search(rf"\b{re.escape(name)}\b\s*(?:[:=]|is)\s*\"?([^\s\",;]+)", text, re.IGNORECASE) if name else None
    return found[1].rstrip(".") if found else None
