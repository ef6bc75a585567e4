"""What a program can do in a cell, and what it cannot: each escape is tried for real."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.control import sandbox
from pointsman.control.sandbox import Bounds, Ended, outside
from pointsman.core.errors import ConfigError

QUICK = Bounds(seconds=2.0)
NAMED = """
import ctypes
def name(text):
    ctypes.CDLL(None).prctl(15, text.encode(), 0, 0, 0)  # PR_SET_NAME
"""
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture(autouse=True, scope="module")
def _isolation() -> None:
    reason = asyncio.run(sandbox.why_not())
    if reason:
        pytest.skip(f"programs cannot be isolated on this machine: {reason}")


def run(source: str, bounds: Bounds = Bounds(seconds=10.0)) -> Ended:  # noqa: B008 - frozen
    return asyncio.run(sandbox.run(source, bounds))


def alive(name: str) -> list[str]:
    """Processes of this machine that have called themselves so."""
    found = []
    for place in Path("/proc").glob("[0-9]*/comm"):
        try:
            if place.read_text().strip() == name:
                found.append(place.parent.name)
        except OSError:
            continue
    return found


def appears(name: str) -> bool:
    """Wait until a process calls itself so."""
    until = time.monotonic() + 20
    while not alive(name) and time.monotonic() < until:
        time.sleep(0.01)
    return bool(alive(name))


def test_a_program_runs_and_says_how_it_ended() -> None:
    assert run("print('hi')") == Ended(0, "hi\n")
    assert run("raise SystemExit(3)") == Ended(3, "")
    assert run("import os; os.kill(os.getpid(), 9)") == Ended(128 + 9, "")
    failed = run("import sys; print('a'); sys.stdout.flush(); assert False")
    assert failed.status == 1
    assert failed.output.startswith("a\n")
    assert failed.output.endswith("AssertionError\n")


def test_what_programs_need_is_there() -> None:
    source = """
import json, math, random, re, subprocess, sys, tempfile, threading, os
with tempfile.TemporaryFile() as file:
    file.write(b"x")
threading.Thread(target=print, args=("thread",)).start()
done = subprocess.run([sys.executable, "-c", "print(input())"], input="child", capture_output=True, text=True)
print(done.stdout.strip(), os.urandom(4) != b"", repr(sys.stdin.read()), "\\u00e4")
"""
    ended = run(source)
    assert ended.status == 0, ended.output
    assert set(ended.output.splitlines()) == {"thread", "child True '' \u00e4"}


def test_an_endless_loop_is_stopped_in_time() -> None:
    began = time.monotonic()
    assert run("while True: pass", Bounds(seconds=1.0)) == Ended(None, "", "time")
    assert run("import time\nprint('on', flush=True)\ntime.sleep(1000)", Bounds(seconds=1.0)) == Ended(None, "on\n", "time")
    assert time.monotonic() - began < 20


def test_who_ignores_signals_is_stopped_too() -> None:
    source = "import signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: time.sleep(9)"
    assert run(source, Bounds(seconds=1.0)).stopped == "time"


def test_a_flood_of_output_is_stopped_and_bounded() -> None:
    ended = run("while True: print('x' * 1000)")
    assert (ended.status, ended.stopped) == (None, "output")
    assert len(ended.output) == QUICK.output_bytes


def test_memory_has_an_end() -> None:
    ended = run("held = []\nwhile True: held.append(bytearray(10**8))")
    assert ended.status == 1
    assert ended.output.endswith("MemoryError\n")


def test_a_fork_bomb_burns_out() -> None:
    name = f"bomb{os.getpid()}"
    ended = run(f"{NAMED}\nimport os\nname({name!r})\nwhile True:\n    try: os.fork()\n    except OSError: pass", QUICK)
    assert ended.stopped == "time"
    assert alive(name) == []


def test_nobody_stays_behind() -> None:
    """A daemon in a session of its own, its parents gone, its output closed, is still ended with the program."""
    name = f"stays{os.getpid()}"
    source = f"""{NAMED}
import os, sys, time
ready, told = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        name({name!r})
        os.write(told, b"1")
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        time.sleep(1000)
    os._exit(0)
os.read(ready, 1)
print("left")
"""
    assert run(source) == Ended(0, "left\n")
    assert alive(name) == []


def test_there_is_no_network() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        ended = run(f"import socket\nsocket.create_connection(('127.0.0.1', {listener.getsockname()[1]}), 1)")
    finally:
        listener.close()
    assert ended.status == 1
    assert "Network is unreachable" in ended.output
    assert run("import socket\nsocket.getaddrinfo('example.com', 80)").status == 1


def test_keys_are_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment, nor another process, nor a file tells a secret."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-owner")
    secret = tmp_path / "secret"
    secret.write_text("sk-of-the-owner")
    secret.chmod(0o644)
    source = f"""
import glob, os
said = [dict(os.environ)]
for place in glob.glob("/proc/*/environ") + [{str(secret)!r}, "/etc/passwd", {str(Path.home())!r} + "/.ssh"]:
    said.append((place, os.path.exists(place)))
for pid in ({os.getpid()}, 1):
    try:
        os.kill(pid, 0)
        said.append(("alive", pid))
    except OSError as error:
        said.append(type(error).__name__)
