"""Bodies that say one thing to us and may say another to their provider.

Strategy: a request's bytes go on as they came, so what is read here must be what is read there. Parsers differ: some take
the first of two fields of one name, some (Go's ``encoding/json``) take ``Model`` for ``model``; and some providers read
fields that name whom else to ask. Whoever bounds a request, by a key, a data policy or a budget, has such a body refused.
"""

import re
from typing import Final

import msgspec
from msgspec import Raw

from pointsman.wire import edits
from pointsman.wire.fields import BROKEN, mended

DIALECTS: Final = frozenset(("openai_chat", "openai_responses", "anthropic"))
"""Those whose requests say in their body whom they are for, in names of small letters."""

_DECIDING: Final = ("model", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "stream", "service_tier")
_ELSEWHERE: Final = ("models", "route", "provider", "fallbacks")
"""Whom else a provider that passes requests on may ask (OpenRouter, LiteLLM)."""
_NAMES: Final = frozenset((*_DECIDING, *_ELSEWHERE))
_QUOTED: Final = tuple([b'"%b"' % name.encode() for name in (*_DECIDING, *_ELSEWHERE)])
_FIELD: Final = re.compile(rb'\s*[{,]\s*("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*:\s*', re.DOTALL)
_object: Final = msgspec.json.Decoder(dict[str, Raw])
_name: Final = msgspec.json.Decoder(str)


def fields_of(body: bytes) -> dict[str, Raw] | None:
    """Return the fields of an object, of two of one name the last; None where it is none."""
    try:
        return _object.decode(body)
    except BROKEN:
        pass
    try:
        return _object.decode(mended(body))
    except BROKEN:
        return None


def said_twice(body: bytes, fields: dict[str, Raw]) -> str | None:
    """Return the name of a field that stands twice, or in other letters than its own; None where all is plain."""
    for name in fields:
        if name not in _NAMES and name.casefold() in _NAMES:
            return name
    plain = b"\\u00" not in body  # no letter of a name is spelled as an escape
    if (plain and all(body.count(quoted) <= 1 for quoted in _QUOTED)) or _once(body, fields):
        return None
    spans = edits.top_spans(mended(body), tuple(_NAMES))
    return next((name for name in sorted(_NAMES) if len(spans[name]) > 1), None)


def named_elsewhere(fields: dict[str, Raw]) -> str | None:
    """Return the name of a field that names whom else a provider may ask, None where there is none."""
    return next((name for name in _ELSEWHERE if name in fields and bytes(fields[name]) != b"null"), None)


def _once(body: bytes, fields: dict[str, Raw]) -> bool:
    """Say whether a body is these fields, one after the other, and nothing else: a comparison, and no look into values."""
    at = 0
    for name, raw in fields.items():
        found, value = _FIELD.match(body, at), bytes(raw)
        if found is None or _name.decode(mended(found[1])) != name or not body.startswith(value, found.end()):
            return False
        at = found.end() + len(value)
    return body[at:].strip() == b"}"
