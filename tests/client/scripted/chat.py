"""A turn as OpenAI Chat Completions sends it.

Shapes as in OpenAI's API reference: the first chunk holds the role; a tool call's id and name come once, its arguments in
fragments; usage comes in a last chunk without choices, only when asked for; then ``[DONE]``.
"""

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any, Final

from tests.client.scripted.turn import Call, Failure, Frame, Refusal, Text, Thinking, Turn, Usage, event

FINISH: Final = {"stop": "stop", "tool": "tool_calls", "length": "length", "refusal": "stop"}
CREATED: Final = 1_790_000_000


def usage(used: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": used.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def whole(turn: Turn, asked: dict[str, Any]) -> dict[str, Any]:
    said = "".join(part.whole for part in turn.parts if type(part) is Text)
    refused = "".join(part.whole for part in turn.parts if isinstance(part, Refusal))
    message: dict[str, Any] = {"role": "assistant", "content": said or None, "refusal": refused or None, "annotations": []}
    if turn.calls:
        message["tool_calls"] = [
            {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.whole or "{}"}}
            for one in turn.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[turn.finish]}
    return {
        "id": "chatcmpl-scripted1",
        "object": "chat.completion",
        "created": CREATED,
        "model": asked["model"],
        "choices": [choice],
        "usage": usage(turn.usage),
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    }


def frames(turn: Turn, asked: dict[str, Any]) -> Iterator[Frame]:
    wants_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
    head = {
        "id": "chatcmpl-scripted1",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": asked["model"],
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    }

    def chunk(delta: dict[str, Any] | None, finish: str | None = None, used: dict[str, Any] | None = None) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return event(head | {"choices": choices} | ({"usage": used} if wants_usage else {}))

    yield Frame(chunk({"role": "assistant", "content": None if turn.calls else "", "refusal": None}))
    for delta in _deltas(turn):
        yield Frame(chunk(delta), content=True)
    yield Frame(chunk({}, FINISH[turn.finish]))
    if wants_usage:
        yield Frame(chunk(None, used=usage(turn.usage)))
    yield Frame(b"data: [DONE]\n\n")


def _deltas(turn: Turn) -> Iterator[dict[str, Any]]:
    for part in turn.parts:
        if not isinstance(part, Call | Thinking):
            key = "refusal" if isinstance(part, Refusal) else "content"
            yield from ({key: piece} for piece in part.pieces)
    calls = [_fragments(index, one) for index, one in enumerate(turn.calls)]
    if turn.interleaved:
        mixed = chain.from_iterable(zip_longest(*calls))
        yield from ({"tool_calls": [one]} for one in mixed if one is not None)
    else:
        yield from ({"tool_calls": [one]} for one in chain.from_iterable(calls))


def _fragments(index: int, one: Call) -> list[dict[str, Any]]:
    first = {"index": index, "id": one.id, "type": "function", "function": {"name": one.name, "arguments": ""}}
    return [first, *({"index": index, "function": {"arguments": piece}} for piece in one.pieces or ("{}",))]


def error(failure: Failure) -> dict[str, Any]:
    kind = "server_error" if failure.status >= 500 else "requests" if failure.status == 429 else "invalid_request_error"
    codes = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
    code = failure.code or codes.get(failure.status)
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": code}}


def error_event() -> bytes:
    said = {"message": "The server had an error while processing your request.", "type": "server_error"}
    return event({"error": said | {"param": None, "code": None}})
