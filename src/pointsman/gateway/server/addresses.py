"""What each client address holds of a server: none may hold all of its connections, or all of the room for bodies.

Laws: the address is that of the socket's other end (a header is anybody's word); who was refused holds nothing, else
refusals would fill the places that they keep free; an address may always send one body of the longest.

Loopback is an address like any other. A proxy on this machine, or one application server, through which everybody comes, is
one address: by default it may hold half of all connections, twice as many as requests are served at once (``concurrent``).
So what it is refused could not have been served, and another account's program here is bounded like a stranger.
"""

import ipaddress
from typing import Final

from pointsman.core.errors import GatewayError
from pointsman.core.snapshot import Limits
from pointsman.gateway.server.reader import Room

KEPT_FREE: Final = 4
"""One in so many bytes of the room for bodies is for other addresses than the one that holds the most."""

_PREFIX: Final = 64


class Address:
    """One that is connected: ``name`` as ``whose`` gives it, its ``connections``, and its ``room`` for bodies."""

    __slots__ = ("connections", "name", "room")

    def __init__(self, name: str, room: Room) -> None:
        self.name = name
        self.connections = 0
        self.room = room


class Addresses:
    """Who holds what now: at most ``connections`` in all, and bodies within ``room``."""

    def __init__(self, connections: int, room: Room) -> None:
        self._most = connections
        self._room = room
        self._share = room.left - room.left // KEPT_FREE
        self._held = 0
        self._found: dict[str, Address] = {}

    def join(self, peer: str, limits: Limits) -> Address:
        """Count one more connection of an address. Raises GatewayError 503 where all are taken, or all that it may have."""
        if self._held >= self._most:
            raise _too_many("too many connections are open")
        name = whose(peer)
        found = self._found.get(name)
        if found is None:
            room = Room(max(self._share, limits.body_bytes), self._room)
            found = self._found[name] = Address(name, room)
        elif found.connections >= limits.connections_per_address:
            words = f"too many connections are open from this address: {found.connections:,}"
            raise _too_many(f"{words}, and limits.connections_per_address allows no more")
        found.connections += 1
        self._held += 1
        return found

    def leave(self, address: Address) -> None:
        """Count one less. Who has none left is forgotten."""
        self._held -= 1
        address.connections -= 1
        if not address.connections:
            del self._found[address.name]


def whose(peer: str) -> str:
    """Return what counts as one address: of IPv6 the first 64 bits, for one machine has all that begin with them (RFC 4291,
    section 2.5.4); an IPv4 address that is written as IPv6 is itself; what is no address stays as it is.
    """
    if ":" not in peer:
        return peer
    try:
        found = ipaddress.IPv6Address(peer)
    except ValueError:
        return peer
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(found) >> _PREFIX << _PREFIX)}/{_PREFIX}"


def _too_many(words: str) -> GatewayError:
    return GatewayError(503, "overloaded", words, retry_after=1.0)
