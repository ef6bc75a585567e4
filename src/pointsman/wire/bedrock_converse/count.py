"""A whole reply's usage, finish and answer; and counted tokens (API_runtime_CountTokens).

Law: what is not a reply is an error (WireError).
"""

from typing import Final

import msgspec
from msgspec import Struct

from pointsman.core.errors import WireError
from pointsman.wire.answer import Answer
from pointsman.wire.bedrock_converse import reply
from pointsman.wire.fold import fold


class _Tokens(Struct):
    inputTokens: int  # noqa: N815 - the field's own name


_tokens: Final = msgspec.json.Decoder(_Tokens)


def count(body: bytes) -> Answer:
    """Return usage and finish of a whole reply, without its text. Raises WireError."""
    said = answer(body)
    return Answer(finish=said.finish, usage=said.usage)


def answer(body: bytes) -> Answer:
    """Return a whole reply's text, tool calls and usage. Raises WireError."""
    return fold(reply.decode(body))


def tokens(body: bytes) -> int:
    """Return what a request for a count was answered. Raises WireError."""
    try:
        return _tokens.decode(body).inputTokens
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("the reply is no count of tokens") from error
