"""A whole reply that is passed on as it is: what it took, how it ended, and what it said.

Strategy: two partial decoders, because most replies are only counted and few are graded. ``Answer`` is also what a
streamed reply adds up to, so that graders see the same text either way.

Law: a reply that is not a chat completion is an error (WireError), so that a log-in page never passes for an
answer.
"""

from typing import Final

import msgspec
from msgspec import Raw

from pointsman.core.chat import ToolCall, Usage
from pointsman.core.errors import WireError
from pointsman.wire import scan
from pointsman.wire.answer import Answer
from pointsman.wire.openai_chat.counted import (
    Counted,
    Usual,
    Whole,
    WireContent,
    WireFunction,
    WireMessage,
    WireToolCall,
    WireUsage,
)

_MOST_TOKENS: Final = 10**12
_usage = msgspec.json.Decoder(WireUsage | None, strict=False)
_usual = msgspec.json.Decoder(Usual, strict=False)
_counted = msgspec.json.Decoder(Counted)
_whole = msgspec.json.Decoder(Whole)


def usage_of(raw: Raw) -> Usage | None:
    """Return the counts of a ``usage`` object: what is missing, or below zero, is zero.

    None where there is none, or none that can be counted: what a provider says of its work never costs anybody the work.
    """
    try:
        wire = _usage.decode(raw) if bytes(raw) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _counts(wire)


def _counts(wire: WireUsage | None) -> Usage | None:
    if wire is None:
        return None
    inputs, outputs = wire.prompt_tokens_details, wire.completion_tokens_details
    taken, given = wire.prompt_tokens or 0, wire.completion_tokens or 0
    cached = written = reasoning = 0
    if inputs is not None:
        cached, written = inputs.cached_tokens or 0, inputs.cache_write_tokens or 0
    if outputs is not None:
        reasoning = outputs.reasoning_tokens or 0
    if not cached:
        cached = wire.prompt_cache_hit_tokens or 0
    if taken < 0 or given < 0 or cached < 0 or written < 0 or reasoning < 0:
        taken, given = max(taken, 0), max(given, 0)
        cached, written, reasoning = max(cached, 0), max(written, 0), max(reasoning, 0)
    if max(taken, given, cached, written, reasoning) > _MOST_TOKENS:
        return None
    return Usage(taken, given, cached, written, reasoning)


def finish_of(reason: object) -> str | None:
    """Return why a reply ended, None where it has not, or where that is no word."""
    return reason if isinstance(reason, str) else None


def tier_in(tier: object) -> str:
    """Return the service tier that a reply names, empty where it names none."""
    return tier if isinstance(tier, str) else ""


def words(content: WireContent) -> str:
    """Return the visible text of a message's content, whichever form it has."""
    if isinstance(content, list):
        return "".join([part.text for part in content if part.text])
    return content or ""


def count(body: bytes) -> Answer:
    """Return usage and finish of a reply, without its text. Raises WireError."""
    found = scan.reply(body)
    if found is None:
        return count_any(body)
    finish, tier, tokens = found
    usage = None if tokens is None else Usage(tokens[0], tokens[1], tokens[2], tokens[3], tokens[4])
    return Answer("", (), finish, usage, "", tier or "")


def count_any(body: bytes) -> Answer:
    """Do the same where a reply is anything but plain. Raises WireError."""
    try:
        usual = _usual.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _counted_apart(body)
    finish = finish_of(usual.choices[0].finish_reason) if usual.choices else None
    return Answer("", (), finish, _counts(usual.usage), "", tier_in(usual.service_tier))


def _counted_apart(body: bytes) -> Answer:
    """Read finish and usage where usage is of an odd form: that costs nobody the reply."""
    try:
        wire = _counted.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_a_reply(error) from error
    finish = finish_of(wire.choices[0].finish_reason) if wire.choices else None
    return Answer(finish=finish, usage=usage_of(wire.usage), tier=tier_in(wire.service_tier))


def answer(body: bytes) -> Answer:
    """Return a reply's first choice and usage. Raises WireError."""
    try:
        wire = _whole.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_a_reply(error) from error
    usage = usage_of(wire.usage)
    if not wire.choices:
        return Answer(usage=usage, tier=tier_in(wire.service_tier))
    choice = wire.choices[0]
    message = choice.message or WireMessage()
    return Answer(
        text=words(message.content) or message.refusal or "",
        tool_calls=tuple(_tool_call(call) for call in message.tool_calls or ()),
        finish=finish_of(choice.finish_reason),
        usage=usage,
        tier=tier_in(wire.service_tier),
    )


def _tool_call(wire: WireToolCall) -> ToolCall:
    function = wire.function or WireFunction()
    return ToolCall(function.name or "", function.arguments or "", wire.id or "")


def _not_a_reply(error: Exception) -> WireError:
    return WireError(f"the reply is not a chat completion: {error}")
