"""An installation as commands see it: which configuration, which directory, and what is said where there is none."""

import sqlite3
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pointsman.core.errors import ConfigError, StoreError
from pointsman.core.snapshot import Limits, Snapshot
from pointsman.serve.workspace import Workspace, find_config, workspace_option
from pointsman.store.sqlite import FILE


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POINTSMAN_CONFIG", raising=False)


def test_the_configuration_is_the_one_named_else_the_one_here(tmp_path: Path) -> None:
    named = tmp_path / "other.toml"
    assert find_config(named) == named
    assert find_config(None) is None
    (tmp_path / "pointsman.toml").touch()
    assert find_config(None) == Path("pointsman.toml")


def test_the_data_directory_is_the_one_named_else_the_configurations_else_ours(tmp_path: Path) -> None:
    config = tmp_path / "etc" / "pointsman.toml"
    config.parent.mkdir()
    config.write_text('[gateway]\ndata = "kept"\n', "utf-8")
    assert Workspace(config, tmp_path / "named").data == tmp_path / "named"
    assert Workspace(config).data == tmp_path / "etc" / "kept"
    assert Workspace().data == Path(".pointsman")


def test_looking_makes_nothing(tmp_path: Path) -> None:
    workspace = Workspace(None, tmp_path / "data")
    for look in (workspace.snapshot, lambda: workspace.existing):
        with pytest.raises(StoreError, match=r"nothing is recorded in .*data yet: start with `pointsman up`"):
            look()
    workspace.close()
    assert not (tmp_path / "data").exists()


def test_an_installation_without_a_snapshot_says_so(tmp_path: Path) -> None:
    workspace = Workspace(None, tmp_path / "data")
    assert workspace.published() is None
    with pytest.raises(StoreError, match=r"nothing is published in .*data yet"):
        workspace.snapshot()
    workspace.close()


def test_what_was_published_comes_back(tmp_path: Path) -> None:
    Workspace(None, tmp_path / "data").publish(lambda _: Snapshot(limits=Limits(fallbacks=7)), made_by="a test")
    again = Workspace(None, tmp_path / "data")
    assert again.snapshot().limits.fallbacks == 7


def test_a_snapshot_cut_in_half_is_named_with_its_place(tmp_path: Path) -> None:
    workspace = Workspace(None, tmp_path / "data")
    workspace.publish(lambda _: Snapshot(limits=Limits(fallbacks=7)), made_by="a test")
    with sqlite3.connect(tmp_path / "data" / FILE) as raw:
        raw.execute("UPDATE snapshots SET data = substr(data, 1, length(data) / 2)")
    raw.close()
    with pytest.raises(StoreError, match=r"snapshot 1 in .*data \(a test\) cannot be used: .*cut short.*; put back a copy"):
        workspace.snapshot()
    workspace.close()


def test_the_options_open_it_and_close_it_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Workspace] = []

    @click.command()
    @workspace_option
    def look(workspace: Workspace) -> None:
        seen.append(workspace)
        workspace.store.counters.add("looks", 1)
        raise RuntimeError("a fault of the command")

    (tmp_path / "named.toml").write_text('[gateway]\ndata = "from-the-variable"\n', "utf-8")
    monkeypatch.setenv("POINTSMAN_CONFIG", "named.toml")
    assert isinstance(CliRunner().invoke(look, []).exception, RuntimeError)
    assert seen[0].data == Path("from-the-variable")
    with pytest.raises(StoreError):
        seen[0].store.counters.get("looks")
    assert Workspace(None, seen[0].data).store.counters.get("looks") == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        Workspace(tmp_path / "absent.toml").config  # noqa: B018 - reading it is the act
