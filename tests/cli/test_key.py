"""``pointsman key`` and ``pointsman audit``: what people see, and what is on disk when they see it."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pointsman.cli import commands
from pointsman.core import snapshot as snapshots
from pointsman.core.keys import Key, Scope
from pointsman.core.routing import Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.admission import opens
from pointsman.serve.workspace import Workspace

WHOLE = re.compile(r"pm-[0-9a-f]{10}-[0-9a-f]{64}")


def run(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(commands, [*words, "--data", str(workspace.data)])


def create(workspace: Workspace, *words: str) -> tuple[str, Key]:
    result = run(workspace, "key", "create", *words)
    assert result.exit_code == 0, result.output
    return result.stdout.strip(), workspace.store.keys.all()[-1]


def published(workspace: Workspace) -> None:
    route = Route("auto", "p/m", (), Objective(), 0.05, {"*": Plan("*", reference="p/m")})
    data = snapshots.encode(Snapshot({"p": Provider("p", "http://x")}, routes={"auto": route}))
    workspace.store.snapshots.publish(data, made_by="a test", at_ms=1)


def test_a_key_is_on_disk_when_it_is_shown_and_nowhere_in_clear(workspace: Workspace) -> None:
    whole, key = create(
        workspace, "shop", "--feature", "support", "--customer", "acme", "--owner", "sue", "--expires", "90d"
    )
    assert WHOLE.fullmatch(whole)
    assert opens(key, whole.encode(), 0)
    assert (key.name, key.feature, key.customer, key.owner, key.admin) == ("shop", "support", "acme", "sue", False)
    assert key.expires_ms == key.made_ms + 90 * 86_400_000
    secret = whole.split("-")[2].encode()
    for path in Path(workspace.data).rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes()
    shown = run(workspace, "key", "list", "--json").stdout + run(workspace, "audit", "--json").stdout
    assert "shop" in shown
    assert whole.split("-")[2] not in shown
    assert key.sha256 not in shown
    assert key.salt not in shown


def test_what_is_shown_goes_to_a_pipe_alone(workspace: Workspace) -> None:
    result = run(workspace, "key", "create", "shop")
    assert WHOLE.fullmatch(result.stdout.strip())
    assert "not shown again" in result.stderr
    as_json = json.loads(run(workspace, "key", "create", "ci", "--json").stdout)
    assert as_json.keys() == {"id", "name", "key"}


def test_bounds_are_kept_and_those_that_name_nothing_refused(workspace: Workspace) -> None:
    published(workspace)
    bounds = (
        "--route",
        "auto",
        "--deployment",
        "p/*",
        "--dialect",
        "gemini",
        "--only-feature",
        "f",
        "--network",
        "10.0.0.0/8",
    )
    _, key = create(workspace, "ci", *bounds)
    assert key.scope == Scope(("auto",), ("p/*",), ("gemini",), ("f",), ("10.0.0.0/8",))
    for words, said in (
        (("--route", "aut"), "there is no route 'aut': there are auto"),
        (("--deployment", "q/*"), "'q/*' is no deployment here"),
        (("--network", "10.0.0.1/8"), "'10.0.0.1/8' is no network"),
        (("--admin", "--route", "auto"), "an admin key opens the control API only"),
        (("--policy", "eu"), "there is no data policy 'eu'"),
    ):
        result = run(workspace, "key", "create", "x", *words)
        assert result.exit_code == 1
        assert said in str(result.exception)
    assert "--dialect" in run(workspace, "key", "create", "x", "--dialect", "klingon").output
    assert run(workspace, "key", "create", "x", "--expires", "soon").exit_code == 2
    assert len(workspace.store.keys.all()) == 1


def test_a_name_is_of_one_key(workspace: Workspace) -> None:
    create(workspace, "shop")
    result = run(workspace, "key", "create", "shop")
    assert "the name 'shop' belongs to the key" in str(result.exception)
    run(workspace, "key", "revoke", "shop")
    create(workspace, "shop")
    declared = Workspace(_declaring(workspace), workspace.data)
    result = CliRunner().invoke(
        commands, ["key", "create", "file", "-c", str(declared.config_path), "--data", str(workspace.data)]
    )
    assert "the configuration has a key called 'file'" in str(result.exception)


def _declaring(workspace: Workspace) -> Path:
    path = Path(workspace.data).parent / "declaring.toml"
    path.write_text('[keys.file]\nsha256 = "' + "0" * 64 + '"\n')
    return path


def test_rotation_and_revocation_say_what_holds_from_now_on(workspace: Workspace) -> None:
    first, key = create(workspace, "shop")
    turned = run(workspace, "key", "rotate", key.id[:4])
    second = turned.stdout.strip()
    assert second.split("-")[:2] == first.split("-")[:2]
    assert "The secret before is taken until" in turned.stderr
    [key] = workspace.store.keys.all()
    assert opens(key, first.encode(), 0)
    assert "old secret until" in run(workspace, "key", "list").stdout
    third = run(workspace, "key", "rotate", "shop", "--overlap", "0")
    assert "The secret before has ended." in third.stderr
    said = run(workspace, "key", "revoke", "shop").stdout
    assert said == f"{key.id} (shop) is revoked: a running gateway refuses it within a second, in every process.\n"
    assert "was revoked on" in run(workspace, "key", "revoke", key.id).stdout
    assert "was revoked: make another" in str(run(workspace, "key", "rotate", key.id).exception)
    assert "No key." in run(workspace, "key", "list").stdout
    assert "revoked" in run(workspace, "key", "list", "--all").stdout
    assert [act["act"] for act in map(json.loads, run(workspace, "audit", "--json").stdout.splitlines())] == [
        "key revoke", "key rotate", "key rotate", "key create",
    ]  # fmt: skip


def test_a_wrong_name_says_what_there_is(workspace: Workspace) -> None:
    _, key = create(workspace, "shop")
    for word in ("rotate", "revoke"):
        result = run(workspace, "key", word, "shup")
        assert f"there is no key 'shup': there are {key.id} (shop)" in str(result.exception)


def test_tables_fit_a_terminal(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    published(workspace)
    monkeypatch.setenv("COLUMNS", "80")
    create(
        workspace, "a-long-name-of-a-key", "--customer", "a-long-name-of-a-customer", "--route", "auto", "--expires", "1h"
    )
    create(workspace, "ops", "--admin")
    for words in (("key", "list"), ("audit",)):
        shown = run(workspace, *words).stdout
        assert "ops" in shown
        assert all(len(line) <= 80 for line in shown.splitlines()), shown


def test_the_log_is_searched_and_checked(workspace: Workspace) -> None:
    for name in ("shop", "ci"):
        create(workspace, name)
    run(workspace, "key", "revoke", "ci")
    acts = [json.loads(line) for line in run(workspace, "audit", "ci", "--json").stdout.splitlines()]
    assert [(act["act"], act["detail"]) for act in acts] == [("key revoke", "ci"), ("key create", "ci")]
    assert acts[0]["actor"].startswith("cli:")
    assert len(run(workspace, "audit", "-n", "1", "--json").stdout.splitlines()) == 1
    assert run(workspace, "audit", "nothing of the kind").stdout == "No such act.\n"
    assert re.fullmatch(
        r"3 acts, each linked to the one before; the last link is [0-9a-f]{64}\n", run(workspace, "audit", "--verify").stdout
    )
    with workspace.store._connections.write() as connection:  # type: ignore[attr-defined]
        connection.execute("DROP TRIGGER audit_is_not_changed")
        connection.execute("UPDATE audit SET detail = 'somebody' WHERE n = 2")
    result = run(workspace, "audit", "--verify")
    assert result.exit_code == 1
    assert "act 2 does not follow from those before it" in str(result.exception)
