"""Who may come in.

Strategy: a keyring holds the keys of the configuration and those of the store, ready to be looked up: by the id in clear of
a key that Pointsman made, by the SHA-256 of any other. It is looked through again when either changes, beside the requests;
its ``epoch`` then grows, and what connections remember of who was admitted counts no more.

Laws: where no key was ever made every program on this machine may come in, if the gateway listens on loopback only, but no
web page from elsewhere that happens to be open on it; a key that is not known costs the same steps as one that is; digests
are compared in constant time; a client's key never opens the control API, nor an administrator's the gateway; keys that
cannot be read let nobody in, and keys that were read stay when the store fails.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import time_ns
from typing import Final, Protocol
from urllib.parse import parse_qs

from pointsman.core.errors import GatewayError
from pointsman.core.keys import Key, Scope, digest_of, id_in
from pointsman.gateway.server.message import Head

_BEARER = b"bearer "
_LOCAL = re.compile(rb"[a-z][a-z0-9+.-]*://(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
"""Origins (RFC 6454) of pages that this machine itself serves."""

_OURS = re.compile(rb"(\[[0-9a-f:.]+\]|[0-9.]+|[a-z0-9_-]+|[a-z0-9_.-]+\.(localhost|local|internal))(:\d+)?", re.IGNORECASE)
"""Hosts that nobody elsewhere can make a name of: addresses, names without a dot, and names that are kept for private use
(RFC 6761, 6762; ICANN for ``internal``). Any other name may be one that its owner lets point here, so that his page passes
for one of ours (DNS rebinding)."""

_NOBODY: Final = Key("", "0" * 64, salt="00" * 16)
MAKE_ONE: Final = "pointsman key create NAME"


class HoldsKeys(Protocol):
    """The part of ``store.keys.Keys`` that is read."""

    def version(self) -> int:
        """Return a number that grows with every change. Raises StoreError."""

    def all(self) -> list[Key]:
        """Return every key. Raises StoreError."""


def _now_ms() -> int:
    return time_ns() // 1_000_000


@dataclass(frozen=True)
class _Ring:
    """Keys to be looked up; ``made`` says whether any was ever made. ``at_ms`` is when it was put together."""

    by_id: Mapping[str, Key] = field(default_factory=dict)
    by_digest: Mapping[str, Key] = field(default_factory=dict)
    made: bool = False
    next_end_ms: int | None = None
    at_ms: int = 0


class Keyring:
    """The keys of one listener. ``admin``: it is that of the control API, which nobody enters without a key.

    ``store`` is None where no store is looked at. ``exposed``: other machines can reach the listener, so that without a key
    nobody may come in.
    """

    def __init__(
        self,
        store: HoldsKeys | None = None,
        *,
        admin: bool = False,
        exposed: bool = False,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self.epoch = 0
        self.exposed = exposed
        self._store = store
        self._admin = admin
        self._now_ms = now_ms
        self._configured: tuple[Key, ...] = ()
        self._kept: tuple[Key, ...] | None = None if store is not None else ()
        self._version = -1
        self._ring = _Ring()

    def configure(self, keys: Iterable[Key]) -> None:
        """Take the keys of the configuration."""
        found = tuple(keys)
        if found != self._configured:
            self._configured = found
            self._prepare()

    def refresh(self) -> None:
        """Let go of what has ended, whatever the store says, and take up what changed in it. Raises StoreError."""
        now, ring = self._now_ms(), self._ring
        if now < ring.at_ms or (ring.next_end_ms is not None and now >= ring.next_end_ms):  # or the clock was set back
            self._prepare()
        if self._store is not None:
            version = self._store.version()
            if version != self._version:
                self._kept = tuple(self._store.all())
                self._version = version
                self._prepare()

    def admit(self, head: Head, address: str = "") -> Key | None:
        """Return the key of who asks from an IP address, None where none is asked for.

        Raises GatewayError: 401; 403 for a foreign web page, or a key that is not for this; 503 while keys cannot be read.
        The key is where the client's own dialect puts it: ``authorization`` (OpenAI), ``x-api-key`` (Anthropic),
        ``x-goog-api-key`` or ``?key=`` (Gemini).
        """
        if self._kept is None:
            raise GatewayError(503, "not_ready", "the keys cannot be read yet, so nobody may come in", retry_after=1.0)
        ring = self._ring
        if not ring.made and not self._admin:
            self._refuse_strangers(head)
            return None
        presented = _presented(head)
        if presented is None:
            raise GatewayError(401, "missing_api_key", "send the key of this gateway as `Authorization: Bearer KEY`")
        key = _found(ring, presented)
        # The same steps for one that is not known. What the look-up shows is of an id that is public, and of a hash.
        if not opens(key, presented, self._now_ms()):
            words = "this key is not known to this gateway, or no longer: see `pointsman key list`"
            raise GatewayError(401, "invalid_api_key", words)
        if key.ended(self._now_ms()):
            raise GatewayError(401, "invalid_api_key", f"the key {key.name} has ended: ask for a new one")
        self._fit(key, address)
        return key

    def _refuse_strangers(self, head: Head) -> None:
        if self.exposed:
            words = f"this gateway can be reached from other machines and has no key yet; its owner makes one: {MAKE_ONE}"
            raise GatewayError(401, "missing_api_key", words)
        origin = head.headers.get(b"origin")
        if origin is not None and not _LOCAL.fullmatch(origin):
            words = f"a web page may call this gateway only with a key; its owner makes one: {MAKE_ONE}"
            raise GatewayError(403, "foreign_origin", words)
        host = head.headers.get(b"host")
        if host is not None and not _OURS.fullmatch(host):
            words = f"without a key this gateway answers to addresses and local names only; its owner makes one: {MAKE_ONE}"
            raise GatewayError(403, "foreign_host", words)

    def _fit(self, key: Key, address: str) -> None:
        if key.admin is not self._admin:
            opens = "the control API and not the gateway" if key.admin else "the gateway and not the control API"
            raise GatewayError(403, "wrong_key", f"the key {key.name} opens {opens}")
        if not reaches(key.scope, address):
            raise GatewayError(403, "key_scope", f"the key {key.name} may not be used from this network")

    def _prepare(self) -> None:
        kept, now = self._kept or (), self._now_ms()
        live = [key for key in kept if key.revoked_ms is None]
        ends = [key.expires_ms for key in live if key.expires_ms is not None]
        ends += [one.until_ms for key in live for one in key.before]
        self._ring = _Ring(
            {key.id: key for key in live},
            {key.sha256.lower(): key for key in self._configured},
            made=bool(self._configured) or any(not key.admin for key in kept),
            next_end_ms=min((end for end in ends if end > now), default=None),
            at_ms=now,
        )
        self.epoch += 1  # last: who was admitted before it grew is asked for the key again


def opens(key: Key, presented: bytes, now_ms: int) -> bool:
    """Return whether what was presented is a key, in a time that does not depend on it."""
    digest = digest_of(key.salt, presented).encode()
    found = hmac.compare_digest(key.sha256.lower().encode(), digest)
    for one in key.before:
        found |= hmac.compare_digest(one.sha256.encode(), digest) and now_ms < one.until_ms
    return found


def reaches(scope: Scope, address: str) -> bool:
    """Return whether somebody at an IP address may use a key of this scope; what is no address is nowhere."""
    if not scope.networks:
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:  # RFC 4291, section 2.5.5.2
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(block) for block in scope.networks)


def _found(ring: _Ring, presented: bytes) -> Key:
    declared = ring.by_digest.get(hashlib.sha256(presented).hexdigest(), _NOBODY)
    return ring.by_id.get(id_in(presented), declared)


def _presented(head: Head) -> bytes | None:
    headers = head.headers
    bearer = headers.get(b"authorization", b"")
    if bearer[: len(_BEARER)].lower() == _BEARER:
        return bearer[len(_BEARER) :].strip()
    for name in (b"x-api-key", b"x-goog-api-key"):
        if name in headers:
            return headers[name].strip()
    return parse_qs(head.query).get("key", [""])[0].encode() if "key=" in head.query else None
