"""Leases: what a worker may use of an account without asking again.

Strategy: an account's sum is in the store; a worker takes a lease of it before anything is used, and a request takes what it
needs out of the lease, in memory. How much of each lease is used stands in the worker's *tally*, a file in memory that
outlives a killed process (``tally``): so what a dead worker had not used goes back, to the unit.

Laws: what was used and what is leased never pass the limit together, but where one request became larger than the largest
that was thought possible, by that difference; a lease counts as used, whole, until its worker gave it back or is known to be
dead; nothing is leased to a worker whose tally is not there.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from pointsman.core.budget import Account


class Ask(Struct, frozen=True):
    """What a worker says and asks of one lease.

    ``lease`` is its number, 0 for a new one; ``used`` is what is used of it so far; ``keep``, where it is not None, says to
    what it shrinks where less than ``least`` is left to take, or where nothing is wanted; ``end``: it is over.
    """

    account: Account
    limit: int
    lease: int
    used: int
    least: int = 0
    wanted: int = 0
    keep: int | None = None
    end: bool = False


class Lease(Struct, frozen=True):
    """How a lease stands: its number (0: over), and what was ever granted of it, used units among them.

    ``used`` is what everybody has used of the account, as far as they told; ``short``: less than the least was left;
    ``idle`` is what others hold of it and have not used.
    """

    number: int
    granted: int
    used: int
    short: bool = False
    idle: int = 0


class Standing(Struct, frozen=True):
    """How an account stands: units ``used`` for certain, and ``leased`` beside that to workers."""

    account: Account
    used: int
    leased: int


class Holder(Protocol):
    """A worker that holds leases. ``tally`` is read and written by requests: no disk, no lock."""

    @property
    def tally(self) -> "Tally":
        """How much of each lease is used."""

    def renew(self, asks: Sequence[Ask], now_ms: int) -> list[Lease]:
        """Tell and take, in one transaction; an answer for each ask. Raises StoreError: nothing was changed."""

    def wanted_back(self, since_ms: int) -> list[int]:
        """Return the numbers of own leases of whose accounts somebody came up short since a moment."""

    def close(self) -> None:
        """Give everything back that is not used. Idempotent."""


class Tally(Protocol):
    """Numbers by place, kept where they outlive a killed process."""

    @property
    def used(self) -> "memoryview[int]":
        """Units used of the lease at each place."""

    @property
    def leases(self) -> "memoryview[int]":
        """The number of the lease at each place, 0: none. Written before anything of the lease is used."""


class Leases(Protocol):
    """The accounts and who holds what of them."""

    def hold(self) -> Holder:
        """Begin to hold leases as one worker. Raises StoreError."""

    def reconcile(self, now_ms: int) -> int:
        """Give back what dead workers had not used, and forget accounts of long ago; return how many leases ended."""

    def standing(self, now_ms: int) -> list[Standing]:
        """Return the accounts whose window is not over, in the order of their budgets and scopes."""
