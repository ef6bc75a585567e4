"""A turn as OpenAI Responses sends it.

Shapes as in OpenAI's API reference: an item per part; in a stream response.created, in_progress, per item added / parts and
deltas / done, and last response.completed or response.incomplete with everything again; sequence numbers rise by one.
"""

from collections.abc import Iterator
from typing import Any

from tests.client.scripted import chat
from tests.client.scripted.turn import Call, Failure, Frame, Part, Refusal, Thinking, Turn, Usage, event

CREATED = 1_790_000_000.0
Event = dict[str, Any]


def usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.input,
        "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": used.written},
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.input + used.output,
    }


def _response(turn: Turn, asked: dict[str, Any], status: str, output: list[Any]) -> dict[str, Any]:
    cut_short = status == "incomplete"
    return {
        "id": "resp_scripted1",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut_short else None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "model": asked["model"],
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if status == "in_progress" else usage(turn.usage),
        "user": None,
        "metadata": {},
    }


def _status(turn: Turn) -> str:
    return "incomplete" if turn.finish == "length" else "completed"


def _part(part: Part, said: str) -> Event:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": said}
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": said}


def _item(at: int, part: Part, status: str, *, done: bool) -> Event:
    """Return an output item as it stands at its start or its end."""
    if isinstance(part, Thinking):
        summary = [{"type": "summary_text", "text": part.whole}] if done and part.pieces else []
        return {"id": f"rs_{at}", "type": "reasoning", "summary": summary, "encrypted_content": part.signature or None}
    if isinstance(part, Call):
        arguments = (part.whole or "{}") if done else ""
        call = {"type": "function_call", "name": part.name, "call_id": part.id, "arguments": arguments}
        return {"id": f"fc_{at}", "status": status, **call}
    content = [_part(part, part.whole)] if done else []
    return {"id": f"msg_{at}", "type": "message", "status": status, "role": "assistant", "content": content}


def whole(turn: Turn, asked: dict[str, Any]) -> dict[str, Any]:
    status = _status(turn)
    return _response(turn, asked, status, [_item(at, part, status, done=True) for at, part in enumerate(turn.parts)])


def frames(turn: Turn, asked: dict[str, Any]) -> Iterator[Frame]:
    for number, (name, content, fields) in enumerate(_events(turn, asked)):
        yield Frame(event({"type": name, "sequence_number": number, **fields}, name), content=content)


def _events(turn: Turn, asked: dict[str, Any]) -> Iterator[tuple[str, bool, Event]]:
    begun = {"response": _response(turn, asked, "in_progress", [])}
    yield "response.created", False, begun
    yield "response.in_progress", False, begun
    status = _status(turn)
    for at, part in enumerate(turn.parts):
        yield "response.output_item.added", False, {"output_index": at, "item": _item(at, part, "in_progress", done=False)}
        if isinstance(part, Thinking):
            yield from _summary(at, part)
        elif isinstance(part, Call):
            yield from _arguments(at, part)
        else:
            yield from _content(at, part)
        yield "response.output_item.done", False, {"output_index": at, "item": _item(at, part, status, done=True)}
    yield f"response.{status}", False, {"response": whole(turn, asked)}


def _summary(at: int, part: Thinking) -> Iterator[tuple[str, bool, Event]]:
    if not part.pieces:
        return
    where = {"item_id": f"rs_{at}", "output_index": at, "summary_index": 0}
    yield "response.reasoning_summary_part.added", False, where | {"part": {"type": "summary_text", "text": ""}}
    for piece in part.pieces:
        yield "response.reasoning_summary_text.delta", True, where | {"delta": piece}
    yield "response.reasoning_summary_text.done", False, where | {"text": part.whole}
    yield "response.reasoning_summary_part.done", False, where | {"part": {"type": "summary_text", "text": part.whole}}


def _arguments(at: int, part: Call) -> Iterator[tuple[str, bool, Event]]:
    where = {"item_id": f"fc_{at}", "output_index": at}
    for piece in part.pieces or ("{}",):
        yield "response.function_call_arguments.delta", True, where | {"delta": piece}
    yield "response.function_call_arguments.done", False, where | {"arguments": part.whole or "{}"}


def _content(at: int, part: Part) -> Iterator[tuple[str, bool, Event]]:
    where = {"item_id": f"msg_{at}", "output_index": at, "content_index": 0}
    refused = isinstance(part, Refusal)
    kind, word = ("refusal", "refusal") if refused else ("output_text", "text")
    more: Event = {} if refused else {"logprobs": []}
    yield "response.content_part.added", False, where | {"part": _part(part, "")}
    for piece in part.pieces:
        yield f"response.{kind}.delta", True, where | {"delta": piece} | more
    yield f"response.{kind}.done", False, where | {word: part.whole} | more
    yield "response.content_part.done", False, where | {"part": _part(part, part.whole)}


def error(failure: Failure) -> dict[str, Any]:
    return chat.error(failure)


def error_event() -> bytes:
    said = {"code": "server_error", "message": "The server had an error while processing your request.", "param": None}
    return event({"type": "error", "sequence_number": 99, **said}, "error")
