import os

import pytest

from pointsman.serve.threads import one_thread


def test_a_process_computes_with_one_thread_unless_its_owner_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")

    added = one_thread()

    assert added["OMP_NUM_THREADS"] == "1"
    assert "OPENBLAS_NUM_THREADS" not in added
    assert "OMP_NUM_THREADS" not in os.environ
