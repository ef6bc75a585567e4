"""Stop reasons and usage: what replies say at their end, whole or streamed.

Laws: ``inputTokens`` leaves out what a cache read or wrote, the canonical ``Usage.input`` counts all; a count that is no
natural number is nothing. (API_runtime_TokenUsage)
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from pointsman.core.chat import Finish, FinishReason, Own, Usage, Used
from pointsman.wire.shapes import objects

NAME: Final = "bedrock_converse"
"""This dialect."""

_MOST_TOKENS: Final = 10**12
_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
_SAID_TWICE: Final = frozenset(
    ("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
) | {"cacheReadInputTokenCount", "cacheWriteInputTokenCount"}
_NOTHING: Final = (b"null", b"{}", b"[]")
_count: Final = msgspec.json.Decoder(int)


def finish_of(word: str, own: Own) -> Finish:
    """Return the end of a reply whose ``stopReason`` is ``word``."""
    return Finish(_REASONS.get(word, "other"), word, own=own)


def used_of(raw: Raw, own: Own) -> Used:
    """Return a ``usage`` object; ``own`` is what came beside it."""
    fields = object_of(raw)
    new, output = counted(fields.get("inputTokens")), counted(fields.get("outputTokens"))
    cached, written = counted(fields.get("cacheReadInputTokens")), counted(fields.get("cacheWriteInputTokens"))
    more = {name: value for name, value in fields.items() if name not in _SAID_TWICE and bytes(value) not in _NOTHING}
    return Used(Usage(new + cached + written, output, cached, written), own={**more, **own})


def object_of(raw: Raw | None) -> Mapping[str, Raw]:
    """Return the fields of an object, none where it is not one."""
    try:
        return objects.decode(raw) if raw is not None and bytes(raw) else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def counted(raw: Raw | None) -> int:
    """Return a count of tokens, 0 where there is none."""
    if raw is None:
        return 0
    try:
        count = _count.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
    return count if 0 < count <= _MOST_TOKENS else 0
