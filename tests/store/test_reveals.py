"""What a stored feature vector tells of its text, to whom: a dictionary attack, with the installation's key and without.

The attacker has the store's file and a list of texts among which the asked ones are, and says for each record which text it
was. Without the key the cells are ciphertext of equal length: the guess is right as often as chance. With the key a vector
is what it is, a fingerprint of its text: whoever has both can tell which of the texts on their list was asked.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.store.records import record

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.policy import features
from pointsman.store.seal import VectorSeal, installation_key
from pointsman.store.sqlite import FILE, open_store
from pointsman.upstream.simulated.features import features as families

LISTED = 400
ASKED = 200


def texts() -> list[str]:
    """Texts that differ as requests of one kind do: the zoo's tasks, at most so many of each family."""
    found = {task.user for family in families().values() for task in family.tasks(LISTED, seed=5)}
    return sorted(found)[:: max(1, len(found) // LISTED)][:LISTED]


def request_of(text: str) -> ChatRequest:
    return ChatRequest("auto", (Message("user", (Text(text),)),))


@pytest.fixture(scope="module")
def listed() -> tuple[list[str], NDArray[np.uint8]]:
    found = texts()
    assert len(found) == LISTED
    vectors = features.vectors([request_of(text) for text in found])
    return found, np.frombuffer(b"".join(vectors), dtype=np.uint8).reshape(LISTED, features.LENGTH)


@pytest.fixture
def stolen(tmp_path: Path, listed: tuple[list[str], NDArray[np.uint8]]) -> list[tuple[str, bytes, int]]:
    """The records' ids and sealed cells as they stand in the file, and which text each was of."""
    truth = np.random.default_rng(3).choice(LISTED, ASKED, replace=False)
    with closing(open_store(tmp_path, vector_key=installation_key(tmp_path))) as store:
        store.journal.append([record(n, vector=listed[1][place].tobytes()) for n, place in enumerate(truth)])
    with closing(sqlite3.connect(tmp_path / FILE)) as raw:
        rows = raw.execute("SELECT id, vector FROM exchanges JOIN bodies USING (n) ORDER BY n").fetchall()
    return [(id_, cell, int(place)) for (id_, cell), place in zip(rows, truth, strict=True)]


def named(vector: NDArray[np.uint8], dictionary: NDArray[np.uint8]) -> int:
    """Which text of a list a vector is nearest to: by equal bytes, then by their differences."""
    width = min(len(vector), dictionary.shape[1])
    apart = np.abs(dictionary[:, :width].astype(int) - vector[:width].astype(int))
    return int(np.lexsort((apart.sum(axis=1), (apart > 0).sum(axis=1)))[0])


def test_without_the_key_a_dictionary_recovers_nothing(
    stolen: list[tuple[str, bytes, int]], listed: tuple[list[str], NDArray[np.uint8]]
) -> None:
    """As many right guesses as chance has: 200 of 1 in 400 are 0.5 expected, and 5 or more come once in 5,000 attacks."""
    dictionary = listed[1]
    assert len({len(cell) for _, cell, _ in stolen}) == 1
    for start in (0, 1, 13, len(stolen[0][1]) - features.LENGTH):  # wherever in the cell the vector might stand
        cells = [np.frombuffer(cell[max(start, 0) :], dtype=np.uint8) for _, cell, _ in stolen]
        right = sum(named(cell, dictionary) == place for cell, (_, _, place) in zip(cells, stolen, strict=True))
        assert right < 5
    other = VectorSeal(bytes(32), Path("another.key"))
    for id_, cell, _ in stolen[:20]:
        with pytest.raises(Exception, match="cannot be opened"):
            other.open(id_, cell)


def test_equal_texts_have_unequal_cells(tmp_path: Path, listed: tuple[list[str], NDArray[np.uint8]]) -> None:
    """Not even that two requests were the same is seen."""
    vector = listed[1][0].tobytes()
    seal = VectorSeal(installation_key(tmp_path), tmp_path)
    cells = {seal.seal("same", vector) for _ in range(100)}
    assert len(cells) == 100
    shared = np.array([list(cell) for cell in cells])
    same = (shared[:, None, 1:] == shared[None, :, 1:]).mean()
    assert same < 0.02  # 1 in 256 of the bytes, and each with itself 1 in 100


def test_with_the_key_the_texts_on_a_list_are_told_apart(
    stolen: list[tuple[str, bytes, int]], listed: tuple[list[str], NDArray[np.uint8]], tmp_path: Path
) -> None:
    """What the key protects: nearly every request whose text is on the list is recognised. So keep it as you keep texts."""
    seal = VectorSeal(installation_key(tmp_path), tmp_path)
    opened = [np.frombuffer(seal.open(id_, cell), dtype=np.uint8) for id_, cell, _ in stolen]
    right = sum(named(vector, listed[1]) == place for vector, (_, _, place) in zip(opened, stolen, strict=True))
    assert right >= 0.95 * ASKED


def test_with_the_key_a_text_that_was_changed_a_little_is_still_recognised(
    listed: tuple[list[str], NDArray[np.uint8]],
) -> None:
    """A vector is no hash: near texts have near vectors, as they must for a policy to learn from."""
    found, dictionary = listed
    changed = features.vectors([request_of(text + " Thanks!") for text in found[:100]])
    right = sum(named(np.frombuffer(one, dtype=np.uint8), dictionary) == place for place, one in enumerate(changed))
    assert right >= 80
