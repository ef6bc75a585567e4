"""The limit of an answer, put into a request: one that nobody stated, so that no answer takes more than was reserved for it.

Strategy: a body that goes on as it came gets the field in its own bytes, in front of all others; what is translated has the
limit as if the client had stated it. In Chat Completions a provider knows one of two fields (``limit_field``), which its
dialect alone cannot tell: there what was translated is edited, too, whoever stated the limit.

Laws: bytes outside the limit are untouched; wherever the field stands already at its own level (null, below 1, in the other
spelling of Gemini's, several times) it says the limit afterwards; whatever the nesting, no recursion error escapes.
"""

import re
from typing import Final

from msgspec.structs import replace

from pointsman.core.chat import ChatRequest
from pointsman.wire import edits
from pointsman.wire.anthropic import compose
from pointsman.wire.bedrock_converse.models import is_claude
from pointsman.wire.fields import mended

CHAT: Final = "openai_chat"
_GEMINI: Final = "gemini"
_CHATS: Final = ("max_tokens", "max_completion_tokens")
_FIELDS: Final = {"openai_responses": "max_output_tokens", "anthropic": "max_tokens"}
_CONFIGS: Final = ("generationConfig", "generation_config")
_SPELLINGS: Final = ("maxOutputTokens", "max_output_tokens")
_EMPTY: Final = re.compile(rb"\s*\}")


def translated(request: ChatRequest, dialect: str) -> int | None:
    """Return the limit that a provider's dialect states in a request without one; None where it states none.

    Anthropic wants one. So does Claude anywhere beside a budget of thinking, which has to be below it.
    """
    if dialect != "anthropic" and not (dialect == "bedrock_converse" and is_claude(request.model)):
        return None
    limit = compose.limit(replace(request, max_output_tokens=None))
    return limit if dialect == "anthropic" or limit > compose.MAX_TOKENS else None


def asked(request: ChatRequest, dialect: str, limit: int) -> ChatRequest:
    """Return a request with a limit, to be encoded in a provider's dialect; for ``CHAT`` what was encoded is ``edited``."""
    return replace(request, max_output_tokens=None if dialect == CHAT else limit)


def edited(body: bytes, dialect: str, limit: int, field: str) -> bytes:
    """Return a request's body with a limit; ``field`` is its name where the dialect is Chat Completions."""
    value = b"%d" % limit
    if dialect == CHAT:
        return _chat(body, field, value)
    if dialect == _GEMINI:
        return _gemini(body, value)
    return _put(body, (_FIELDS[dialect],), value) if dialect in _FIELDS else body


def _chat(body: bytes, field: str, value: bytes) -> bytes:
    """Put a limit into the field that counts; into the other one only where this says a number, which is below 1."""
    for other in _CHATS:
        if other != field:
            spans = [(start, end) for start, end in _spans(body, (other,)) if body[start:end] != b"null"]
            body = edits.replaced(body, [(start, end, value) for start, end in spans])
    return _put(body, (field,), value)


def _gemini(body: bytes, value: bytes) -> bytes:
    """Put a limit into the configuration, which may be missing, null, or there in either spelling."""
    alone = b'{"%b":%b}' % (_SPELLINGS[0].encode(), value)
    configs = _spans(body, _CONFIGS)
    if not configs:
        return _before(body, _CONFIGS[0], alone)
    inner = [(start, end, body[start:end]) for start, end in configs]
    return edits.replaced(
        body, [(start, end, alone if old == b"null" else _put(old, _SPELLINGS, value)) for start, end, old in inner]
    )


def _put(body: bytes, spellings: tuple[str, ...], value: bytes) -> bytes:
    """Return an object with a field of that value: wherever it stands, else in front."""
    spans = _spans(body, spellings)
    if not spans:
        return _before(body, spellings[0], value)
    return edits.replaced(body, [(start, end, value) for start, end in spans])


def _spans(body: bytes, names: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return where the values of fields at the top level start and end, in order."""
    if b"\\u00" not in body and not any(b'"%b"' % name.encode() in body for name in names):
        return []  # no letter of a name is spelled as an escape, and none of the names stands anywhere
    found = edits.top_spans(mended(body), names)  # as long as the body: what is mended is replaced by as many bytes
    return sorted(span for spans in found.values() for span in spans)


def _before(body: bytes, name: str, value: bytes) -> bytes:
    """Return an object with a field in front of all others."""
    at = body.index(b"{") + 1
    comma = b"" if _EMPTY.match(body, at) else b","
    return b'%b"%b":%b%b%b' % (body[:at], name.encode(), value, comma, body[at:])
