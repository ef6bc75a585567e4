"""The money of one trial: never more than its cap, whatever happens in between.

Strategy: before each call the most that it can cost is taken out of the purse, and after it the difference to its true cost
is put back. When the most does not fit any more, it waits for calls under way to put theirs back; when none is under way,
the cap is reached. The sum lives in the store's counters, so that it outlives a restart. A change there waits for the disk,
so the purse fetches a hundredth of the cap at a time, and brings back what it holds when no call is under way.

Laws: what was spent and what is reserved never pass the cap together, as long as no call costs more than its worst case;
where one does (its provider did not heed the limit of output tokens) and the cap is passed, that ends the trial. A call
whose cost stays unknown (cut off, killed) has cost its worst case, and a killed process what it held; that a cap was
reached is remembered, and holds until a higher cap is set.
"""

import asyncio
from typing import Final

from msgspec import Struct

from pointsman.core.errors import PointsmanError
from pointsman.core.routing import Trial
from pointsman.store.interfaces import Counters

_PORTIONS: Final = 100


class CapReachedError(PointsmanError):
    """The next call might pass the cap: nothing more is called."""


class Account(Struct, frozen=True):
    """What a trial has spent of its cap, in nano-dollars; while calls are under way, with what the purse holds for them."""

    spent_nano: int
    cap_nano: int
    capped: bool


def account(counters: Counters, trial: Trial) -> Account:
    """Return how much of its cap a trial has spent."""
    return Account(counters.get(_spent(trial)), trial.cap_nano, counters.get(_capped(trial)) >= trial.cap_nano)


class Purse:
    """One trial's money within one process. All methods belong to one event loop."""

    def __init__(self, counters: Counters, trial: Trial) -> None:
        self._counters = counters
        self._trial = trial
        self._under_way = 0
        self._held = 0  # fetched from the store, and not promised to a call
        self._portion = max(1, trial.cap_nano // _PORTIONS)
        self._returned = asyncio.Event()

    @property
    def capped(self) -> bool:
        """Whether the cap was reached."""
        return account(self._counters, self._trial).capped

    async def reserve(self, most_nano: int) -> None:
        """Take out the most that a call can cost. Raises CapReachedError when that does not fit."""
        while self._covers(most_nano) or not self.capped:
            if self._covers(most_nano) or self._fetch(most_nano - self._held):
                self._held -= most_nano
                self._under_way += 1
                return
            if not self._under_way:
                self._remember_cap()
                self._returned.set()
                break
            self._returned.clear()
            await self._returned.wait()
        raise CapReachedError(f"the cap of ${self._trial.cap_nano / 1e9:.2f} is reached")

    def settle(self, reserved_nano: int, cost_nano: int) -> None:
        """Put back what a call did not cost. Never blocks, so that a cancelled call can settle as well."""
        self._under_way -= 1
        self._held += reserved_nano - cost_nano
        self._returned.set()  # first: should the store fail, those who wait must not wait for ever
        if not self._under_way or self._held > 2 * self._portion:
            held, self._held = self._held, 0
            self._counters.add(_spent(self._trial), -held)
        if cost_nano > reserved_nano and self._counters.get(_spent(self._trial)) - self._held > self._trial.cap_nano:
            self._remember_cap()

    def _remember_cap(self) -> None:
        known = self._counters.get(_capped(self._trial))
        self._counters.add(_capped(self._trial), max(0, self._trial.cap_nano - known))

    def _covers(self, most_nano: int) -> bool:
        return 0 < self._held >= most_nano  # who holds nothing asks the store, also for a call that is free

    def _fetch(self, least_nano: int) -> bool:
        """Fetch a portion, or at least what is needed; False when not even that fits under the cap."""
        for wanted in dict.fromkeys((max(least_nano, self._portion), least_nano)):
            if self._counters.add(_spent(self._trial), wanted, limit=self._trial.cap_nano) is not None:
                self._held += wanted
                return True
        return False


def _spent(trial: Trial) -> str:
    return f"trial:{trial.id}"


def _capped(trial: Trial) -> str:
    return f"trial:{trial.id}:capped"
