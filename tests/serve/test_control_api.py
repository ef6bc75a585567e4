"""The control plane over HTTP, in a real ``pointsman up``: it says what the commands say, to who has its key alone."""

import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from pointsman.cli.demo.processes import free_port
from pointsman.control import config as configuration
from pointsman.core.errors import ConfigError
from tests.serve.conftest import Up
from tests.serve.test_up import ask

KEY = "control-key-of-a-test"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


@pytest.fixture
def port(config: Path) -> int:
    port = free_port()
    config.write_text(config.read_text() + f'\n[control]\nsha256 = "{DIGEST}"\nport = {port}\n')
    return port


def post(port: int, what: str, body: object, key: str | None = KEY) -> httpx.Response:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"http://127.0.0.1:{port}/control/v1/{what}", content=content, headers=headers, timeout=60)


def served(up: Up, port: int) -> None:
    """Wait until the control plane listens, three requests having been served and recorded."""
    client = up.client()
    exchanges = [ask(client) for _ in range(3)]
    assert len(up.recorded(*exchanges)) == 3
    up.hears(lambda line: f"answers programs at http://127.0.0.1:{port}/control/v1" in line)


def printed(up: Up, *command: str) -> Any:
    words = [sys.executable, "-m", "pointsman", *command, "--config", str(up.config), "--json"]
    return json.loads(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)


def test_it_says_what_the_commands_print(start: Callable[..., Up], port: int) -> None:
    up = start()
    served(up, port)
    for question, options in (
        ({}, ()),
        ({"prices": {"zoo/sim-eagle-xl": 2}}, ("--price", "zoo/sim-eagle-xl=2x")),
        ({"without": ["sim-eagle-xl"]}, ("--without", "sim-eagle-xl")),
    ):
        reply = post(port, "replay", question)
        assert reply.status_code == 200, reply.text
        assert reply.json() == printed(up, "replay", *options)
        assert reply.json()["total"]["requests"] == 3
    drilled = post(port, "drill", {"vendor": "zoo"})
    assert [drilled.json()] == printed(up, "drill", "zoo")
    assert up.stop() == 0


def test_without_its_key_nothing_is_answered_and_mistakes_are_said(start: Callable[..., Up], port: int) -> None:
    up = start()
    served(up, port)
    for key in (None, "another"):
        assert post(port, "replay", {}, key).status_code == 401
    assert KEY not in "".join(up.said)
    assert httpx.post(up.base_url.removesuffix("/v1") + "/control/v1/replay", content=b"{}").status_code == 404
    said = {
        b"{": "truncated",
        b"[]": "Expected `object`",
        b'{"withuot": ["x"]}': "unknown field `withuot`",
        b'{"without": ["nobody"]}': "nothing is called 'nobody'",
        b'{"snapshot": 99}': "there is no snapshot 99",
        b'{"without": ["\xff"]}': "utf-8",
    }
    for body, words in said.items():
        reply = post(port, "replay", body)
        assert reply.status_code == 400, body
        assert words in reply.json()["error"]["message"], reply.text
    assert post(port, "drill", {"vendor": "nobody"}).status_code == 400
    assert post(port, "other", {}).status_code == 404
    assert post(port, "replay", b" " * 300_000).status_code == 413
    looked = httpx.get(f"http://127.0.0.1:{port}/control/v1/replay", headers={"authorization": f"Bearer {KEY}"})
    assert (looked.status_code, looked.headers["allow"]) == (405, "POST")
    assert up.stop() == 0


def test_a_port_that_is_taken_is_said_and_the_gateway_serves(start: Callable[..., Up], port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        up = start()
        assert ask(up.client())
        up.hears(lambda line: f"cannot listen on 127.0.0.1:{port} (Address already in use)" in line)
        assert up.stop() == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('sha256 = "secret"', "what stands there is not shown"),
        (f'sha256 = "{DIGEST}"\nport = 0', "port"),
        (f'sha256 = "{DIGEST}"\nhost = "0.0.0.0"', "host"),
        (f'sha256 = "{DIGEST}"\n[keys.app]\nsha256 = "{DIGEST}"', "is a client's key too; give the control plane a key"),
    ],
)
def test_mistakes_in_its_table_are_named(table: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration.parse(f"[control]\n{table}\n".encode(), "pointsman.toml")
    assert said in str(caught.value)
    assert '"secret"' not in str(caught.value)
