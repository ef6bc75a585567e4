"""The control process: what it publishes by itself, what it says, and when it ends."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from msgspec.structs import replace

from pointsman.control.config import Config, load
from pointsman.control.drift import DriftWatch
from pointsman.control.forgetting import Forgetting
from pointsman.control.gates import Gatekeeper
from pointsman.core.errors import ConfigError, StoreError
from pointsman.core.review import Material, Question
from pointsman.core.routing import Deployment, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.telemetry import metrics
from pointsman.serve import control_process
from pointsman.serve.control_process import ConfigFile, Current
from pointsman.serve.steps import Steps
from pointsman.serve.workspace import Workspace

NAMES = ("z/big", "z/small")
GOOD = '[providers.z]\nbase_url = "http://127.0.0.1:9/v1"\n[limits]\nfallbacks = 1\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "pointsman.toml").write_text(GOOD, "utf-8")
    return Workspace(tmp_path / "pointsman.toml", tmp_path / "data")


def canary() -> Snapshot:
    plan = Plan("support", mode="canary", reference="z/big", accepted=("z/small",), acting_share=0.1, since_ms=1000)
    return Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "z", name[2:], name[2:]) for name in NAMES},
        {"auto": Route("auto", "z/big", ("z/small",), Objective(), 0.05, {"*": Plan("*"), "support": plan})},
    )


def test_current_is_decoded_again_only_when_another_was_published(workspace: Workspace) -> None:
    current = Current(workspace.store)
    assert current() == Snapshot()
    workspace.publish(lambda _: canary(), made_by="a test")
    first = current()
    assert first.routes.keys() == {"auto"}
    assert current() is first
    workspace.publish(lambda now: replace(now, limits=replace(now.limits, fallbacks=7)), made_by="a test")
    assert current().limits.fallbacks == 7


def test_a_changed_file_is_published_once(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    assert workspace.config_path
    file = ConfigFile(workspace.config_path, workspace.store)
    file.look()
    file.look()
    assert workspace.store.snapshots.current_number() == 1
    workspace.config_path.write_text(GOOD.replace("fallbacks = 1", "fallbacks = 0 # none"), "utf-8")
    file.look()
    file.look()
    assert workspace.store.snapshots.current_number() == 2
    assert workspace.snapshot().limits.fallbacks == 0
    assert capfd.readouterr().err.count("took up pointsman.toml") == 2


def test_what_a_changed_file_means_for_what_acts_is_said(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    workspace.publish(lambda _: canary(), made_by="a test")
    assert workspace.config_path
    route = '[routes.auto]\nreference = "z/big"\ncandidates = ["z/small"]\n[features.support]\n'
    route += "".join(f'[deployments."{name}"]\n' for name in NAMES)
    workspace.config_path.write_text(GOOD.replace("127.0.0.1:9", "127.0.0.1:10") + route, "utf-8")
    ConfigFile(workspace.config_path, workspace.store).look()
    assert workspace.snapshot().routes["auto"].plans["support"].mode == "canary"
    took, note = capfd.readouterr().err.splitlines()
    assert "took up pointsman.toml" in took
    assert "the former address of provider z" in note


def test_a_mistake_or_a_missing_file_leaves_the_last_good_one(workspace: Workspace) -> None:
    assert workspace.config_path
    file = ConfigFile(workspace.config_path, workspace.store)
    file.look()
    workspace.config_path.write_text(GOOD + "nonsense = 1\n", "utf-8")
    with pytest.raises(ConfigError, match="unknown key 'nonsense'"):
        file.look()
    workspace.config_path.unlink()
    file.look()
    assert workspace.store.snapshots.current_number() == 1
    workspace.config_path.write_text(GOOD.replace("fallbacks = 1", "fallbacks = 3"), "utf-8")
    file.look()
    assert workspace.snapshot().limits.fallbacks == 3


def steps() -> Steps:
    return Steps(control_process.say)


async def test_what_stays_wrong_is_said_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    said = iter([ConfigError("first"), ConfigError("first"), None, ConfigError("first"), ConfigError("second")])

    def look(_: ConfigFile) -> None:
        problem = next(said, asyncio.CancelledError())
        if problem is not None:
            raise problem

    monkeypatch.setattr(control_process, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(ConfigFile, "look", look)
    with pytest.raises(asyncio.CancelledError):
        await control_process._tend(
            ConfigFile(workspace.config_path, workspace.store), workspace.store, Current(workspace.store), steps()
        )
    lines = capfd.readouterr().err.splitlines()
    assert lines == ["pointsman control: first", "pointsman control: first", "pointsman control: second"]


async def test_a_step_that_fails_keeps_no_other_from_its_turn(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("of one row")

    looks: list[Snapshot] = []

    def look(_: DriftWatch, current: Snapshot) -> None:
        looks.append(current)
        if len(looks) == 3:
            raise asyncio.CancelledError

    workspace.publish(lambda _: canary(), made_by="a test")
    monkeypatch.setattr(control_process, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(Forgetting, "look", fail)
    monkeypatch.setattr(control_process, "join_due", fail)
    monkeypatch.setattr(Gatekeeper, "look", fail)
    monkeypatch.setattr(DriftWatch, "look", look)
    with pytest.raises(asyncio.CancelledError):
        await control_process._tend(ConfigFile(None, workspace.store), workspace.store, Current(workspace.store), steps())
    assert len(looks) == 3
    names = ("forgetting what was kept long enough", "joining feedback", "Gatekeeper")
    said = [f"pointsman control: {name} failed: ValueError('of one row')" for name in names]
    assert capfd.readouterr().err.splitlines() == said


async def test_looking_goes_on_whatever_happens(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    raised = iter([KeyError("x"), KeyError("x"), None, OSError("y")])

    async def look() -> None:
        problem = next(raised, asyncio.CancelledError())
        if problem is not None:
            raise problem

    monkeypatch.setattr(control_process, "LOOK_EVERY_S", 0)
    with pytest.raises(asyncio.CancelledError):
        await control_process._again("asking", look, steps())
    assert capfd.readouterr().err.splitlines() == [
        "pointsman control: asking failed: KeyError('x')",
        "pointsman control: asking failed: OSError('y')",
    ]


def test_an_encoder_that_cannot_be_opened_is_not_published(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.config_path
    file = ConfigFile(workspace.config_path, workspace.store)
    file.look()
    workspace.config_path.write_text(GOOD + f'[encoder]\nonnx = "{tmp_path / "nowhere"}"\n', "utf-8")
    with pytest.raises(ConfigError, match="nowhere"):
        file.look()
    assert workspace.store.snapshots.current_number() == 1
    assert workspace.snapshot().encoder is None


def test_what_could_not_be_published_is_tried_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert workspace.config_path
    workspace.config_path.write_text(GOOD + '[learning]\nevery = "1h"\n', "utf-8")
    file = ConfigFile(workspace.config_path, workspace.store)
    full = StoreError("the disk is full")
    with monkeypatch.context() as once:
        once.setattr(workspace.store.snapshots, "publish", Mock(side_effect=full))
        with pytest.raises(StoreError, match="the disk is full"):
            file.look()
    assert file.config == Config()
    file.look()
    assert file.config.learn_every_s == 3600
    assert workspace.store.snapshots.current_number() == 1


async def test_what_is_kept_for_review_too_long_is_forgotten_whatever_stands_in_the_file(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Question("x", "t", "support", "z/small", "z/big", "candidate", 1000, 1.0, 0.5)
    workspace.publish(lambda _: canary(), made_by="a test")
    workspace.store.reviews.keep([(kept, Material("request", "answer", "other"))], most=10)
    wrong = iter([ConfigError("a mistake"), asyncio.CancelledError()])

    def look(_: ConfigFile) -> None:
        raise next(wrong)

    monkeypatch.setattr(control_process, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(control_process, "EXPIRE_EVERY_S", -1.0)
    monkeypatch.setattr(ConfigFile, "look", look)
    with pytest.raises(asyncio.CancelledError):
        await control_process._tend(
            ConfigFile(workspace.config_path, workspace.store), workspace.store, Current(workspace.store), steps()
        )
    assert workspace.store.reviews.features() == []
    assert workspace.store.reviews.material(kept) is None


def test_signals_are_left_to_the_gateway_and_it_ends_with_its_standard_input(workspace: Workspace) -> None:
    assert workspace.config_path
    workspace.config_path.write_text(GOOD + "nonsense = 1\n", "utf-8")
    command = [sys.executable, "-m", "pointsman.serve.control_process"]
    command += ["--config", str(workspace.config_path), "--data", str(workspace.data)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    assert process.stdin
    assert "1 mistake in" in process.stderr.readline()  # so it is at work
    for sign in (signal.SIGTERM, signal.SIGINT):
        os.kill(process.pid, sign)
    workspace.config_path.write_text(GOOD, "utf-8")
    heard = [process.stderr.readline() for _ in range(2)]
    assert "nonsense" in heard[0]
    assert "took up pointsman.toml" in heard[1]
    process.stdin.close()
    assert process.wait(20) == 0
    process.stderr.close()
    assert load(workspace.config_path).limits == workspace.snapshot().limits


def test_a_place_that_it_cannot_use_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "pointsman.serve.control_process", "--data", str(tmp_path / "file" / "data")]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"pointsman control: ")
    assert b"Traceback" not in done.stderr


async def test_figures_that_cannot_be_shown_stop_nobody(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    raised = iter([OSError("x"), None])

    def publish(*_: object) -> None:
        problem = next(raised, asyncio.CancelledError())
        if problem is not None:
            raise problem

    monkeypatch.setattr(control_process, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(metrics, "publish", publish)
    with pytest.raises(asyncio.CancelledError):
        await control_process._show(Mock(), steps())
    assert capfd.readouterr().err.splitlines() == ["pointsman control: showing figures failed: OSError('x')"]
