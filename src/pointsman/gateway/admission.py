"""Who may come in, and how much they may bring: key, then size.

Laws: without configured keys everybody on this address may come in; keys are compared as SHA-256 digests in constant time,
and never shown; a body is counted as it arrives and refused at the first byte too many.
"""

import asyncio
import hashlib
import hmac

from pointsman.core.errors import GatewayError
from pointsman.core.snapshot import ClientKey, Limits
from pointsman.gateway.watch import ClientGone, Receive

_BEARER = b"bearer "
_LINGER = 64 * 1024 * 1024


def admit(keys: dict[str, ClientKey], headers: dict[bytes, bytes]) -> ClientKey | None:
    """Return the client's key, None where none is asked for. Raises GatewayError 401."""
    if not keys:
        return None
    presented = headers.get(b"authorization", b"")
    if presented[: len(_BEARER)].lower() != _BEARER:
        raise GatewayError(401, "missing_api_key", "send the key of this gateway as `Authorization: Bearer KEY`")
    digest = hashlib.sha256(presented[len(_BEARER) :].strip()).hexdigest()
    # Searched by digest: what its timing shows is of a hash that nobody can choose. The match is compared whole.
    key = keys.get(digest)
    if key is None or not hmac.compare_digest(key.sha256.lower(), digest):
        raise GatewayError(401, "invalid_api_key", "this key is not known to this gateway: check the configured [keys]")
    return key


async def read_body(receive: Receive, headers: dict[bytes, bytes], limits: Limits) -> bytes:
    """Return the request's body. Raises GatewayError 413 (too large) or 408 (too slow), ClientGone.

    What is too much is counted and let go, not kept. It is read on for a while all the same: a client that is cut off while
    it writes sees a broken connection, and never the answer that says why.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limits.body_bytes + _LINGER:
        raise _too_large(limits)
    pieces: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(limits.idle_s) as patience:
            while more and size <= limits.body_bytes + _LINGER:
                message = await receive()
                piece, more = _piece(message), message.get("more_body", False)
                size += len(piece)
                if size > limits.body_bytes:
                    pieces.clear()
                else:
                    pieces.append(piece)
                if more:
                    patience.reschedule(asyncio.get_running_loop().time() + limits.idle_s)
    except TimeoutError:
        raise GatewayError(408, "request_timeout", "the request's body stopped arriving") from None
    if size > limits.body_bytes:
        raise _too_large(limits)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _piece(message: dict[str, object]) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    body = message.get("body", b"")
    assert isinstance(body, bytes)  # noqa: S101 - ASGI says so
    return body


def _too_large(limits: Limits) -> GatewayError:
    return GatewayError(
        413, "request_too_large", f"the request is larger than the {limits.body_bytes} bytes that this gateway takes"
    )
