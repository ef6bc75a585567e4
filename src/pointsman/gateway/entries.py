"""Which paths clients call: each is an operation in a dialect.

POST /v1/chat/completions                           OpenAI Chat Completions
POST /v1/responses                                  OpenAI Responses
POST /v1/messages                                   Anthropic Messages
POST /v1/messages/count_tokens
POST /v1beta/models/MODEL:generateContent           Gemini (also under /v1, and with a project's path before it)
POST /v1beta/models/MODEL:streamGenerateContent     as events with ?alt=sse, as one JSON array without
POST /v1beta/models/MODEL:countTokens
"""

import re
from typing import Final, Literal

from msgspec import Struct

from pointsman.wire.dialect import Address

Operation = Literal["chat", "count_tokens"]


class Entry(Struct, frozen=True):
    """An operation in a dialect. ``array``: the client wants a stream as one JSON array, as Gemini's does by default."""

    dialect: str
    operation: Operation = "chat"
    address: Address = Address()
    array: bool = False


_FIXED: Final = {
    "/v1/chat/completions": Entry("openai_chat"),
    "/v1/responses": Entry("openai_responses"),
    "/v1/messages": Entry("anthropic"),
    "/v1/messages/count_tokens": Entry("anthropic", "count_tokens"),
}
_VERSION: Final = re.compile(r"/v1(?:alpha|beta1?)?/")
_VERBS: Final = frozenset(("generateContent", "streamGenerateContent", "countTokens"))


def entry(path: str, query: str) -> Entry | None:
    """Return what a path stands for, None where it is no operation of any dialect."""
    found = _FIXED.get(path)
    if found is not None:
        return found
    place, _, verb = path.rpartition(":")  # no search that looks again and again: a path may be long, and anybody's
    version = _VERSION.match(place) if verb in _VERBS else None
    if version is None or "\n" in place:
        return None
    named = place[version.end() :]
    model = named.partition("models/")[2] or named
    if not model:
        return None
    if verb == "countTokens":
        return Entry("gemini", "count_tokens", Address(model))
    stream = verb == "streamGenerateContent"
    return Entry("gemini", "chat", Address(model, stream), array=stream and "alt=sse" not in query.split("&"))


def dialect_of(path: str, headers: dict[bytes, bytes]) -> str:
    """Return the dialect in which an error is best said where the path is none of a dialect's own."""
    if path.startswith("/v1beta") or b"x-goog-api-key" in headers:
        return "gemini"
    return "anthropic" if b"anthropic-version" in headers else "openai_chat"


def paths() -> tuple[str, ...]:
    """Return what may be posted to, for people."""
    return (*_FIXED, "/v1beta/models/MODEL:generateContent", ":streamGenerateContent", ":countTokens")
