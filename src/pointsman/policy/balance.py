"""How the requests for one model are shared out among its deployments.

Strategy: deployments stand in tiers: capacity that is paid for whether it is used or not, then the others by price. A tier
takes of the requests what it has room for; the next one takes of what is left.

    room        e = allowance * min(1, quota / keep_free): the part of all requests that it may be given, in [0, 1]
    tier k      takes t_k = min(1, sum of its e) of what the tiers before it left: r_k = t_k * (1 - t_1) ... (1 - t_{k-1})
    within it   in proportion to e / (latency * (1 + calls under way))
    at last     what nobody has room for is shared as the rest is: the shares are divided by their sum

``quota`` is the part that is left of what the provider allows, ``allowance`` what its refusals have left of our trust.
Latency is what calls took lately; one that is not known counts as the shortest that is, so that it will be.

Laws: shares are not negative and add up to 1; who has no room gets nothing while anybody has; more room never means a
smaller share, more latency or more calls under way never a larger one; with room for everything in the first tier, no other
is asked; nothing depends on the unit of latency. A conversation stays where it is while there is room (its prompt is cached
there, and what is sealed there opens nowhere else).
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from pointsman.core.price import Price
from pointsman.core.routing import Pool
from pointsman.policy import cost

_ASKED: Final = 3000
_ANSWERED: Final = 1000
"""Tokens of the request by which prices are compared."""

_LEAST: Final = 1e-9
"""Less room than this is none: shares stay numbers that can be divided by."""


class Load(Struct, frozen=True):
    """What is known of one deployment now; the default says nothing. ``latency_ms`` is above 0, None where not known."""

    quota: float = 1.0
    allowance: float = 1.0
    latency_ms: float | None = None
    under_way: int = 0


_NOTHING_KNOWN: Final = Load()


def tiers(prices: Mapping[str, Price | None], committed: Iterable[str], within: float) -> tuple[tuple[str, ...], ...]:
    """Return deployments in tiers: the ``committed`` first, then by price.

    A tier holds all whose price is at most ``within`` (0.05: five percent) above its cheapest. What has no price comes last.
    """
    first = [name for name in prices if name in set(committed)]
    others = {name: _nominal(price) for name, price in prices.items() if name not in first}
    found: list[list[str]] = [first] if first else []
    limit = -1.0
    for name in sorted(others, key=others.__getitem__):  # a stable sort: equals keep the owner's order
        if others[name] > limit:
            found.append([])
            limit = others[name] * (1 + within)
        found[-1].append(name)
    return tuple(map(tuple, found))


def _nominal(price: Price | None) -> float:
    return float("inf") if price is None else cost.expected_one(_ASKED, _ANSWERED, price)


def shares(pool: Pool, able: Iterable[str], loads: Mapping[str, Load], holder: str = "") -> dict[str, float]:
    """Return the part of the requests that each of the pool's deployments gets which are ``able`` to serve them.

    ``holder`` is the deployment that the conversation is with. Empty where nothing of the pool is able.
    """
    left = set(able)
    standing = [[name for name in tier if name in left] for tier in pool.tiers]
    names = [name for tier in standing for name in tier]
    room = {name: _room(loads.get(name, _NOTHING_KNOWN), pool.keep_free) for name in names}
    if room.get(holder, 0.0) > 0.0:
        return {holder: 1.0}
    if not any(room.values()):
        room = dict.fromkeys(names, 1.0)
    pull = _pulls(names, room, loads)
    found: dict[str, float] = {}
    rest = 1.0
    for tier in standing:
        taken = rest * min(1.0, sum(room[name] for name in tier))
        together = sum(pull[name] for name in tier)
        if taken > 0.0:
            found.update((name, taken * pull[name] / together) for name in tier if pull[name] > 0.0)
        rest -= taken
    given = sum(found.values())
    return {name: share / given for name, share in found.items()}


def drawn(shares: dict[str, float], u: float) -> str:
    """Return the deployment at ``u`` in [0, 1) of the shares laid end to end; there is at least one."""
    for name, share in shares.items():
        u -= share
        if u < 0.0:
            return name
    return next(reversed(shares))  # rounding: their sum may be a hair short of 1


def _room(load: Load, keep_free: float) -> float:
    filled = 1.0 if load.quota >= keep_free else load.quota / keep_free
    room = min(filled if load.quota > 0.0 else 0.0, 1.0) * min(max(load.allowance, 0.0), 1.0)
    return room if room >= _LEAST else 0.0


def _pulls(names: Iterable[str], room: Mapping[str, float], loads: Mapping[str, Load]) -> dict[str, float]:
    """Return what shares within a tier are in proportion to; the fastest idle deployment with all its room has 1."""
    known = {name: loads.get(name, _NOTHING_KNOWN) for name in names}
    best = min([load.latency_ms for load in known.values() if load.latency_ms is not None], default=1.0)
    return {name: room[name] * (best / (load.latency_ms or best)) / (1 + load.under_way) for name, load in known.items()}
