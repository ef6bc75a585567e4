"""The money of one trial: never more than its cap, whatever happens in between.

Strategy: before each call the most that it can cost is taken out of the purse, and after it the difference to its true cost
is put back. When the most does not fit any more, it waits for calls under way to put theirs back; when none is under way,
the cap is reached. The sum lives in the store's counters, so that it outlives a restart.

Laws: what was spent and what is reserved never pass the cap together; a call whose cost stays unknown (cut off,
killed) has cost its worst case; that a cap was reached is remembered, and holds until a higher cap is set.
"""

import asyncio

from msgspec import Struct

from pointsman.core.errors import PointsmanError
from pointsman.core.routing import Trial
from pointsman.store.interfaces import Counters


class CapReachedError(PointsmanError):
    """The next call might pass the trial's cap: nothing more is called."""


class Account(Struct, frozen=True):
    """What a trial has spent (reservations of calls under way included) of its cap, in nano-dollars."""

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
        self._returned = asyncio.Event()

    @property
    def capped(self) -> bool:
        """Whether the cap was reached."""
        return account(self._counters, self._trial).capped

    async def reserve(self, most_nano: int) -> None:
        """Take out the most that a call can cost. Raises CapReachedError when that does not fit."""
        while not self.capped:
            if self._counters.add(_spent(self._trial), most_nano, limit=self._trial.cap_nano) is not None:
                self._under_way += 1
                return
            if not self._under_way:
                known = self._counters.get(_capped(self._trial))
                self._counters.add(_capped(self._trial), self._trial.cap_nano - known)
                self._returned.set()
                break
            self._returned.clear()
            await self._returned.wait()
        raise CapReachedError(f"the trial's cap of ${self._trial.cap_nano / 1e9:.2f} is reached")

    def settle(self, reserved_nano: int, cost_nano: int) -> None:
        """Put back what a call did not cost. Never blocks, so that a cancelled call can settle as well."""
        self._under_way -= 1
        self._returned.set()  # first: should the store fail, those who wait must not wait for ever
        self._counters.add(_spent(self._trial), cost_nano - reserved_nano)


def _spent(trial: Trial) -> str:
    return f"trial:{trial.id}"


def _capped(trial: Trial) -> str:
    return f"trial:{trial.id}:capped"
