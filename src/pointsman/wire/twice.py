"""Bodies that say one thing to us and may say another to their provider.

Strategy: a request's bytes go on as they came, so what is read here must be what is read there. Parsers differ: some take
the first of two fields of one name, some (Go's ``encoding/json``) take ``Model`` for ``model``; and some providers read
fields that name whom else to ask. Whoever bounds a request, by a key, a data policy or a budget, has such a body refused.
"""

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
_object: Final = msgspec.json.Decoder(dict[str, Raw])


def said_twice(body: bytes) -> str | None:
    """Return the name of a field that stands twice, or in other letters than its own; None where all is plain."""
    try:
        names = _object.decode(mended(body))
    except BROKEN:
        return "body"
    for name in names:
        if name not in _NAMES and name.casefold() in _NAMES:
            return name
    escaped = b"\\u00" in body
    often = [name for name in _DECIDING if name in names and (escaped or body.count(b'"%b"' % name.encode()) > 1)]
    if not often:
        return None
    spans = edits.top_spans(body, tuple(often))
    return next((name for name in often if len(spans[name]) > 1), None)


def named_elsewhere(body: bytes) -> str | None:
    """Return the name of a field that names whom else a provider may ask, None where there is none."""
    try:
        names = _object.decode(mended(body))
    except BROKEN:
        return None
    return next((name for name in _ELSEWHERE if name in names and bytes(names[name]) != b"null"), None)
