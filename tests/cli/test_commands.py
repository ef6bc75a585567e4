"""The command line as a whole: its list, what it says to a misspelling, and errors without a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pointsman import __version__
from pointsman.cli import COMMANDS, commands


def pointsman(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pointsman", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_the_list_shows_every_command_in_whole_words() -> None:
    shown = CliRunner().invoke(commands, ["--help"], terminal_width=80).output
    for name, entry in COMMANDS.items():
        assert f"  {name} " in shown
        assert entry.help in shown
    assert not [line for line in shown.splitlines()[1:] if line.endswith("...")]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(commands, [name, "--help"])
    assert result.exit_code == 0
    assert f" {name} " in result.output.splitlines()[0]
    assert "Options:" in result.output


@pytest.mark.parametrize(
    ("word", "said"),
    [("ups", "Did you mean 'up'?"), ("reprot", "Did you mean 'report'?"), ("xyz", "No such command 'xyz'.")],
)
def test_a_misspelt_command_is_guessed(word: str, said: str) -> None:
    result = CliRunner().invoke(commands, [word, "--json"])
    assert result.exit_code == 2
    assert said in result.output
    assert ("Did you mean" in result.output) == ("Did you mean" in said)


def test_a_misspelt_option_is_guessed() -> None:
    result = CliRunner().invoke(commands, ["up", "--prot", "3"])
    assert result.exit_code == 2
    assert "--port" in result.output


def test_as_a_module_it_gives_its_version_and_errors_in_a_sentence(tmp_path: Path) -> None:
    assert pointsman("--version", cwd=tmp_path).stdout.strip() == f"pointsman, version {__version__}"
    wrong = pointsman("report", "--data", "nowhere", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("pointsman: nothing is recorded in nowhere yet")
    assert len(wrong.stderr.splitlines()) == 1


def test_a_reader_that_leaves_early_is_no_fault(tmp_path: Path) -> None:
    """As in ``pointsman journal | head``: the pipe is closed before anything is written to it."""
    command = [sys.executable, "-m", "pointsman", "--help"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
