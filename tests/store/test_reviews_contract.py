"""What every store must do with questions, materials and opinions; and that what is forgotten is gone from the disk."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.store.records import KEY, START_MS, STORES, opened

from pointsman.core.errors import StoreError
from pointsman.core.review import Material, Opinion, Question
from pointsman.store.interfaces import Store
from pointsman.store.seal import KEY_FILE, MaterialSeal

MOST = 1000
MATERIAL = Material("What is the capital of France?", "Paris, of course.", "It is Lyon.")


def question(number: int, **fields: object) -> Question:
    base = Question(
        exchange=f"{number:024x}",
        trial="support-1",
        feature="support",
        deployment="z/small",
        reference="z/big",
        arm="candidate",
        at_ms=START_MS + number,
        machine=0.5,
        worth=0.7,
    )
    return replace(base, **fields)


def opinion(of: Question, reviewer: str = "ann", **fields: object) -> Opinion:
    return replace(Opinion(of.id, reviewer, START_MS, "candidate", "reference", 4.5, 1.25), **fields)


def test_what_is_kept_comes_back(store: Store) -> None:
    first, second = question(1), question(2, feature="other", machine=None, worth=0.0)
    store.reviews.keep([(first, MATERIAL), (second, None)], most=MOST)
    assert store.reviews.questions() == [first, second]
    assert store.reviews.questions("other") == [second]
    assert store.reviews.question(first.id) == first
    assert store.reviews.question("nothing") is None
    assert store.reviews.material(first) == MATERIAL
    assert store.reviews.material(second) is None
    assert store.reviews.material(question(3)) is None


def test_a_question_that_is_there_stays_as_it_is(store: Store) -> None:
    first = question(1)
    store.reviews.keep([(first, MATERIAL)], most=MOST)
    store.reviews.keep([(replace(first, worth=0.1), Material("another", "text"))], most=MOST)
    assert store.reviews.questions() == [first]
    assert store.reviews.material(first) == MATERIAL


def test_more_than_the_most_forgets_the_oldest(store: Store) -> None:
    made = [question(number) for number in range(5)]
    store.reviews.keep([(one, MATERIAL) for one in made[:3]], most=4)
    store.reviews.keep([(one, MATERIAL) for one in made[3:]], most=4)
    assert [store.reviews.material(one) is not None for one in made] == [False, True, True, True, True]
    assert [one.gone_ms is None for one in store.reviews.questions()] == [False, True, True, True, True]


def test_forgetting_leaves_the_question_and_others_materials(store: Store) -> None:
    old, new, other = question(1), question(9), question(1, feature="other", trial="other-1")
    store.reviews.keep([(one, MATERIAL) for one in (old, new, other)], most=MOST)
    assert sorted(store.reviews.features()) == ["other", "support"]
    assert store.reviews.forget("support", START_MS + 5, now_ms=START_MS + 77) == 1
    assert store.reviews.forget("support", START_MS + 5, now_ms=START_MS + 78) == 0
    assert store.reviews.tidy()
    assert store.reviews.questions() == [replace(old, gone_ms=START_MS + 77), new, other]
    assert [store.reviews.material(one) for one in (old, new, other)] == [None, MATERIAL, MATERIAL]
    assert store.reviews.forget("other", START_MS + 99, now_ms=START_MS + 99) == 1
    assert store.reviews.features() == ["support"]


def test_opinions_are_replaced_by_the_same_reviewer_and_taken_back(store: Store) -> None:
    asked = question(1)
    store.reviews.keep([(asked, MATERIAL)], most=MOST)
    mine, other = opinion(asked), opinion(asked, "bob", at_ms=START_MS + 1)
    store.reviews.say([mine, other])
    changed = replace(mine, said="tie", at_ms=START_MS + 2)
    store.reviews.say([changed])
    assert store.reviews.opinions() == [other, changed]
    store.reviews.take_back(asked.id, "ann")
    store.reviews.take_back(asked.id, "ann")
    assert store.reviews.opinions() == [other]


@pytest.mark.parametrize("kind", STORES)
def test_without_a_key_no_material_is_kept_or_read(kind: str, tmp_path: Path) -> None:
    with_key = opened(kind, tmp_path)
    with_key.reviews.keep([(question(1), MATERIAL)], most=MOST)
    with_key.close()
    without = opened(kind, tmp_path, None)
    assert without.reviews.material(question(1)) is None
    without.reviews.keep([(question(2), MATERIAL), (question(3, worth=0.0), None)], most=MOST)
    assert without.reviews.questions() == [question(1), question(3, worth=0.0)]
    without.close()


@pytest.mark.parametrize("kind", STORES)
def test_another_key_is_said(kind: str, tmp_path: Path) -> None:
    store = opened(kind, tmp_path)
    store.reviews.keep([(question(1), MATERIAL)], most=MOST)
    store.close()
    other = opened(kind, tmp_path, bytes(32))
    with pytest.raises(StoreError, match="another key"):
        other.reviews.material(question(1))
    other.close()


@pytest.mark.parametrize("kind", STORES)
def test_what_is_forgotten_is_gone_from_the_disk(kind: str, tmp_path: Path) -> None:
    """Not the text (it was sealed), and not the sealed cell either: no piece of it is left in any file."""
    long = Material("x" * 20_000, "an answer " * 500)
    made = [question(number) for number in range(30)]
    store = opened(kind, tmp_path)
    store.reviews.keep([(one, long if one is made[7] else MATERIAL) for one in made], most=MOST)
    cells = [row[0] for row in store._connections.read("SELECT cell FROM materials ORDER BY n")]  # type: ignore[attr-defined]
    pieces = [cell[start : start + 24] for cell in (cells[7], cells[12]) for start in range(0, len(cell) - 24, 24)]

    def left() -> int:
        held = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
        return sum(piece in held for piece in pieces)

    assert left() > 0.9 * len(pieces)
    assert MATERIAL.request.encode() not in b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert store.reviews.forget("support", START_MS + 13, now_ms=START_MS + 99) == 13
    assert store.reviews.tidy()
    assert left() == 0
    store.close()
    assert left() == 0


def test_a_material_is_bound_to_its_question() -> None:
    seal = MaterialSeal(KEY, Path(KEY_FILE))
    cell = seal.seal("one", b"text")
    assert seal.open("one", cell) == b"text"
    assert seal.seal("one", b"text") != cell
    for question_, altered in (("two", cell), ("one", cell[:-1]), ("one", b""), ("one", cell[:-1] + bytes([cell[-1] ^ 1]))):
        with pytest.raises(StoreError, match="cannot be opened"):
            seal.open(question_, altered)
    assert KEY.hex() not in repr(seal)
