"""How much of its leases a worker has used, in a file that it maps into memory.

Strategy: a store into mapped memory is no system call, and the kernel keeps the page when the process dies, however it
dies. The worker holds a lock on its file (``flock``), which the kernel lets go of with the process: who gets the lock knows
that the worker is dead, and reads what it had used.

    header: magic (16 bytes), the machine's boot (48 bytes)  ·  leases: ``SLOTS`` int64  ·  used: ``SLOTS`` int64

Laws: a file appears under its name only once it is locked; it has its whole size on the disk from the start, so that a full
disk never breaks a write into it; after a restart of the *machine* nothing in it is believed, for it may be older than
what was in memory; nor is it where the machine does not tell one start from another.
"""

import contextlib
import fcntl
import mmap
import os
import secrets
from pathlib import Path
from typing import Final

from pointsman.core.errors import StoreError

SLOTS: Final = 8192
DIRECTORY: Final = "leases"
_MAGIC: Final = b"pointsman tally1"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_HEADER: Final = 64
_WORD: Final = 8
_SIZE: Final = _HEADER + 2 * SLOTS * _WORD


def boot() -> bytes:
    """Return what names this start of the machine, empty where it does not say (it does on Linux)."""
    try:
        return _BOOT.read_bytes().strip()[: _HEADER - len(_MAGIC)]
    except OSError:
        return b""


class FileTally:
    """The tally of this process. ``name`` is that of its file."""

    def __init__(self, directory: Path) -> None:
        self.name = secrets.token_hex(8)
        self._path = directory / self.name
        making = directory / f".{self.name}"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX)
                _fill(self._file)
                self._map = mmap.mmap(self._file, _SIZE)
                making.rename(self._path)
            except BaseException:
                os.close(self._file)
                making.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StoreError(f"{directory} cannot be written to ({error.strerror}); free some space, or allow it") from error
        whole = memoryview(self._map)
        self._views = [whole[_HEADER : _HEADER + SLOTS * _WORD], whole[_HEADER + SLOTS * _WORD :], whole]
        self.leases, self.used = (view.cast("q") for view in self._views[:2])

    @property
    def closed(self) -> bool:
        """Whether the tally is closed."""
        return self._map.closed

    def close(self) -> None:
        """Remove the file. Nothing may be used of any lease any more. Idempotent."""
        if self.closed:
            return
        for view in (self.leases, self.used, *self._views):
            view.release()
        self._map.close()
        self._path.unlink(missing_ok=True)
        os.close(self._file)


class Dead:
    """The tally of a worker that is dead, ours alone until ``close``.

    ``used_of`` says what was used of a lease: None where nobody knows.
    """

    def __init__(self, path: Path, file: int | None) -> None:
        self._path = path
        self._file = file
        self._used = _read(file) if file is not None else None

    def used_of(self, lease: int) -> int | None:
        """Return the units used. A lease without a place in the tally was never used."""
        return None if self._used is None else self._used.get(lease, 0)

    def close(self, *, remove: bool) -> None:
        """Let go of the file, and remove it."""
        if remove:
            self._path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)


def dead(directory: Path, name: str) -> Dead | None:
    """Return the tally of a worker, None where the worker lives. Raises StoreError where that cannot be told."""
    path = directory / name
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return Dead(path, None)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}): allow it") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except BaseException:
        os.close(file)
        raise
    return Dead(path, file)


def names(directory: Path) -> list[str]:
    """Return the names of all tallies."""
    with contextlib.suppress(OSError):
        return sorted(one.name for one in directory.iterdir() if not one.name.startswith("."))
    return []


def _fill(file: int) -> None:
    """Give a new file its header, and its whole size on the disk."""
    os.write(file, _MAGIC + boot().ljust(_HEADER - len(_MAGIC), b"\0") + bytes(_SIZE - _HEADER))
    if os.fstat(file).st_size != _SIZE:
        raise OSError(None, "it is full")


def _read(file: int) -> dict[int, int] | None:
    """Return units by lease; None where the file is not to be believed."""
    data = os.pread(file, _SIZE + 1, 0)
    here = boot()
    if len(data) != _SIZE or not here or data[:_HEADER] != _MAGIC + here.ljust(_HEADER - len(_MAGIC), b"\0"):
        return None
    words = memoryview(data)[_HEADER:].cast("q")
    return {words[place]: words[SLOTS + place] for place in range(SLOTS) if words[place]}
