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
    worker = Worker(kind, tmp_path, "append", 0, 10**6)
    worker.ready()
    worker.go()
    assert worker.process.stdout is not None
    lines = [worker.process.stdout.readline() for _ in range(acknowledged)]
    worker.process.send_signal(signal.SIGKILL)
    lines += [line for line in worker.process.stdout if line.endswith("]\n")]  # not communicate: it forgets what was read
    worker.process.communicate(timeout=60)
    store = opened(kind, tmp_path)
    there = {one.id for one in store.journal.exchanges(Filter())}
    own = {id_ for id_ in there if int(id_, 16) >= SHARED}
    assert {id_ for line in lines for id_ in json.loads(line)} <= own
    assert len(own) % BATCH == 0
    assert len(lines) * BATCH <= len(own) <= (len(lines) + 1) * BATCH
    store.journal.append([])
    store.close()
