"""A whole reply that is passed on as it is: what it took, how it ended, and what it said. And counted tokens.

Law: a reply that is not a message is an error (WireError), so that a log-in page never passes for an answer.
"""

from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from pointsman.core.errors import WireError
from pointsman.wire.answer import Answer
from pointsman.wire.anthropic import reply
from pointsman.wire.anthropic.words import null, usage_of
from pointsman.wire.fields import BROKEN
from pointsman.wire.fold import fold
from pointsman.wire.shapes import encode, objects


class _Counted(Struct):
    type: Literal["message"]
    content: Raw
    id: str = ""
    stop_reason: str | None = None
    usage: Raw = Raw()


class _Tokens(Struct):
    input_tokens: int


_counted: Final = msgspec.json.Decoder(_Counted)
_tokens: Final = msgspec.json.Decoder(_Tokens)


def count(body: bytes) -> Answer:
    """Return usage and finish of a whole reply, without its text. Raises WireError."""
    try:
        wire = _counted.decode(body)
    except BROKEN as error:
        raise WireError(f"the reply is not a message: {error}") from error
    try:
        usage, tier, _ = (None, "", {}) if null(wire.usage) else usage_of(objects.decode(wire.usage))
    except BROKEN:
        usage, tier = None, ""  # what a provider says of its work never costs anybody the work
    return Answer(finish=wire.stop_reason, usage=usage, id=wire.id, tier=tier)


def answer(body: bytes) -> Answer:
    """Return a whole reply's text, tool calls and usage. Raises WireError."""
    return fold(reply.decode(body))


def tokens(body: bytes) -> int:
    """Return what ``count_tokens`` counted. Raises WireError."""
    try:
        return _tokens.decode(body).input_tokens
    except BROKEN as error:
        raise WireError(f"the reply is no count of tokens: {error}") from error


def counted(number: int) -> bytes:
    """Return the body of a reply to ``count_tokens``."""
    return encode({"input_tokens": number})
