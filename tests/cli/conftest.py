"""An installation that is not there yet, as a user's commands find it."""

from pathlib import Path

import pytest

from pointsman.serve.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("POINTSMAN_CONFIG", raising=False)
    return Workspace(None, tmp_path / "data")
