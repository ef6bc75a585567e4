"""Langfuse: observations, as the blob storage export writes them (snake case) and as its API returns them (camel case).

Sources: https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields,
https://js.reference.langfuse.com/interfaces/_langfuse_core.ObservationsView.html, and for the kinds of usage
https://langfuse.com/docs/observability/features/token-and-cost-tracking.

Laws: only generations are model calls. Kinds of usage do not overlap: all whose name holds ``input`` add up to the input, so
``input`` alone is what was billed at the plain rate; likewise ``output``. Latencies are in seconds.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman.control.imports import fields
from pointsman.control.imports.call import Call, LineError
from pointsman.core.chat import Usage

_TYPES: Final = frozenset(
    ("GENERATION", "SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL")
)


def recognises(value: Mapping[str, Any]) -> bool:
    """Return whether a value is an observation: a type of Langfuse's and a trace."""
    return value.get("type") in _TYPES and ("trace_id" in value or "traceId" in value)


def calls(value: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the call of a generation, none for any other observation. Raises LineError."""
    if value.get("type") != "GENERATION":
        return
    model = fields.text(fields.at(value, "provided_model_name", "providedModelName", "model"))
    if not model:
        raise LineError("the generation has no model")
    begun = fields.moment(fields.at(value, "start_time", "startTime"), "start_time")
    details = fields.mapping(value.get("metadata"))
    failed = value.get("level") == "ERROR"
    parameters = fields.mapping(fields.at(value, "model_parameters", "modelParameters"))
    yield Call(
        at_ms=begun,
        asked=model,
        model=model,
        provider=fields.text(fields.at(details, "provider", "ls_provider")),
        usage=_usage(value),
        cost_nano=_cost(value),
        outcome="error" if failed else "ok",
        status=0 if failed else 200,
        error="failed" if failed else "",
        latency_ms=_elapsed(value, begun, "latency", ("end_time", "endTime")) or 0.0,
        first_content_ms=_elapsed(
            value, begun, "time_to_first_token", ("completion_start_time", "completionStartTime"), "timeToFirstToken"
        ),
        streamed=fields.at(value, "completion_start_time", "completionStartTime") is not None,
        conversation=fields.text(fields.at(value, "session_id", "sessionId")),
        request=fields.chat(model, _messages(value.get("input")), **_tools(value.get("input"), parameters)),
        key=fields.text(value.get("id")),
        labels={
            **fields.tags(value.get("tags")),
            **fields.labels(
                details, {name: found for name, found in value.items() if name not in ("input", "output", "id")}
            ),
        },
    )


def _usage(value: Mapping[str, Any]) -> Usage | None:
    kinds = fields.mapping(fields.at(value, "usage_details", "usageDetails"))
    if kinds:
        counted = {name.lower(): fields.count(found, f"usage {name}") for name, found in kinds.items() if name != "total"}
        inputs = {name: found for name, found in counted.items() if "input" in name or "prompt" in name}
        outputs = {name: found for name, found in counted.items() if name not in inputs}
        return Usage(
            input=sum(inputs.values()),
            output=sum(outputs.values()),
            cached=sum(found for name, found in inputs.items() if "cached" in name or "cache_read" in name),
            cache_written=sum(found for name, found in inputs.items() if "cache_creation" in name or "cache_write" in name),
            reasoning=sum(found for name, found in outputs.items() if "reasoning" in name),
        )
    older = fields.mapping(value.get("usage"))
    told = fields.at(older, "input", "promptTokens"), fields.at(older, "output", "completionTokens")
    if told == (None, None):
        told = fields.at(value, "promptTokens", "prompt_tokens"), fields.at(value, "completionTokens", "completion_tokens")
    if told == (None, None):
        return None
    return Usage(input=fields.count(told[0], "input tokens"), output=fields.count(told[1], "output tokens"))


def _cost(value: Mapping[str, Any]) -> int | None:
    """Return the total cost; Langfuse writes zero, without details, where it knew no price."""
    details = fields.mapping(fields.at(value, "cost_details", "costDetails"))
    cost = fields.nano(fields.at(value, "total_cost", "totalCost", "calculatedTotalCost"), "total_cost")
    if cost is None:
        cost = fields.nano(details.get("total"), "the cost")
    return cost if cost or details else None


def _elapsed(value: Mapping[str, Any], begun: int, name: str, moments: tuple[str, ...], other: str = "") -> float | None:
    seconds = fields.number(fields.at(value, name, other), name)
    if seconds is not None:
        return 1000 * seconds
    ended = fields.at(value, *moments)
    return None if ended is None else float(max(fields.moment(ended, moments[0]) - begun, 0))


def _messages(value: Any) -> Any:
    inside = fields.mapping(value)
    return inside["messages"] if "messages" in inside else fields.listing(value)


def _tools(value: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    tools = fields.mapping(value).get("tools") or parameters.get("tools")
    return {"tools": tools} if isinstance(tools, list) else {}
