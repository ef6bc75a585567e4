"""What a chunk of a streamed reply looks like on the wire, and how one with unknown fields is read all the same.

Strategy: nearly all chunks are a piece of text and nothing else: those are one pass (``text``). The structs forbid what they
do not know, so that other chunks are one more. Where that fails too, the chunk is decoded as plain values, what is not known
is taken out and named, and the rest is read again.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from pointsman.wire.fields import BROKEN, mended
from pointsman.wire.openai_chat.fields import ABSENT, anything, encode


class _Strict(Struct, forbid_unknown_fields=True):
    pass


class Function(_Strict):
    """A fragment of a called function."""

    name: str | None = None
    arguments: Any = None


class Custom(_Strict):
    """A fragment of a called custom tool."""

    name: str | None = None
    input: str | None = None


class Call(_Strict):
    """A fragment of a call, which ``index`` assigns to its call."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    custom: Custom | None = None
    extra_content: Raw = ABSENT


class Audio(_Strict):
    """A fragment of a sound."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class Delta(_Strict):
    """What a chunk adds to a choice. ``channel`` is Groq's word for whether it is reasoning."""

    role: Any = None
    content: str | list[Raw] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw = ABSENT
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    annotations: list[Raw] | None = None
    audio: Audio | None = None
    images: list[Raw] | None = None
    channel: Any = None


class Choice(_Strict):
    """A choice of a chunk. What else providers say of it is kept where it ends (``ASIDE``)."""

    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None
    logprobs: Raw = ABSENT
    native_finish_reason: Raw = ABSENT
    stop_reason: Raw = ABSENT
    matched_stop: Raw = ABSENT
    token_ids: Raw = ABSENT
    content_filter_results: Raw = ABSENT


class Chunk(_Strict):
    """A chunk. ``obfuscation`` is padding and says nothing."""

    id: str | None = None
    object: Any = None
    created: Any = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: Raw = ABSENT
    service_tier: Any = None
    system_fingerprint: Raw = ABSENT
    provider: Raw = ABSENT
    x_groq: Raw = ABSENT
    error: Raw = ABSENT
    obfuscation: Any = None


class _PlainDelta(_Strict):
    content: str
    role: Any = None
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None
    function_call: None = None


class _PlainChoice(_Strict):
    delta: _PlainDelta
    index: int = 0
    finish_reason: None = None
    native_finish_reason: None = None
    logprobs: None = None


class _PlainChunk(_Strict):
    """A chunk of nothing but text, as nearly all are."""

    choices: list[_PlainChoice]
    id: Any = None
    object: Any = None
    created: Any = None
    model: Any = None
    usage: None = None
    service_tier: Any = None
    system_fingerprint: Any = None
    provider: Any = None
    obfuscation: Any = None


ASIDE: Final = ("native_finish_reason", "stop_reason", "matched_stop", "token_ids", "content_filter_results")
"""Fields of a choice that are kept with its end."""

AROUND: Final = ("system_fingerprint", "provider", "x_groq")
"""Fields of a chunk that are kept with the beginning of the reply."""

_plain = msgspec.json.Decoder(_PlainChunk)
_chunk = msgspec.json.Decoder(Chunk)
_INSIDE: Final[dict[type[_Strict], dict[str, type[_Strict]]]] = {
    Chunk: {"choices": Choice},
    Choice: {"delta": Delta},
    Delta: {"tool_calls": Call, "function_call": Function, "audio": Audio},
    Call: {"function": Function, "custom": Custom},
}


def text(data: bytes) -> tuple[int, str] | None:
    """Return choice and text of a chunk that holds nothing else, None where it may hold more."""
    try:
        choices = _plain.decode(data).choices
    except BROKEN:
        return None
    return (choices[0].index, choices[0].delta.content) if len(choices) == 1 else None


def read(data: bytes) -> tuple[Chunk | None, dict[str, Any]]:
    """Return a chunk, and what is not known of it, by its place (``choices.delta.NAME``); None where it is none."""
    try:
        return _chunk.decode(data), {}
    except msgspec.ValidationError:
        pass
    except BROKEN:
        whole = mended(data)
        return read(whole) if whole != data else (None, {})
    strange: dict[str, Any] = {}
    try:
        value = anything.decode(data)
        _prune(value, Chunk, "", strange)
        return _chunk.decode(encode(value)), strange
    except BROKEN:
        return None, {}


def _prune(value: Any, kind: type[_Strict], place: str, strange: dict[str, Any]) -> None:
    """Take out of plain values what a kind of object does not know."""
    if isinstance(value, list):
        for item in value:
            _prune(item, kind, place, strange)
        return
    if not isinstance(value, dict):
        return
    for name in [name for name in value if name not in kind.__struct_encode_fields__]:
        taken = value.pop(name)
        if taken is not None:
            strange[f"{place}{name}"] = taken
    for name, inner in _INSIDE.get(kind, {}).items():
        _prune(value.get(name), inner, f"{place}{name}.", strange)
