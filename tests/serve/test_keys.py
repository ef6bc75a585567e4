"""Keys in a real ``pointsman up`` with two processes: what a command does to them reaches both."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
from click.testing import CliRunner

from pointsman.cli import commands
from pointsman.cli.demo.processes import free_port
from tests.serve.conftest import Up
from tests.serve.test_workers import listeners, until, workers

BODY = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


def pointsman(up: Up, *words: str) -> str:
    """Run a command beside the gateway, in this process: what it does passes through the store alone."""
    result = CliRunner().invoke(commands, [*words, "--config", str(up.config)])
    assert result.exit_code == 0, result.output
    return result.stdout


def make(up: Up, name: str, *options: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(pointsman(up, "key", "create", name, *options, "--json"))
    return made


def statuses(base: str, clients: list[httpx.Client], key: str) -> set[int]:
    header = {"authorization": f"Bearer {key}"}
    return {client.post(f"{base}/chat/completions", json=BODY, headers=header).status_code for client in clients}


def ready(up: Up) -> None:
    url = up.base_url.removesuffix("/v1").replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    until(lambda: "ready" in httpx.get(f"{url}/readyz", timeout=60).text)


def soon(base: str, clients: list[httpx.Client], key: str, wanted: set[int]) -> None:
    """Wait until every connection answers so. How soon that is, ``bench/revoking.py`` measures."""
    ends = time.monotonic() + 30
    while statuses(base, clients, key) != wanted:
        assert time.monotonic() < ends


def test_revoked_and_rotated_keys_are_refused_in_every_process_on_open_connections(start: Callable[..., Up]) -> None:
    up = start("--workers", "2")
    base = up.base_url
    until(lambda: len(workers(up.process.pid)) == 1)
    port = int(base.split(":")[2].split("/")[0])
    until(lambda: all("ready" in httpx.get(f"{base.removesuffix('/v1')}/readyz", timeout=60).text for _ in range(8)))
    clients: list[httpx.Client] = []
    while len(clients) < 8 or listeners(port, {up.process.pid, *workers(up.process.pid)}) < 2:
        clients.append(httpx.Client(timeout=60))  # whom the kernel gives a connection to is chance
        assert statuses(base, clients, "none is asked for yet") == {200}
        assert len(clients) < 100
    shop, brief = make(up, "shop", "--customer", "acme"), make(up, "brief", "--expires", "1h")
    soon(base, clients, "nobody", {401})  # from the first key on, on connections that stood open
    soon(base, clients, shop["key"], {200})

    turned = json.loads(pointsman(up, "key", "rotate", "shop", "--overlap", "1h", "--json"))
    soon(base, clients, turned["key"], {200})
    assert statuses(base, clients, shop["key"]) == {200}
    again = json.loads(pointsman(up, "key", "rotate", shop["id"][:4], "--overlap", "0", "--json"))
    soon(base, clients, turned["key"], {401})
    soon(base, clients, again["key"], {200})  # what ended is refused at once, before the keys are read again

    pointsman(up, "key", "revoke", "shop")
    soon(base, clients, again["key"], {401})
    soon(base, clients, brief["key"], {200})
    pointsman(up, "key", "revoke", "brief")
    soon(base, clients, brief["key"], {401})
    assert statuses(base, clients, "anything") == {401}  # the last key ended, and nobody may come in instead
    for client in clients:
        client.close()
    log = [json.loads(line) for line in pointsman(up, "audit", "key ", "--json").splitlines()]
    assert [one["act"] for one in log] == ["key revoke"] * 2 + ["key rotate"] * 2 + ["key create"] * 2
    assert all(one["actor"].startswith("cli:") for one in log)
    assert shop["key"] not in json.dumps(log) + "".join(up.said)
    assert up.stop() == 0


def test_other_machines_are_served_once_a_key_was_made(start: Callable[..., Up]) -> None:
    refused = start("--host", "0.0.0.0")  # noqa: S104 - that is the question
    said = refused.hears(lambda line: "no client needs a key" in line)
    assert "pointsman key create NAME" in said
    assert refused.process.wait(20) == 1
    key = make(refused, "shop")["key"]
    up = start("--host", "0.0.0.0")  # noqa: S104
    base = up.base_url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    with httpx.Client(timeout=60) as client:
        assert statuses(base, [client], "none") == {401}
        assert statuses(base, [client], key) == {200}
    assert up.stop() == 0


def test_an_admin_key_opens_the_control_api_and_nothing_else(start: Callable[..., Up]) -> None:
    port = free_port()
    up = start()
    ready(up)
    assert up.stop() == 0
    admin, client = make(up, "ops", "--admin"), make(up, "shop")
    up.config.write_text(up.config.read_text() + f"\n[control]\nport = {port}\n")
    up = start()
    base = up.base_url
    up.hears(lambda line: f"answers programs at http://127.0.0.1:{port}/control/v1" in line)

    def asked(key: str | None) -> int:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        url = f"http://127.0.0.1:{port}/control/v1/replay"
        return httpx.post(url, content=b"{}", headers=headers, timeout=60).status_code

    assert [asked(key) for key in (None, "x", client["key"], admin["key"])] == [401, 401, 403, 200]
    with httpx.Client(timeout=60) as one:
        assert statuses(base, [one], admin["key"]) == {403}
        assert statuses(base, [one], client["key"]) == {200}
    pointsman(up, "key", "revoke", "ops")
    assert asked(admin["key"]) == 401
    [act] = [json.loads(line) for line in pointsman(up, "audit", "control API", "--json").splitlines()]
    assert (act["actor"], act["object"]) == ("key:ops", "/control/v1/replay")
    assert "each linked to the one before" in pointsman(up, "audit", "--verify")
    assert up.stop() == 0
