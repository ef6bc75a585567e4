"""What a reply looks like on the wire, as far as it is counted or graded.

Apart from ``count``, because these are what msgspec decodes into: where modules are compiled, it does not see their types.
"""

from typing import Any

from msgspec import Raw, Struct


class InputDetails(Struct):
    """Parts of the input."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(Struct):
    """Parts of the output."""

    reasoning_tokens: int | None = None


class WireUsage(Struct):
    """Input and output counts are totals; details are parts of them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's name for cached input


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


class WireMessage(Struct):
    """What was said."""

    content: WireContent = None
    refusal: str | None = None
    tool_calls: list[WireToolCall] | None = None


class Ended(Struct):
    """A choice, and how it ended."""

    finish_reason: Any = None


class Choice(Struct):
    """A choice, with what it says."""

    finish_reason: Any = None
    message: WireMessage | None = None


class Usual(Struct):
    """A reply that is counted, of the usual form."""

    choices: list[Ended]
    usage: WireUsage | None = None
    service_tier: Any = None


class Counted(Struct):
    """A reply that is counted, whatever its usage looks like."""

    choices: list[Ended]
    usage: Raw = Raw()
    service_tier: Any = None


class Whole(Struct):
    """A reply that is graded."""

    choices: list[Choice]
    usage: Raw = Raw()
    service_tier: Any = None