print(said)
"""
    ended = run(source)
    assert ended.status == 0, ended.output
    assert "sk-of-the-owner" not in ended.output
    assert "True" not in ended.output
    assert "ProcessLookupError" in ended.output  # our own process is none there


def test_nothing_outside_can_be_written(tmp_path: Path) -> None:
    for place in (str(tmp_path / "x"), "/usr/x", "/etc/x", "/dev/x", f"{sys.base_prefix}/x"):
        ended = run(f"open({place!r}, 'w')")
        assert ended.status == 1, place
    assert list(tmp_path.iterdir()) == []
    assert "Errno 28" in run("open('/tmp/x', 'wb').write(bytes(10**8))").output  # no space left


def test_no_right_can_be_gained() -> None:
    source = """
import ctypes, os
library = ctypes.CDLL(None, use_errno=True)
print(os.getuid() == 0, library.mount(b"x", b"/tmp", b"tmpfs", 0, None), library.umount2(b"/dev/null", 2))
try:
    os.setuid(0); print("root")
except OSError as error:
    print(type(error).__name__)
"""
    assert run(source).output.splitlines() == ["False -1 -1", "PermissionError"]


def test_programs_do_not_see_one_another() -> None:
    async def two() -> list[Ended]:
        writes = "import os, time\nopen('/tmp/left', 'w').close()\ntime.sleep(1)\nprint(sorted(os.listdir('/tmp')))"
        return list(await asyncio.gather(sandbox.run(writes), sandbox.run("import os\nprint(os.listdir('/tmp'))")))

    first, second = asyncio.run(two())
    assert first.output == "['answer.py', 'left']\n"
    assert second.output == "['answer.py']\n"


def test_who_gives_up_waiting_leaves_nobody() -> None:
    name = f"gone{os.getpid()}"

    async def cancelled() -> None:
        task = asyncio.ensure_future(sandbox.run(f"{NAMED}\nimport time\nname({name!r})\ntime.sleep(1000)"))
        assert await asyncio.to_thread(appears, name)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert alive(name) == []


def test_a_cell_dies_with_us() -> None:
    """Killed outright, our process takes its cell with it."""
    name = f"orphan{os.getpid()}"
    inner = f"{NAMED}\nimport time\nname({name!r})\ntime.sleep(1000)"
    ours = "import asyncio, sys\nfrom pointsman.control import sandbox\nasyncio.run(sandbox.run(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", ours, inner]) as process:
        assert appears(name)
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while alive(name) and time.monotonic() < until:
        time.sleep(0.01)
    assert alive(name) == []


def test_where_it_cannot_be_isolated_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "cell.py"
    source = Path(str(outside._CELL)).read_text("utf-8")
    broken.write_text(source.replace("_NEWNS | _NEWUTS", "-1 | _NEWUTS"), "utf-8")
    monkeypatch.setattr(outside, "_CELL", broken)
    with pytest.raises(ConfigError, match="unshare: Invalid argument"):
        run("print('ran')")
    assert asyncio.run(sandbox.why_not()) == "[Errno 22] unshare: Invalid argument"


@pytest.fixture
def _system_python(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that every user can read: without isolation root becomes somebody else."""
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip(f"there is no {SYSTEM_PYTHON} here")
    monkeypatch.setattr(outside, "_PYTHON", SYSTEM_PYTHON)
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        cell = Path(shutil.copy(str(outside._CELL), place))
        cell.chmod(0o644)
        monkeypatch.setattr(outside, "_CELL", cell)
        yield


@pytest.mark.skipif(os.getuid() != 0, reason="who is not root has tested this above")
@pytest.mark.usefixtures("_system_python")
def test_who_is_not_root_can_isolate_too() -> None:
    source = """
import ctypes, os
print(os.getuid(), os.path.exists("/etc/passwd"), ctypes.CDLL(None).unshare(0x10000000))  # CLONE_NEWUSER
open("/usr/x", "w")
"""
    limits = {"seconds": 5, "memory_bytes": 2**29, "processes": 16, "files_bytes": 2**24}
    order = {"source": source, "isolated": True, "uid": 1, "work": None, **limits}
    hears, ready = os.pipe()
    command = [SYSTEM_PYTHON, "-I", "-S", str(outside._CELL), str(ready)]
    done = subprocess.run(
        command, input=json.dumps(order).encode(), capture_output=True, env={}, cwd="/",
        pass_fds=(ready,), user=65534, group=65534, extra_groups=[], timeout=60, check=False,
    )  # fmt: skip
    os.close(ready)
    assert os.read(hears, 1) == b"1", done.stderr
    os.close(hears)
    assert done.stdout.startswith(b"65534 False -1\n")
    assert b"Read-only file system" in done.stdout


@pytest.mark.usefixtures("_system_python")
def test_without_isolation_limits_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-owner")

    def weak(source: str, bounds: Bounds = QUICK) -> Ended:
        return asyncio.run(sandbox.run(source, bounds, isolated=False))

    where = weak("import os\nprint(os.getcwd(), os.environ.get('OPENAI_API_KEY'), os.getuid() == 0)")
    place, key, root = where.output.split()
    assert (key, root) == ("None", "False")
    assert not Path(place).exists()
    assert weak("while True: pass", Bounds(seconds=1.0)).stopped == "time"
    assert weak("x = bytearray(10**10)").output.endswith("MemoryError\n")
    assert "Error" in weak("import os\nwhile True: os.fork()").output
    assert weak("while True: print('x' * 1000)").stopped == "output"
