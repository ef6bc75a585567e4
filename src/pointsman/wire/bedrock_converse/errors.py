"""Errors of Bedrock: a body ``{"message": ...}`` beside a status, or an exception within a stream.

(API_runtime_Converse and API_runtime_ConverseStream, "Errors"; the type stands in a header, ``x-amzn-errortype``.)

Only what a provider's dialect needs: no client reads errors of this dialect.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import Failed
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Fault
from pointsman.wire.event_stream import Message, Splitter

_KINDS: Final = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_STATUSES: Final = {kind.lower(): status for status, kind in _KINDS.items()} | {
    "modelerrorexception": 502,  # the model's failure, which another model need not have: 424 would not say so
    "modelstreamerrorexception": 502,
    "modelnotreadyexception": 429,
    "servicequotaexceededexception": 400,
    "unrecognizedclientexception": 403,
}
_STREAM: Final = b"\x00"


class _Error(Struct):
    message: str = ""
    Message: str = ""
    kind: str = msgspec.field(name="__type", default="")
    output: Raw = Raw()


_error: Final = msgspec.json.Decoder(_Error)


def read(status: int, body: bytes) -> Fault | None:
    """Return what a provider's error says; None where the body is not an error of this dialect."""
    error = _decoded(body)
    if error is None:
        return None
    return Fault(error.message or error.Message, kind=_plain(error.kind) or _KINDS.get(status, ""))


def reported(body: bytes) -> int | None:
    """Return the status that an error inside a reply of status 200 stands for (else 502); None: no error."""
    if body.startswith(_STREAM):
        try:
            failures = [failed(message) for message in Splitter().feed(body) if message.kind != "event"]
        except WireError:
            return None
        return failures[0].status if failures else None
    error = _decoded(body)
    return None if error is None else _status(_plain(error.kind))


def failed(message: Message) -> Failed:
    """Return what an exception or error within a stream says."""
    error = _decoded(message.payload)
    words = (error.message or error.Message) if error is not None else message.words
    return Failed(words or f"the provider reported {message.name or 'an error'}", _status(message.name), message.name)


def _decoded(body: bytes) -> _Error | None:
    try:
        error = _error.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return error if (error.message or error.Message or error.kind) and not bytes(error.output) else None


def _plain(kind: str) -> str:
    """Return the name in ``com.amazon.coral.service#ThrottlingException:http://...``."""
    return kind.rpartition("#")[2].partition(":")[0]


def _status(kind: str) -> int:
    return _STATUSES.get(kind.lower(), 502)
