"""The whole guide, as a new user would walk through it: every command of every page, in order, in one directory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from pointsman.cli.demo.processes import free_port
from tests.guide.pages import Command, commands, pages

PATIENCE_S: Final = 60.0
READING: Final = ("trial", "report", "journal", "list", "show")
"""Commands that only look: what they show may come a moment after what was done."""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_guide_from_its_first_page_to_its_last(tmp_path: Path) -> None:
    user = User(tmp_path)
    with ExitStack() as stack:
        for page in pages():
            for command in commands(page):
                if command.stays:
                    stack.enter_context(user.started(command))
                else:
                    user.runs(command)


class User:
    """Somebody with an empty directory and the installed program; the guide's ports may be taken here, and are exchanged."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = {"8787": str(free_port()), "8790": str(free_port())}
        self._started = 0
        program = directory / "bin" / "pointsman"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pointsman "$@"\n')
        program.chmod(0o755)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")},
            "PATH": f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "100",
            "PYTHONUNBUFFERED": "1",
        }
        (directory / "work").mkdir()

    def runs(self, command: Command) -> None:
        """Run a command to its end; one that only looks is run again until it shows what the page says."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            done = subprocess.run(
                ["bash", "-ec", self._text(command)],  # noqa: S607 - the user's own shell
                cwd=self._directory / "work",
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=300,
            )
            printed = self._as_in_the_guide(done.stdout)
            missing = command.missing(printed)
            if (done.returncode == 0 and missing is None) or not self._looks(command) or time.monotonic() > ends:
                break
        assert done.returncode == 0, f"{command.page}: $ {command.text}\n{printed}"
        assert missing is None, f"{command.page}: $ {command.text}\ndid not print {missing!r}:\n{printed}"

    @contextmanager
    def started(self, command: Command) -> Iterator[None]:
        """Run a command that stays, once it has printed the last line that the page shows, until the block ends."""
        self._started += 1
        log = self._directory / f"terminal-{self._started}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-ec", f"exec {self._text(command)}"],  # noqa: S607
                cwd=self._directory / "work",
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            ends = time.monotonic() + PATIENCE_S
            while (missing := command.missing(self._as_in_the_guide(log.read_text()))) is not None:
                assert process.poll() is None, f"{command.page}: $ {command.text}\nhas ended:\n{log.read_text()}"
                assert time.monotonic() < ends, f"{command.text}: did not print {missing!r}:\n{log.read_text()}"
                time.sleep(0.05)
            config = self._directory / "work" / "pointsman.toml"
            config.write_text(config.read_text().replace("port = 8787", f"port = {self._ports['8787']}"))
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)

    def _text(self, command: Command) -> str:
        """Return the command with the ports that are free here. The first one writes the configuration with its own port."""
        text = command.text
        for in_guide, here in self._ports.items():
            text = text.replace(in_guide, here)
        if text.startswith("pointsman zoo"):
            text += f" --port {self._ports['8790']}"
        return text

    def _as_in_the_guide(self, printed: str) -> str:
        for in_guide, here in self._ports.items():
            printed = printed.replace(here, in_guide)
        return printed

    @staticmethod
    def _looks(command: Command) -> bool:
        words = command.text.split()
        return words[0] == "pointsman" and (
            words[-1] in READING or words[1] in ("report", "journal", "ledger") or words[2:3] in (["list"], ["show"])
        )
