"""A token that expires: kept, and fetched again in time.

Strategy: while a token is good it is returned at once. Some minutes before its end, whoever asks starts one fetch in a task
of its own and gets the old one still. Only who finds none that is good waits, all for the same fetch.

Laws: one fetch at a time; a request that is cancelled cancels no fetch that others wait for; a fetch that fails while the
token is good is tried again after ``PAUSE_S``, and harms nobody; after the end its error is everyone's who asked.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

EARLY_S: Final = 300.0
"""Seconds before its end from which a token is fetched anew (no more than half its life)."""

LAST_S: Final = 15.0
"""Seconds before its end from which a token is not used: the clocks of others differ, and requests travel."""

PAUSE_S: Final = 30.0


class Expiring(Protocol):
    """What can be kept. ``expires_at`` is Unix seconds, None where it has no end."""

    @property
    def expires_at(self) -> float | None:
        """When it ends."""


T = TypeVar("T", bound=Expiring)


class Kept(Generic[T]):
    """The newest of what ``fetch`` returns. ``now`` is Unix seconds. Lives in one event loop at a time."""

    __slots__ = ("_due", "_fetch", "_fetched", "_now", "_task", "_value")

    def __init__(self, fetch: Callable[[], Awaitable[T]], now: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._now = now
        self._value: T | None = None
        self._due = self._fetched = 0.0
        self._task: asyncio.Task[T] | None = None

    def __repr__(self) -> str:
        return f"Kept(until {self._value.expires_at if self._value is not None else None})"

    def good(self) -> T | None:
        """Return what is good for longer, None where it is time for ``get``."""
        value = self._value
        if value is None or value.expires_at is None:
            return value
        now = self._now()
        return value if now < self._due and now < value.expires_at - LAST_S else None

    def doubt(self) -> None:
        """Fetch anew for who asks next, unless what is kept was fetched less than ``PAUSE_S`` ago."""
        if self._value is not None and self._now() - self._fetched >= PAUSE_S:
            self._value = None

    async def get(self) -> T:
        """Return what is good now. Raises what ``fetch`` raises."""
        value = self.good()
        if value is not None:
            return value
        task, value = self._fetching(), self._value
        if value is not None and (value.expires_at is None or self._now() < value.expires_at - LAST_S):
            return value
        return await asyncio.shield(task)

    def _fetching(self) -> asyncio.Task[T]:
        if self._task is None or self._task.get_loop() is not asyncio.get_running_loop():
            self._task = asyncio.get_running_loop().create_task(self._renew())
            self._task.add_done_callback(_seen)
        return self._task

    async def _renew(self) -> T:
        asked = self._now()
        try:
            value = await self._fetch()
        except BaseException:
            self._due = asked + PAUSE_S
            raise
        finally:
            self._task = None
        self._value, self._fetched = value, asked
        if value.expires_at is not None:
            life = max(value.expires_at - asked, 0.0)
            self._due = value.expires_at - min(EARLY_S, life / 2)
        return value


def _seen(task: "asyncio.Task[T]") -> None:
    """Look at how a fetch ended: where nobody waited, its failure is no news."""
    if not task.cancelled():
        task.exception()
