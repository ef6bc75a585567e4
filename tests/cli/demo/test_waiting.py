"""Waiting for grades and records reads a real journal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from pointsman.cli.demo.waiting import Graded, recorded, until
from pointsman.core.record import ExchangeRecord, Judgement
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, vector_key=None)
    yield opened
    opened.close()


def judged(exchange: str, at_ms: int, arm: Literal["candidate", "reference"], deployment: str = "b") -> Judgement:
    return Judgement(exchange, at_ms, "f", deployment, arm, 1.0, "exact", "t")


def test_each_graded_answer_is_counted_once_however_often_one_looks(store: Store) -> None:
    graded = Graded(store.journal, {"candidate"}, since_ms=1000)
    assert graded.count() == 0
    store.journal.judge(
        [judged("old", 999, "candidate"), judged("x", 5000, "candidate"), judged("x", 5000, "reference", "a")]
    )
    assert graded.count() == graded.count() == 1
    store.journal.judge([judged("late", 3500, "candidate")])  # made before what was seen, written after it
    store.journal.judge([judged("x", 6000, "candidate", "c")])
    assert graded.count() == 3
    assert Graded(store.journal, {"candidate"}, 1000, only={"late"}).count() == 1


def test_what_is_not_there_when_patience_runs_out_is_left_out(store: Store) -> None:
    store.journal.append([ExchangeRecord("x", 5, "auto", "f", "ok", 200), ExchangeRecord("y", 5, "auto", "f", "ok", 200)])
    assert recorded(store.journal, ["x"], 0, patience_s=0).keys() == {"x"}
    assert recorded(store.journal, ["x", "z"], 0, patience_s=0).keys() == {"x"}
    assert recorded(store.journal, ["x"], 6, patience_s=0) == {}


def test_until_looks_at_least_once() -> None:
    assert until(lambda: True, patience_s=-1)
    assert not until(lambda: False, patience_s=-1)
    answers = iter([False, False, True])
    assert until(lambda: next(answers), patience_s=10, every_s=0)
