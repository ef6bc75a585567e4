"""The lock on a data directory: one gateway at a time works on it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from pointsman.core.errors import StoreError

LOCK_FILE = "gateway.lock"


@contextlib.contextmanager
def claim(data: Path, inherited: int | None = None) -> Iterator[int | None]:
    """Hold a data directory for a gateway; yields the lock, None where another one holds it. The system lets go when we die.

    ``inherited``: the lock of the gateway before, which is ours with its sockets. Raises StoreError.
    """
    try:
        if inherited is None:  # whoever can open it can hold it, and keep a gateway from starting: 0600
            inherited = os.open(data / LOCK_FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        held = os.fdopen(inherited, "w")
    except OSError as error:
        raise StoreError(f"{data} cannot be written to ({error.strerror}); name another directory with --data") from error
    with held as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file.fileno()


def held(data: Path) -> bool:
    """Say whether a gateway works on a data directory."""
    try:
        with (data / LOCK_FILE).open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none, or it cannot be opened
        return False
    return False
