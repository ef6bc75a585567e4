"""What the demo waits for: nothing takes longer than it must, and nothing is read twice to find out."""

import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

from pointsman.core.record import ExchangeRecord
from pointsman.store.interfaces import Filter, Journal

_LATE_MS: Final = 2000


def until(done: Callable[[], bool], *, patience_s: float, every_s: float = 0.1) -> bool:
    """Look every ``every_s`` seconds until ``done``; return False when patience has run out."""
    ends = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > ends:
            return False
        time.sleep(every_s)
    return True


class Graded:
    """How many answers of some arms were graded since ``since_ms``; ``only`` those to some exchanges, if given.

    Strategy: each look reads what is new, and the two seconds before it, for judgements of one request are written
    together a moment after the first of them was made.
    """

    def __init__(self, journal: Journal, arms: Iterable[str], since_ms: int, *, only: Collection[str] | None = None) -> None:
        self._journal = journal
        self._arms = frozenset(arms)
        self._only = only
        self._since_ms = self._newest_ms = since_ms
        self._seen: set[tuple[str, str]] = set()

    def count(self) -> int:
        """Look, and return how many there are."""
        since_ms = max(self._since_ms, self._newest_ms - _LATE_MS)
        for judged in self._journal.judgements(Filter(since_ms=since_ms)):
            if judged.arm in self._arms and (self._only is None or judged.exchange in self._only):
                self._seen.add((judged.exchange, judged.deployment))
            self._newest_ms = max(self._newest_ms, judged.at_ms)
        return len(self._seen)


def recorded(journal: Journal, exchanges: Iterable[str], since_ms: int, *, patience_s: float) -> dict[str, ExchangeRecord]:
    """Return the records of exchanges once the journal has them all, by id; those that it has when patience runs out."""
    wanted, found = set(exchanges), dict[str, ExchangeRecord]()

    def complete() -> bool:
        found.update({record.id: record for record in journal.exchanges(Filter(since_ms=since_ms)) if record.id in wanted})
        return len(found) == len(wanted)

    until(complete, patience_s=patience_s)
    return found
