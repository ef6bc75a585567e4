"""``pointsman zoo`` in a process of its own: what it says, that it serves, that it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
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
