"""Our own format: one JSON object a line, as docs/imports.md describes it field by field.

Strategy: read strictly (a field that we do not know is a mistake), because a misspelt field would silently lose money.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from pointsman.control.imports import fields
from pointsman.control.imports.call import Call, LineError
from pointsman.core.chat import Usage
from pointsman.core.price import tier_of


class _Usage(Struct, forbid_unknown_fields=True):
    input: int = 0
    output: int = 0
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0
    tier: str = ""


class _Line(Struct, forbid_unknown_fields=True):
    at: str | int | float
    model: str
    provider: str = ""
    asked: str = ""
    feature: str = ""
    usage: _Usage | None = None
    cost_usd: str | int | float | None = None
    status: int = 200
    error: str = ""
    latency_ms: float = 0.0
    first_content_ms: float | None = None
    streamed: bool = False
    finish: str | None = None
    conversation: str = ""
    messages: list[Any] | None = None
    tools: list[Any] | None = None
    id: str = ""
    labels: dict[str, str] = {}


def recognises(value: Mapping[str, Any]) -> bool:
    """Return whether a value is in this format: only ours calls the time ``at``."""
    return "at" in value and "model" in value


def calls(value: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the call of a line. Raises LineError."""
    try:
        line = msgspec.convert(value, _Line)
    except msgspec.ValidationError as error:
        raise LineError(str(error)) from error
    ok = not line.error and line.status < 400
    used = line.usage
    yield Call(
        at_ms=fields.moment(line.at, "at"),
        asked=line.asked or line.model,
        model=line.model,
        provider=line.provider,
        usage=_usage(used) if used else None,
        cost_nano=fields.nano(line.cost_usd, "cost_usd"),
        outcome="ok" if ok else "error",
        status=line.status if ok or line.status >= 400 else 0,
        error=line.error,
        latency_ms=fields.number(line.latency_ms, "latency_ms") or 0.0,
        first_content_ms=fields.number(line.first_content_ms, "first_content_ms"),
        streamed=line.streamed,
        finish=line.finish,
        conversation=line.conversation,
        request=fields.chat(line.asked or line.model, line.messages, **({"tools": line.tools} if line.tools else {})),
        key=line.id,
        labels={**line.labels, **({"feature": line.feature} if line.feature else {})},
    )


def _usage(used: _Usage) -> Usage:
    found = Usage(
        input=fields.count(used.input, "usage.input"),
        output=fields.count(used.output, "usage.output"),
        cached=fields.count(used.cached, "usage.cached"),
        cache_written=fields.count(used.cache_written, "usage.cache_written"),
        reasoning=fields.count(used.reasoning, "usage.reasoning"),
        tier=tier_of(used.tier),
    )
    if found.cached + found.cache_written > found.input:
        raise LineError("usage.input must include the cached and the cache-written tokens")
    return found
