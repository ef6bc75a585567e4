"""Keys: who may come in, how far, and for whom. One value for those of the configuration and those of the store.

A key that Pointsman made is ``pm-ID-SECRET``: the id is public and names it, the secret has 256 random bits. A key of the
configuration may be any text. Of either only a SHA-256 is kept, salted where Pointsman made the key.

Laws: an empty scope is no bound, and what a scope names is all that it allows; a key with an end, or a secret that was
rotated out, opens nothing from that millisecond on (``gateway/admission``).
"""

import hashlib
from typing import Final

from msgspec import Struct

PREFIX: Final = "pm-"
_PREFIX: Final = PREFIX.encode()


class Scope(Struct, frozen=True, omit_defaults=True):
    """How far a key goes. Each empty bound is none.

    ``routes`` are the routes that it may ask for, ``deployments`` (``provider/model`` or ``provider/*``) those that it may
    name, and those that may answer it. ``networks`` are CIDR blocks (RFC 4632), of the address that the socket is from.
    """

    routes: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


class Earlier(Struct, frozen=True):
    """The digest of a secret that was rotated out and is still taken before a moment (Unix milliseconds)."""

    sha256: str
    until_ms: int


class Key(Struct, frozen=True, omit_defaults=True):
    """A key that may be presented.

    ``sha256`` is hexadecimal, of salt (``salt``, hexadecimal too) and key together; empty once it is revoked. ``feature`` is
    that of requests that name none; ``customer`` whom all its requests are for (empty: they say so themselves); ``owner`` is
    for people; ``policy`` names the data policy that holds for its requests. ``admin``: it opens the control API, and
    nothing else. ``id`` is empty in a key of the configuration. ``before`` are secrets that were rotated out.
    """

    name: str
    sha256: str
    feature: str | None = None
    customer: str = ""
    owner: str = ""
    policy: str = ""
    scope: Scope = Scope()
    expires_ms: int | None = None
    admin: bool = False
    id: str = ""
    salt: str = ""
    before: tuple[Earlier, ...] = ()
    made_ms: int = 0
    revoked_ms: int | None = None

    def ended(self, now_ms: int) -> bool:
        """Return whether it opens nothing any more."""
        return self.revoked_ms is not None or (self.expires_ms is not None and now_ms >= self.expires_ms)


def spelled(key_id: str, secret: str) -> str:
    """Return a key as its user gets it."""
    return f"{PREFIX}{key_id}-{secret}"


def id_in(presented: bytes) -> str:
    """Return the id that stands in a key that Pointsman made; empty for any other bytes."""
    if not presented.startswith(_PREFIX):
        return ""
    return presented[len(_PREFIX) :].partition(b"-")[0].decode("latin-1")


def digest_of(salt: str, presented: bytes) -> str:
    """Return the SHA-256 (FIPS 180-4) of a salt and a whole key, in hexadecimal."""
    return hashlib.sha256(bytes.fromhex(salt) + presented).hexdigest()
