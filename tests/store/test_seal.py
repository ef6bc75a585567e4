import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import StoreError
from pointsman.policy import features
from pointsman.store.seal import CELL_BYTES, KEY_BYTES, KEY_FILE, VectorSeal, installation_key

FILE = Path("somewhere") / KEY_FILE
SEAL = VectorSeal(bytes(range(32)), FILE)
ids = st.text(st.characters(exclude_categories=["Cs"]))


@given(record_id=ids, vector=st.binary(max_size=480))
def test_a_cell_opens_to_its_vector_and_is_small_enough(record_id: str, vector: bytes) -> None:
    cell = SEAL.seal(record_id, vector)
    assert SEAL.open(record_id, cell) == vector
    assert len(cell) <= CELL_BYTES
    assert SEAL.seal(record_id, vector) != cell


def test_the_vectors_of_the_policies_fit() -> None:
    assert len(SEAL.seal("a" * 24, bytes(features.LENGTH))) <= CELL_BYTES


def test_a_longer_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        SEAL.seal("a", bytes(CELL_BYTES))


@given(vector=st.binary(max_size=40), data=st.data())
def test_any_altered_bit_is_noticed(vector: bytes, data: st.DataObject) -> None:
    cell = bytearray(SEAL.seal("a", vector))
    bit = data.draw(st.integers(0, 8 * len(cell) - 1))
    cell[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StoreError, match="altered"):
        SEAL.open("a", bytes(cell))


@pytest.mark.parametrize("length", [0, 1, 12, 13, 28])
def test_a_cell_cut_short_is_noticed(length: int) -> None:
    with pytest.raises(StoreError, match="altered"):
        SEAL.open("a", SEAL.seal("a", b"vector")[:length])


def test_a_cell_belongs_to_its_record_and_its_key() -> None:
    cell = SEAL.seal("a", b"vector")
    with pytest.raises(StoreError):
        SEAL.open("b", cell)
    with pytest.raises(StoreError, match=str(FILE)) as caught:
        VectorSeal(bytes(32), FILE).open("a", cell)
    assert "right key file" in str(caught.value)


@given(vectors=st.lists(st.tuples(ids, st.binary(max_size=480)), max_size=8))
def test_many_cells_open_each_to_its_vector_and_no_two_nonces_are_alike(vectors: list[tuple[str, bytes]]) -> None:
    cells = SEAL.seal_all(vectors)
    assert [SEAL.open(name, cell) for (name, _), cell in zip(vectors, cells, strict=True)] == [one for _, one in vectors]
    assert len({cell[1:13] for cell in cells}) == len(cells)
    assert SEAL.seal_all(vectors) != cells or not vectors


def test_cells_of_the_first_format_are_read() -> None:
    """Sealed by version 0.1 with this key, for this record: what was stored stays readable."""
    cell = bytes.fromhex("01000102030405060708090a0bff9e6b744665478f5d691c33237cff2c3d14fcba6c5c")
    assert SEAL.open("a", cell) == b"vector"
    with pytest.raises(StoreError, match="altered"):
        SEAL.open("b", cell)
    with pytest.raises(StoreError, match="altered"):
        SEAL.open("a", b"\x02" + cell[1:])


def test_a_cell_of_an_unknown_format_is_refused() -> None:
    with pytest.raises(StoreError, match="altered"):
        SEAL.open("a", b"\x03" + SEAL.seal("a", b"vector")[1:])


def test_the_key_is_in_no_repr() -> None:
    assert repr(SEAL) == f"VectorSeal('{FILE}')"


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    key = installation_key(data)
    assert len(key) == KEY_BYTES
    assert installation_key(data) == key
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / KEY_FILE).stat().st_mode) == 0o600
    assert list(data.iterdir()) == [data / KEY_FILE]
    assert installation_key(tmp_path / "other") != key


def test_processes_that_come_at_once_get_the_same_key(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from pointsman.store.seal import installation_key; sys.stdin.readline();"
        "print(installation_key(pathlib.Path(sys.argv[1])).hex())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "data")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    keys = {process.communicate("go\n", timeout=60)[0] for process in started}
    assert keys == {installation_key(tmp_path / "data").hex() + "\n"}


def test_a_damaged_key_file_is_named_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(StoreError, match="holds 5 bytes"):
        installation_key(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == b"short"


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="another data directory"):
        installation_key(tmp_path / "file")
