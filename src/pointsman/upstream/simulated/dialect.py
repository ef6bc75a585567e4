"""OpenAI's Chat Completions as a server speaks it: request bytes to ``Asked``, a reply to JSON or to stream frames.

Source of the format: the Chat Completions reference of OpenAI and the types of its ``openai`` Python package. Laws: what is
asked is checked before anything is answered; every refusal is in OpenAI's envelope; usage comes in a stream only when asked
for, in a last chunk with empty ``choices``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

FINGERPRINT: Final = "simulated"
CREATED: Final = 1_767_225_600  # 2026-01-01: nothing that is simulated has a date of its own
DONE: Final = b"data: [DONE]\n\n"
_PIECE: Final = re.compile(r"\s*\S{1,12}|\s+")


class RefusalError(Exception):
    """A request that is answered with an error: status, code, message, and the field at fault."""

    def __init__(self, status: int, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param

    def body(self) -> bytes:
        """The error in OpenAI's envelope."""
        kind = (
            "server_error" if self.status >= 500 else "rate_limit_error" if self.status == 429 else "invalid_request_error"
        )
        return _json({"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}})


class Asked(Struct, frozen=True):
    """What a request asks for, as far as a simulated model cares.

    ``texts`` are those of all messages in order, for counting; ``system`` joins the system messages; ``user`` is the last
    user message. ``tool`` is the function to call, if one is asked for; ``result`` the tool result to be answered, if the
    last message is one.
    """

    model: str
    texts: tuple[str, ...]
    system: str
    user: str
    stream: bool = False
    include_usage: bool = False
    limit: int | None = None
    schema: Mapping[str, Any] | None = None
    tool: Mapping[str, Any] | None = None
    result: str | None = None


class Usage(Struct, frozen=True):
    """Tokens of a reply; ``cached`` are part of ``input``, ``reasoning`` of ``output``."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0

    def wire(self) -> dict[str, Any]:
        """The ``usage`` object."""
        return {
            "prompt_tokens": self.input,
            "completion_tokens": self.output,
            "total_tokens": self.input + self.output,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }


class Reply(Struct, frozen=True):
    """A finished reply: text, or the JSON arguments of a call of ``tool``."""

    id: str
    model: str
    text: str
    usage: Usage
    finish: str = "stop"
    tool: str | None = None


def read(data: bytes) -> Asked:
    """Return what the bytes of a request ask for. Raises RefusalError (400) when they are no chat request."""
    try:
        body = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise RefusalError(400, None, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise RefusalError(400, None, "the body is not a JSON object")
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or not model:
        raise RefusalError(400, "missing_required_parameter", "you must provide a model parameter", "model")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise RefusalError(400, "missing_required_parameter", "messages must be a non-empty array of objects", "messages")
    texts = tuple(_text(message.get("content")) for message in messages)
    roles = [message.get("role") for message in messages]
    user = next((text for text, role in zip(reversed(texts), reversed(roles), strict=True) if role == "user"), "")
    options = body.get("stream_options")
    return Asked(
        model=model,
        texts=texts,
        system="\n".join(text for text, role in zip(texts, roles, strict=True) if role in ("system", "developer")),
        user=user,
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        limit=_limit(body),
        schema=_schema(body),
        tool=None if roles[-1] == "tool" else _tool(body, user),
        result=texts[-1] if roles[-1] == "tool" else None,
    )


def whole(reply: Reply) -> bytes:
    """Return a reply that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.tool is not None:
        function = {"name": reply.tool, "arguments": reply.text}
        message |= {"content": None, "tool_calls": [{"id": _call_id(reply), "type": "function", "function": function}]}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish}
    return _json({**_head(reply, "chat.completion"), "choices": [choice], "usage": reply.usage.wire()})


def frames(reply: Reply, *, include_usage: bool) -> Iterator[bytes]:
    """Yield the frames of a streamed reply, ``[DONE]`` included: first the role, then a piece of content a frame."""
    head = _head(reply, "chat.completion.chunk") | ({"usage": None} if include_usage else {})

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _frame({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    if reply.tool is None:
        yield chunk({"role": "assistant", "content": "", "refusal": None})
    else:
        function = {"name": reply.tool, "arguments": ""}
        call = {"index": 0, "id": _call_id(reply), "type": "function", "function": function}
        yield chunk({"role": "assistant", "content": None, "tool_calls": [call]})
    for piece in _PIECE.findall(reply.text):
        yield chunk(
            {"content": piece} if reply.tool is None else {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        )
    yield chunk({}, reply.finish)
    if include_usage:
        yield _frame({**head, "choices": [], "usage": reply.usage.wire()})
    yield DONE


def listing(names: list[str]) -> bytes:
    """Return the reply to ``GET /v1/models``."""
    data = [{"id": name, "object": "model", "created": CREATED, "owned_by": "pointsman-zoo (simulated)"} for name in names]
    return _json({"object": "list", "data": data})


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {"id": reply.id, "object": kind, "created": CREATED, "model": reply.model, "system_fingerprint": FINGERPRINT}


def _call_id(reply: Reply) -> str:
    return "call_" + reply.id.rpartition("-")[2]


def _text(content: object) -> str:
    """Return the text of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _limit(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if type(value) is not int or value < 1:
            raise RefusalError(400, "invalid_value", f"{name} must be a positive integer", name)
        return value
    return None


def _schema(body: dict[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    stated = wanted.get("json_schema")
    schema = stated.get("schema") if isinstance(stated, dict) else None
    if not isinstance(schema, dict):
        raise RefusalError(400, "invalid_value", "response_format.json_schema.schema must be an object", "response_format")
    return schema


def _tool(body: dict[str, Any], user: str) -> Mapping[str, Any] | None:
    """Return the function to call: the one named or required by ``tool_choice``, else one that the user names."""
    tools = body.get("tools")
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    offered = [function for function in functions if isinstance(function, dict) and isinstance(function.get("name"), str)]
    choice = body.get("tool_choice", "auto")
    if choice == "none" or not offered:
        return None
    if isinstance(choice, dict):
        named = choice.get("function")
        name = named.get("name") if isinstance(named, dict) else None
        found = next((function for function in offered if function["name"] == name), None)
        if found is None:
            raise RefusalError(
                400, "invalid_value", f"tool_choice names {name!r}, which is not among the tools", "tool_choice"
            )
        return found
    said = [function for function in offered if function["name"] in user]
    return said[0] if said else offered[0] if choice == "required" else None


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _frame(value: Any) -> bytes:
    return b"data: " + _json(value) + b"\n\n"
