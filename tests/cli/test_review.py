"""``pointsman review`` as a reviewer uses it: keys through a pipe and through a terminal, files, the report."""

import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from pointsman.cli import commands
from pointsman.control.review import intake
from pointsman.core.review import Said
from pointsman.serve.workspace import Workspace
from tests.control.review.scene import FEATURE, NOW_MS, SMALL, fill, snapshot


@pytest.fixture
def truth(workspace: Workspace) -> dict[str, Said]:
    """A trial with 12 questions."""
    workspace.publish(lambda _: snapshot(3650), made_by="a test")
    return fill(workspace.store, workspace.snapshot(), SMALL, 12)


def run(workspace: Workspace, *words: str, keys: str = "") -> Result:
    assert workspace.data_path is not None
    place = 2 if len(words) > 1 and not words[1].startswith("-") else 1
    data = ["--data", str(workspace.data_path)]
    return CliRunner().invoke(commands, [*words[:place], *data, *words[place:]], input=keys)


def test_a_reviewer_presses_keys_and_sees_no_names(workspace: Workspace, truth: dict[str, Said]) -> None:
    done = run(workspace, "review", "--reviewer", "ann", keys="abtcsz?uuq")
    assert done.exit_code == 0, done.output
    assert "3 judged in 0.0 minutes; 9 are left" in done.output
    assert "Answer A" in done.output
    assert "as [model]: yes" in done.output
    assert "small-2" not in done.output
    assert len(workspace.store.reviews.opinions()) == 3
    rest = run(workspace, "review", "--reviewer", "ann", keys="t" * 20)
    assert "9 judged" in rest.output
    assert "nothing is left. See what they say" in rest.output
    over = run(workspace, "review", "--reviewer", "ann")
    assert "nothing is left to judge" in str(over.exception)


def test_so_many_and_no_more(workspace: Workspace, truth: dict[str, Said]) -> None:
    done = run(workspace, "review", "--reviewer", "ann", "-n", "2", keys="tttt")
    assert "2 judged" in done.output
    assert " 1 done, 1 to go, 0 s each" in done.output
    assert len(workspace.store.reviews.opinions()) == 2


def test_nothing_to_undo(workspace: Workspace, truth: dict[str, Said]) -> None:
    assert "There is nothing to undo." in run(workspace, "review", keys="uq").output


def test_what_is_missing_is_said(workspace: Workspace) -> None:
    assert "nothing is recorded" in str(run(workspace, "review").exception)
    workspace.publish(lambda _: snapshot(0), made_by="a test")
    assert "[review] keep_days = 14" in str(run(workspace, "review").exception)
    workspace.publish(lambda _: snapshot(3), made_by="a test")
    assert "trials fill it" in str(run(workspace, "review").exception)
    assert "there is no route other; routes: auto" in str(run(workspace, "review", "--route", "other").exception)
    assert "no colon" in run(workspace, "review", "--reviewer", "a:b").output


def test_a_file_there_and_back(workspace: Workspace, truth: dict[str, Said], tmp_path: Path) -> None:
    file = tmp_path / "sheet.jsonl"
    made = run(workspace, "review", "export", str(file), "--reviewer", "bob", "-n", "5")
    assert made.exit_code == 0, made.output
    assert "5 questions for bob" in made.output
    assert file.stat().st_mode & 0o777 == 0o600
    assert "exists" in str(run(workspace, "review", "export", str(file), "--reviewer", "bob").exception)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    filled = [{**line, "choice": "a", "seconds": 3} for line in lines[:3]] + [{**lines[3], "choice": "left"}, lines[4]]
    file.write_text("\n".join(json.dumps(line) for line in filled) + '\n{"id": "cut')
    taken = run(workspace, "review", "import", str(file))
    assert taken.exit_code == 1
    assert "3 judgements taken, 0 known already, 1 without a choice." in taken.output
    assert f"{file}, line 4: choice 'left' is none of a, b, tie, cannot tell, skip" in taken.output
    assert "line 6: is no line of a sheet" in taken.output
    assert "2 lines" in str(taken.exception)
    assert len(workspace.store.reviews.opinions()) == 3
    assert "cannot be read" in str(run(workspace, "review", "import", str(tmp_path / "none")).exception)


def test_the_report(workspace: Workspace) -> None:
    workspace.publish(lambda _: snapshot(3650), made_by="a test")
    truth = fill(workspace.store, workspace.snapshot(), SMALL, 300, bias=0.5)
    empty = run(workspace, "review", "report")
    assert "Too few questions were judged by two reviewers" in empty.output
    run(workspace, "review", "--reviewer", "ann", "-n", "120", keys="ab" * 60)
    run(workspace, "review", "--reviewer", "bob", "-n", "60", keys="t" * 60)
    made = run(workspace, "review", "report")
    assert made.exit_code == 0, made.output
    line = next(line.split() for line in made.output.splitlines() if line.split()[:1] == [FEATURE])
    assert line[:3] == [FEATURE, SMALL, "candidate"]
    assert "Krippendorff's alpha" in made.output
    assert {"ann", "bob"} <= set(made.output.split())
    shown = run(workspace, "trial")
    assert f"{FEATURE}, {SMALL}: by" in shown.output
    assert "judgements of people" in shown.output
    assert len(truth) == 300


def test_options_before_the_word_are_refused(workspace: Workspace, truth: dict[str, Said]) -> None:
    refused = CliRunner().invoke(commands, ["review", "--data", str(workspace.data_path), "report"])
    assert refused.exit_code == 2
    assert "write the options behind the word report" in refused.output


def test_looking_at_the_queue_forgets_what_is_kept_too_long(workspace: Workspace) -> None:
    workspace.publish(lambda _: snapshot(3), made_by="a test")
    fill(workspace.store, workspace.snapshot(), SMALL, 4, at_ms=NOW_MS - 1000 * intake.DAY_MS)
    assert "nothing is left to judge" in str(run(workspace, "review").exception)
    assert all(workspace.store.reviews.material(one) is None for one in workspace.store.reviews.questions())
    one = workspace.store.reviews.questions()[0]
    assert one.gone_ms is not None
    assert replace(one, gone_ms=None).id == one.id


def test_keys_in_a_terminal(workspace: Workspace, truth: dict[str, Said]) -> None:
    """A real terminal, a real process: no line is waited for, and Ctrl-C ends it with all written."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pointsman", "review", "--reviewer", "ann", "--data", str(workspace.data_path)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    try:
        for shown, key in ((b"0 done", b"a"), (b"1 done", b"b"), (b"2 done", b"u"), (b"1 done", b"t"), (b"2 done", b"\x03")):
            press(ours, shown, key)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert len(workspace.store.reviews.opinions()) == 2


def press(terminal: int, shown: bytes, key: bytes) -> None:
    """Wait until a text is shown and one key is waited for, then press it."""
    seen, end = b"", time.monotonic() + 60
    while shown not in seen or termios.tcgetattr(terminal)[3] & termios.ICANON:
        assert time.monotonic() < end, seen[-2000:]
        if select.select([terminal], [], [], 0.05)[0]:
            seen += os.read(terminal, 65536)
    os.write(terminal, key)
