"""The inside of a sandbox: a program of its own, started as ``python -I -S cell.py``, that shuts itself in.

It reads one JSON object from standard input (``source``, ``isolated``, ``uid``, ``work``, and the limits), then, in this
order: new namespaces; a root directory in memory in which Python and its libraries are mounted read only; a process that is
the first of its namespace, so that the kernel kills whatever is left when it ends (SIGTERM to the outermost process ends
it); limits; another user than root; at last
the interpreter. A byte on the descriptor ``ready`` says that all of it worked; without that byte what stands on standard
error is the reason, and nothing was run.

Nothing of Pointsman is imported here: the program is to be small, and read as a whole.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, Final

# linux/sched.h, linux/mount.h, linux/prctl.h
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_KEPT: Final = ((2, 2), (4, 4), (8, 8), (1024, 1024), (2048, 2048), (4096, 1 << 21))
"""Flags of a mount that who is not root may not take away: as statvfs(2) shows them, and as mount(2) takes them."""
_DETACH: Final = 2
_PDEATHSIG, _NO_NEW_PRIVS = 1, 38
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41, "armv7l": 218, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_ROOT: Final = "/mnt"  # on every Linux (FHS); what is in it is covered for us alone
_LIBRARIES: Final = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/nix/store")
_DEVICES: Final = ("/dev/null", "/dev/urandom")
_FILE: Final = "answer.py"
_python = str(Path(sys.executable).resolve())


def main(ready: int) -> None:
    """Shut in, then run; never returns."""
    asked = json.loads(sys.stdin.buffer.read())
    os.set_inheritable(ready, False)
    _prctl(_PDEATHSIG, signal.SIGKILL)
    _step_back()
    work = asked["work"]
    if asked["isolated"]:
        _unshare()
        _furnish(asked["files_bytes"])
        work = "/tmp"  # noqa: S108 - the cell's own, in memory
        first = os.fork()
        if first:
            signal.signal(signal.SIGTERM, lambda *_: os.kill(first, signal.SIGKILL))
            os._exit(_waited(first))
        _prctl(_PDEATHSIG, signal.SIGKILL)
        second = os.fork()
        if second:
            os._exit(_waited(second))  # the first process of its namespace ends, and with it all others there
    Path(work, _FILE).write_text(asked["source"], "utf-8")
    os.chdir(work)
    _give_up_rights(asked["uid"], work)
    _limit(asked, isolated=asked["isolated"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(1, 2)
    os.write(ready, b"1")
    os.execve(_python, [_python, "-I", "-S", "-X", "utf8", "-B", _FILE], {})  # noqa: S606 - that is what this is for


def _step_back() -> None:
    """Let everybody else go first: for the processor, and, where memory runs out, for staying alive."""
    os.nice(10)
    with contextlib.suppress(OSError):  # no /proc where there is no Linux
        Path("/proc/self/oom_score_adj").write_text("1000")


def _unshare() -> None:
    """Leave the namespaces that others are in. Who is not root takes a user namespace in which it may do so."""
    user, group, root = os.geteuid(), os.getegid(), os.geteuid() == 0
    spaces = _NEWNS | _NEWUTS | _NEWIPC | _NEWPID | _NEWNET
    _call("unshare", spaces if root else spaces | _NEWUSER)
    if not root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        with contextlib.suppress(OSError):  # read only in some containers
            Path("/proc/sys/user/max_user_namespaces").write_text("0")  # within this one: none is made inside


def _furnish(files_bytes: int) -> None:
    """Make a root directory in memory, with Python in it, and leave every other file behind."""
    _call("mount", None, b"/", None, _REC | _PRIVATE, None)
    _call("mount", b"tmpfs", _ROOT.encode(), b"tmpfs", _NOSUID | _NODEV, f"size={files_bytes},mode=755".encode())
    for place in map(Path, (*_LIBRARIES, *_homes())):
        target = Path(f"{_ROOT}{place}")
        if place.is_symlink():
            target.symlink_to(place.readlink())
        elif place.exists() and not target.exists():
            _show(place, target, _NOSUID | _NODEV)
    for place in map(Path, _DEVICES):
        _show(place, Path(f"{_ROOT}{place}"), _NOSUID)
    files, old = Path(_ROOT, "tmp"), Path(_ROOT, "old")
    files.mkdir()
    files.chmod(0o1777)
    old.mkdir()
    os.chdir(_ROOT)
    _call("syscall", _PIVOT_ROOT[os.uname().machine], _ROOT.encode(), str(old).encode())
    os.chdir("/")
    _call("umount2", b"/old", _DETACH)
    Path("/old").rmdir()


def _homes() -> list[str]:
    """Return the directories that Python itself is in, where it does not come with the system."""
    found = (str(Path(place).resolve()) for place in (sys.base_prefix, sys.base_exec_prefix, Path(_python).parent))
    return sorted({place for place in found if not place.startswith(("/usr/", "/bin", "/nix/store/"))}, key=len)


def _show(place: Path, target: Path, flags: int) -> None:
    """Mount a file or directory of the host's, read only."""
    if place.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _call("mount", bytes(place), bytes(target), None, _BIND | _REC, None)
    shown = os.statvfs(target).f_flag
    kept = sum(mounted for seen, mounted in _KEPT if shown & seen)
    _call("mount", None, bytes(target), None, _REMOUNT | _BIND | _RDONLY | flags | kept, None)


def _give_up_rights(uid: int, work: str) -> None:
    """Become a user who owns nothing but the working directory, where we are root; gain no right ever after."""
    if os.geteuid() == 0:
        for place in (work, f"{work}/{_FILE}"):
            os.chown(place, uid, uid)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _prctl(_NO_NEW_PRIVS, 1)


def _limit(asked: dict[str, Any], *, isolated: bool) -> None:
    """Set the kernel's limits. Without namespaces every process of the owner's counts: no further one can be had then."""
    limits = {
        resource.RLIMIT_CPU: int(asked["seconds"]) + 1,
        resource.RLIMIT_AS: asked["memory_bytes"],
        resource.RLIMIT_FSIZE: asked["files_bytes"],
        resource.RLIMIT_NPROC: asked["processes"] if isolated or os.geteuid() == asked["uid"] else 1,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS knows some of them by name only
            resource.setrlimit(which, (most, most))


def _waited(child: int) -> int:
    """Wait for a process, and for orphans that come to us; return its status as shells do."""
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _call(name: str, *arguments: object) -> None:
    """Call the C library. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _call("prctl", option, value, 0, 0, 0)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except (OSError, KeyError, AttributeError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
