"""Encodings that are kept: found again, by whoever opens the file next, and by nobody else."""

from pathlib import Path

import pytest

from pointsman.core.errors import StoreError
from pointsman.store.encodings import FILE, KeptEncodings


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    kept = KeptEncodings(tmp_path / "data")
    many = {bytes((n // 256, n % 256)): bytes((n % 7,)) * 5 for n in range(1200)}
    kept.keep(many)
    kept.keep({b"\0\0": b"newer"})
    kept.close()
    again = KeptEncodings(tmp_path / "data")
    assert again.found([*many, b"unknown"]) == many | {b"\0\0": b"newer"}
    assert again.found([]) == {}
    again.close()
    assert (tmp_path / "data" / FILE).stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_none_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, and long enough to be looked into" * 50)
    with pytest.raises(StoreError, match="delete it, and texts are encoded again"):
        KeptEncodings(tmp_path)
