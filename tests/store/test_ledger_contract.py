"""What every ledger does, whatever it is built on (``records.STORES``)."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.records import START_MS, attempt, opened, record
from tests.store.test_journal_contract import attempts
from tests.store.test_processes_contract import Worker, together

from pointsman.control.ledger.verify import verify
from pointsman.core.ledger import EMPTY, GENESIS, Line, chained, decode
from pointsman.core.record import ExchangeRecord
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import FILE

CALL = Line("", START_MS, "judge", "z/judge", nano=5)


def lines(store: Store) -> list[Line]:
    return [decode(entry.text) for entry in store.ledger.entries()]


def test_an_empty_ledger_has_neither_lines_nor_a_head(store: Store) -> None:
    assert (list(store.ledger.entries()), store.ledger.head()) == ([], EMPTY)
    store.ledger.append([])
    store.journal.append([record(1, attempts=())])
    assert store.ledger.head() == EMPTY


def test_lines_are_numbered_and_chained(store: Store) -> None:
    store.journal.append([record(1), record(2)])
    store.ledger.append([CALL])
    entries = list(store.ledger.entries())
    assert [entry.n for entry in entries] == [1, 2, 3, 4]
    last = GENESIS
    for entry in entries:
        last = chained(last, entry.text)
        assert entry.hash == last
    assert (store.ledger.head().count, store.ledger.head().hash) == (4, last)
    assert [line.why for line in lines(store)] == ["opening", "first", "first", "judge"]
    assert lines(store)[-1] == CALL
    assert [entry.n for entry in store.ledger.entries(after=2)] == [3, 4]


def test_a_record_that_is_there_gets_no_second_line(store: Store) -> None:
    store.journal.append([record(1)])
    store.journal.append([record(1), record(2), record(2)])
    assert [line.exchange for line in lines(store)[1:]] == [record(1).id, record(2).id]


def test_a_batch_that_cannot_be_written_leaves_no_line(store: Store) -> None:
    store.journal.append([record(1)])
    head = store.ledger.head()
    with pytest.raises(ValueError, match="nothing was changed"):
        store.journal.append([record(2), record(3, prompt="\ud800")])
    with pytest.raises(ValueError, match="surrogates not allowed"):
        store.ledger.append([Line("\ud800", 1, "judge")])
    assert store.ledger.head() == head


@given(batch=st.lists(st.lists(attempts, max_size=4).map(tuple), max_size=5))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_lines_come_to_the_records_costs(kind: str, tmp_path_factory: pytest.TempPathFactory, batch: list[Any]) -> None:
    store = opened(kind, tmp_path_factory.mktemp("store"))
    try:
        made: list[ExchangeRecord] = [record(number, attempts=each) for number, each in enumerate(batch)]
        store.journal.append(made)
        found = lines(store)[1:]
        assert [(line.exchange, line.attempt) for line in found] == [
            (one.id, place) for one in made for place in range(len(one.attempts))
        ]
        for one in made:
            assert sum(line.nano or 0 for line in found if line.exchange == one.id) == (one.cost_nano or 0)
        assert sum(line.nano or 0 for line in found) == sum(one.cost_nano or 0 for one in made)
    finally:
        store.close()


def test_the_opening_says_what_came_before(kind: str, tmp_path: Path) -> None:
    store = opened(kind, tmp_path)
    store.journal.append([record(number, source="import:x") for number in range(3)])
    assert store.ledger.head() == EMPTY
    store.journal.append([record(7, attempts=()), record(8, attempts=())])  # no call was made
    store.journal.append([record(9), record(10)])
    opening = lines(store)[0]
    assert (opening.why, opening.at_ms) == ("opening", START_MS)
    assert opening.note == "2 exchanges were recorded before this ledger began"
    store.close()


def test_four_processes_leave_one_chain(kind: str, tmp_path: Path) -> None:
    said = together([Worker(kind, tmp_path, "append", number, 12) for number in range(4)])
    store = opened(kind, tmp_path)
    found = verify(store.ledger.entries(), store.ledger.head())
    kept = [line.exchange for line in lines(store)[1:]]
    store.close()
    assert found.fault == ""
    assert {id_ for worker in said for batch in worker for id_ in batch} <= set(kept)
    assert len(kept) == len(set(kept)) == found.lines - 1


def test_what_a_killed_process_acknowledged_has_its_lines(kind: str, tmp_path: Path) -> None:
    worker = Worker(kind, tmp_path, "append", 0, 10**6)
    worker.ready()
    worker.go()
    said = worker.killed_after(7)
    store = opened(kind, tmp_path)
    assert verify(store.ledger.entries(), store.ledger.head()).fault == ""
    assert {id_ for batch in said for id_ in batch} <= {line.exchange for line in lines(store)}
    store.close()


# Tampering, with SQLite's own means.


def tampered(tmp_path: Path, act: Callable[[sqlite3.Connection], object]) -> str:
    """Write six lines, put the head aside, let somebody do as they like, and return what verifying says."""
    store = opened("pointsman.store.sqlite:open_store", tmp_path)
    store.journal.append([record(number, attempts=(attempt(cost_nano=number),)) for number in range(5)])
    head = store.ledger.head()
    store.close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("DROP TRIGGER ledger_unchanged")
        connection.execute("DROP TRIGGER ledger_kept")
        act(connection)
    connection.close()
    store = opened("pointsman.store.sqlite:open_store", tmp_path)
    try:
        return verify(store.ledger.entries(), head).fault
    finally:
        store.close()


def rows(connection: sqlite3.Connection) -> list[tuple[int, bytes, bytes]]:
    return connection.execute("SELECT n, CAST(line AS BLOB), hash FROM ledger ORDER BY n").fetchall()


def test_an_untouched_ledger_is_good(tmp_path: Path) -> None:
    assert tampered(tmp_path, rows) == ""


@given(place=st.integers(0, 5), bit=st.integers(0, 10**6), column=st.sampled_from(["line", "hash"]))
@settings(max_examples=60, deadline=None)
def test_any_bit_that_was_changed_is_found(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int, column: str
) -> None:
    def flip(connection: sqlite3.Connection) -> None:
        n, line, digest = rows(connection)[place]
        data = bytearray(line if column == "line" else digest)
        at = bit % (8 * len(data))
        data[at // 8] ^= 1 << at % 8
        kind = "TEXT" if column == "line" else "BLOB"
        connection.execute(f"UPDATE ledger SET {column} = CAST(? AS {kind}) WHERE n = ?", (bytes(data), n))  # noqa: S608

    assert tampered(tmp_path_factory.mktemp("store"), flip).startswith(f"line {place + 1}: ")


@pytest.mark.parametrize("place", range(1, 7))
def test_a_line_that_was_taken_out_is_found(tmp_path: Path, place: int) -> None:
    fault = tampered(tmp_path, lambda connection: connection.execute("DELETE FROM ledger WHERE n = ?", (place,)))
    assert fault.startswith("1 lines are missing behind line 5" if place == 6 else f"line {place}: it is not there")


@pytest.mark.parametrize("place", range(1, 6))
def test_a_line_that_was_taken_out_is_found_behind_new_numbers_too(tmp_path: Path, place: int) -> None:
    def close_up(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM ledger WHERE n = ?", (place,))
        for n in range(place + 1, 7):
            connection.execute("UPDATE ledger SET n = ? WHERE n = ?", (n - 1, n))

    assert tampered(tmp_path, close_up).startswith(f"line {place}: its hash does not follow")


@given(places=st.lists(st.integers(1, 6), min_size=2, max_size=2, unique=True))
@settings(max_examples=15, deadline=None)
def test_lines_that_changed_places_are_found(tmp_path_factory: pytest.TempPathFactory, places: list[int]) -> None:
    one, other = sorted(places)

    def swap(connection: sqlite3.Connection) -> None:
        for n, to in ((one, 0), (other, one), (0, other)):
            connection.execute("UPDATE ledger SET n = ? WHERE n = ?", (to, n))

    assert tampered(tmp_path_factory.mktemp("store"), swap).startswith(f"line {one}: ")


@pytest.mark.parametrize("place", range(1, 8))
def test_a_line_that_was_put_in_is_found(tmp_path: Path, place: int) -> None:
    def put_in(connection: sqlite3.Connection) -> None:
        for n in range(6, place - 1, -1):
            connection.execute("UPDATE ledger SET n = ? WHERE n = ?", (n + 1, n))
        line = '{"exchange":"x","at_ms":1,"why":"first","nano":1}'
        connection.execute("INSERT INTO ledger (n, line, hash) VALUES (?, ?, ?)", (place, line, bytes(32)))

    assert tampered(tmp_path, put_in).startswith(f"line {place}: its hash does not follow")


def test_a_ledger_that_was_written_anew_is_found_by_a_head_that_was_put_aside(tmp_path: Path) -> None:
    def forge(connection: sqlite3.Connection) -> None:
        last = GENESIS
        for n, line, _ in rows(connection):
            text = line.replace(b'"nano":3', b'"nano":1')
            last = chained(last, text)
            connection.execute("UPDATE ledger SET line = ?, hash = ? WHERE n = ?", (text.decode(), last, n))

    assert tampered(tmp_path, forge).startswith("line 6: it is not the line that the head was put aside of")


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger SET line = '{}'", "DELETE FROM ledger", "DELETE FROM ledger WHERE n = 1"]
)
def test_the_store_itself_refuses_to_change_a_line(tmp_path: Path, statement: str) -> None:
    store = opened("pointsman.store.sqlite:open_store", tmp_path)
    store.journal.append([record(1)])
    store.close()
    connection = sqlite3.connect(tmp_path / FILE)
    with pytest.raises(sqlite3.IntegrityError, match="the ledger is append-only"):
        connection.execute(statement)
    connection.close()
