"""What a chunk of a stream is read into by who only looks at it: as little as will do.

Law: ``takes``, and so ``plain``, refuses whatever may mean more, once content has begun, than content: an end, counts, an
error.
"""

from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct

from pointsman.wire import scan, sse
from pointsman.wire.openai_chat.counted import WireContent, WireToolCall


class Choice(Struct):
    """One choice of a chunk."""

    index: int = 0
    delta: dict[str, Raw] | None = None
    finish_reason: Any = None


class Chunk(Struct):
    """A chunk. ``usage`` and ``error`` are empty where there are none."""

    choices: list[Choice] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()
    service_tier: Any = None


class _Error(Struct):
    message: str = ""


class _PlainChoice(Struct, gc=False):
    finish_reason: None = None


class _Plain(Struct, gc=False):
    """A chunk of which nothing but content needs to be known: where more might stand, there is nothing, or null."""

    choices: list[_PlainChoice] | None = None
    usage: None = None
    error: None = None


chunk = msgspec.json.Decoder(Chunk)
content = msgspec.json.Decoder(WireContent)
calls = msgspec.json.Decoder(list[WireToolCall])
_error = msgspec.json.Decoder(_Error)
takes = msgspec.json.Decoder(_Plain).decode
plain = scan.plain if scan.COMPILED else partial(sse.plain, takes=takes)


def reason(raw: Raw) -> str:
    """Return what an error says."""
    try:
        return _error.decode(raw).message or "the provider reported an error"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "the provider reported an error"
