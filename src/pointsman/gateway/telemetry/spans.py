"""An exchange as spans: one for the request (SERVER), and below it one for each call to a deployment (CLIENT).

Names are those of OpenTelemetry's semantic conventions for generative AI, version 1.44.0 (status: development), with
``pointsman.*`` for what they have no word for. Tokens stand on calls only, so that a sum over spans counts each once.

Law: nothing of a prompt or an answer is in a span, of a key its name only; texts are cut at ``LONGEST``.
"""

from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from pointsman.core.record import Attempt
from pointsman.core.routing import Provider
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.telemetry.tally import outcome_of
from pointsman.gateway.telemetry.told import Told, span_id

SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"
LONGEST: Final = 256
_OPERATIONS: Final = {"gemini": "generate_content"}
_PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrockclaude": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "vertexclaude": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Well-known values of ``gen_ai.provider.name`` that differ from our rows' names."""

Value = str | int | float | bool | tuple[str, ...]


class Span(Struct, frozen=True):
    """One span. Ids are hexadecimal, times Unix nanoseconds; ``error`` is empty where its status is unset."""

    trace: str
    id: str
    parent: str
    name: str
    kind: Literal["server", "client"]
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    error: str = ""


def spans(told: Told) -> list[Span]:
    """Return the spans of an exchange, its own first."""
    record, trace, decision = told.record, told.trace, told.record.decision
    operation = _OPERATIONS.get(told.dialect, "chat")
    attributes: dict[str, Value | None] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "pointsman",
        "gen_ai.request.model": record.asked,
        "gen_ai.request.stream": record.streamed,
        "gen_ai.conversation.id": record.conversation or None,
        "gen_ai.response.time_to_first_chunk": _seconds(record.first_content_ms) if record.streamed else None,
        "error.type": None if record.outcome == "ok" else record.outcome if record.status < 400 else str(record.status),
        "http.response.status_code": record.status,
        "pointsman.exchange": record.id,
        "pointsman.client_id": record.client_id or None,
        "pointsman.route": record.route or None,
        "pointsman.feature": record.feature,
        "pointsman.customer": record.customer or None,
        "pointsman.key": record.client_key or None,
        "pointsman.outcome": record.outcome,
        "pointsman.cost_nano": record.cost_nano,
        "pointsman.mode": decision.mode if decision is not None else None,
        "pointsman.arm": decision.arm if decision is not None else None,
        "pointsman.snapshot": decision.snapshot if decision is not None else None,
    }
    own = span_id(record.id, "exchange")
    failed = record.outcome in ("error", "cut") and (record.status >= 500 or record.status < 400)
    whole = Span(
        trace.id,
        own,
        trace.parent,
        f"{operation} {record.route}".strip()[:LONGEST],
        "server",
        record.at_ms * 1_000_000,
        record.at_ms * 1_000_000 + int(record.latency_ms * 1e6),
        _kept(attributes),
        f"{record.outcome} {record.status}" if failed else "",
    )
    return [whole, *(_call(told, own, place, one) for place, one in enumerate(record.attempts))]


def _call(told: Told, parent: str, place: int, attempt: Attempt) -> Span:
    provider, model = _whom(attempt.deployment, told.snapshot)
    operation = _OPERATIONS.get(provider.dialect, "chat") if provider is not None else "chat"
    usage, ended = attempt.usage, outcome_of(attempt.status, wrong=bool(attempt.error))
    address = urlsplit(provider.base_url) if provider is not None else None
    attributes: dict[str, Value | None] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "_OTHER" if provider is None else _PROVIDERS.get(provider.name, provider.name),
        "gen_ai.request.model": model,
        "gen_ai.request.stream": told.record.streamed,
        "gen_ai.response.finish_reasons": (attempt.finish,) if attempt.finish else None,
        "gen_ai.response.time_to_first_chunk": _seconds(attempt.first_byte_ms) if told.record.streamed else None,
        "server.address": address.hostname if address is not None else None,
        "server.port": _port(provider) if provider is not None else None,
        "http.response.status_code": attempt.status or None,
        "error.type": None if ended == "ok" else str(attempt.status) if attempt.status >= 400 else ended,
        "pointsman.deployment": attempt.deployment,
        "pointsman.cause": attempt.cause,
        "pointsman.cost_nano": attempt.cost_nano,
    }
    if usage is not None:
        attributes |= {
            "gen_ai.usage.input_tokens": usage.input,
            "gen_ai.usage.output_tokens": usage.output,
            "gen_ai.usage.cache_read.input_tokens": usage.cached,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_written,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
            "pointsman.usage_estimated": attempt.estimated,
        }
    start = attempt.started_ms * 1_000_000
    return Span(
        told.trace.id,
        span_id(told.record.id, f"call {place}"),
        parent,
        f"{operation} {model}"[:LONGEST],
        "client",
        start,
        start + int(attempt.total_ms * 1e6),
        _kept(attributes),
        attempt.error[:LONGEST],
    )


def _whom(name: str, snapshot: Snapshot) -> tuple[Provider | None, str]:
    """Return who was called and for which model."""
    known = snapshot.deployments.get(name)
    provider, _, model = name.partition("/")
    if known is not None:
        provider, model = known.provider, known.model
    return snapshot.providers.get(provider), model


def _port(provider: Provider) -> int:
    parts = urlsplit(provider.base_url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1e3


def _kept(attributes: dict[str, Value | None]) -> dict[str, Value]:
    """Return what is known, texts cut."""
    cut = {key: value[:LONGEST] if isinstance(value, str) else value for key, value in attributes.items()}
    return {key: value for key, value in cut.items() if value is not None}
