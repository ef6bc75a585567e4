"""A JSON Schema as ``output_config.format`` takes it.

The API refuses objects that are open and most limits of values; its own SDKs close the objects and move the limits into
descriptions. So does this: the schema says the same, and the model is told what the decoding cannot enforce.
(https://platform.claude.com/docs/en/build-with-claude/structured-outputs)

Law: a schema that is taken as it is goes through byte for byte.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from pointsman.wire.shapes import encode

_FORMATS: Final = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))
_LIMITS: Final = frozenset({
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
    "uniqueItems", "minProperties", "maxProperties", "patternProperties",
})  # fmt: skip
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
_MAPS: Final = ("properties", "$defs", "definitions")


def fitted(schema: Raw) -> tuple[Raw, bool]:
    """Return the schema, and whether the API enforces all of it."""
    try:
        old = msgspec.json.decode(schema)
        new, whole = _fitted(old)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return schema, False
    return (schema if new == old else Raw(encode(new))), whole


def _fitted(schema: Any) -> tuple[Any, bool]:
    if not isinstance(schema, dict):
        return schema, True
    new: dict[str, Any] = dict(schema)
    told: dict[str, Any] = {name: new.pop(name) for name in schema if name in _LIMITS}
    if new.get("minItems", 0) not in (0, 1):
        told["minItems"] = new.pop("minItems")
    if "format" in new and new["format"] not in _FORMATS:
        told["format"] = new.pop("format")
    whole = not told
    if "oneOf" in new and "anyOf" not in new:
        new["anyOf"] = new.pop("oneOf")
    for name in _LISTS:
        if isinstance(inner := new.get(name), list):
            pairs = [_fitted(item) for item in inner]
            new[name], whole = [item for item, _ in pairs], whole and all(kept for _, kept in pairs)
    for name in _MAPS:
        if isinstance(inner := new.get(name), dict):
            named = {key: _fitted(item) for key, item in inner.items()}
            new[name], whole = {key: item for key, (item, _) in named.items()}, whole and all(k for _, k in named.values())
    if "items" in new:
        new["items"], kept = _fitted(new["items"])
        whole = whole and kept
    if _is_object(new):
        whole = whole and new.get("additionalProperties", False) is False
        new["additionalProperties"] = False
    if told:
        new["description"] = "\n\n".join([*filter(None, [new.get("description")]), _words(told)])
    return new, whole


def _is_object(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or "properties" in schema or (isinstance(kind, list) and "object" in kind)


def _words(limits: Mapping[str, Any]) -> str:
    return "{" + ", ".join([f"{name}: {encode(value).decode()}" for name, value in limits.items()]) + "}"
