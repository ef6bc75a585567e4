"""Stop reasons and usage, both ways: what replies say at their end, whole or streamed.

Laws: ``input_tokens`` leaves out what a cache read or wrote, the canonical ``Usage.input`` counts all; a count that is no
natural number is nothing.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from pointsman.core.chat import Finish, FinishReason, Own, Usage
from pointsman.wire.shapes import encode, objects, said

_MOST_TOKENS: Final = 10**12
_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
}
_WORDS: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_TIERS: Final = {"standard": "standard", "default": "standard", "priority": "priority", "batch": "batch"}
_DETAILS: Final = "output_tokens_details"
_RUN: Final = "server_tool_use"  # how often the provider searched or fetched: billed by the call
_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_count: Final = msgspec.json.Decoder(int)
_string: Final = msgspec.json.Decoder(str)


def reason_of(word: str) -> FinishReason:
    """Return what a ``stop_reason`` means."""
    return _REASONS.get(word, "other")


def word_of(finish: Finish, *, ours: bool, called: bool, refused: bool) -> tuple[str, tuple[str, ...]]:
    """Return the ``stop_reason`` for the end of a reply, and what it cannot say.

    ``called``: there are tool calls, which win over a plain end (Gemini has no word of its own for them); ``refused``: the
    model said a refusal where OpenAI ends with a plain ``stop``.
    """
    if ours and finish.word:
        return finish.word, ()
    if finish.reason == "stop" and (called or refused):
        return ("tool_use" if called else "refusal"), ()
    word = _WORDS.get(finish.reason)
    return (word, ()) if word else ("tool_use" if called else "end_turn", ("finish_reason",))


def usage_of(fields: Mapping[str, Raw]) -> tuple[Usage, str, Own]:
    """Return the counts of a ``usage`` object, its service tier, and its other fields."""
    new, output, cached, written = [_counted(fields.get(name)) for name in _COUNTS]
    own = {name: raw for name, raw in said(fields).items() if name not in _COUNTS}
    details = _object(own.get(_DETAILS, b"{}"))
    reasoning = _counted(details.get("thinking_tokens"))
    if reasoning and details.keys() == {"thinking_tokens"}:
        del own[_DETAILS]
    tier = word_in(own.get("service_tier"))
    if tier:
        del own["service_tier"]
    calls = sum(_counted(raw) for raw in _object(own[_RUN]).values()) if _RUN in own else 0
    return Usage(new + cached + written, output, cached, written, reasoning, tool_calls=calls), tier, own


def usage_fields(usage: Usage) -> dict[str, object]:
    """Return counts as a ``usage`` object."""
    fields: dict[str, object] = {
        "input_tokens": max(usage.input - usage.cached - usage.cache_written, 0),
        "cache_creation_input_tokens": usage.cache_written,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        fields[_DETAILS] = {"thinking_tokens": usage.reasoning}
    return fields


def tier_of(tier: str, *, ours: bool) -> str:
    """Return a service tier in the words of ``usage.service_tier``, empty where there is none."""
    return tier if ours else _TIERS.get(tier, "")


def error_of(raw: Raw | bytes) -> tuple[str, str]:
    """Return type and message of an ``error`` object."""
    inner = _object(raw)
    return word_in(inner.get("type")), word_in(inner.get("message"))


def null(raw: Raw) -> bool:
    """Say whether a field is absent or null."""
    return bytes(raw) in (b"", b"null")


def raw(value: object) -> Raw:
    """Return a value as JSON."""
    return Raw(encode(value))


def _counted(raw: Raw | None) -> int:
    if raw is None:
        return 0
    try:
        count = _count.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
    return count if 0 < count <= _MOST_TOKENS else 0


def word_in(raw: Raw | None) -> str:
    """Return a field that is a string, empty where it is not."""
    try:
        return _string.decode(raw) if raw is not None else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _object(raw: Raw | bytes) -> dict[str, Raw]:
    try:
        return objects.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
