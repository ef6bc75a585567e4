"""Who may come in.

Laws: without configured keys every program on this machine may come in (the gateway listens on loopback only then), but no
web page from elsewhere that happens to be open on it; keys are compared as SHA-256 digests in constant time,
and never shown.
"""

import hashlib
import hmac
import re
from urllib.parse import parse_qs

from pointsman.core.errors import GatewayError
from pointsman.core.snapshot import ClientKey
from pointsman.gateway.server.message import Head

_BEARER = b"bearer "
_LOCAL = re.compile(rb"[a-z][a-z0-9+.-]*://(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
"""Origins (RFC 6454) of pages that this machine itself serves."""


def admit(keys: dict[str, ClientKey], head: Head) -> ClientKey | None:
    """Return the client's key, None where none is asked for. Raises GatewayError: 401, or 403 for a foreign web page.

    It is where the client's own dialect puts it: ``authorization`` (OpenAI), ``x-api-key`` (Anthropic), ``x-goog-api-key``
    or ``?key=`` (Gemini).
    """
    if not keys:
        origin = head.headers.get(b"origin")
        if origin is not None and not _LOCAL.fullmatch(origin):
            raise GatewayError(
                403,
                "foreign_origin",
                "a web page may call this gateway only with a key: add [keys.NAME] to the configuration",
            )
        return None
    presented = _presented(head)
    if presented is None:
        raise GatewayError(401, "missing_api_key", "send the key of this gateway as `Authorization: Bearer KEY`")
    digest = hashlib.sha256(presented).hexdigest()
    # Searched by digest: what its timing shows is of a hash that nobody can choose. The match is compared whole.
    key = keys.get(digest)
    if key is None or not hmac.compare_digest(key.sha256.lower(), digest):
        raise GatewayError(401, "invalid_api_key", "this key is not known to this gateway: check the configured [keys]")
    return key


def _presented(head: Head) -> bytes | None:
    headers = head.headers
    bearer = headers.get(b"authorization", b"")
    if bearer[: len(_BEARER)].lower() == _BEARER:
        return bearer[len(_BEARER) :].strip()
    for name in (b"x-api-key", b"x-goog-api-key"):
        if name in headers:
            return headers[name].strip()
    return parse_qs(head.query).get("key", [""])[0].encode() if "key=" in head.query else None
