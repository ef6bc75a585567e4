"""A whole reply that is passed on as it is: what it took, how it ended, and what it said.

Strategy: two partial decoders, because most replies are only counted and few are graded. ``Answer`` is also what a
streamed reply adds up to, so that graders see the same text either way.

Law: a reply that is not a chat completion is an error (WireError), so that a log-in page never passes for an
answer.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import ToolCall, Usage
from pointsman.core.errors import WireError
from pointsman.wire.answer import Answer


class _InputDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    """Input and output counts are totals; details are parts of them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's name for cached input


_MOST_TOKENS = 10**12
_usage = msgspec.json.Decoder(_Usage | None, strict=False)


def usage_of(raw: Raw) -> Usage | None:
    """Return the counts of a ``usage`` object: what is missing, or below zero, is zero.

    None where there is none, or none that can be counted: what a provider says of its work never costs anybody the work.
    """
    try:
        wire = _usage.decode(raw) if bytes(raw) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _counts(wire)


def _counts(wire: _Usage | None) -> Usage | None:
    if wire is None:
        return None
    inputs, outputs = wire.prompt_tokens_details, wire.completion_tokens_details
    cached = written = reasoning = 0
    if inputs is not None:
        cached, written = inputs.cached_tokens or 0, inputs.cache_write_tokens or 0
    if outputs is not None:
        reasoning = outputs.reasoning_tokens or 0
    cached = cached or wire.prompt_cache_hit_tokens or 0
    counts = (wire.prompt_tokens or 0, wire.completion_tokens or 0, cached, written, reasoning)
    if min(counts) < 0:
        counts = (max(counts[0], 0), max(counts[1], 0), max(cached, 0), max(written, 0), max(reasoning, 0))
    return Usage(*counts) if max(counts) <= _MOST_TOKENS else None


class WireFunction(Struct):
    """A called function; in a stream, a fragment of one."""

    name: str | None = None
    arguments: str | None = None


class WireToolCall(Struct):
    """A tool call; in a stream, a fragment that ``index`` assigns to its call."""

    index: int = 0
    id: str | None = None
    function: WireFunction | None = None


class WirePart(Struct):
    """A piece of content where a provider sends a list of them (Mistral's reasoning models): text, or something else."""

    text: str | None = None


WireContent = str | list[WirePart] | None


class _Message(Struct):
    content: WireContent = None
    refusal: str | None = None
    tool_calls: list[WireToolCall] | None = None


class _CountedChoice(Struct):
    finish_reason: Any = None


class _Choice(Struct):
    finish_reason: Any = None
    message: _Message | None = None


class _Counted(Struct):
    choices: list[_CountedChoice]
    usage: Raw = Raw()


class _Whole(Struct):
    choices: list[_Choice]
    usage: Raw = Raw()


class _Usual(Struct):
    choices: list[_CountedChoice]
    usage: _Usage | None = None


_usual = msgspec.json.Decoder(_Usual, strict=False)
_counted = msgspec.json.Decoder(_Counted)
_whole = msgspec.json.Decoder(_Whole)


def finish_of(reason: object) -> str | None:
    """Return why a reply ended, None where it has not, or where that is no word."""
    return reason if isinstance(reason, str) else None


def words(content: WireContent) -> str:
    """Return the visible text of a message's content, whichever form it has."""
    if isinstance(content, list):
        return "".join([part.text for part in content if part.text])
    return content or ""


def count(body: bytes) -> Answer:
    """Return usage and finish of a reply, without its text. Raises WireError."""
    try:
        usual = _usual.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _counted_apart(body)
    finish = finish_of(usual.choices[0].finish_reason) if usual.choices else None
    return Answer(finish=finish, usage=_counts(usual.usage))


def _counted_apart(body: bytes) -> Answer:
    """Read finish and usage where usage is of an odd form: that costs nobody the reply."""
    try:
        wire = _counted.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_a_reply(error) from error
    return Answer(finish=finish_of(wire.choices[0].finish_reason) if wire.choices else None, usage=usage_of(wire.usage))


def answer(body: bytes) -> Answer:
    """Return a reply's first choice and usage. Raises WireError."""
    try:
        wire = _whole.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_a_reply(error) from error
    usage = usage_of(wire.usage)
    if not wire.choices:
        return Answer(usage=usage)
    choice = wire.choices[0]
    message = choice.message or _Message()
    return Answer(
        text=words(message.content) or message.refusal or "",
        tool_calls=tuple(_tool_call(call) for call in message.tool_calls or ()),
        finish=finish_of(choice.finish_reason),
        usage=usage,
    )


def _tool_call(wire: WireToolCall) -> ToolCall:
    function = wire.function or WireFunction()
    return ToolCall(function.name or "", function.arguments or "", wire.id or "")


def _not_a_reply(error: Exception) -> WireError:
    return WireError(f"the reply is not a chat completion: {error}")
