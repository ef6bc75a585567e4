"""A reviewer's file, there and back, and all that can be wrong with it."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.control.review.scene import FEATURE, MID, NOW_MS, SMALL, fill, queue, snapshot

from pointsman.control.review.docket import Docket, side
from pointsman.control.review.sheets import Line, Taken, meaning, sheet, take
from pointsman.core.review import Said
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Filter, Store
from pointsman.store.sqlite import open_store


@pytest.fixture
def now() -> Snapshot:
    return snapshot()


def export(store: Store, now: Snapshot, reviewer: str = "bob", count: int = 8) -> list[Line]:
    return list(sheet(store, queue(store, now), reviewer, count, ["small-2"]))


def back(store: Store, lines: list[Line | bytes]) -> Taken:
    encoded = (line if isinstance(line, bytes) else msgspec.json.encode(line) + b"\n" for line in lines)
    return take(store, encoded, now_ms=NOW_MS)


def answered(lines: list[Line], truth: dict[str, Said]) -> list[Line]:
    """What an honest reviewer writes: the side that people prefer."""
    return [
        replace(line, choice="a" if side(line.id, line.reviewer) == truth[line.id] else "b", seconds=7.0) for line in lines
    ]


def test_a_sheet_is_blind_and_what_comes_back_means_what_was_meant(store: Store, now: Snapshot) -> None:
    truth = fill(store, now, SMALL, 40)
    lines = export(store, now, count=30)
    assert len({line.id for line in lines}) == 30
    for line in lines:
        yes = "a" if side(line.id, "bob") == "candidate" else "b"
        assert "as [model]: yes" in (line.a if yes == "a" else line.b)
        assert "small" not in line.a + line.b
        assert line.request.startswith("request ")
    assert 5 < sum(side(line.id, "bob") == "candidate" for line in lines) < 25
    assert back(store, [*answered(lines, truth)]) == Taken(30, 0, 0, ())
    assert {one.question: one.said for one in store.reviews.opinions()} == {line.id: truth[line.id] for line in lines}
    rows = [row for row in store.journal.judgements(Filter()) if row.grader == "person:bob"]
    assert len(rows) == 30
    assert {row.score for row in rows} == {0.0, 1.0}


def test_its_order_is_the_terminals_and_its_chances_hold(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 40)
    lines = export(store, now, count=10)
    docket = Docket(store, queue(store, now), "bob", now_ms=lambda: NOW_MS)
    for line in lines:
        card = docket.next()
        assert card is not None
        assert card.question.id == line.id
        docket.say(card, "tie", 1.0)
    assert {line.next for line in lines} == {docket.said[-1].next}


def test_more_is_exported_of_what_is_worth_more_and_nothing_twice(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 30, seed=1)
    fill(store, now, MID, 30, seed=2)
    piles = [replace(pile, saving=100.0 if pile.deployment == SMALL else 1.0) for pile in queue(store, now)]
    lines = list(sheet(store, piles, "bob", 20, []))
    of = {pile.deployment: {one.id for one in pile.questions} for pile in piles}
    assert sum(line.id in of[SMALL] for line in lines) > 12
    assert len(list(sheet(store, piles, "bob", 1000, []))) == 60


def test_it_may_be_taken_again_and_what_was_said_stays(store: Store, now: Snapshot) -> None:
    truth = fill(store, now, SMALL, 10)
    lines = answered(export(store, now), truth)
    back(store, [*lines])
    assert back(store, [*lines]) == Taken(0, 8, 0, ())
    other = [replace(line, choice="tie") for line in lines]
    again = back(store, [*other])
    assert again.taken == 0
    assert len(again.problems) == 8
    assert "which stays" in again.problems[0].why


def test_a_line_that_is_wrong_takes_nothing_else_with_it(store: Store, now: Snapshot) -> None:
    truth = fill(store, now, SMALL, 20)
    good = answered(export(store, now, count=14), truth)
    unknown = Line("0" * 16, "bob", FEATURE, "r", "a", choice="a", mark="")
    torn = msgspec.json.encode(good[9])[:40]
    lines: list[Line | bytes] = [
        good[0],
        b"\n",
        b"not json\n",
        b'["a list"]\n',
        b"\xff\xfe\n",
        replace(good[1], choice="neither"),
        replace(good[2], seconds=-1.0),
        replace(good[3], reviewer="eve"),
        replace(good[4], next=0.5),
        unknown,
        replace(good[5], choice="  "),
        good[0],
        replace(good[6], choice=" B "),
        replace(good[7], choice="good"),
        torn,
    ]
    taken = back(store, lines)
    assert (taken.taken, taken.known, taken.blank) == (2, 0, 1)
    assert [(one.line, one.why.split("(")[0][:38]) for one in taken.problems] == [
        (3, "is no line of a sheet "),
        (4, "is no line of a sheet "),
        (5, "is no line of a sheet "),
        (6, "choice 'neither' is none of a, b, tie,"),
        (7, "seconds -1.0 lie outside of 0 to 3600"),
        (8, "its id, reviewer, next and mark do not"),
        (9, "its id, reviewer, next and mark do not"),
        (10, "its id, reviewer, next and mark do not"),
        (12, f"question {good[0].id} was answered on line 1"[:38]),
        (14, "choice 'good' is none of a, b, tie, ca"),
        (15, "is no line of a sheet "),
    ]
    assert taken.problems[-1].why.endswith("the file seems to be cut off here")
    assert len(store.reviews.opinions()) == 2


def test_a_sheet_of_another_installation_is_told_line_by_line(store: Store, now: Snapshot, tmp_path: Path) -> None:
    other = open_store(tmp_path / "other", vector_key=bytes(32))
    fill(other, now, SMALL, 3, seed=8)
    foreign = [replace(line, choice="tie") for line in export(other, now)]
    other.close()
    taken = back(store, [*foreign])
    assert (taken.taken, [one.line for one in taken.problems]) == (0, [1, 2, 3])
    assert taken.problems[0].why.startswith(f"there is no question {foreign[0].id} here")


def test_what_comes_back_after_its_text_was_forgotten_counts(store: Store, now: Snapshot) -> None:
    fill(store, now, SMALL, 3)
    (line, *_) = export(store, now, count=1)
    store.reviews.forget(FEATURE, NOW_MS, now_ms=NOW_MS)
    assert back(store, [replace(line, choice="tie")]).taken == 1


@pytest.mark.parametrize("first", ["candidate", "reference"])
def test_what_choices_mean(first: str) -> None:
    other = "reference" if first == "candidate" else "candidate"
    assert (meaning("a", first), meaning("b", first), meaning("tie", first)) == (first, other, "tie")
