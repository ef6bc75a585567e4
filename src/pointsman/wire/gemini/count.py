"""A whole reply that is passed on as it is: what it took, how it ended, and what it said; and a count of tokens.

Strategy: to count, only the ends are decoded; to grade, the whole reply is read as events.

Law: a reply that is not one of generateContent is an error (WireError), so that a log-in page never passes for an answer.
"""

import msgspec
from msgspec import Raw, Struct

from pointsman.core.errors import WireError
from pointsman.wire.answer import Answer
from pointsman.wire.fold import fold
from pointsman.wire.gemini import reply
from pointsman.wire.gemini.usage import tier_of, usage_of


class _Candidate(Struct, rename="camel"):
    finish_reason: str | None = None


class _Feedback(Struct, rename="camel"):
    block_reason: str | None = None


class _Counted(Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: Raw = Raw()
    response_id: str | None = None


class _Tokens(Struct, rename="camel"):
    total_tokens: int = 0


_counted = msgspec.json.Decoder(_Counted)
_tokens = msgspec.json.Decoder(_Tokens, strict=False)
_MOST_TOKENS = 10**12


def count(body: bytes) -> Answer:
    """Return usage and finish of a reply, without its text. Raises WireError."""
    try:
        wire = _counted.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"the reply is not one of generateContent: {error}") from error
    blocked = wire.prompt_feedback.block_reason if wire.prompt_feedback else None
    if not wire.candidates and blocked is None:
        raise WireError("the reply is not one of generateContent: it holds no candidates")
    usage = usage_of(wire.usage_metadata) if bytes(wire.usage_metadata) else None
    finish = (wire.candidates[0].finish_reason or "other") if wire.candidates else blocked
    tier = tier_of(wire.usage_metadata) if usage is not None else ""
    return Answer(finish=finish, usage=usage, id=wire.response_id or "", tier=tier)


def answer(body: bytes) -> Answer:
    """Return a reply's first choice and usage. Raises WireError."""
    return fold(reply.decode(body))


def tokens(body: bytes) -> int:
    """Return the number in a reply of countTokens. Raises WireError."""
    try:
        found = _tokens.decode(body).total_tokens
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"the reply is not one of countTokens: {error}") from error
    if not 0 <= found <= _MOST_TOKENS:
        raise WireError("the reply is not one of countTokens: its number is out of all bounds")
    return found


def tokens_reply(total: int) -> bytes:
    """Return the body of a reply of countTokens (https://ai.google.dev/api/tokens)."""
    return msgspec.json.encode({"totalTokens": total})
