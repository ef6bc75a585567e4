"""``pointsman zoo`` in a process of its own: what it says, that it serves, that it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from pointsman.control.config import parse

COMMAND = (sys.executable, "-m", "pointsman", "zoo")


def test_it_says_that_the_models_are_simulated_and_serves_until_interrupted() -> None:
    with subprocess.Popen([*COMMAND, "--port", "0", "--speed", "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first, second = process.stdout.readline(), process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+/v1", second)
            assert "SIMULATED" in first
            assert found is not None
            with urlopen(f"{found[0]}/models") as reply:  # noqa: S310 - loopback
                listed = json.load(reply)
                assert reply.headers["x-simulated"] == "pointsman-zoo"
            assert len(listed["data"]) == 9
        finally:
            process.send_signal(signal.SIGINT)
        printed = process.stdout.read()
    config = parse(printed.split("\n", 2)[2].encode(), "printed")
    assert config.providers["zoo"].base_url == found[0]


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"port {port} cannot be used (Address already in use); choose another with --port" in done.stderr


def test_a_configuration_is_written_once_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.toml"
    for said in (f"Wrote {path}, which uses them.", f"{path} is there already and was left as it is."):
        with subprocess.Popen([*COMMAND, "--port", "0", "--write", str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.readline()
            assert said in process.stdout.readline()
            process.send_signal(signal.SIGINT)
        written = path.read_bytes()
        path.write_bytes(written + b"# mine\n")
    assert parse(written, "written").routes["auto"].reference == "zoo/sim-eagle-xl"
    assert written.endswith(b"# mine\n"), "the second one left the file as it was"


def test_a_place_that_cannot_be_written_is_said_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "pointsman.toml"
    done = subprocess.run(
        [*COMMAND, "--port", "0", "--write", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert f"{path} cannot be written (No such file or directory); name another place" in done.stderr
