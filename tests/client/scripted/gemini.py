"""A turn as Gemini's generateContent and streamGenerateContent send it.

Shapes as in Gemini's API reference: tool calls come whole and, from Google AI, without ids; a thought is a text part marked
``thought``; a signature stands beside the call or the text it belongs to; usage is in every chunk and the last counts; as
events with ``alt=sse`` (no terminator), else as one JSON array.
"""

from collections.abc import Iterator
from typing import Any, Final

from tests.client.scripted.turn import Call, Failure, Frame, Thinking, Turn, Usage, compact, event

FINISH: Final = {"stop": "STOP", "tool": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
KINDS: Final = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 529: "UNAVAILABLE",
}  # fmt: skip


def usage(used: Usage) -> dict[str, Any]:
    counts = {
        "promptTokenCount": used.input,
        "candidatesTokenCount": used.output - used.reasoning,
        "totalTokenCount": used.input + used.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": used.input}],
    }
    if used.reasoning:
        counts["thoughtsTokenCount"] = used.reasoning
    if used.cached:
        counts["cachedContentTokenCount"] = used.cached
    return counts


def _parts(turn: Turn, *, pieces: bool) -> list[dict[str, Any]]:
    """Return the parts, text in its pieces or whole. A thought's signature goes to the part behind it."""
    found: list[dict[str, Any]] = []
    signature = ""
    for part in turn.parts:
        if isinstance(part, Thinking):
            found += [{"text": piece, "thought": True} for piece in (part.pieces if pieces else (part.whole,))]
            signature = part.signature
            continue
        signature = (part.signature if isinstance(part, Call) else "") or signature
        if isinstance(part, Call):
            found.append({"functionCall": {"name": part.name, "args": part.arguments}})
        else:
            found += [{"text": piece} for piece in (part.pieces if pieces else (part.whole,))]
        if signature:
            found[-1]["thoughtSignature"] = signature
            signature = ""
    return found


def _reply(parts: list[dict[str, Any]], turn: Turn, asked: dict[str, Any], finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": usage(turn.usage),
        "modelVersion": asked["model"],
        "responseId": "scripted1",
    }


def whole(turn: Turn, asked: dict[str, Any]) -> dict[str, Any]:
    return _reply(_parts(turn, pieces=False), turn, asked, FINISH[turn.finish])


def _chunks(turn: Turn, asked: dict[str, Any]) -> list[dict[str, Any]]:
    parts = _parts(turn, pieces=True) or [{"text": ""}]
    last = len(parts) - 1
    return [_reply([part], turn, asked, FINISH[turn.finish] if at == last else None) for at, part in enumerate(parts)]


def frames(turn: Turn, asked: dict[str, Any]) -> Iterator[Frame]:
    for chunk in _chunks(turn, asked):
        yield Frame(event(chunk), content=True)


def array(turn: Turn, asked: dict[str, Any]) -> Iterator[Frame]:
    for at, chunk in enumerate(_chunks(turn, asked)):
        yield Frame((",\r\n" if at else "[").encode() + compact(chunk).encode(), content=True)
    yield Frame(b"]")


def error(failure: Failure) -> dict[str, Any]:
    kind = KINDS.get(failure.status, "UNKNOWN")
    return {"error": {"code": failure.status, "message": failure.message, "status": kind}}


def error_event() -> bytes:
    return event({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})
