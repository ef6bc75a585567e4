"""Errors in OpenAI's envelope; in a stream, as an ``error`` event.

The envelope is that of Chat Completions. A reply of status 200 may hold an error too: a response whose status is ``failed``,
the event ``response.failed``, or the event ``error``, whose fields stand under ``error`` or (as the API's reference has it)
beside ``type``.

Law: what is made here always has ``error.message``, ``error.type``, ``error.param`` and ``error.code``.
"""

from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from pointsman.core.chat import Failed
from pointsman.core.errors import GatewayError
from pointsman.wire.dialect import Fault
from pointsman.wire.openai_chat import errors as chat

# The codes that a response's error may have, by the official client's model; all but these few are the request's fault.
_RESPONSE_CODES: Final = frozenset((
    "server_error", "rate_limit_exceeded", "invalid_prompt", "data_residency_mismatch", "bio_policy",
    "misalignment_policy_violation", "vector_store_timeout", "invalid_image", "invalid_image_format", "invalid_base64_image",
    "invalid_image_url", "image_too_large", "image_too_small", "image_parse_error", "image_content_policy_violation",
    "invalid_image_mode", "image_file_too_large", "unsupported_image_media_type", "empty_image_file",
    "failed_to_download_image", "image_file_not_found",
))  # fmt: skip
_STATUSES: Final = MappingProxyType({
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "server_error": 500,
    "vector_store_timeout": 504,
    "data_residency_mismatch": 403,
    "authentication_error": 401,
    "permission_error": 403,
})  # fmt: skip
_DEFAULT: Final = "the provider reported an error"
_encode = msgspec.json.Encoder().encode


class _Error(Struct):
    message: str | None = None
    code: str | int | None = None
    type: str | None = None
    param: str | None = None


class _Response(Struct):
    error: _Error | None = None
    status: str | None = None


class _Reported(Struct):
    """Any of the three forms."""

    type: str | None = None
    error: _Error | None = None
    status: str | int | None = None
    response: _Response | None = None
    message: str | None = None
    code: str | int | None = None


_reported = msgspec.json.Decoder(_Reported)


def status_of(code: str) -> int:
    """Return the status that an error's code stands for: 502 where nobody knows."""
    if len(code) == 3 and code.isdecimal() and code[0] in "45":
        return int(code)
    if code in _STATUSES:
        return _STATUSES[code]
    return 400 if code in _RESPONSE_CODES or code.startswith("invalid_") else 502


def code_of(failed: Failed) -> str:
    """Return the code that a failed response has for an error: its own, where it is one of a response's."""
    if failed.code in _RESPONSE_CODES:
        return failed.code
    return "rate_limit_exceeded" if failed.status == 429 else "invalid_prompt" if failed.status < 500 else "server_error"


def failure(data: bytes) -> Failed | None:
    """Return the error that a reply or an event reports, None where it reports none."""
    try:
        found = _reported.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    error = found.error
    if error is None and found.response is not None:
        error = found.response.error or (_Error() if found.response.status == "failed" else None)
    if error is None and found.type == "error":
        error = _Error(found.message, found.code)
    if error is None and found.status == "failed":
        error = _Error()
    if error is None:
        return None
    code = "" if error.code is None else str(error.code)
    return Failed(error.message or _DEFAULT, status_of(code or error.type or ""), code or error.type or "")


def envelope(error: GatewayError) -> bytes:
    """Return the body of an error reply."""
    return chat.envelope(error)


def event(error: GatewayError) -> bytes:
    """Return the last frame of a stream that was cut: the official clients raise on its ``error``.

    The same fields stand beside it too, where the API's reference has them.
    """
    inner = msgspec.json.decode(chat.envelope(error), type=dict[str, dict[str, object]])["error"]
    body = {
        "type": "error",
        "sequence_number": 0,
        "code": inner["code"],
        "message": inner["message"],
        "param": inner["param"],
        "error": inner,
    }
    return b"event: error\ndata: " + _encode(body) + b"\n\n"


def read(status: int, body: bytes) -> Fault | None:
    """Return what a provider's error says; None where the body is not an error of this dialect."""
    return chat.read(status, body)


def reported(body: bytes) -> int | None:
    """Return the status that an error inside a reply of status 200 stands for (else 502); None: it holds no error."""
    found = failure(body)
    return None if found is None else found.status
