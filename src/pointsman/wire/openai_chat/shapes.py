"""What a request looks like on the wire, as far as it is known.

Only what choosing and accounting rest on has a type that is insisted on; every other field may hold anything (providers are
the validators), and what is not of its proper type is kept in ``own`` (``fields.fill``).
"""

from typing import Any

from msgspec import Raw, Struct

from pointsman.wire.openai_chat.fields import ABSENT, Known


class WirePart(Known):
    """A piece of content."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    image_url: Raw = ABSENT
    input_audio: Raw = ABSENT
    file: Raw = ABSENT
    video_url: Raw = ABSENT
    thinking: Raw = ABSENT
    cache_control: Raw = ABSENT


class WireFunction(Known):
    """A called function. Arguments are a text; some clients write the object itself."""

    name: str | None = None
    arguments: Any = None


class WireCustom(Known):
    """A called custom tool."""

    name: Any = None
    input: Any = None


class WireToolCall(Known):
    """A call in an assistant's turn."""

    id: str | None = None
    type: Any = None
    index: Any = None
    function: WireFunction | None = None
    custom: WireCustom | None = None
    extra_content: Raw = ABSENT


class WireMessage(Known):
    """One turn."""

    role: str
    content: str | list[WirePart] | None = None
    tool_calls: list[WireToolCall] | None = None
    tool_call_id: Any = None
    name: Any = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Raw = ABSENT
    function_call: Raw = ABSENT


class StreamOptions(Known):
    """How a stream shall be."""

    include_usage: bool | None = None


class ResponseFormat(Known):
    """The form of the answer."""

    type: str = ""
    json_schema: Raw = ABSENT


class Seen(Known):
    """What of a request choosing and accounting rest on."""

    model: str
    messages: list[WireMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: Raw = ABSENT
    functions: Raw = ABSENT
    response_format: ResponseFormat | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    prompt_cache_key: Any = None
    service_tier: Any = None


class Body(Seen):
    """A whole request."""

    tool_choice: Raw = ABSENT
    function_call: Raw = ABSENT
    parallel_tool_calls: Any = None
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    seed: Any = None
    stop: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    reasoning_effort: Any = None
    reasoning: Raw = ABSENT
    verbosity: Any = None
    store: Any = None


class Detail(Struct, forbid_unknown_fields=True):
    """One of OpenRouter's ``reasoning_details``."""

    type: str
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    index: int | None = None


class FunctionCall(Struct, forbid_unknown_fields=True):
    """A call as it was before there were tools."""

    name: str
    arguments: str = ""


class Mark(Struct, forbid_unknown_fields=True):
    """Where a prompt cache may end."""

    type: str
    ttl: str | None = None


class Signed(Struct, forbid_unknown_fields=True):
    """Gemini's signature of a call."""

    thought_signature: str


class Google(Struct, forbid_unknown_fields=True):
    """What Google adds to a call."""

    google: Signed
