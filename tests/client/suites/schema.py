"""The providers' published schemas, as their SDKs' own models express them, applied strictly.

Strategy: a reply or an event is validated without any conversion of types, and may hold no field that the model does not
know; a request is validated against the SDK's typed dictionaries, which here may hold no unknown key either.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import anthropic.types as a
import openai.types.chat as c
import openai.types.chat.completion_create_params as cp
import openai.types.responses as r
import openai.types.responses.response_create_params as rp
from anthropic.types import message_count_tokens_params as ac
from anthropic.types import message_create_params as ap
from anthropic.types.shared import ErrorResponse
from google.genai import types as g
from openai.types.shared import ErrorObject
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.client.scripted.server import Seen

_WHOLE: Final[dict[str, Any]] = {
    "openai_chat": c.ChatCompletion,
    "openai_responses": r.Response,
    "anthropic": a.Message,
    "gemini": g.GenerateContentResponse,
}
_EVENT: Final[dict[str, Any]] = {
    "openai_chat": c.ChatCompletionChunk,
    "openai_responses": r.ResponseStreamEvent,
    "anthropic": a.RawMessageStreamEvent,
    "gemini": g.GenerateContentResponse,
}
_GEMINI_BODY: Final[dict[str, Any]] = {
    "contents": list[g.Content],
    "systemInstruction": g.Content,
    "tools": list[g.Tool],
    "toolConfig": g.ToolConfig,
    "generationConfig": g.GenerationConfig,
    "safetySettings": list[g.SafetySetting],
}
# What providers send although their SDK's models do not name it: OpenAI's own replies carry ``store``; reasoning in Chat
# Completions has no field of OpenAI's, but these of everybody else's (DeepSeek's, OpenRouter's, Google's).
_KNOWN_EXTRA: Final = {"store", "reasoning_content", "reasoning_details", "extra_content"}
_GEMINI_TIERS: Final = {"standard", "flex", "priority"}
# Anthropic's API takes them for older models; its SDK has no word for them any more.
_SAMPLING: Final = ("temperature", "top_p", "top_k")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _closed(kind: Any) -> TypeAdapter[Any]:
    # In a list, because pydantic refuses a configuration for a single typed dictionary.
    return TypeAdapter(list[kind], config=ConfigDict(extra="forbid"))


def check_reply(dialect: str, value: Any) -> None:
    """Check a whole reply as it came over the wire."""
    _check_tier(value)
    check(_adapter(_WHOLE[dialect]).validate_python(value, strict=dialect != "gemini"))


def check_event(dialect: str, value: Any) -> None:
    """Check one event of a stream. Anthropic's SDK has no model of a ping."""
    if dialect == "anthropic" and value == {"type": "ping"}:
        return
    _check_tier(value)
    check(_adapter(_EVENT[dialect]).validate_python(value, strict=dialect != "gemini"))


def check_error(dialect: str, value: Any) -> None:
    """Check an error, as the body of a reply or as the last event of a stream."""
    if dialect == "anthropic":
        check(_adapter(ErrorResponse).validate_python(value, strict=True))
    elif dialect == "gemini":  # its SDK has no model of it: https://google.aip.dev/193
        assert value.keys() == {"error"}
        assert value["error"].keys() - {"details"} == {"code", "message", "status"}
        assert value["error"]["status"].isupper()
    elif value.get("type") == "error":  # what the reference says stands beside what the API sends
        inner = value.get("error", {"type": "server_error", **{name: value[name] for name in ("code", "message", "param")}})
        check(_adapter(ErrorObject).validate_python(inner, strict=True))
        check(_adapter(r.ResponseErrorEvent).validate_python({k: v for k, v in value.items() if k != "error"}, strict=True))
    else:
        assert value.keys() == {"error"}
        check(_adapter(ErrorObject).validate_python(value["error"], strict=True))


def _check_tier(value: Any) -> None:
    """Check the tier in Gemini's usage, and take it out: the SDK's model of a reply is closed and has no such field."""
    if usage := value.get("usageMetadata"):
        assert usage.pop("serviceTier", "standard") in _GEMINI_TIERS


def check(value: Any) -> None:
    """Check what an SDK returned: nothing missing, nothing of a wrong type, nothing unknown."""
    if isinstance(value, BaseModel):
        extra = (value.__pydantic_extra__ or {}).keys() - _KNOWN_EXTRA
        assert not extra, f"{type(value).__name__} does not know {extra}"
        missing = [
            name for name, f in type(value).model_fields.items() if f.is_required() and name not in value.model_fields_set
        ]
        assert not missing, f"{type(value).__name__} lacks {missing}"
        for name in value.model_fields_set:
            check(getattr(value, name))
        value.model_dump(warnings="error")
    elif isinstance(value, list | tuple):
        for one in value:
            check(one)


def check_request(seen: Seen) -> None:
    """Check what a provider was asked."""
    if seen.dialect == "anthropic":
        _check_turns(seen.body)
    if seen.dialect == "gemini":
        for name, value in seen.body.items():
            if name != "model" and not (seen.operation == "count_tokens" and name == "generateContentRequest"):
                _closed(_GEMINI_BODY[name]).validate_python([value])
        return
    kinds: dict[str, Any] = {
        "openai_chat": cp.CompletionCreateParams,
        "openai_responses": rp.ResponseCreateParams,
        "anthropic": ap.MessageCreateParams if seen.operation == "chat" else ac.MessageCountTokensParams,
    }
    known = {name: value for name, value in seen.body.items() if seen.dialect != "anthropic" or name not in _SAMPLING}
    _exhaust(_closed(kinds[seen.dialect]).validate_python([known]))


def _check_turns(body: Any) -> None:
    """Check what Anthropic answers 400: a call without its result, or, while it thinks, a last call without its thinking."""
    messages = body["messages"]
    blocks = [one["content"] if isinstance(one["content"], list) else [] for one in messages]
    for said, answered in zip(blocks, [*blocks[1:], []], strict=True):
        called = {block["id"] for block in said if block["type"] == "tool_use"}
        assert called == {block["tool_use_id"] for block in answered if block["type"] == "tool_result"}
        assert not called or messages[0]["role"] == "user"
    last = next((said for said in reversed(blocks) if any(block["type"] == "tool_use" for block in said)), None)
    loops = blocks and any(block["type"] == "tool_result" for block in blocks[-1])
    if last and loops and (body.get("thinking") or {}).get("type") == "enabled":
        assert last[0]["type"] in {"thinking", "redacted_thinking"}


def _exhaust(value: Any) -> None:
    """Walk through everything: pydantic validates an ``Iterable`` only while it is read."""
    if isinstance(value, Mapping):
        for one in value.values():
            _exhaust(one)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for one in value:
            _exhaust(one)
