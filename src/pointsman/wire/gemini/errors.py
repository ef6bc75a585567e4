"""Errors as Google's APIs write them: ``code``, ``message`` and ``status``, a word (https://google.aip.dev/193).

Within a stream the same object is one more event, or one more item of the array; a failed request for an array is an
array too.

Laws: what is made here always has all three, and the code is the HTTP status; a reason is in capitals (AIP-193), and in
Google's own words where it has some.
"""

from typing import Any

import msgspec
from msgspec import Struct

from pointsman.core.chat import Failed
from pointsman.core.errors import GatewayError
from pointsman.wire.dialect import Fault

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_REASONS = {
    "invalid_api_key": "API_KEY_INVALID",
    "missing_api_key": "CREDENTIALS_MISSING",
    "rate_limit_error": "RATE_LIMIT_EXCEEDED",
}
_UNSPECIFIC = frozenset((
    "", "invalid_request", "missing_required_parameter", "invalid_type",
    "invalid_request_error", "api_error", "server_error",
))  # fmt: skip
_FIELD = "type.googleapis.com/google.rpc.BadRequest"
_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_encode = msgspec.json.Encoder().encode


class _Violation(Struct):
    field: str = ""


class _Detail(Struct, rename="camel"):
    type: str = msgspec.field(name="@type", default="")
    reason: str = ""
    field_violations: list[_Violation] = []


class _Error(Struct):
    message: str
    code: Any = None
    status: str = ""
    details: Any = None


class _Envelope(Struct):
    error: _Error


_envelope: "msgspec.json.Decoder[_Envelope | list[_Envelope]]" = msgspec.json.Decoder(_Envelope | list[_Envelope])


def envelope(error: GatewayError) -> bytes:
    """Return the body of an error reply."""
    return _encode(_enveloped(error))


def event(error: GatewayError) -> bytes:
    """Return the last frame of a stream that was cut: Google's clients raise on it."""
    return b"data: " + envelope(error) + b"\r\n\r\n"


def read(status: int, body: bytes) -> Fault | None:  # noqa: ARG001  (the body says its code itself)
    """Return what a provider's error says; None where the body is not an error of this dialect."""
    error = _error(body)
    if error is None:
        return None
    reason, param = _detailed(error.details)
    return Fault(error.message, reason, error.status, param)


def reported(body: bytes) -> int | None:
    """Return the status that an error inside a reply of status 200 stands for (its code, else 502); None: no error."""
    error = _error(body)
    return None if error is None else _code(error)


def failed(payload: bytes) -> Failed:
    """Return what an error within a stream says."""
    error = _error(payload)
    if error is None:
        return Failed("the provider reported an error")
    return Failed(error.message, _code(error), error.status)


def written(failure: Failed) -> dict[str, object]:
    """Return the envelope of an error that came within a stream."""
    word = failure.code if failure.code.isupper() else _word(failure.status)
    return {"error": {"code": failure.status, "message": failure.message, "status": word}}


def _enveloped(error: GatewayError) -> dict[str, object]:
    inner: dict[str, object] = {"code": error.status, "message": error.message, "status": _word(error.status)}
    details: list[dict[str, object]] = []
    if error.code not in _UNSPECIFIC:
        reason = _REASONS.get(error.code, error.code.upper())
        details.append({"@type": _INFO, "reason": reason, "domain": "pointsman"})
    if error.param:
        details.append({"@type": _FIELD, "fieldViolations": [{"field": error.param, "description": error.message}]})
    if details:
        inner["details"] = details
    return {"error": inner}


def _word(status: int) -> str:
    return _STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "UNAVAILABLE" if status == 529 else "INTERNAL")


def _error(body: bytes) -> _Error | None:
    if b'"error"' not in body:
        return None
    try:
        found = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(found, list):
        return found[-1].error if found else None
    return found.error


def _code(error: _Error) -> int:
    return error.code if isinstance(error.code, int) and 400 <= error.code < 600 else 502


def _detailed(details: Any) -> tuple[str, str]:
    """Return the reason and the field at fault, where an error says them; details of any other form are passed over."""
    reason = param = ""
    for each in details if isinstance(details, list) else ():
        try:
            detail = msgspec.convert(each, _Detail)
        except msgspec.ValidationError:
            continue
        reason = reason or detail.reason
        param = param or next((violation.field for violation in detail.field_violations), "")
    return reason, param
