"""OpenTelemetry GenAI spans: OTLP JSON (``resourceSpans``), and one span a line as SDKs print them.

Sources: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ (attributes; ``gen_ai.system``,
``gen_ai.usage.prompt_tokens`` and ``gen_ai.prompt.N.content`` are their older forms, which instrumentations still write),
https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/ (OTLP JSON lines), and ``ReadableSpan.to_json`` of the
Python SDK.

Laws: only inference spans (chat, generate_content, text_completion) are calls; an agent's span sums those beneath it and
would count them twice. Cached tokens are part of the input tokens.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman.control.imports import fields
from pointsman.control.imports.call import Call, LineError
from pointsman.core.chat import ChatRequest, Usage

_INFERENCE: Final = frozenset(("chat", "generate_content", "text_completion", "completion"))
_FAILED: Final = (2, "2", "ERROR", "STATUS_CODE_ERROR", "Error")
_PREFIX: Final = "gen_ai."
_TRACE: Final = ("traceId", "trace_id")
_SPAN: Final = ("spanId", "span_id")


def recognises(value: Mapping[str, Any]) -> bool:
    """Return whether a value is an OTLP request or a single span."""
    if "resourceSpans" in value or "resource_spans" in value:
        return True
    return "attributes" in value and any(name in value for name in ("context", "spanId", "span_id"))


def calls(value: Mapping[str, Any]) -> Iterator[Call | LineError]:
    """Yield the calls among the spans of a value, and what is wrong with a span that cannot be read."""
    groups = fields.at(value, "resourceSpans", "resource_spans")
    if groups is None:
        yield from _read(value, _attributes(fields.mapping(value.get("resource")).get("attributes")))
        return
    for group in _objects(groups):
        resource = _attributes(fields.mapping(group.get("resource")).get("attributes"))
        for scope in _objects(fields.at(group, "scopeSpans", "scope_spans", "instrumentationLibrarySpans")):
            for span in _objects(scope.get("spans")):
                yield from _read(span, resource)


def _read(span: Mapping[str, Any], resource: Mapping[str, Any]) -> Iterator[Call | LineError]:
    try:
        yield from _span(span, resource)
    except LineError as problem:
        yield LineError(f"span {fields.text(span.get('name'))!r}: {problem}")


def _span(span: Mapping[str, Any], resource: Mapping[str, Any]) -> Iterator[Call]:
    told = _attributes(span.get("attributes"))
    if not any(name.startswith(_PREFIX) for name in told):
        return
    asked, answered = (fields.text(told.get(f"gen_ai.{side}.model")) for side in ("request", "response"))
    operation = told.get("gen_ai.operation.name", "chat" if asked else "")
    if operation not in _INFERENCE:
        return
    if not asked and not answered:
        raise LineError("the span has neither gen_ai.request.model nor gen_ai.response.model")
    begun = fields.moment(
        fields.at(span, "startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime"), "start time"
    )
    ended = fields.at(span, "endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime")
    status = fields.mapping(span.get("status"))
    failed = "error.type" in told or fields.at(status, "code", "status_code") in _FAILED
    context = fields.mapping(span.get("context"))
    ids = [fields.text(fields.at(span, *names) or fields.at(context, *names)) for names in (_TRACE, _SPAN)]
    finishes = told.get("gen_ai.response.finish_reasons")
    yield Call(
        at_ms=begun,
        asked=asked or answered,
        model=answered or asked,
        provider=fields.text(fields.at(told, "gen_ai.provider.name", "gen_ai.system")),
        usage=_usage(told),
        cost_nano=fields.nano(told.get("gen_ai.usage.cost"), "gen_ai.usage.cost"),
        outcome="error" if failed else "ok",
        status=0 if failed else 200,
        error=str(told.get("error.type", "failed")) if failed else "",
        latency_ms=float(max(fields.moment(ended, "end time") - begun, 0)) if ended is not None else 0.0,
        finish=str(finishes[0]) if isinstance(finishes, list) and finishes else None,
        conversation=fields.text(told.get("gen_ai.conversation.id")),
        request=_request(asked or answered, told),
        key="/".join(ids) if all(ids) else "",
        labels=fields.labels({name: value for name, value in told.items() if "messages" not in name}, resource),
    )


def _usage(told: Mapping[str, Any]) -> Usage | None:
    inputs = fields.at(told, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    outputs = fields.at(told, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    if inputs is None and outputs is None:
        return None
    read = fields.at(told, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens")
    written = fields.at(told, "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens")
    reasoning = fields.at(told, "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens")
    return fields.whole(
        Usage(
            input=fields.count(inputs, "input tokens"),
            output=fields.count(outputs, "output tokens"),
            cached=fields.count(read, "cached tokens"),
            cache_written=fields.count(written, "cache-written tokens"),
            reasoning=fields.count(reasoning, "reasoning tokens"),
        )
    )


def _request(model: str, told: Mapping[str, Any]) -> ChatRequest | None:
    """Return the request from the messages that an owner chose to record, in their newer or their older form."""
    messages = [_message(message) for message in _objects(fields.listing(told.get("gen_ai.input.messages")))]
    system = fields.listing(told.get("gen_ai.system_instructions"))
    if system:
        messages.insert(0, {"role": "system", "content": _content(system)})
    place = 0
    while not messages or place:
        content = told.get(f"gen_ai.prompt.{place}.content")
        if content is None:
            break
        messages.append({"role": fields.text(told.get(f"gen_ai.prompt.{place}.role")) or "user", "content": str(content)})
        place += 1
    return fields.chat(model, messages)


def _message(message: Mapping[str, Any]) -> dict[str, str]:
    return {"role": fields.text(message.get("role")) or "user", "content": _content(message.get("parts"))}


def _content(parts: Any) -> str:
    return "\n".join(text for part in _objects(parts) if (text := fields.text(part.get("content"))))


def _objects(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []


def _attributes(told: Any) -> Mapping[str, Any]:
    """Return attributes as a mapping, from OTLP's list of keys and typed values too."""
    if isinstance(told, list):
        return {fields.text(one.get("key")): _value(fields.mapping(one.get("value"))) for one in _objects(told)}
    return fields.mapping(told)


def _value(typed: Mapping[str, Any]) -> Any:
    for name, value in typed.items():
        if name in ("intValue", "int_value"):  # 64-bit integers are text in JSON
            return int(value) if str(value).lstrip("-").isdecimal() else None
        if name in ("arrayValue", "array_value"):
            return [_value(fields.mapping(one)) for one in _objects(fields.mapping(value).get("values"))]
        if name in ("kvlistValue", "kvlist_value"):
            return _attributes(fields.mapping(value).get("values"))
        return value
    return None
