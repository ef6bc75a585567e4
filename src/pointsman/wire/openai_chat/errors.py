"""Errors in OpenAI's envelope, which its clients turn into exceptions by status; in a stream, by the event's ``error``.

Law: what is made here always has ``error.message``, ``error.type``, ``error.param`` and ``error.code``.
"""

import msgspec
from msgspec import Struct

from pointsman.core.errors import GatewayError
from pointsman.wire.dialect import Fault

_SHOWN = 500
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
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
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
