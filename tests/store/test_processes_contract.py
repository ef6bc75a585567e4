"""Several processes, the same store, at once: real ones, started together; and one that is killed in the middle."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.store.records import opened
from tests.store.worker import BATCH, SHARED

from pointsman.core import snapshot as snapshots
from pointsman.store.interfaces import Filter

ROOT = Path(__file__).parents[2]


class Worker:
    """A started worker that waits for ``go``."""

    def __init__(self, kind: str, path: Path, act: str, number: int, count: int) -> None:
        command = [sys.executable, "-m", "tests.store.worker", kind, str(path), act, str(number), str(count)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), self.process.communicate()[1]

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def said(self) -> list[Any]:
        out, problems = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, problems
        return [json.loads(line) for line in out.splitlines()]

    def killed_after(self, acknowledged: int) -> list[Any]:
        """Kill it once it has acknowledged so much; return all that it acknowledged in whole lines."""
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(acknowledged)]
        self.process.send_signal(signal.SIGKILL)
        lines += [line for line in self.process.stdout if line.endswith("\n")]  # not communicate: it forgets what was read
        self.process.communicate(timeout=60)
        return [json.loads(line) for line in lines]


def started(worker: Worker) -> Worker:
    worker.ready()
    worker.go()
    return worker


def together(workers: list[Worker]) -> list[list[Any]]:
    """Let all workers begin at the same moment; return what each said."""
    for worker in workers:
        worker.ready()
    for worker in workers:
        worker.go()
    return [worker.said() for worker in workers]


def test_all_may_open_a_new_store_and_append_at_once(kind: str, tmp_path: Path) -> None:
    said = together([Worker(kind, tmp_path, "append", number, 15) for number in range(5)])
    store = opened(kind, tmp_path)
    there = [one.id for one in store.journal.exchanges(Filter())]
    store.close()
    assert len(there) == len(set(there)) == 5 * 15 * BATCH + 15
    assert {id_ for worker in said for batch in worker for id_ in batch} <= set(there)


def test_a_limit_is_never_passed_and_always_reached(kind: str, tmp_path: Path) -> None:
    said = together([Worker(kind, tmp_path, "add", number, 500) for number in range(4)])
    store = opened(kind, tmp_path)
    value = store.counters.get("money")
    store.close()
    assert value == sum(worker[0] for worker in said)
    assert value == 500


def test_no_publication_is_lost_or_built_on_a_stale_one(kind: str, tmp_path: Path) -> None:
    together([Worker(kind, tmp_path, "publish", number, 10) for number in range(4)])
    store = opened(kind, tmp_path)
    history = store.snapshots.history(100)[::-1]
    store.close()
    assert [one.number for one in history] == list(range(1, 41))
    assert [int(one.made_by.split(" on ")[1]) for one in history] == list(range(40))
    assert len({one.made_by.split(" on ")[0] for one in history}) == 40


def test_readers_see_whole_batches_while_others_write(kind: str, tmp_path: Path) -> None:
    count = 20 * (BATCH + 1)
    writer, reader = together([Worker(kind, tmp_path, "append", 0, 20), Worker(kind, tmp_path, "read", 0, count)])
    seen, _ = reader[0]
    assert len(writer) == 20
    assert seen == sorted(seen)
    assert all(number % (BATCH + 1) == 0 for number in seen)


@pytest.mark.parametrize("acknowledged", [1, 7, 20])
def test_what_was_acknowledged_survives_a_kill(kind: str, tmp_path: Path, acknowledged: int) -> None:
    said = started(Worker(kind, tmp_path, "append", 0, 10**6)).killed_after(acknowledged)
    store = opened(kind, tmp_path)
    there = {one.id for one in store.journal.exchanges(Filter())}
    own = {id_ for id_ in there if int(id_, 16) >= SHARED}
    assert {id_ for batch in said for id_ in batch} <= own
    assert len(own) % BATCH == 0
    assert len(said) * BATCH <= len(own) <= (len(said) + 1) * BATCH
    store.journal.append([])
    store.close()


def test_judgements_of_several_processes_are_all_there_once(kind: str, tmp_path: Path) -> None:
    said = together([Worker(kind, tmp_path, "judge", number, 8) for number in range(3)])
    store = opened(kind, tmp_path)
    there = [one.exchange for one in store.journal.judgements(Filter())]
    store.close()
    assert sorted(there) == sorted(id_ for worker in said for batch in worker for id_ in batch)
    assert len(there) == 3 * 8 * BATCH


def test_who_watches_sees_whole_snapshots_in_their_order_while_others_publish(kind: str, tmp_path: Path) -> None:
    first, second, seen = together(
        [
            Worker(kind, tmp_path, "publish", 0, 15),
            Worker(kind, tmp_path, "publish", 1, 15),
            Worker(kind, tmp_path, "watch", 0, 30),
        ]
    )
    assert sorted(first + second) == list(range(1, 31))
    assert seen == sorted(set(seen))
    assert seen[-1] == 30


def test_counters_survive_kills_to_the_last_acknowledged_unit(kind: str, tmp_path: Path) -> None:
    value = 0
    for _ in range(3):  # each takes up what the one before it left
        said = started(Worker(kind, tmp_path, "tally", 0, 10**6)).killed_after(5)
        assert said == list(range(value + 1, value + 1 + len(said)))
        store = opened(kind, tmp_path)
        value = store.counters.get("tally")
        store.close()
        assert said[-1] <= value <= said[-1] + 1


def test_published_snapshots_survive_kills_whole(kind: str, tmp_path: Path) -> None:
    last = 0
    for generation in range(3):
        said = started(Worker(kind, tmp_path, "publish", generation, 10**6)).killed_after(4)
        assert said[0] == last + 1
        store = opened(kind, tmp_path)
        last = store.snapshots.current_number()
        history = store.snapshots.history(10**6)
        store.close()
        assert said[-1] <= last <= said[-1] + 1
        assert [one.number for one in history] == list(range(last, 0, -1))
        assert all(snapshots.decode(one.data).made_by == one.made_by.split(" on ")[0] for one in history)


def test_judgements_are_seen_in_whole_batches_and_survive_a_kill_so(kind: str, tmp_path: Path) -> None:
    worker = started(Worker(kind, tmp_path, "judge", 0, 10**6))
    assert worker.process.stdout is not None
    store = opened(kind, tmp_path)
    said = [json.loads(worker.process.stdout.readline())]
    for _ in range(50):  # the worker is anywhere in a batch at each look
        assert len(list(store.journal.judgements(Filter()))) % BATCH == 0
    said += worker.killed_after(5)
    there = {one.exchange for one in store.journal.judgements(Filter())}
    store.close()
    assert {id_ for batch in said for id_ in batch} <= there
    assert len(there) in (len(said) * BATCH, (len(said) + 1) * BATCH)


def test_a_writer_that_is_killed_neither_stops_nor_hurts_the_others(kind: str, tmp_path: Path) -> None:
    doomed, *others = (Worker(kind, tmp_path, "append", number, 20) for number in range(3))
    for worker in (doomed, *others):
        worker.ready()
    for worker in (doomed, *others):
        worker.go()
    said = [doomed.killed_after(2), *(worker.said() for worker in others)]
    assert [len(batches) for batches in said[1:]] == [20, 20]
    store = opened(kind, tmp_path)
    there = {one.id for one in store.journal.exchanges(Filter())}
    store.close()
    assert {id_ for batches in said for batch in batches for id_ in batch} <= there


def test_what_a_killed_worker_had_used_of_a_lease_is_known_and_the_rest_goes_back(kind: str, tmp_path: Path) -> None:
    workers = [started(Worker(kind, tmp_path, "lease", number, 10**6)) for number in range(2)]
    assert workers[1].process.stdout is not None
    workers[1].process.stdout.readline()  # it has its lease
    said = workers[0].killed_after(1000)
    store = opened(kind, tmp_path)
    assert store.leases.reconcile(0) == 1
    (standing,) = store.leases.standing(0)
    assert standing.leased == 10**6, "the other one lives"
    assert said[-1] <= standing.used <= said[-1] + 1
    second = workers[1].killed_after(10)
    assert store.leases.reconcile(0) == 1
    (standing,) = store.leases.standing(0)
    assert (standing.leased, said[-1] + second[-1] <= standing.used <= said[-1] + second[-1] + 2) == (0, True)
    store.close()
