"""Feedback from files: the good rows are taken, the others told, and nothing counts twice."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.control.imports.feedback import BATCH, Tally, import_feedback
from pointsman.core.errors import TableError
from pointsman.core.feedback import Feedback
from pointsman.store.sqlite import SqliteStore, open_store
from pointsman.wire.feedback import Sender

SENDER = Sender("survey", 1_790_000_000_000)
AT = "2026-09-01T00:00:00Z"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = open_store(tmp_path / "data", vector_key=None)
    yield store
    store.close()


def took(store: SqliteStore, path: Path) -> tuple[Tally, list[tuple[int, str]], int]:
    complaints: list[tuple[int, str]] = []
    read: list[int] = []
    tally = import_feedback(
        path, store.feedback, SENDER, advance=read.append, complain=lambda line, why: complaints.append((line, why))
    )
    return tally, complaints, sum(read)


def kept(store: SqliteStore) -> list[Feedback]:
    return sorted((one.feedback for one in store.feedback.kept(limit=10**6)), key=lambda one: one.subject)


def test_json_lines_are_taken_and_what_is_wrong_is_told_with_its_line(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    lines = [
        json.dumps({"exchange": "a", "thumb": "up", "at": AT}),
        '{"exchange":"b","score":NaN}',
        json.dumps({"exchange": "c", "score": 2}),
        json.dumps({"exchange": "d", "mood": "up"}),
        "",
        json.dumps({"client_id": "e", "test": "failed", "source": "ci", "id": "9", "at": AT}),
    ]
    path.write_text("\n".join(lines))
    tally, complaints, read = took(store, path)
    assert (tally.items, tally.problems, dict(tally.taken)) == (2, 3, {"waiting": 2})
    assert [line for line, _ in complaints] == [2, 3, 4]
    assert [part in why for part, (_, why) in zip(("not JSON", "from 0 to 1", "`mood`"), complaints, strict=True)] == [
        True
    ] * 3
    assert [(one.subject, one.source) for one in kept(store)] == [("a", "survey"), ("e", "ci")]
    assert read == path.stat().st_size
    assert dict(took(store, path)[0].taken) == {"repeated": 2}


def test_csv_has_the_same_names_as_columns(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(
        "exchange,conversation,score,thumb,edit_from,edit_to,event,value_usd,at\n"
        f"a,,0.5,,,,,,{AT}\n"
        f"b,,,down,,,,,{AT}\n"
        f'c,,,,"Dear ""Ann"",\nhello",Dear Ann,,,{AT}\n'
        f",d,,,,,purchase,12.50,{AT}\n"
        f"e,,nan,,,,,,{AT}\n"
        f"f,,1,up,,,,,{AT}\n"
        f"g,,1,,,,,,{AT},more\n"
        f"h,,,,gone,,,,{AT}\n"
    )
    tally, complaints, read = took(store, path)
    assert (tally.items, tally.problems) == (5, 3)
    assert [line for line, _ in complaints] == [7, 8, 9]
    assert read == path.stat().st_size
    found = {one.subject: one for one in kept(store)}
    assert {name: one.score for name, one in found.items()} == {
        "a": 0.5, "b": 0.0, "c": pytest.approx(2 * 2 / (6 + 2)), "d": 1.0, "h": 0.0,
    }  # fmt: skip
    assert (found["d"].value_nano, found["d"].about, found["d"].event) == (12_500_000_000, "conversation", "purchase")


@pytest.mark.parametrize(("head", "words"), [("exchange,mood\n", "'mood' is not known"), ("", "no columns")])
def test_a_table_that_cannot_be_meant_is_refused(store: SqliteStore, tmp_path: Path, head: str, words: str) -> None:
    path = tmp_path / "f.csv"
    path.write_text(head)
    with pytest.raises(TableError, match=words):
        took(store, path)


def test_a_broken_quote_costs_its_row_only(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("exchange,thumb,id\na,up,1\n" + "b,up," + "x" * 200_000 + "\nc,up,3\n")
    tally, complaints, _ = took(store, path)
    assert (tally.items, tally.problems) == (2, 1)
    assert complaints[0][0] == 3


@pytest.mark.parametrize("count", [BATCH - 1, BATCH, BATCH + 1])
def test_any_number_is_taken(store: SqliteStore, tmp_path: Path, count: int) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps({"exchange": f"{n}", "thumb": "up"}) + "\n" for n in range(count)))
    assert took(store, path)[0].items == count
    assert len(kept(store)) == count


def test_no_such_file_is_said(store: SqliteStore, tmp_path: Path) -> None:
    for name in ("none.csv", "none.jsonl"):
        with pytest.raises(TableError, match="cannot be read"):
            took(store, tmp_path / name)
