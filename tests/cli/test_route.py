"""``pointsman route``: one decision explained, from what is published or from a file, and nothing sent or recorded."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pointsman.cli import commands
from pointsman.core import snapshot as snapshots
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter

NAMES = ("z/big", "z/small", "z/other")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("POINTSMAN_CONFIG", raising=False)
    return Workspace(None, tmp_path / "data")


def published(reference: str | None = "z/big") -> Snapshot:
    return Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {
            name: Deployment(
                name, "z", name[2:], "big" if name != "z/small" else "small", Price(Rates(Decimal(1), Decimal(2)))
            )
            for name in NAMES
        },
        {"auto": Route("auto", reference, ("z/small",), Objective(), 0.05, {"*": Plan("*", reference=reference)})},
    )


def run(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(commands, ["route", "--data", str(workspace.data), *words])


def test_without_evidence_it_is_the_reference_and_the_same_model_stands_in(workspace: Workspace) -> None:
    name = workspace.publish(lambda _: published(), made_by="a test").hash
    result = run(workspace, "What is 17 * 23?", "--feature", "sums")
    assert result.exit_code == 0
    shown = " ".join(result.output.split())
    assert "> z/big unknown" in shown
    assert "z/big: the reference" in shown
    assert f"route auto, feature sums, mode observe, snapshot {name}" in shown
    assert "If it fails: z/other." in shown
    assert "z/small" not in shown
    assert list(workspace.store.journal.exchanges(Filter())) == []


def test_a_snapshot_file_is_explained_without_an_installation(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "my.snapshot"
    file.write_bytes(snapshots.encode(published("z/other")))
    result = run(workspace, "Hello", "--snapshot", str(file))
    assert "z/other: the reference" in " ".join(result.output.split())
    assert not workspace.data.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Hello",), "nothing is recorded in .*data yet"),
        (("Hello", "--snapshot", "absent"), "absent cannot be read .*name a file that `pointsman learn --out` wrote"),
        (("Hello", "--snapshot", "half"), "half: the snapshot is damaged or cut short"),
        (("Hello", "--snapshot", "text"), "text: this is not a snapshot"),
    ],
    ids=["nothing here", "no such file", "cut in half", "no snapshot"],
)
def test_what_cannot_be_explained_says_why(workspace: Workspace, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    whole = snapshots.encode(published())
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text").write_text("hello", "utf-8")
    result = run(workspace, *words)
    assert result.exit_code == 1
    assert re.search(said, str(result.exception))


@pytest.mark.parametrize(
    ("reference", "words", "said"),
    [
        (None, ("Hello",), "no reference deployment yet"),
        ("z/big", ("Hello", "--route", ""), "the model '' does not exist here"),
    ],
)
def test_a_request_that_would_be_refused_says_what_the_client_would_hear(
    workspace: Workspace, reference: str | None, words: tuple[str, ...], said: str
) -> None:
    workspace.publish(lambda _: published(reference), made_by="a test")
    result = run(workspace, *words)
    assert result.exit_code == 1
    assert said in str(result.exception)
