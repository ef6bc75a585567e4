"""The way of records to the store: nothing waits, nothing is lost in silence."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, sleep

import pytest

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.errors import StoreError
from pointsman.core.record import ExchangeRecord
from pointsman.gateway import journal
from pointsman.gateway.journal import JournalWriter
from pointsman.policy import features
from pointsman.store.interfaces import Filter
from pointsman.store.sqlite import open_store

REQUEST = ChatRequest("auto", (Message("user", (Text("hello"),)),))


def record(name: str) -> ExchangeRecord:
    return ExchangeRecord(name, 1, "auto", "default", "ok", 200)


class Disk:
    """A journal on a disk that can be full or slow: of a store, the writer needs ``append`` only."""

    def __init__(self) -> None:
        self.full = False
        self.batches: list[list[str]] = []
        self.tried = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def append(self, records: Sequence[ExchangeRecord]) -> None:
        self.open.wait(10)
        self.tried.release()
        if self.full:
            raise StoreError("the disk is full: free some space")
        if any(one.id == "poison" for one in records):
            raise ValueError("poison")
        self.batches.append([one.id for one in records])


def until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 10
    while not condition():
        assert monotonic() < deadline
        sleep(0.002)


def test_records_reach_the_store_in_order_with_their_vectors(tmp_path: Path) -> None:
    store = open_store(tmp_path, vector_key=bytes(32))
    writer = JournalWriter(store.journal)
    assert writer.put(record("a"), REQUEST, 100)
    assert writer.put(record("b"))
    assert writer.close() == 0
    assert [(one.id, one.vector) for one in store.journal.exchanges(Filter())] == [
        ("a", features.vector(REQUEST)),
        ("b", b""),
    ]
    assert writer.state.written == 2
    store.close()


def test_what_waits_is_written_within_the_flush_interval_in_batches() -> None:
    disk = Disk()
    disk.open.clear()
    writer = JournalWriter(disk, flush_s=0.01)
    writer.put(record("first"))
    until(lambda: writer.state.queued == 1)
    many = journal.BATCH * 2 + 200
    for number in range(many):
        writer.put(record(str(number)))
    disk.open.set()
    until(lambda: writer.state.written == many + 1)
    assert writer.close() == 0
    assert max(len(batch) for batch in disk.batches) == journal.BATCH
    assert [name for batch in disk.batches for name in batch] == ["first", *map(str, range(many))]


def test_a_full_batch_does_not_wait_for_the_interval() -> None:
    writer = JournalWriter(Disk(), flush_s=60)
    for number in range(journal.BATCH):
        writer.put(record(str(number)))
    until(lambda: writer.state.written == journal.BATCH)
    writer.close()


def test_a_full_disk_loses_nothing_that_fits_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    disk.full = True
    with caplog.at_level(logging.WARNING):
        writer = JournalWriter(disk, capacity=3, flush_s=0.01, retry_s=0.01)
        taken = [writer.put(record(name)) for name in "abcde"]
        assert taken == [True, True, True, False, False]
        for _ in range(3):
            assert disk.tried.acquire(timeout=10)
        assert (writer.state.queued, writer.state.dropped) == (3, 2)
        assert "disk is full" in writer.state.problem
        disk.full = False
        until(lambda: writer.state.written == 3)
        assert writer.close() == 0
    assert disk.batches == [["a", "b", "c"]]
    assert writer.state.problem == ""
    assert writer.state.failures >= 3
    warnings = [entry.getMessage() for entry in caplog.records]
    assert len(warnings) == 1  # not one for each of the failures
    assert "disk is full" in warnings[0]


def test_a_record_that_cannot_be_written_is_dropped_alone(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    disk.open.clear()
    writer = JournalWriter(disk, flush_s=60)
    for name in ("a", "poison", "b"):
        writer.put(record(name))
    disk.open.set()
    assert writer.close() == 0
    assert disk.batches == [["a"], ["b"]]
    assert (writer.state.written, writer.state.dropped) == (2, 1)
    assert "record poison cannot be written" in caplog.text


def test_after_one_bad_record_the_others_go_in_batches_again() -> None:
    disk = Disk()
    disk.open.clear()
    writer = JournalWriter(disk, flush_s=60)
    for number in range(journal.BATCH * 4):
        writer.put(record("poison" if number == 7 else str(number)))
    disk.open.set()
    assert writer.close() == 0
    assert [len(batch) for batch in disk.batches] == [1] * (journal.BATCH - 1) + [journal.BATCH] * 3


def test_the_queue_is_bounded_in_bytes_too() -> None:
    disk = Disk()
    disk.open.clear()
    writer = JournalWriter(disk, capacity_bytes=10_000)
    assert writer.put(record("a"), REQUEST, 7000)
    assert not writer.put(record("b"), REQUEST, 7000)
    disk.open.set()
    assert writer.close() == 0


def test_close_says_what_could_not_be_written(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    disk.full = True
    writer = JournalWriter(disk)
    writer.put(record("a"))
    assert writer.close() == 1
    assert not writer.put(record("b"))
    assert "1 records of the journal could not be written: the disk is full" in caplog.text


async def test_putting_never_waits_for_the_store() -> None:
    disk = Disk()
    disk.open.clear()
    writer = JournalWriter(disk, flush_s=0.001)
    async with asyncio.timeout(5):
        for number in range(2000):
            writer.put(record(str(number)))
            await asyncio.sleep(0)
    disk.open.set()
    assert writer.close() == 0
