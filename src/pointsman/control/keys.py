"""Acts on keys: made, given a new secret, revoked. Each is a new value; whoever calls writes it down.

Law: a secret is returned once and stands in no value, error or log; what is kept is its salted digest.
"""

import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from pointsman.core.errors import StoreError
from pointsman.core.keys import Earlier, Key, Scope, digest_of, spelled

ID_BYTES: Final = 5
SECRET_BYTES: Final = 32
SALT_BYTES: Final = 16
_SHOWN: Final = 8


def made(wanted: Key, *, now_ms: int) -> tuple[Key, str]:
    """Return a key with the bounds of ``wanted``, an id and a digest of its own, and the whole key for its user."""
    key_id, salt = secrets.token_hex(ID_BYTES), secrets.token_hex(SALT_BYTES)
    whole = spelled(key_id, secrets.token_hex(SECRET_BYTES))
    return replace(wanted, id=key_id, salt=salt, sha256=digest_of(salt, whole.encode()), made_ms=now_ms), whole


def new_secret(key: Key) -> tuple[str, str]:
    """Return another whole key of the same id for its user, and its digest."""
    whole = spelled(key.id, secrets.token_hex(SECRET_BYTES))
    return whole, digest_of(key.salt, whole.encode())


def rotated(key: Key, sha256: str, *, now_ms: int, overlap_ms: int) -> Key:
    """Return the key with another digest; the one before is taken for ``overlap_ms`` more. Raises StoreError if revoked."""
    if key.revoked_ms is not None:
        raise StoreError(f"the key {key.id} ({key.name}) was revoked: make another with `pointsman key create`")
    still = tuple(one for one in key.before if one.until_ms > now_ms)
    last = (Earlier(key.sha256, now_ms + overlap_ms),) if overlap_ms > 0 else ()
    return replace(key, sha256=sha256, before=(*still, *last))


def revoked(key: Key, *, now_ms: int) -> Key:
    """Return the key with nothing left that could open anything; a key that was revoked before stays as it was."""
    return key if key.revoked_ms is not None else replace(key, sha256="", before=(), revoked_ms=now_ms)


def find(keys: Sequence[Key], named: str) -> Key:
    """Return the key whose id begins so, or whose name it is (one that is not revoked first).

    Raises StoreError, which says what there is.
    """
    whole = named.removeprefix("pm-")
    exact = [key for key in keys if key.name == named]
    living = [key for key in exact if key.revoked_ms is None]
    found = living or [key for key in keys if whole and key.id.startswith(whole)] or exact
    if len(found) == 1:
        return found[0]
    if found:
        raise StoreError(f"{named!r} may be {_listed(found)}: write more of the id")
    raise StoreError(f"there is no key {_shown(named)}: there are {_listed(keys)}")


def unknown(scope: Scope, routes: Iterable[str], providers: Iterable[str]) -> str:
    """Return what of a scope names nothing here, in one sentence; empty where all does."""
    routes, providers = list(routes), list(providers)
    for route in scope.routes:
        if route not in routes:
            return f"there is no route {route!r}: there are {', '.join(routes) or 'none'}"
    for name in scope.deployments:
        provider, slash, model = name.partition("/")
        if provider not in providers or not (slash and model):
            known = ", ".join(providers) or "none"
            return f"{name!r} is no deployment here: write PROVIDER/MODEL or PROVIDER/*, of the providers {known}"
    return ""


def _listed(keys: Sequence[Key]) -> str:
    names = [f"{key.id} ({key.name})" for key in keys[:_SHOWN]]
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return (", ".join(names) or "none yet; make one with `pointsman key create NAME`") + more


def _shown(named: str) -> str:
    """Return what was asked for, cut short where it may be a whole key."""
    return repr(named if len(named) <= 2 * ID_BYTES + 3 else f"{named[: 2 * ID_BYTES]}...")
