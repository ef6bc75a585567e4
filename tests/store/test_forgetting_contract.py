"""What every store does when something was kept long enough: it is gone, from the files too, and nothing younger is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.records import START_MS, STORES, judgement, opened, record

from pointsman.control.forgetting import DAY_MS, Forgetting
from pointsman.core.errors import StoreError
from pointsman.core.feedback import Feedback
from pointsman.core.review import Material, Opinion, Question
from pointsman.core.snapshot import Keeping, Snapshot
from pointsman.store.interfaces import Filter, Store

OLD, NEW = "an old secret that nobody should find", "a younger one that stays"


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = opened(request.param, tmp_path)
    yield made
    made.close()


def filled(store: Store) -> None:
    """A thousand old exchanges and two young ones, with everything that hangs on them."""
    old = [
        record(number, prompt=f"{OLD} {number} {'x' * 3000 * (number % 3)}", client_id=f"{OLD}{number}")
        for number in range(1000)
    ]
    new = [record(number, at_ms=START_MS + 10 * DAY_MS, prompt=NEW) for number in (2000, 2001)]
    store.journal.append([*old, *new])
    store.journal.judge([judgement(number, note=OLD) for number in range(5)])
    store.journal.judge([judgement(2000, at_ms=START_MS + 10 * DAY_MS, note=NEW)])
    said = [
        Feedback(OLD, "users", "thumb", "client_id", OLD, 1.0, START_MS, START_MS),
        Feedback(NEW, "users", "thumb", "client_id", NEW, 1.0, START_MS + 10 * DAY_MS, START_MS + 10 * DAY_MS),
    ]
    store.feedback.take(said)
    question = Question("e", "", "support", "d", "r", "candidate", START_MS, None, 1.0)
    store.reviews.keep([(question, Material(OLD, "a", "b"))], most=10)
    store.reviews.say([Opinion(question.id, OLD, START_MS, "tie", "candidate", 1.0, 0.0)])


def left(path: Path, text: str) -> list[str]:
    return [one.name for one in path.iterdir() if text.encode() in one.read_bytes()]


def test_what_was_kept_long_enough_is_gone_from_every_file(store: Store, tmp_path: Path) -> None:
    filled(store)
    assert left(tmp_path, OLD)
    now = START_MS + 12 * DAY_MS
    gone = Forgetting(store).look(Snapshot(keeping=Keeping(days=7)), now)
    assert gone >= 2 * 1000 + 5 + 1 + 3
    assert left(tmp_path, OLD) == []
    assert [one.id for one in store.journal.exchanges(Filter())] == [f"{2000:024x}", f"{2001:024x}"]
    assert {one.prompt for one in store.journal.exchanges(Filter())} == {NEW}
    assert [one.note for one in store.journal.judgements(Filter())] == [NEW]
    assert [one.feedback.id for one in store.feedback.kept()] == [NEW]
    assert store.reviews.questions() == []
    assert store.reviews.opinions() == []


def test_prompts_may_go_sooner_than_their_records(store: Store, tmp_path: Path) -> None:
    old = [record(number, prompt=f"{OLD} {'x' * 9000}") for number in range(20)]
    store.journal.append([*old, record(2000, at_ms=START_MS + 10 * DAY_MS, prompt=NEW)])
    Forgetting(store).look(Snapshot(keeping=Keeping(days=90, prompt_days=3)), START_MS + 12 * DAY_MS)
    assert left(tmp_path, OLD) == []
    assert [one.prompt for one in store.journal.exchanges(Filter())] == [""] * 20 + [NEW]
    assert next(store.journal.exchanges(Filter())).vector == old[0].vector


def test_without_days_nothing_is_forgotten(store: Store) -> None:
    store.journal.append([record(1, prompt=OLD)])
    assert Forgetting(store).look(Snapshot(), START_MS + 4000 * DAY_MS) == 0
    assert [one.prompt for one in store.journal.exchanges(Filter())] == [OLD]


def test_where_the_act_cannot_be_written_down_the_files_are_cleaned_the_next_time(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    forgetting = Forgetting(store)
    forgetting.look(Snapshot(), START_MS)  # what an earlier process left is gone
    filled(store)
    with monkeypatch.context() as broken:
        broken.setattr(store.audit, "note", full)
        with pytest.raises(StoreError):
            forgetting.look(Snapshot(keeping=Keeping(days=7)), START_MS + 12 * DAY_MS)
    forgetting.look(Snapshot(keeping=Keeping(days=7)), START_MS + 12 * DAY_MS)
    assert left(tmp_path, OLD) == []


def test_what_a_reader_holds_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    forgetting, tried = Forgetting(store), []
    answers = iter([False, True])

    def tidy() -> bool:
        tried.append(next(answers))
        return tried[-1]

    monkeypatch.setattr(store.forgetting, "tidy", tidy)
    for _ in range(3):
        forgetting.look(Snapshot(), START_MS)
    assert tried == [False, True]
