"""A process of its own in the tests of several at once: ``python -m tests.store.worker STORE PATH ACT NUMBER COUNT``.

Prints a line when it is ready, waits for a line, works, and prints what it did, one JSON value a line.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.store.records import judgement, opened, record, snapshot_bytes

from pointsman.core import snapshot as snapshots
from pointsman.core.budget import Account
from pointsman.core.errors import StoreError
from pointsman.store.interfaces import Filter, Store
from pointsman.store.leases import Ask

BATCH = 20
SHARED = 10**6


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


def append(store: Store, number: int, count: int) -> None:
    """Append batches of this worker's own records, each with one that all workers share; acknowledge each."""
    for batch in range(count):
        mine = [record(SHARED * (number + 1) + batch * BATCH + place) for place in range(BATCH)]
        store.journal.append([*mine, record(batch)])
        say([one.id for one in mine])


def add(store: Store, number: int, count: int) -> None:
    """Add ``number`` + 1 until the limit ``count`` is reached; say how much was added in all."""
    added = 0
    while store.counters.add("money", number + 1, limit=count) is not None:
        added += number + 1
    say(added)


def tally(store: Store, number: int, count: int) -> None:
    """Add ``number`` + 1, ``count`` times; acknowledge each by the new value."""
    for _ in range(count):
        say(store.counters.add("tally", number + 1))


def lease(store: Store, number: int, count: int) -> None:
    """Take a lease of ``count`` units and use one after another; acknowledge each. Then let go of nothing."""
    holder = store.leases.hold()
    account = Account("b", "requests", "all=", 0, 1 << 60)
    (taken,) = holder.renew([Ask(account, 1 << 40, 0, 0, least=count)], 0)
    holder.tally.leases[number] = taken.number
    for used in range(count):
        holder.tally.used[number] += 1
        say(used + 1)


def judge(store: Store, number: int, count: int) -> None:
    """Write batches of this worker's own judgements; acknowledge each."""
    for batch in range(count):
        mine = [judgement(SHARED * (number + 1) + batch * BATCH + place) for place in range(BATCH)]
        store.journal.judge(mine)
        say([one.exchange for one in mine])


def publish(store: Store, number: int, count: int) -> None:
    """Publish ``count`` times on top of what is current; acknowledge each by its number."""
    for turn in range(count):
        while True:
            started = store.snapshots.current_number()
            try:
                published = store.snapshots.publish(
                    snapshot_bytes(f"{number}/{turn}"), made_by=f"{number}/{turn} on {started}", at_ms=0, replaces=started
                )
            except StoreError:
                continue  # another was faster
            say(published.number)
            break


def watch(store: Store, number: int, count: int) -> None:
    """Look at what is current until it is number ``count``; say each number seen, once."""
    seen = 0
    while seen < count:
        current = store.snapshots.current()
        if current is not None and current.number != seen:
            made_by = snapshots.decode(current.data).made_by
            assert current.made_by.startswith(made_by)
            assert current.hash == snapshots.snapshot_hash(current.data)
            assert store.snapshots.current_number() >= current.number
            seen = current.number
            say(seen)


def read(store: Store, number: int, count: int) -> None:
    """Read until all ``count`` records are there; say how many were there each time, and the longest read in seconds."""
    seen, longest = [0], 0.0
    while seen[-1] < count:
        began = time.perf_counter()
        seen.append(len(list(store.journal.exchanges(Filter()))))
        longest = max(longest, time.perf_counter() - began)
    say([seen, longest])


ACTS: dict[str, Callable[[Store, int, int], None]] = {
    act.__name__: act for act in (append, add, tally, lease, judge, publish, watch, read)
}


def main() -> None:
    name, path, act, number, count = sys.argv[1:]
    say("ready")
    sys.stdin.readline()
    store = opened(name, Path(path))
    ACTS[act](store, int(number), int(count))
    store.close()


if __name__ == "__main__":
    main()
