"""Asking others for a token: the call, and reading what came.

Law: nothing that was sent or that came appears in an error but the status and the words of a field that is made for people
(``error``, ``error_description``, ``message``), and of those no more than a line.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Request, Timeouts, Transport

Fetch = Callable[[Request], Awaitable[tuple[int, bytes]]]
"""Sends a request and returns status and body. Raises UpstreamError."""

T = TypeVar("T")

_TIMEOUTS: Final = Timeouts(connect_s=3.0, first_byte_s=10.0, idle_s=5.0, total_s=15.0)
_LIMIT: Final = 256 * 1024
_SHOWN: Final = 200
_FORM: Final = (b"content-type", b"application/x-www-form-urlencoded")


class _Complaint(msgspec.Struct):
    error: object = None
    error_description: object = None
    message: object = None


def fetching(transport: Transport) -> Fetch:
    """Return the way to fetch tokens over the gateway's own transport, within 15 seconds."""

    async def fetch(request: Request) -> tuple[int, bytes]:
        reply = await transport.send(request, _TIMEOUTS)
        try:
            return reply.status, await reply.read(_LIMIT)
        finally:
            reply.close()

    return fetch


async def no_fetch(request: Request) -> tuple[int, bytes]:  # noqa: ARG001 - it stands for a Fetch
    """Refuse: the process was not given a way to fetch tokens."""
    raise missing("this credential needs a token, and this command has no way to fetch one: run it through the gateway")


def missing(what: str) -> UpstreamError:
    """Return the error of a request that could not be signed: ``what`` is wrong, and what to do."""
    return UpstreamError("credential", what, sent=False)


def form(url: str, fields: Mapping[str, str], *headers: tuple[bytes, bytes]) -> Request:
    """Return the request that posts a form."""
    return Request("POST", url, (_FORM, *headers), urlencode(fields).encode())


def get(url: str, *headers: tuple[bytes, bytes]) -> Request:
    """Return the request that asks for an address."""
    return Request("GET", url, headers, b"")


async def fetched(fetch: Fetch, request: Request, who: str, remedy: str) -> bytes:
    """Return the body of a reply of status 200 from ``who``. Raises UpstreamError ``credential``, with ``remedy``."""
    try:
        status, body = await fetch(request)
    except UpstreamError as error:
        raise missing(f"{who} cannot be asked for a token ({error.kind}): {remedy}") from None
    if status != 200:
        raise missing(f"{who} refused a token with status {status}{_complaint(body)}: {remedy}")
    return body


def read(body: bytes, type_: type[T], who: str) -> T:
    """Return a JSON reply as a value. Raises UpstreamError ``credential``."""
    try:
        return msgspec.json.decode(body, type=type_, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise missing(f"{who} answered with something that is no token: check its address") from None


def _complaint(body: bytes) -> str:
    try:
        found = msgspec.json.decode(body, type=_Complaint)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    words = [word for word in (found.error, found.error_description, found.message) if isinstance(word, str) and word]
    text = " ".join(" ".join(words).split())
    return f" ({text[:_SHOWN]})" if text else ""
