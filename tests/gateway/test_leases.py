"""Whatever workers do, and however they die: no account is ever used beyond its limit, and nothing of it is lost.

A state machine over real workers, a real store and real tallies. The model knows
what every call used: what it settled by, or the most that it might have used where its worker died first.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from pointsman.core.budget import Budget
from pointsman.core.errors import StoreError
from pointsman.core.snapshot import Snapshot
from pointsman.gateway import budgets as leasing
from pointsman.gateway.budgets import Budgets, Held
from pointsman.store.leases import Ask, Holder, Lease, Leases
from pointsman.store.sqlite import open_store
from pointsman.store.tally import FileTally

LIMIT = 1000
BUDGETS = (Budget("all", "usd", LIMIT, "minute"), Budget("each", "usd", LIMIT, "minute", "customer"))
SNAPSHOT = Snapshot(budgets=BUDGETS)
START_MS = 1_790_000_040_000
WORKERS = st.integers(0, 2)
NEEDS = st.integers(1, 300)


class Call:
    """A call under way: what it reserved of which leases."""

    def __init__(self, worker: int, wants: list[tuple[Held, int]]) -> None:
        self.worker = worker
        self.wants = wants


class Meanwhile:
    """Leases of a store that something happens beside while it is asked."""

    def __init__(self, leases: Leases, happens: Callable[[], None]) -> None:
        self.leases = leases
        self.happens = happens
        self.reconcile, self.standing = leases.reconcile, leases.standing

    def hold(self) -> Holder:
        holder = self.leases.hold()
        renew = holder.renew

        def renewed(asks: Sequence[Ask], now_ms: int) -> list[Lease]:
            self.happens()
            return renew(asks, now_ms)

        holder.renew = renewed  # type: ignore[method-assign]
        return holder


class Leasing(RuleBasedStateMachine):
    """Three workers on two budgets of a minute."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.store = open_store(self.folder, vector_key=None)
        self.now_ms = START_MS
        self.used: dict[tuple[str, str, int], int] = {}
        self.calls: list[Call] = []
        self.waiting: list[asyncio.Task[Any]] = []
        self.meanwhile: tuple[int, int] | None = None

    @initialize()
    def start(self) -> None:
        self.workers = [self.born() for _ in range(3)]

    def born(self) -> Budgets:
        return Budgets(Meanwhile(self.store.leases, self.happens), lambda: self.now_ms / 1e3, lambda: self.now_ms)

    def wants(self, worker: int, customer: str, need: int) -> list[tuple[Held, int]]:
        mine = self.workers[worker]
        return [(mine.held(one, customer if one.per == "customer" else "", self.now_ms), need) for one in BUDGETS]

    def count(self, held: Held, units: int) -> None:
        key = (held.account.budget, held.account.scope, held.account.began_ms)
        self.used[key] = self.used.get(key, 0) + units

    @rule(worker=WORKERS, customer=st.sampled_from("ab"), need=NEEDS)
    def call(self, worker: int, customer: str, need: int) -> None:
        """Ask for a lease where there is none, as often as there are budgets."""
        for _ in range(len(BUDGETS) + 1):
            if self.called(worker, customer, need):
                return
            self.ask(worker, customer, need)
            self.renew(worker, full=False, meanwhile=None)

    def called(self, worker: int, customer: str, need: int) -> bool:
        wants = self.wants(worker, customer, need)
        if self.workers[worker].take(wants) is not None:
            return False
        self.calls.append(Call(worker, wants))
        for held, units in wants:
            self.count(held, units)
        return True

    @rule(worker=WORKERS, customer=st.sampled_from("ab"), need=NEEDS)
    def ask(self, worker: int, customer: str, need: int) -> None:
        """Wait for room, and leave it to a later round to find some."""
        for want in self.wants(worker, customer, need):
            self.waiting.append(self.loop.create_task(self.workers[worker].room(want)))
        self.turn()

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 1000), share=st.floats(0, 1))
    def settle(self, which: int, share: float) -> None:
        call = self.calls.pop(which % len(self.calls))
        for held, need in call.wants:
            used = round(need * share)
            self.workers[call.worker].settle(held, need, used)
            self.count(held, used - need)

    @rule(worker=WORKERS, full=st.booleans(), meanwhile=NEEDS)
    def renew(self, worker: int, full: bool, meanwhile: int | None) -> None:
        """Renew leases; while the store is asked, one more call comes, and one is settled."""
        self.meanwhile = None if meanwhile is None else (worker, meanwhile)
        self.loop.run_until_complete(self.workers[worker]._round(SNAPSHOT, full=full))
        self.meanwhile = None
        self.turn()

    def happens(self) -> None:
        if self.meanwhile is not None:
            worker, need = self.meanwhile
            self.called(worker, "a", need)
            if self.calls:
                self.settle(need, 0.3)

    @rule(worker=WORKERS)
    def die(self, worker: int) -> None:
        """Its calls may have been served, and nobody will ever say."""
        self.calls = [call for call in self.calls if call.worker != worker]
        holder = self.workers[worker]._holder
        if holder is not None:
            left_behind(holder.tally)
        self.workers[worker] = self.born()

    @rule(worker=WORKERS)
    def end(self, worker: int) -> None:
        """It stops in order, once its calls are settled."""
        for place in [place for place, call in enumerate(self.calls) if call.worker == worker][::-1]:
            self.settle(place, 0.5)
        self.loop.run_until_complete(self.workers[worker]._end())
        self.workers[worker] = self.born()

    @rule()
    def reconcile(self) -> None:
        self.store.leases.reconcile(self.now_ms)

    @rule(seconds=st.sampled_from([0.3, 2.0, 31.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)

    @invariant()
    def nothing_passes_its_limit(self) -> None:
        assert max(self.used.values(), default=0) <= LIMIT
        for one in self.store.leases.standing(0):
            assert one.used + one.leased <= LIMIT

    def turn(self) -> None:
        """Let those who waited go on, and no timer run."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def teardown(self) -> None:
        for task in self.waiting:
            task.cancel()
        self.turn()
        for worker in range(len(self.workers)):
            self.end(worker)
        self.store.leases.reconcile(self.now_ms)
        found = {(one.account.budget, one.account.scope, one.account.began_ms): one for one in self.store.leases.standing(0)}
        for key, used in self.used.items():
            assert (found[key].used, found[key].leased) == (used, 0), "to the unit: nothing leaks, nothing is forgotten"
        self.store.close()
        self.loop.close()
        shutil.rmtree(self.folder)


def left_behind(tally: object) -> None:
    """Leave a tally as a killed process leaves it: the file is there, its lock is not."""
    assert isinstance(tally, FileTally)
    path = tally._path
    kept = path.with_name("." + tally.name)
    path.rename(kept)
    with contextlib.closing(tally):
        pass
    kept.rename(path)


def test_no_limit_is_passed_and_nothing_is_lost() -> None:
    run_state_machine_as_test(Leasing, settings=settings(max_examples=25, stateful_step_count=40, deadline=None))


@pytest.mark.parametrize("why", ["a call waits for more than is left", "somebody else needs it"])
async def test_nothing_is_reserved_of_what_is_being_given_back(tmp_path: Path, why: str) -> None:
    """The store may shrink a lease while it is asked: what a call took of it meanwhile would be used twice."""
    store = open_store(tmp_path, vector_key=None)
    everything = BUDGETS[:1]
    refused: list[bool] = []

    def happens() -> None:
        if held.number:
            refused.append(mine.take([(held, 10)]) is not None)

    mine = Budgets(Meanwhile(store.leases, happens), lambda: 0.0, lambda: START_MS)
    held = mine.held(everything[0], "", START_MS)
    held.need = 100
    await mine._round(Snapshot(budgets=everything), full=True)
    assert held.granted == LIMIT // 4
    others = store.leases.hold()
    left = Ask(held.account, LIMIT, 0, 0, least=LIMIT - held.granted)
    others.renew([left if why.startswith("a call") else replace(left, least=LIMIT)], START_MS)
    if why.startswith("a call"):
        waiting = asyncio.create_task(mine.room((held, 600)))
        await asyncio.sleep(0)
    await mine._round(Snapshot(budgets=everything), full=True)
    assert refused == [True]
    assert held.granted == 0
    if why.startswith("a call"):
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    others.close()
    await mine._end()
    store.close()


async def test_what_was_leased_before_is_used_on_while_the_store_does_not_work(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=None)
    everything = BUDGETS[:1]

    def happens() -> None:
        if held.number:
            raise StoreError("the disk is full")

    mine = Budgets(Meanwhile(store.leases, happens), lambda: 0.0, lambda: START_MS)
    held = mine.held(everything[0], "", START_MS)
    held.need = 100
    await mine._round(Snapshot(budgets=everything), full=True)
    waiting = asyncio.create_task(mine.room((held, LIMIT // 2)))
    await asyncio.sleep(0)
    await mine._round(Snapshot(budgets=everything), full=False)
    assert await waiting is None
    assert mine.state.problem == "the disk is full"
    assert mine.take([(held, LIMIT // 4)]) is None
    assert mine.take([(held, 1)]) is not None
    await mine._end()
    store.close()


def test_the_machine_waits_for_nobody_longer_than_it_says() -> None:
    assert leasing.PATIENCE_S < leasing.WAIT_S
    assert leasing.LOOK_S < leasing.PATIENCE_S, "who is asked to give back has heard it by then"


async def test_a_lease_that_ended_is_not_renewed_for_one_that_came_after_it(tmp_path: Path) -> None:
    store, now = open_store(tmp_path, vector_key=None), [START_MS]
    mine = Budgets(store.leases, lambda: 0.0, lambda: now[0])
    each = BUDGETS[1]
    first = mine.held(each, "a", now[0])
    mine._press(first)
    await mine._round(SNAPSHOT, full=False)
    now[0] += 31_000  # nobody needs it any more, and its window is not over
    await mine._round(Snapshot(), full=True)
    assert first not in mine._held.values()
    second = mine.held(each, "a", now[0])
    mine._press(first)
    mine._press(second)
    await mine._round(SNAPSHOT, full=False)
    assert mine.held(each, "a", now[0]) is second
    assert second.number
    await mine._end()
    assert [(one.used, one.leased) for one in store.leases.standing(0)] == [(0, 0)]
    store.close()
