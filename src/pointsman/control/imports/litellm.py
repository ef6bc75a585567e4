"""LiteLLM: rows of the table LiteLLM_SpendLogs, and standard logging payloads (also as its proxy's callbacks write them).

Sources: https://docs.litellm.ai/docs/proxy/logging_spec (StandardLoggingPayload), ``schema.prisma`` of BerriAI/litellm
(model LiteLLM_SpendLogs; ``metadata.additional_usage_values`` and ``metadata.usage_object`` hold the cached tokens).

Laws: ``prompt_tokens`` includes what was read from and written to a cache; a cost of zero for tokens means that LiteLLM knew
no price, unless its own cache answered.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman.control.imports import fields
from pointsman.control.imports.call import Call, LineError
from pointsman.core.chat import Usage

_WRAPPED: Final = ("standard_logging_object", "standard_logging_payload")
_CHATS: Final = frozenset(
    ("completion", "acompletion", "text_completion", "atext_completion", "responses", "aresponses", "anthropic_messages", "")
)


def recognises(value: Mapping[str, Any]) -> bool:
    """Return whether a value is a row or a payload: only LiteLLM has a ``call_type`` beside ``startTime``."""
    return any(name in value for name in _WRAPPED) or ("startTime" in value and "call_type" in value)


def calls(value: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the call of a row; none for an embedding, an image and other calls that answer no chat. Raises LineError."""
    row = next((fields.mapping(value[name]) for name in _WRAPPED if name in value), value)
    if fields.text(row.get("call_type")) not in _CHATS:
        return
    model = fields.text(row.get("model"))
    if not model:
        raise LineError("there is no model in it")
    details = fields.mapping(row.get("metadata"))
    provider = fields.text(row.get("custom_llm_provider"))
    begun = fields.moment(row.get("startTime"), "startTime")
    used = _usage(row, details)
    cost = fields.nano(fields.at(row, "spend", "response_cost"), "the cost")
    cached = str(row.get("cache_hit")).lower() == "true"
    failed = (fields.text(row.get("status")) or fields.text(details.get("status"))) == "failure" or bool(
        row.get("error_str")
    )
    first, ended = row.get("completionStartTime"), row.get("endTime")
    yield Call(
        at_ms=begun,
        asked=fields.text(row.get("model_group")) or model,
        model=model.removeprefix(f"{provider}/") if provider else model,
        provider=provider,
        usage=used,
        cost_nano=None if cost == 0 and used and used.input + used.output and not cached else cost,
        outcome="error" if failed else "ok",
        status=_status(row, details) if failed else 200,
        error=_error(row, details) if failed else "",
        latency_ms=_since(begun, ended, "endTime") or 0.0,
        first_content_ms=_since(begun, first, "completionStartTime") if first != ended else None,
        streamed=row.get("stream") is True,
        conversation=fields.text(fields.at(row, "session_id", "trace_id")),
        request=fields.chat(model, _messages(row.get("messages"))),
        key=fields.text(fields.at(row, "request_id", "id")),
        labels={
            **fields.tags(fields.listing(row.get("request_tags"))),
            **fields.labels(
                fields.mapping(details.get("requester_metadata")),
                fields.mapping(details.get("spend_logs_metadata")),
                details,
                {name: row[name] for name in ("user", "team_id", "end_user", "model_group") if row.get(name)},
            ),
        },
    )  # fmt: skip


def _usage(row: Mapping[str, Any], details: Mapping[str, Any]) -> Usage | None:
    if fields.at(row, "prompt_tokens", "completion_tokens") is None:
        return None
    told = fields.mapping(details.get("usage_object"))
    more = fields.mapping(details.get("additional_usage_values"))
    return fields.usage({**told, **more, **{name: row.get(name) for name in ("prompt_tokens", "completion_tokens")}})


def _since(begun_ms: int, value: Any, name: str) -> float | None:
    if value is None or value == "":
        return None
    return float(max(fields.moment(value, name) - begun_ms, 0))


def _status(row: Mapping[str, Any], details: Mapping[str, Any]) -> int:
    code = fields.mapping(row.get("error_information") or details.get("error_information")).get("error_code")
    return int(code) if isinstance(code, str | int) and str(code).isdecimal() else 0


def _error(row: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """Return the class of an error; its text may quote the request."""
    return fields.text(fields.mapping(row.get("error_information") or details.get("error_information")).get("error_class"))


def _messages(value: Any) -> Any:
    return fields.listing(value) or fields.mapping(value).get("messages")
