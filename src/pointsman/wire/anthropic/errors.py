"""Errors in Anthropic's envelope, which its clients turn into exceptions by status; in a stream, by ``event: error``.

(https://platform.claude.com/docs/en/api/errors)

Law: what is made here always has ``type`` ``error``, ``error.type`` and ``error.message``.
"""

from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from pointsman.core.errors import GatewayError
from pointsman.wire.anthropic.words import error_of
from pointsman.wire.dialect import Fault
from pointsman.wire.shapes import encode

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STATUSES: Final = {kind: status for status, kind in _TYPES.items()}


class _Envelope(Struct):
    type: Literal["error"]
    error: Raw


_envelope: Final = msgspec.json.Decoder(_Envelope)


def envelope(error: GatewayError) -> bytes:
    """Return the body of an error reply."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return encode({"type": "error", "error": {"type": kind, "message": error.message}})


def event(error: GatewayError) -> bytes:
    """Return the last frame of a stream that was cut: every Anthropic client raises on it."""
    return b"event: error\ndata: " + envelope(error) + b"\n\n"


def read(status: int, body: bytes) -> Fault | None:  # noqa: ARG001 - a law of the dialects: others read by status
    """Return what a provider's error says; None where the body is not an error of this dialect."""
    try:
        kind, message = error_of(_envelope.decode(body).error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Fault(message, kind=kind) if kind or message else None


def reported(body: bytes) -> int | None:
    """Return the status that an error inside a reply of status 200 stands for (else 502); None: no error."""
    try:
        kind, _ = error_of(_envelope.decode(body).error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return status_of(kind)


def status_of(kind: str) -> int:
    """Return the status that a type of error stands for; 502 where it is not known."""
    return _STATUSES.get(kind, 502)
