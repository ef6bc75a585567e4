"""A turn as Anthropic Messages sends it.

Shapes as in Anthropic's API reference: message_start, per block start / deltas / stop, a ping, message_delta with cumulative
usage, message_stop. Thinking ends with its signature; blocks do not overlap; ``input_tokens`` excludes what touched the
cache.
"""

from collections.abc import Iterator
from typing import Any, Final

from tests.client.scripted.turn import Call, Failure, Frame, Part, Thinking, Turn, Usage, event

FINISH: Final = {"stop": "end_turn", "tool": "tool_use", "length": "max_tokens", "refusal": "refusal"}
KINDS: Final = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error",
}  # fmt: skip


def usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.input - used.cached - used.written,
        "cache_creation_input_tokens": used.written,
        "cache_read_input_tokens": used.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": used.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": used.output,
        "service_tier": "standard",
    }


def whole(turn: Turn, asked: dict[str, Any]) -> dict[str, Any]:
    return _message(turn, asked) | {"content": [_block(part) for part in turn.parts], "usage": usage(turn.usage)}


def _message(turn: Turn | None, asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"msg_scripted{len(asked['messages'])}",  # agents take what has one id for one message
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": [],
        "stop_reason": FINISH[turn.finish] if turn else None,
        "stop_sequence": None,
        "usage": {},
    }


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, Thinking):
        return {"type": "thinking", "thinking": part.whole, "signature": part.signature}
    if isinstance(part, Call):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}
    return {"type": "text", "text": part.whole}


def frames(turn: Turn, asked: dict[str, Any]) -> Iterator[Frame]:
    started = usage(turn.usage) | {"output_tokens": 1}
    yield Frame(_event("message_start", message=_message(None, asked) | {"usage": started}))
    yield Frame(_event("ping"))
    for index, part in enumerate(turn.parts):
        yield from _block_frames(index, part)
    finished = {"stop_reason": FINISH[turn.finish], "stop_sequence": None}
    yield Frame(_event("message_delta", delta=finished, usage=_cumulative(turn.usage)))
    yield Frame(_event("message_stop"))


def _cumulative(used: Usage) -> dict[str, Any]:
    known = usage(used)
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    return {name: known[name] for name in names}


def _block_frames(index: int, part: Part) -> Iterator[Frame]:
    if isinstance(part, Thinking):
        empty: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in part.pieces]
        deltas.append({"type": "signature_delta", "signature": part.signature})
    elif isinstance(part, Call):
        empty = {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *part.pieces)]
    else:
        empty = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in part.pieces]
    yield Frame(_event("content_block_start", index=index, content_block=empty))
    yield from (Frame(_event("content_block_delta", index=index, delta=delta), content=True) for delta in deltas)
    yield Frame(_event("content_block_stop", index=index))


def _event(name: str, **fields: Any) -> bytes:
    return event({"type": name, **fields}, name)


def error(failure: Failure) -> dict[str, Any]:
    said = {"type": KINDS.get(failure.status, "api_error"), "message": failure.message}
    return {"type": "error", "error": said, "request_id": "req_scripted1"}


def error_event() -> bytes:
    return _event("error", error={"type": "overloaded_error", "message": "Overloaded"})
