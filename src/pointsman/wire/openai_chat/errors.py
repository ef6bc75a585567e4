"""Errors in OpenAI's envelope, which its clients turn into exceptions by status; in a stream, by the event's ``error``.

Types and codes are those that OpenAI's API answers with (https://platform.openai.com/docs/guides/error-codes, and recorded
exchanges): a wrong key is an ``invalid_request_error`` there.

Law: what is made here always has ``error.message``, ``error.type``, ``error.param`` and ``error.code``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from pointsman.core.errors import GatewayError
from pointsman.wire.dialect import Fault

_SHOWN = 500
_CODES: Final[Mapping[str, str | None]] = MappingProxyType({
    # What is said here and elsewhere, in OpenAI's words. None: OpenAI has no code for it.
    "invalid_request": None,
    "missing_api_key": None,
    "not_found": None,
    "method_not_allowed": "method_not_supported",
    "budget_spent": "insufficient_quota", "no_price": None, "budget_unknown": None,
    "rate_limit_error": "rate_limit_exceeded", "RESOURCE_EXHAUSTED": "rate_limit_exceeded",
    "RATE_LIMIT_EXCEEDED": "rate_limit_exceeded",
    "authentication_error": "invalid_api_key", "UNAUTHENTICATED": "invalid_api_key", "API_KEY_INVALID": "invalid_api_key",
    "not_found_error": "model_not_found", "NOT_FOUND": "model_not_found",
    "invalid_request_error": None, "INVALID_ARGUMENT": None,
    "permission_error": None, "PERMISSION_DENIED": None,
    "overloaded_error": None, "UNAVAILABLE": None,
    "timeout_error": None, "DEADLINE_EXCEEDED": None,
    "api_error": None, "INTERNAL": None,
})  # fmt: skip
_encode = msgspec.json.Encoder().encode


class _Envelope(Struct):
    error: dict[str, object]


class _Spoken(Struct):
    """The words themselves, as Bedrock sends them, or an envelope with them, as Google does."""

    message: str = ""
    error: "_Spoken | None" = None


_envelope = msgspec.json.Decoder(_Envelope)
_spoken: "msgspec.json.Decoder[_Spoken | list[_Spoken]]" = msgspec.json.Decoder(_Spoken | list[_Spoken])


def envelope(error: GatewayError) -> bytes:
    """Return the body of an error reply."""
    return _enveloped(error.status, error.code, error.message, error.param)


def event(error: GatewayError) -> bytes:
    """Return the last frame of a stream that was cut: every OpenAI client raises on it."""
    return b"data: " + envelope(error) + b"\n\n"


def read(status: int, body: bytes) -> Fault | None:  # noqa: ARG001 - the body says it all
    """Return what a provider's error says; None where the body is not an error of this dialect."""
    try:
        error = _envelope.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    code, kind, param = (value if isinstance(value, str) else "" for value in map(error.get, ("code", "type", "param")))
    return Fault(str(error.get("message") or ""), code, kind, param)


def reported(body: bytes) -> int | None:
    """Return the status that an error inside a reply of status 200 stands for (its ``code``, else 502); None: no error."""
    try:
        error = _envelope.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    code = error.get("code")
    return code if isinstance(code, int) and 400 <= code < 600 else 502


def words(body: bytes) -> str:
    """Find the words in an error that is no envelope of ours: another one, a list of them, or plain text, cut short."""
    try:
        found = _spoken.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        spoken = ""
    else:
        items = found if isinstance(found, list) else [found]
        spoken = " ".join(item.error.message if item.error is not None else item.message for item in items)
    return " ".join((spoken or body[:_SHOWN].decode(errors="replace")).split())[:_SHOWN] or "(no text)"


def _enveloped(status: int, code: str, message: str, param: str | None) -> bytes:
    return _encode(written(status, code, message, param))


def written(status: int, code: str | int, message: str, param: str | None) -> dict[str, object]:
    """Return the object of an error."""
    kind = "server_error" if status >= 500 else "requests" if status == 429 else "invalid_request_error"
    known = _CODES.get(code, code) if isinstance(code, str) else code
    return {"error": {"message": message, "type": kind, "param": param, "code": known}}
