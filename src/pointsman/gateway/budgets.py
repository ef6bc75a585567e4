"""The leases of one worker: what its requests may use of budgets, taken from the store beside the requests.

    reserve   the most that a call may use, out of leases in memory; written into the tally before the call is made
    settle    what it did not use goes back into the lease
    renew     beside the requests, in a thread: told what is used, more taken, what others need given back

Strategy: a lease is renewed before it is used up, by as much as was used of it lately. A request waits only where its
worker's lease does not hold it: the first of a scope's value in a window, and where a load grows faster than leases do. It
waits for one transaction of the store, at most ``WAIT_S``. Where the account is used up but for what other workers hold,
it waits up to ``PATIENCE_S`` for them to give back what they do not use; they look every ``LOOK_S``.

Laws: an event loop never waits for the store; nothing is used that was not leased before; what is used stands in the tally
before it is used, so that a killed worker's leases can be settled (``store/tally``); once an account is known to be used
up, requests that do not fit are refused without asking the store, for ``DRY_S``.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from pointsman.core import budget as budgets
from pointsman.core.budget import Account, Budget
from pointsman.core.errors import StoreError
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.values import CHOSEN, Values
from pointsman.store.leases import Ask, Holder, Lease, Leases

LOOK_S: Final = 0.25
WAIT_S: Final = 2.0
PATIENCE_S: Final = 0.6
DRY_S: Final = 1.0
REST_S: Final = 2.0
"""After it gave back what somebody else needed, a worker takes nothing ahead of need for so long."""

IDLE_MS: Final = 30_000
AHEAD_MS: Final = 2_000
"""So long before a window ends, leases for the next one are taken."""

RECONCILE_S: Final = 2.0
PORTIONS: Final = 64
_RETRY_S: Final = 0.05
_CALLS: Final = 4
"""A lease holds at least so many calls as large as the last one, where there is as much."""

_CHOSEN: Final = tuple(f"{scope}=" for scope in CHOSEN)
"""Accounts whose values clients may make up leave a quarter of the places to all others."""

_NOWHERE: Final = -1
_ANYBODY: Final = 1 << 62


class BudgetsState(Struct, frozen=True):
    """Counts since the start: leases held now, requests that waited for one, and that were refused. ``problem``: the
    store's last complaint, empty once it gave leases again.
    """

    leases: int
    waited: int
    refused: int
    problem: str


class Held:
    """One lease in memory: ``granted`` in all, ``open`` reservations not settled yet, at a ``place`` of the tally."""

    __slots__ = (
        "account", "all_used", "asked", "dry_from", "dry_until", "granted", "limit", "need", "number", "open", "place",
        "rest_until", "short_since", "told", "touched_ms", "waiting",
    )  # fmt: skip

    def __init__(self, account: Account, limit: int) -> None:
        self.account = account
        self.limit = limit
        self.number = self.granted = self.told = self.all_used = self.open = 0
        self.need = self.asked = 0  # of the last call, and the least that the store was asked to hold
        self.place = _NOWHERE
        self.dry_from, self.dry_until, self.rest_until = 0, 0.0, 0.0
        self.short_since: float | None = None
        self.touched_ms = 0
        self.waiting: list[tuple[int, asyncio.Future[bool]]] = []


logger = logging.getLogger("pointsman.budgets")

_Key = tuple[str, str, str, int, int]
Want = tuple[Held, int]
"""A lease, and the units that a call may use of it."""


class Budgets:
    """The leases of one worker. Everything belongs to its event loop. ``clock`` gives monotonic seconds."""

    def __init__(self, leases: Leases | None, clock: Callable[[], float], now_ms: Callable[[], int]) -> None:
        self._leases = leases
        self._clock = clock
        self._now_ms = now_ms
        self.values = Values()
        self._holder: Holder | None = None
        self._used = memoryview(bytearray(8)).cast("q")
        self._held: dict[_Key, Held] = {}
        self._places: list[int] = []
        self._ending: dict[Held, None] = {}
        self._pressing: dict[Held, None] = {}
        self._bounds: dict[str, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._waited = self._refused = 0
        self._problem = self._logged = ""

    # What requests call.

    def held(self, budget: Budget, value: str, now_ms: int) -> Held:
        """Return the lease of a budget for a value of its scope, now; one that is not there yet has nothing."""
        began, ends = self._bounds.get(budget.window, (0, 0))
        if not began <= now_ms < ends:
            began, ends = self._bounds[budget.window] = budgets.bounds(budget.window, now_ms)
        key = (budget.name, budget.unit, f"{budget.per}={value}", began, ends)
        found = self._held.get(key)
        if found is None:
            found = self._held[key] = Held(budgets.account(budget, value, now_ms), budget.limit)
        found.limit, found.touched_ms = budget.limit, now_ms
        return found

    def take(self, wants: Sequence[Want]) -> Want | None:
        """Reserve all that a call may use, or nothing: then the first lease that does not hold it is returned."""
        used = self._used
        for held, need in wants:
            if need > held.granted - used[held.place]:
                return held, need
        for held, need in wants:
            used[held.place] += need
            held.open += 1
            held.need = need
            low = max(held.limit // (2 * PORTIONS), need)
            if held.granted - used[held.place] < low and held not in self._pressing:
                self._renew_ahead(held)
        return None

    def settle(self, held: Held, reserved: int, used: int) -> None:
        """Say what a call used of what it had reserved."""
        self._used[held.place] += used - reserved
        held.open -= 1

    async def room(self, short: Want) -> bool | None:
        """Wait until a lease may hold a call: True: try again; False: the account does not; None: the store does not say."""
        held, need = short
        if self.is_dry(held, need):
            self._refused += 1
            return False
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        held.waiting.append((need, future))
        self._waited += 1
        self._press(held)
        try:
            async with asyncio.timeout(WAIT_S):
                found = await future
        except TimeoutError:
            return None
        if found:
            return True
        dry = self.is_dry(held, need)
        self._refused += dry
        return False if dry else None

    def is_dry(self, held: Held, need: int) -> bool:
        """Say whether a call that may use so much is known not to fit into what is left of an account."""
        if need > held.limit:
            return True
        return 0 < held.dry_from <= need and self._clock() < held.dry_until

    def left(self, held: Held, need: int = 0) -> int:
        """Return what is not used of an account by anybody, as far as is known here; less than ``need`` where that is known
        not to fit.
        """
        left = max(held.limit - held.all_used - self._used[held.place] + held.told, 0)
        return min(left, need - 1) if need and self.is_dry(held, need) else left

    @property
    def state(self) -> BudgetsState:
        """The counters, for people and probes."""
        return BudgetsState(len(self._held), self._waited, self._refused, self._problem)

    # Beside the requests.

    async def follow(self, current: Callable[[], Snapshot | None]) -> None:
        """Renew leases until cancelled; then give everything back."""
        looked = reconciled = float("-inf")
        try:
            while True:
                snapshot, now = current(), self._clock()
                if snapshot is not None and (snapshot.budgets or self._held):
                    if now - reconciled >= RECONCILE_S:
                        reconciled = now
                        await self._reconcile()
                    full = now - looked >= LOOK_S
                    looked = now if full else looked
                    await self._round(snapshot, full=full)
                timer = asyncio.get_running_loop().call_later(LOOK_S, self._wake.set)
                await self._wake.wait()  # no time-out: compiled, each would be kept as the context of the next
                timer.cancel()
                self._wake.clear()
        finally:
            await self._end()

    async def _reconcile(self) -> None:
        try:
            if self._leases is not None:
                await asyncio.to_thread(self._leases.reconcile, self._now_ms())
        except Exception as error:  # noqa: BLE001 - as below
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Remember what went wrong, and say it once."""
        self._problem = str(error)
        if self._problem != self._logged:
            self._logged = self._problem
            logger.warning("leases of budgets cannot be renewed: %s", error)

    async def _end(self) -> None:
        holder, self._holder = self._holder, None
        self._used = memoryview(bytearray(8 * (len(self._used) or 1))).cast("q")
        self._held.clear()
        if holder is not None:
            with contextlib.suppress(StoreError):
                await asyncio.to_thread(holder.close)

    async def _round(self, snapshot: Snapshot, *, full: bool) -> None:
        """Renew the leases that requests wait for; in a ``full`` round all others that need it, too."""
        pressing = list(self._pressing)
        self._pressing.clear()
        try:
            holder = await self._hold()
            back: set[int] = set()
            if full:
                self._expect(snapshot)
                back = set(await asyncio.to_thread(holder.wanted_back, self._now_ms() - int(REST_S * 1000)))
            wanted = [*self._held.values(), *self._ending] if full else pressing
            before = [(held, held.granted) for held in wanted]
            asked = list(self._asks(wanted, back))
            if asked:
                try:
                    found = await asyncio.to_thread(holder.renew, [ask for _, ask in asked], self._now_ms())
                except StoreError:  # nothing was changed: what was leased before is there still
                    for held, granted in before:
                        held.granted = granted
                    raise
                for (held, ask), lease in zip(asked, found, strict=True):
                    self._took(held, ask, lease)
            self._problem = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, requests hear of it, and trying goes on
            self._failed(error)
            for held in self._held.values():
                _answer(held, 0)

    async def _hold(self) -> Holder:
        if self._holder is None:
            if self._leases is None:
                raise StoreError("this process has no store to take leases from")
            holder = await asyncio.to_thread(self._leases.hold)
            self._holder, self._used = holder, holder.tally.used
            self._places = list(range(len(self._used) - 1))  # the last place stays empty: see ``_NOWHERE``
        return self._holder

    def _expect(self, snapshot: Snapshot) -> None:
        """Begin the leases whose values are known before anybody asks, and those of the next window."""
        now_ms = self._now_ms()
        for budget, value in _known(snapshot):
            self.held(budget, value, now_ms)
        by_name = {(one.name, one.unit): one for one in snapshot.budgets}
        for held in list(self._held.values()):
            account = held.account
            known = by_name.get((account.budget, account.unit))
            soon = account.began_ms <= now_ms < account.ends_ms <= now_ms + AHEAD_MS
            if soon and known is not None and now_ms - held.touched_ms < IDLE_MS:
                following = budgets.account(known, account.scope.partition("=")[2], account.ends_ms)
                self._held.setdefault(_key(following), Held(following, known.limit)).touched_ms = now_ms

    def _asks(self, wanted: Sequence[Held], back: set[int]) -> Iterator[tuple[Held, Ask]]:
        now, now_ms = self._clock(), self._now_ms()
        for held in wanted:
            if held not in self._ending and self._held.get(_key(held.account)) is not held:
                continue  # it ended meanwhile
            held.waiting = [(need, future) for need, future in held.waiting if not future.done()]
            if held not in self._ending and self._is_over(held, now_ms):
                del self._held[_key(held.account)]
                if held.place == _NOWHERE:
                    continue
                self._ending[held] = None
            if held.place == _NOWHERE and not self._placed(held):
                _answer(held, 0)
                continue
            ask = self._ask(held, now, now_ms, given_back=held.number in back)
            if ask is not None:
                yield held, ask

    def _placed(self, held: Held) -> bool:
        if len(self._places) <= (len(self._used) // 4 if held.account.scope.startswith(_CHOSEN) else 0):
            self._problem = f"this worker holds {len(self._used) - 1 - len(self._places)} leases already"
            return False
        held.place = self._places.pop()
        return True

    @staticmethod
    def _is_over(held: Held, now_ms: int) -> bool:
        """Say whether a lease may end: its window did, or nobody needs it, and every call is settled."""
        unneeded = held.account.ends_ms <= now_ms or now_ms - held.touched_ms > IDLE_MS
        return unneeded and not held.open and not held.waiting

    def _ask(self, held: Held, now: float, now_ms: int, *, given_back: bool) -> Ask | None:
        """Return what is to be said of a lease, None where there is nothing."""
        used = self._used[held.place]
        account, limit, free = held.account, held.limit, max(held.granted - used, 0)
        if held in self._ending:
            return Ask(account, limit, held.number, used, end=True)
        portion = min(max(limit // PORTIONS, used - held.told, _CALLS * held.need), limit)
        if held.waiting:
            needs = [need for need, _ in held.waiting]
            held.granted = min(used, held.granted)  # nothing is reserved of it until the store has answered
            held.asked = min(needs)
            least, wanted = max(held.asked - free, 1), sum(needs) + max(portion, _CALLS * held.asked)
            return Ask(account, limit, held.number, used, least, wanted, keep=held.granted)
        if given_back and free:
            held.granted, held.rest_until = used, now + REST_S
            return Ask(account, limit, held.number, used, keep=used)
        if free < portion and now >= held.rest_until and account.ends_ms > now_ms:
            return Ask(account, limit, held.number, used, wanted=portion)
        return Ask(account, limit, held.number, used) if used != held.told else None

    def _took(self, held: Held, ask: Ask, lease: Lease) -> None:
        """Take up what the store answered."""
        if self._holder is None:
            return
        tally, now = self._holder.tally, self._clock()
        tally.leases[held.place] = lease.number
        if ask.end:
            tally.used[held.place] = 0
            self._places.append(held.place)
            del self._ending[held]
            return
        held.number, held.granted, held.told, held.all_used = lease.number, lease.granted, ask.used, lease.used
        if not lease.short:
            held.short_since, held.dry_from = None, 0
            if ask.wanted and lease.granted - ask.used < ask.wanted // budgets.SHARE:
                held.rest_until = now + DRY_S  # next to nothing is left: no need to ask for it all the time
            _answer(held, _ANYBODY)
            return
        held.rest_until = now + REST_S
        held.short_since = now if held.short_since is None else held.short_since
        if lease.idle and now - held.short_since < PATIENCE_S:
            asyncio.get_running_loop().call_later(_RETRY_S, self._press, held)
            return
        held.short_since = None
        held.dry_from, held.dry_until = held.asked, now + DRY_S
        _answer(held, held.asked)

    def _renew_ahead(self, held: Held) -> None:
        if self._clock() >= held.rest_until:
            self._press(held)

    def _press(self, held: Held) -> None:
        """Renew a lease as soon as may be."""
        self._pressing[held] = None
        self._wake.set()


def _answer(held: Held, below: int) -> None:
    """Let those go on who wait for a lease: who needs less than ``below`` may try again, the others may not."""
    waiting, held.waiting = held.waiting, []
    for need, future in waiting:
        if not future.done():
            future.set_result(need < below)


def _key(account: Account) -> _Key:
    return account.budget, account.unit, account.scope, account.began_ms, account.ends_ms


def _known(snapshot: Snapshot) -> Iterator[tuple[Budget, str]]:
    """Yield the budgets with each value of their scope that is known before a request names it."""
    for one in snapshot.budgets:
        if one.per == "all" or one.of:
            yield one, one.of
        elif one.per == "key":
            yield from ((one, key.name) for key in snapshot.keys)
        elif one.per == "route":
            yield from ((one, name) for name in snapshot.routes)
