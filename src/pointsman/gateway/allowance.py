"""What may be spent today on trying others, in this worker: leases on the owner's daily sum, shared through the store.

Strategy: a day's money of a purse (``Plan.explore``) is one counter in the store, and what workers lease from it never
passes the owner's sum. A worker keeps a small lease in memory, renewed beside the requests; a request that tries somebody
takes the dearest that it may become out of the lease at once, and gives back what it did not cost when it is over.

Laws: a decision reads a number and waits for nobody. *All* that is paid to who was tried counts, not only what it costs more
than the choice would have: that is the stricter of the two, and the one that a bill shows. A call whose cost nobody told has
cost its dearest. What a worker held when its process or the day (UTC) ended is not spent again. So the sum is passed only
where a call becomes dearer than the dearest that was thought possible (``policy/explore.dearest``), by that difference.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from pointsman.core.errors import StoreError
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import Decision, Explore, Needs, Plan
from pointsman.core.snapshot import Snapshot
from pointsman.policy import explore
from pointsman.store.interfaces import Counters

LOOK_S: Final = 0.5
LEASES: Final = 16  # of a day's sum, each
_DAY_MS: Final = 86_400_000
_REFUSED: Final = 400  # a status from here on: refused, and not billed
_USUAL: Final = Needs(input_tokens=2_000)


class _Promised(Struct, frozen=True):
    """What one request may become at its dearest, out of which purse, on which day."""

    purse: str
    day: int
    nano: int


class Lease(Struct, frozen=True):
    """Whose money is leased, and how much of it at a time: enough for the dearest that a usual request may become."""

    allowed: Explore
    portion: int


def counter(purse: str, day: int) -> str:
    """Return the name of the counter of what was leased from a purse on a day, in days since 1970 (UTC)."""
    return f"explore:{purse}:{dt.date(1970, 1, 1) + dt.timedelta(days=day)}"


class Allowance:
    """The leases of one worker. Everything but ``lease`` belongs to its event loop."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._day = -1
        self._promised: dict[str, _Promised] = {}

    def left(self, plan: Plan, now_ms: int) -> int:
        """Return what may be spent now on trying somebody under a plan, in nano-dollars."""
        if plan.explore is None or now_ms // _DAY_MS != self._day:
            return 0
        return max(self._held.get(plan.explore.purse, 0), 0)

    def promise(self, exchange: str, decision: Decision, plan: Plan, snapshot: Snapshot, needs: Needs) -> None:
        """Take the dearest that a request may become out of the lease, where it tries somebody."""
        if decision.arm != "explore" or plan.explore is None:
            return
        most = explore.dearest(snapshot.deployments[decision.chosen], needs) or 0
        purse = plan.explore.purse
        self._held[purse] = self._held.get(purse, 0) - most
        self._promised[exchange] = _Promised(purse, self._day, most)

    def settle(self, record: ExchangeRecord) -> None:
        """Give back what a request did not cost."""
        promised = self._promised.pop(record.id, None)
        if promised is None or promised.day != self._day:
            return
        chosen = record.decision.chosen if record.decision is not None else None  # None: it ended before its decision stood
        tried = [attempt for attempt in record.attempts if attempt.deployment == chosen and attempt.basis != "unsent"]
        unknown = any(one.cost_nano is None and one.status < _REFUSED for one in tried)
        cost = sum(one.cost_nano or 0 for one in tried)
        self._held[promised.purse] += promised.nano - (max(promised.nano, cost) if unknown else cost)

    def wanted(self, snapshot: Snapshot, now_ms: int) -> tuple[Lease, ...]:
        """Return the leases that should be renewed; a new day begins with none."""
        if now_ms // _DAY_MS != self._day:
            self._day, self._held = now_ms // _DAY_MS, {}
        return tuple(one for one in leases(snapshot) if self._held.get(one.allowed.purse, 0) < one.portion)

    def add(self, purse: str, day: int, nano: int) -> None:
        """Take up a lease that was got for a day; one that comes too late is not spent."""
        if day == self._day:
            self._held[purse] = self._held.get(purse, 0) + nano

    async def follow(self, counters: Counters, current: Callable[[], Snapshot | None], now_ms: Callable[[], int]) -> None:
        """Renew leases until cancelled. The store is asked in a thread; where it fails, nobody is tried."""
        while True:
            snapshot = current()
            for one in self.wanted(snapshot, now_ms()) if snapshot is not None else ():
                day = self._day
                with contextlib.suppress(StoreError):
                    self.add(one.allowed.purse, day, await asyncio.to_thread(leased, counters, one, day))
            await asyncio.sleep(LOOK_S)


def leased(counters: Counters, lease: Lease, day: int) -> int:
    """Return what was leased of a day's sum: a portion, or what is left of it. Raises StoreError."""
    name, most = counter(lease.allowed.purse, day), lease.allowed.day_nano
    if counters.add(name, lease.portion, limit=most) is not None:
        return lease.portion
    rest = most - counters.get(name)
    return rest if rest > 0 and counters.add(name, rest, limit=most) is not None else 0


def leases(snapshot: Snapshot) -> tuple[Lease, ...]:
    """Return what a worker leases under a snapshot, one for each purse of which somebody may be tried."""
    found: dict[str, Lease] = {}
    for plan in (plan for route in snapshot.routes.values() for plan in route.plans.values()):
        if plan.explore is not None and plan.explorable:
            known = [snapshot.deployments[name] for name in plan.explorable if name in snapshot.deployments]
            dearest = max((explore.dearest(one, _USUAL) or 0 for one in known), default=0)
            before = found.get(plan.explore.purse, Lease(plan.explore, plan.explore.day_nano // LEASES + 1))
            portion = min(max(before.portion, dearest), plan.explore.day_nano)
            found[plan.explore.purse] = Lease(plan.explore, portion)
    return tuple(found.values())
