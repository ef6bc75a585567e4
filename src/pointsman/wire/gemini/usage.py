"""``usageMetadata``, both ways (https://ai.google.dev/api/generate-content#UsageMetadata).

``promptTokenCount`` holds what was read from a cache, not what tools of Google's own brought in;
``candidatesTokenCount`` does not hold thoughts. So input is prompt and tools, output is candidates and thoughts, and
their sum is the total.
"""

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import Own, Usage, Used
from pointsman.wire.gemini.fields import restore


class _Counts(Struct, rename="camel"):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    total_token_count: int | None = None


class _Tier(Struct, rename="camel"):
    service_tier: str | None = None


_MOST_TOKENS = 10**12
_TOOLS = "toolUsePromptTokenCount"
_TOTAL = "totalTokenCount"
_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
_READ = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount")
_counts = msgspec.json.Decoder(_Counts, strict=False)
_object = msgspec.json.Decoder(dict[str, Raw])
_tier = msgspec.json.Decoder(_Tier)
_int = msgspec.json.Decoder(int | None, strict=False)


def usage_of(raw: Raw | bytes) -> Usage | None:
    """Return the counts: what is missing, or below zero, is zero. None where there are none that can be counted."""
    counts = _read(raw)
    return None if counts is None else _usage(counts)


def tier_of(raw: Raw | bytes) -> str:
    """Return the service tier that counts name, empty where they name none."""
    try:
        return _tier.decode(raw).service_tier or ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def used_of(raw: Raw | bytes) -> Used | None:
    """Return the counts with whatever else was said of them; None as above."""
    counts = _read(raw)
    usage = None if counts is None else _usage(counts)
    if counts is None or usage is None:
        return None
    try:
        own: Own = _object.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Used(usage)
    for name in _READ:
        own.pop(name, None)
    if counts.total_token_count in (None, usage.input + usage.output):
        own.pop(_TOTAL, None)
    return Used(usage, own=own)


def written(used: Used, tier: str, lost: set[str], *, native: bool) -> dict[str, object]:
    """Return counts as ``usageMetadata``; of ``own`` only what is this dialect's."""
    usage = used.usage
    own = used.own if native else {}
    lost.update(() if native else used.own)
    if usage.cache_written:
        lost.add("usage.cache_written")
    tools = (_int.decode(own[_TOOLS]) or 0) if _TOOLS in own else 0
    wire: dict[str, object] = {
        "promptTokenCount": max(usage.input - max(tools, 0), 0),
        "candidatesTokenCount": max(usage.output - usage.reasoning, 0),
        _TOTAL: usage.input + usage.output,
    }
    if usage.cached:
        wire["cachedContentTokenCount"] = usage.cached
    if usage.reasoning:
        wire["thoughtsTokenCount"] = usage.reasoning
    if tier in _TIERS:
        wire["serviceTier"] = _TIERS[tier]
    elif tier:
        lost.add("service_tier")
    restore(wire, own)
    return wire


def _read(raw: Raw | bytes) -> _Counts | None:
    try:
        return _counts.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _usage(counts: _Counts) -> Usage | None:
    prompt, tools = max(counts.prompt_token_count or 0, 0), max(counts.tool_use_prompt_token_count or 0, 0)
    said, thought = max(counts.candidates_token_count or 0, 0), max(counts.thoughts_token_count or 0, 0)
    usage = Usage(prompt + tools, said + thought, max(counts.cached_content_token_count or 0, 0), 0, thought)
    return usage if max(usage.input, usage.output, usage.cached) <= _MOST_TOKENS else None
