"""What a well-behaved provider says, in two dialects, written out by hand: nothing of the gateway's own codecs is in it.

The answer to a request follows from the number that its prompt holds (``nonce=...``), so that both sides know what is right:
``pieces(nonce)``, each a token.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

_NONCE = re.compile(rb"nonce=([0-9a-f]{12})")
INPUT_TOKENS = 30


@dataclass(frozen=True)
class Asked:
    """A request as a provider got it. ``deployment`` is whom it was for, by the path."""

    deployment: str
    anthropic: bool
    stream: bool
    nonce: str


def asked(path: str, body: bytes) -> Asked:
    """Return what a request asks for."""
    found = _NONCE.search(body)
    stream = bool(json.loads(body).get("stream"))
    return Asked(path.split("/")[1] + "/m", path.endswith("/messages"), stream, found[1].decode() if found else "")


def pieces(nonce: str) -> list[str]:
    """Return the right answer, a token each."""
    return [f"{nonce[:4]}-{place} " for place in range(3 + int(nonce, 16) % 20)]


def whole(to: Asked, *, usage: bool = True) -> bytes:
    """Return a whole reply."""
    said = pieces(to.nonce)
    text, count = "".join(said), len(said)
    found: dict[str, object]
    if to.anthropic:
        content = [{"type": "text", "text": text}]
        found = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
                 "stop_reason": "end_turn", "stop_sequence": None,
                 "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": count}}  # fmt: skip
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        found = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
                 "usage": _chat_usage(count)}  # fmt: skip
    if not usage:
        del found["usage"]
    return json.dumps(found).encode()


def opening(to: Asked, *, usage: bool = True) -> list[bytes]:
    """Return the frames of a stream before its first content."""
    if to.anthropic:
        message: dict[str, object] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
        message |= {"stop_reason": None, "stop_sequence": None}
        if usage:
            message["usage"] = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        return [_event({"type": "message_start", "message": message}), _event(block), _event({"type": "ping"})]
    return [_chunk({"role": "assistant", "content": ""})]


def content(to: Asked) -> list[bytes]:
    """Return the frames of a stream that carry its answer."""
    if to.anthropic:
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(to.nonce)]
        return [_event({"type": "content_block_delta", "index": 0, "delta": delta}) for delta in deltas]
    return [_chunk({"content": piece}) for piece in pieces(to.nonce)]


def closing(to: Asked, *, usage: bool = True) -> list[bytes]:
    """Return the frames that end a stream."""
    count = len(pieces(to.nonce))
    if to.anthropic:
        delta: dict[str, object] = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
        said = {"usage": {"output_tokens": count}} if usage else {"usage": {}}
        return [_event({"type": "content_block_stop", "index": 0}), _event(delta | said), _event({"type": "message_stop"})]
    told = [_chunk({}, usage=_chat_usage(count), choices=[])] if usage else []
    return [_chunk({}, "stop"), *told, b"data: [DONE]\n\n"]


def complaint(to: Asked, *, framed: bool) -> bytes:
    """Return an error in the provider's dialect: as a body, or as an event of a stream."""
    if to.anthropic:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "simulated"}}
        return _event(error) if framed else json.dumps(error).encode()
    error = {"error": {"message": "simulated", "type": "server_error", "param": None, "code": None}}
    return b"data: " + json.dumps(error).encode() + b"\n\n" if framed else json.dumps(error).encode()


def _chat_usage(count: int) -> dict[str, int]:
    return {"prompt_tokens": INPUT_TOKENS, "completion_tokens": count, "total_tokens": INPUT_TOKENS + count}


def _chunk(delta: object, finish: str | None = None, **fields: object) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **fields}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _event(data: Mapping[str, object]) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
