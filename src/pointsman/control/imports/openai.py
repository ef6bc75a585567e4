"""OpenAI-style logs: request and response pairs, batch output, and stored completions.

Sources: the chat completion object and stored completions (https://platform.openai.com/docs/api-reference/chat/object,
.../chat/list), the response object (.../responses/object), one line of a batch's output or error file
(.../batch/request-output). A pair is any object with ``request`` and ``response``: the two JSON bodies, either of them
perhaps inside an HTTP envelope (``body``, ``status_code`` or ``status``), with the times that a logger adds.

Law: a line of a batch's output was billed on the tier ``batch``, whatever its reply calls it; another one on the tier that
its reply names, else its request.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman.control.imports import fields
from pointsman.control.imports.call import Call, LineError

_OBJECTS: Final = ("chat.completion", "text_completion", "response")
_TIMES: Final = ("timestamp", "time", "created_at", "start_time", "started_at", "created", "date")
_LATENCIES_MS: Final = ("latency_ms", "duration_ms", "response_time_ms", "elapsed_ms")
_LATENCIES_S: Final = ("latency_s", "duration_s", "response_time_s", "elapsed_s")


def recognises(value: Mapping[str, Any]) -> bool:
    """Return whether a value is a completion, a line of a batch's output, or a pair."""
    return value.get("object") in _OBJECTS or ("response" in value and ("request" in value or "custom_id" in value))


def calls(value: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the call of a line. Raises LineError."""
    if value.get("object") in _OBJECTS:
        yield _call(value, {}, value, 200)
        return
    envelope = fields.mapping(value.get("response"))
    answer = fields.mapping(envelope.get("body")) or envelope
    status = fields.at(envelope, "status_code") or fields.at(value, "status_code", "status")
    sent = fields.mapping(value.get("request"))
    asked = fields.mapping(sent.get("body")) or sent
    if not answer and not asked:
        raise LineError("there is neither a response nor a request to read the model from")
    yield _call(answer, asked, value, status if isinstance(status, int) and not isinstance(status, bool) else 0)


def _call(answer: Mapping[str, Any], asked: Mapping[str, Any], line: Mapping[str, Any], status: int) -> Call:
    model = fields.text(answer.get("model")) or fields.text(asked.get("model"))
    if not model:
        raise LineError("there is no model in it")
    problem = answer.get("error") or line.get("error")
    failed = bool(problem) or status >= 400 or answer.get("status") == "failed"
    when = fields.at(line, *_TIMES) if line is not answer else None
    choices = answer.get("choices")
    choice = fields.mapping(choices[0]) if isinstance(choices, list) and choices else {}
    body = {
        name: asked[name] for name in ("tools", "response_format", "max_tokens", "stream") if asked.get(name) is not None
    }
    tier = "batch" if "custom_id" in line else fields.text(answer.get("service_tier") or asked.get("service_tier"))
    latency = fields.number(fields.at(line, *_LATENCIES_MS), "latency")
    seconds = fields.number(fields.at(line, *_LATENCIES_S), "latency")
    return Call(
        at_ms=fields.moment(when if when is not None else fields.at(answer, "created", "created_at"), "the time"),
        asked=fields.text(asked.get("model")) or model,
        model=model,
        provider=fields.text(line.get("provider")),
        usage=fields.usage(fields.mapping(answer.get("usage")), tier),
        cost_nano=fields.nano(fields.at(line, "cost_usd"), "cost_usd"),
        outcome="error" if failed else "ok",
        status=status or (0 if failed else 200),
        error=_error(problem) if failed else "",
        latency_ms=latency if latency is not None else 1000 * (seconds or 0.0),
        streamed=asked.get("stream") is True,
        finish=fields.text(choice.get("finish_reason")) or None,
        request=fields.chat(model, asked.get("messages"), **body),
        key=fields.text(answer.get("id")) or fields.text(line.get("id")),
        labels=fields.labels(
            fields.mapping(asked.get("metadata")),
            fields.mapping(answer.get("metadata")),
            fields.mapping(line.get("metadata")),
            {name: line[name] for name in ("feature", "custom_id", "user") if name in line},
            {"user": asked.get("user")},
        ),
    )  # fmt: skip


def _error(problem: Any) -> str:
    """Return the short code of an error; its message may quote the request."""
    described = fields.mapping(problem)
    return fields.text(fields.at(described, "code", "type")) or "failed"
