"""The demo's servers as children: told apart when they fail, gone when the block ends."""

import os
import signal
import socket
from pathlib import Path

import pytest

from pointsman.cli.demo.processes import free_port, interruptible, running
from pointsman.core.errors import PointsmanError


def test_a_server_that_does_not_start_is_named_with_its_log(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = ["zoo", "--port", str(port)]
        log, ready = tmp_path / "zoo.log", f"http://127.0.0.1:{free_port()}/"
        said = r"the simulated zoo has ended with status 1\. What it said is in .*zoo\.log"
        with running("the simulated zoo", arguments, ready, log) as child, pytest.raises(PointsmanError, match=said):
            child.wait()
    assert "choose another with --port" in (tmp_path / "zoo.log").read_text()


def test_a_server_runs_until_the_block_ends(tmp_path: Path) -> None:
    port = free_port()
    arguments, ready = ["zoo", "--port", str(port)], f"http://127.0.0.1:{port}/v1/models"
    with running("the simulated zoo", arguments, ready, tmp_path / "zoo.log") as child:
        child.wait()
        child.check()
        assert child.process.poll() is None
    assert child.process.poll() is not None
    with pytest.raises(PointsmanError, match="the simulated zoo has ended"):
        child.check()


def test_ctrl_c_works_again_after_the_block(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with running("the simulated zoo", ["zoo", "--port", "0"], "http://127.0.0.1:9/", tmp_path / "zoo.log") as child:
        pass
    assert child.process.poll() is not None
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_kill_and_a_closed_terminal_end_the_block_as_ctrl_c_does(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
