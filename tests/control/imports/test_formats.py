"""One real shape of each log, field by field."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pointsman.control.imports import own
from pointsman.control.imports.call import Call, LineError
from pointsman.control.imports.formats import FORMATS, format_of
from pointsman.core.chat import Usage

AT = 1_764_000_000_000
ISO = "2025-11-24T16:00:00.000Z"
SECONDS = AT // 1000
ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my parcel?"}]
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": SECONDS,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "On its way."}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 8},
    },
    "metadata": {"feature": "support"},
}
USED = Usage(input=100, output=20, cached=64, reasoning=8)


def read(value: dict[str, Any], format_: str) -> list[Call | LineError]:
    """Read a value that must be recognised as its format, and as JSON text would bring it."""
    value = json.loads(json.dumps(value))
    assert format_of(value) == format_
    return list(FORMATS[format_].calls(value))


def one(value: dict[str, Any], format_: str) -> Call:
    (call,) = read(value, format_)
    assert isinstance(call, Call)
    return call


def without_request(call: Call) -> Call:
    return replace(call, request=None)


# --- our own


OWN: dict[str, Any] = {
    "at": ISO, "model": "gpt-4o-2024-08-06", "asked": "gpt-4o", "provider": "openai", "feature": "support", "id": "7",
    "usage": {"input": 100, "output": 20, "cached": 64, "cache_written": 1, "reasoning": 8}, "cost_usd": "0.00125",
    "latency_ms": 321.5, "first_content_ms": 40, "streamed": True, "finish": "stop", "conversation": "c1",
    "messages": ASK, "labels": {"team": "blue"},
}  # fmt: skip


def test_our_own_format() -> None:
    call = one(OWN, "pointsman")
    assert call.request is not None
    assert (call.request.system_text, call.request.user_text) == ("Be brief.", "Where is my parcel?")
    assert without_request(call) == Call(
        at_ms=AT, asked="gpt-4o", model="gpt-4o-2024-08-06", provider="openai", usage=Usage(100, 20, 64, 1, 8),
        cost_nano=1_250_000, status=200, latency_ms=321.5, first_content_ms=40.0, streamed=True, finish="stop",
        conversation="c1", key="7", labels={"team": "blue", "feature": "support"},
    )  # fmt: skip


def test_our_own_format_may_name_a_service_tier() -> None:
    call = one({**OWN, "usage": {"input": 100, "output": 20, "tier": "batch"}}, "pointsman")
    assert call.usage == Usage(100, 20, tier="batch")


def test_our_own_format_needs_a_time_and_a_model_only() -> None:
    assert one({"at": SECONDS, "model": "m"}, "pointsman") == Call(at_ms=AT, asked="m", model="m", status=200)


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [(200, "", ("ok", 200)), (429, "", ("error", 429)), (200, "timeout", ("error", 0)), (503, "overloaded", ("error", 503))],
)
def test_our_own_format_tells_failures(status: int, error: str, expected: tuple[str, int]) -> None:
    call = one({"at": AT, "model": "m", "status": status, "error": error}, "pointsman")
    assert (call.outcome, call.status) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"useage": {}}, "unknown field `useage`"),
        ({"usage": {"inputs": 1}}, "unknown field `inputs`"),
        ({"usage": {"input": 10, "cached": 11}}, "must include the cached"),
        ({"usage": {"input": -1}}, "usage.input is no number of tokens"),
        ({"usage": 5}, "Expected `object"),
        ({"at": "soon"}, "at is no time"),
        ({"cost_usd": "free"}, "cost_usd is no amount"),
        ({"latency_ms": -1}, "latency_ms is no number"),
        ({"labels": {"a": 1}}, "Expected `str`"),
    ],
)
def test_a_mistake_in_our_own_format_names_the_field(change: dict[str, Any], said: str) -> None:
    with pytest.raises(LineError, match=said):
        read({"at": ISO, "model": "m", **change}, "pointsman")


# --- OpenAI


def test_a_stored_completion() -> None:
    assert one(COMPLETION, "openai") == Call(
        at_ms=AT, asked="gpt-4o-2024-08-06", model="gpt-4o-2024-08-06", usage=USED, status=200, finish="stop",
        key="chatcmpl-1", labels={"feature": "support"},
    )  # fmt: skip


def test_a_request_and_its_response() -> None:
    asked = {
        "model": "gpt-4o",
        "messages": ASK,
        "stream": True,
        "tools": [{"type": "function"}],
        "metadata": {"feature": "x"},
    }
    call = one({"request": asked, "response": COMPLETION, "timestamp": AT + 5, "latency_ms": 12.5}, "openai")
    assert call.request is not None
    assert (call.request.user_text, len(call.request.tools)) == ("Where is my parcel?", 1)
    assert without_request(call) == Call(
        at_ms=AT + 5, asked="gpt-4o", model="gpt-4o-2024-08-06", usage=USED, status=200, latency_ms=12.5,
        streamed=True, finish="stop", key="chatcmpl-1", labels={"feature": "x"},
    )  # fmt: skip


def test_a_pair_in_http_envelopes_that_failed() -> None:
    failed = {"status_code": 429, "body": {"error": {"code": "rate_limit_exceeded", "message": "private text"}}}
    call = one({"request": {"body": {"model": "gpt-4o", "messages": ASK}}, "response": failed, "time": ISO}, "openai")
    assert (call.outcome, call.status, call.error, call.usage) == ("error", 429, "rate_limit_exceeded", None)
    assert "private" not in str(without_request(call))


def test_a_line_of_a_batch_s_output() -> None:
    line = {"id": "batch_req_1", "custom_id": "row-7", "error": None}
    call = one({**line, "response": {"status_code": 200, "request_id": "r", "body": COMPLETION}}, "openai")
    assert (call.at_ms, call.usage, call.status, call.key) == (AT, replace(USED, tier="batch"), 200, "chatcmpl-1")
    assert call.labels == {"feature": "support", "custom_id": "row-7"}


@pytest.mark.parametrize(
    ("asked", "replied", "tier"), [("flex", "default", ""), ("flex", None, "flex"), ("auto", "flex", "flex")]
)
def test_a_pair_is_billed_on_the_tier_of_its_reply(asked: str, replied: str | None, tier: str) -> None:
    request = {"model": "gpt-4o", "messages": ASK, "service_tier": asked}
    call = one({"request": request, "response": {**COMPLETION, "service_tier": replied}}, "openai")
    assert call.usage == replace(USED, tier=tier)


def test_a_batch_line_that_never_ran_has_nothing_to_import() -> None:
    with pytest.raises(LineError, match="neither a response nor a request"):
        read({"id": "b", "custom_id": "row-8", "response": None, "error": {"code": "batch_expired"}}, "openai")


def test_a_response_object() -> None:
    response = {
        "id": "resp_1", "object": "response", "created_at": SECONDS, "model": "gpt-5", "status": "completed",
        "usage": {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 2}},
    }  # fmt: skip
    call = one(response, "openai")
    assert (call.at_ms, call.model, call.usage, call.key) == (AT, "gpt-5", Usage(input=10, output=5, cached=2), "resp_1")


@pytest.mark.parametrize(("missing", "said"), [("model", "no model"), ("created", "the time is missing")])
def test_a_completion_without_what_it_needs_is_told(missing: str, said: str) -> None:
    with pytest.raises(LineError, match=said):
        read({name: value for name, value in COMPLETION.items() if name != missing}, "openai")


# --- LiteLLM


ROW: dict[str, Any] = {
    "request_id": "chatcmpl-2", "call_type": "acompletion", "api_key": "hashed", "spend": 0.00125, "total_tokens": 120,
    "prompt_tokens": 100, "completion_tokens": 20, "startTime": "2025-11-24T16:00:00Z",
    "endTime": "2025-11-24T16:00:01.500Z",
    "completionStartTime": "2025-11-24T16:00:00.250Z", "model": "anthropic/claude-x", "model_group": "smart",
    "custom_llm_provider": "anthropic", "cache_hit": "False", "request_tags": ["feature:support", "User-Agent: x"],
    "metadata": {
        "status": "success", "user_api_key_alias": "shop", "additional_usage_values": {"cache_read_input_tokens": 64},
    },
    "messages": ASK, "session_id": "s1", "team_id": "t1",
}  # fmt: skip


def test_a_spend_row() -> None:
    call = one(ROW, "litellm")
    assert call.request is not None
    assert call.labels["feature"] == "support"
    assert (call.labels["team_id"], call.labels["user_api_key_alias"]) == ("t1", "shop")
    assert "hashed" not in call.labels.values()
    assert replace(call, labels={}, request=None) == Call(
        at_ms=AT, asked="smart", model="claude-x", provider="anthropic", usage=Usage(input=100, output=20, cached=64),
        cost_nano=1_250_000, status=200, latency_ms=1500.0, first_content_ms=250.0, conversation="s1", key="chatcmpl-2",
    )  # fmt: skip


def test_a_spend_row_whose_json_columns_are_text() -> None:
    texts = {name: json.dumps(ROW[name]) for name in ("metadata", "request_tags", "messages")}
    assert one({**ROW, **texts}, "litellm") == one(ROW, "litellm")


def test_a_standard_logging_payload() -> None:
    payload = {
        "id": "chatcmpl-2", "call_type": "completion", "stream": True, "response_cost": 0.002, "status": "failure",
        "custom_llm_provider": "openai", "prompt_tokens": 0, "completion_tokens": 0, "startTime": AT / 1000,
        "endTime": AT / 1000 + 2, "completionStartTime": AT / 1000 + 2, "model": "gpt-4o", "model_group": None,
        "metadata": {"requester_metadata": {"feature": "coding"}}, "trace_id": "t", "error_str": "private",
        "error_information": {"error_code": "429", "error_class": "RateLimitError", "error_message": "private"},
    }  # fmt: skip
    call = one({"standard_logging_object": payload}, "litellm")
    assert call == Call(
        at_ms=AT, asked="gpt-4o", model="gpt-4o", provider="openai", usage=Usage(), cost_nano=2_000_000, outcome="error",
        status=429, error="RateLimitError", latency_ms=2000.0, streamed=True, conversation="t", key="chatcmpl-2",
        labels={"feature": "coding"},
    )  # fmt: skip


@pytest.mark.parametrize(("cache_hit", "cost"), [("False", None), (None, None), ("True", 0), (True, 0)])
def test_zero_dollars_for_tokens_means_unknown_unless_its_cache_answered(cache_hit: object, cost: int | None) -> None:
    assert one({**ROW, "spend": 0.0, "cache_hit": cache_hit}, "litellm").cost_nano == cost


def test_calls_that_answer_no_chat_are_passed_over() -> None:
    assert read({**ROW, "call_type": "aembedding"}, "litellm") == []


# --- Langfuse


EXPORTED: dict[str, Any] = {
    "id": "obs-1", "trace_id": "tr-1", "project_id": "p", "environment": "production", "type": "GENERATION",
    "start_time": "2025-11-24 16:00:00.000000", "end_time": "2025-11-24 16:00:01.500000", "name": "answer-ticket",
    "metadata": {"feature": "support"}, "level": "DEFAULT", "input": json.dumps({"messages": ASK, "tools": [{}]}),
    "output": "private", "provided_model_name": "gpt-4o", "model_parameters": '{"temperature":0.7}', "session_id": "s1",
    "usage_details": {
        "input": 30, "input_cached_tokens": 64, "input_cache_creation": 6, "output": 12, "output_reasoning_tokens": 8,
        "total": 120,
    },
    "cost_details": {"input": 0.001, "output": 0.00025, "total": 0.00125}, "total_cost": 0.00125,
    "completion_start_time": "2025-11-24 16:00:00.250000", "latency": 1.5, "time_to_first_token": 0.25,
    "tags": ["team:blue"],
}  # fmt: skip


def test_an_exported_generation() -> None:
    call = one(EXPORTED, "langfuse")
    assert call.request is not None
    assert (call.request.user_text, len(call.request.tools)) == ("Where is my parcel?", 1)
    labels = {name: call.labels[name] for name in ("feature", "name", "environment", "team")}
    assert labels == {"feature": "support", "name": "answer-ticket", "environment": "production", "team": "blue"}
    assert "private" not in call.labels.values()
    assert replace(call, labels={}, request=None) == Call(
        at_ms=AT, asked="gpt-4o", model="gpt-4o", usage=Usage(100, 20, 64, 6, 8), cost_nano=1_250_000, status=200,
        latency_ms=1500.0, first_content_ms=250.0, streamed=True, conversation="s1", key="obs-1",
    )  # fmt: skip


def test_a_generation_from_the_api() -> None:
    value = {
        "id": "obs-1", "traceId": "tr-1", "type": "GENERATION", "startTime": ISO, "endTime": "2025-11-24T16:00:01.500Z",
        "completionStartTime": None, "model": "gpt-4o", "level": "ERROR", "statusMessage": "private", "metadata": None,
        "input": ASK, "usage": {"input": 100, "output": 20, "total": 120, "unit": "TOKENS"}, "calculatedTotalCost": 0,
        "latency": None, "timeToFirstToken": None,
    }  # fmt: skip
    call = one(value, "langfuse")
    assert call.request is not None
    assert replace(call, labels={}, request=None) == Call(
        at_ms=AT, asked="gpt-4o", model="gpt-4o", usage=Usage(input=100, output=20), cost_nano=None, outcome="error",
        error="failed", latency_ms=1500.0, key="obs-1",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["SPAN", "EVENT", "EMBEDDING", "AGENT"])
def test_observations_that_are_no_generations_are_passed_over(kind: str) -> None:
    assert read({**EXPORTED, "type": kind}, "langfuse") == []


def test_a_generation_without_a_model_is_told() -> None:
    with pytest.raises(LineError, match="no model"):
        read({**EXPORTED, "provided_model_name": ""}, "langfuse")


# --- OpenTelemetry


TOLD: dict[str, Any] = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.cache_read.input_tokens": 64, "gen_ai.usage.reasoning.output_tokens": 8,
    "gen_ai.response.finish_reasons": ["stop"], "gen_ai.conversation.id": "c1", "app.feature": "support",
    "gen_ai.input.messages": json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}, {"type": "blob"}]}]
    ),
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
}  # fmt: skip
SPAN_CALL = Call(
    at_ms=AT, asked="gpt-4o", model="gpt-4o-2024-08-06", provider="openai", usage=USED, status=200, latency_ms=1500.0,
    finish="stop", conversation="c1", key="t1/s1",
)  # fmt: skip


def typed(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [typed(part) for part in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def otlp(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


def otlp_span(told: dict[str, Any], span_id: str = "s1", **more: Any) -> dict[str, Any]:
    attributes = [{"key": name, "value": typed(value)} for name, value in told.items()]
    times = {"startTimeUnixNano": str(AT * 10**6), "endTimeUnixNano": str((AT + 1500) * 10**6)}
    return {"traceId": "t1", "spanId": span_id, "name": "chat gpt-4o", "attributes": attributes, **times, **more}


def test_an_otlp_request() -> None:
    call = one(otlp(otlp_span(TOLD)), "otel")
    assert call.request is not None
    assert (call.request.system_text, call.request.user_text) == ("Be brief.", "Where is my parcel?")
    assert (call.labels["app.feature"], call.labels["service.name"]) == ("support", "shop")
    assert "parcel" not in str(call.labels)
    assert replace(call, labels={}, request=None) == SPAN_CALL


def test_a_span_as_the_python_sdk_prints_it() -> None:
    span = {
        "name": "chat gpt-4o", "context": {"trace_id": "t1", "span_id": "s1", "trace_state": "[]"},
        "kind": "SpanKind.CLIENT",
        "start_time": "2025-11-24T16:00:00.000000Z", "end_time": "2025-11-24T16:00:01.500000Z",
        "status": {"status_code": "UNSET"}, "attributes": TOLD, "resource": {"attributes": {"service.name": "shop"}},
    }  # fmt: skip
    call = one(span, "otel")
    assert call.labels["service.name"] == "shop"
    assert replace(call, labels={}, request=None) == SPAN_CALL


def test_older_attributes() -> None:
    told = {
        "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.prompt_tokens": 100,
        "gen_ai.usage.completion_tokens": 20, "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief.",
        "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "Where is my parcel?",
    }  # fmt: skip
    call = one(otlp(otlp_span(told)), "otel")
    assert (call.provider, call.usage) == ("openai", Usage(input=100, output=20))
    assert call.request is not None
    assert (call.request.system_text, call.request.user_text) == ("Be brief.", "Where is my parcel?")


@pytest.mark.parametrize(
    ("told", "status"), [({"error.type": "timeout"}, {}), ({}, {"code": 2}), ({}, {"code": "STATUS_CODE_ERROR"})]
)
def test_a_failed_span(told: dict[str, Any], status: dict[str, Any]) -> None:
    call = one(otlp(otlp_span({**TOLD, **told}, status=status)), "otel")
    assert (call.outcome, call.error) == ("error", told.get("error.type", "failed"))


def test_spans_that_are_no_inference_are_passed_over() -> None:
    agent = otlp_span({**TOLD, "gen_ai.operation.name": "invoke_agent"})
    embedding = otlp_span({**TOLD, "gen_ai.operation.name": "embeddings"})
    tool = otlp_span({"gen_ai.operation.name": "execute_tool"})
    assert read(otlp(agent, embedding, tool, otlp_span({"http.method": "GET"})), "otel") == []


def test_a_bad_span_does_not_take_the_others_with_it() -> None:
    bad = otlp_span({**TOLD, "gen_ai.usage.input_tokens": -5}, "s0")
    found = read(otlp(bad, otlp_span(TOLD)), "otel")
    assert [type(each) for each in found] == [LineError, Call]
    assert str(found[0]) == "span 'chat gpt-4o': input tokens is no number of tokens"


# --- what is none of them


@pytest.mark.parametrize("value", [1, "text", None, [], {}, {"hello": "world"}, {"object": "embedding", "model": "m"}])
def test_what_is_in_no_known_format_is_told(value: object) -> None:
    with pytest.raises(LineError, match=r"is no JSON object|none of the known formats"):
        format_of(value)


# --- the documentation


def test_the_documented_examples_can_be_imported_and_every_field_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "imports.md").read_text("utf-8")
    examples = page.split("```json\n")[1].split("```")[0].splitlines()
    calls = [one(json.loads(example), "pointsman") for example in examples]
    assert [call.outcome for call in calls] == ["ok", "error"]
    table = page.split("| field | meaning |")[1].split("\n\n")[0]
    documented = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.partition("|")[2].partition("|")[0])
    }
    assert documented == set(own._Line.__struct_fields__)
    assert all(f"(`{name}`)" in page for name in FORMATS if name != "pointsman")
