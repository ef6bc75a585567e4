"""Answers that are kept: by content, whole or not there, for their owner alone."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from pointsman.control.cases.kept import Kept, Said, digest
from pointsman.core.chat import Usage
from pointsman.core.errors import StoreError
from pointsman.core.routing import Deployment, Variant

ONE = Deployment("p/m", "p", "m", "m")
SAID = Said("4", False, Usage(3, 1), 12, 8.5, "x", "")


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "evals")
    assert kept.find("ab" * 32) is None
    kept.keep("ab" * 32, SAID)
    assert Kept(tmp_path / "evals").find("ab" * 32) == SAID
    (place,) = [path for path in (tmp_path / "evals").rglob("*") if path.is_file()]
    assert place.stat().st_mode & 0o077 == 0
    assert place.parent.stat().st_mode & 0o077 == 0


def test_half_a_file_is_none(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.keep("cd" * 32, SAID)
    (place,) = tmp_path.rglob("*.json")
    whole = place.read_bytes()
    for cut in range(len(whole)):
        place.write_bytes(whole[:cut])
        assert kept.find("cd" * 32) is None
    kept.keep("cd" * 32, SAID)
    assert kept.find("cd" * 32) == SAID


def test_a_name_is_of_everything_that_is_asked() -> None:
    others = (
        digest(ONE, b"{}"),
        digest(ONE, b"{ }"),
        digest(replace(ONE, name="q/m"), b"{}"),
        digest(replace(ONE, model="m-2"), b"{}"),
        digest(replace(ONE, variant=Variant(system="Be brief.")), b"{}"),
        digest(replace(ONE, variant=Variant(temperature=0.5)), b"{}"),
    )
    assert len(set(others)) == len(others)
    assert digest(ONE, b"{}") == others[0]


def test_a_disk_that_takes_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "evals").write_text("a file, and no directory")
    with pytest.raises(StoreError, match="cannot be written"):
        Kept(tmp_path / "evals").keep("ef" * 32, SAID)
