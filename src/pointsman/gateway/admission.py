"""Who may come in.

Laws: without configured keys everybody on this address may come in; keys are compared as SHA-256 digests in constant time,
and never shown.
"""

import hashlib
import hmac

from pointsman.core.errors import GatewayError
from pointsman.core.snapshot import ClientKey

_BEARER = b"bearer "


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
