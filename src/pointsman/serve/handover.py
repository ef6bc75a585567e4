"""How a new gateway takes the port over from the one that serves it, so that an upgrade drops nothing.

Strategy: the old process hands its listening sockets to the new one through a unix socket in the data directory
(SCM_RIGHTS, unix(7)). So there is one queue of connections for both, and it outlives the old process: what the kernel has
accepted is answered by whoever comes first. With the sockets goes the lock on the data directory.

    new                         old
    TAKE                    ->
                            <-  SOCKETS, with the lock and the listening sockets
    (opens the store, publishes, serves, waits for its workers)
    READY                   ->
                                accepts nothing more; ends its control process
                            <-  ENDED
    (starts its control process)
                                answers what is under way, and exits: the connection closes

Laws: until READY nothing has changed for the old one, so a new one that fails or is killed before is as if it had never
been; of several new ones one at a time is served; there is one control process at a time; the lines are the same in every
version, so that any two versions understand each other.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pointsman.core.errors import StoreError
from pointsman.serve.lock import held

SOCKET: Final = "gateway.sock"
PATIENCE_S: Final = 30.0
"""How long a new process waits for the sockets: another one may be taking over just now."""
AGAIN_S: Final = 60.0

TAKE: Final = b"pointsman take 1\n"
SOCKETS: Final = b"pointsman sockets 1\n"
READY: Final = b"pointsman ready 1\n"
ENDED: Final = b"pointsman control ended 1\n"
_PAUSE_S: Final = 0.05
_MOST: Final = 253  # descriptors in one message (SCM_MAX_FD, unix(7))
_PATH_BYTES: Final = 100  # sun_path holds 108 of them

log = logging.getLogger("pointsman.handover")


@dataclass(frozen=True)
class Predecessor:
    """The gateway that served before us, as the new process sees it: its sockets are ours too, and its lock."""

    listeners: tuple[socket.socket, ...]
    lock: int
    _line: socket.socket

    async def relieve(self) -> None:
        """Tell it that we serve, and wait until its control process has ended, or all of it has."""
        loop = asyncio.get_running_loop()
        self._line.setblocking(False)
        with contextlib.suppress(OSError):  # it is gone: so much the better
            await loop.sock_sendall(self._line, READY)
            await loop.sock_recv(self._line, len(ENDED))

    def close(self) -> None:
        """Let go of the line to it."""
        self._line.close()


def predecessor(data: Path, patience_s: float = PATIENCE_S) -> Predecessor | None:
    """Ask the gateway that holds a data directory for its sockets; None where there is none. Raises StoreError.

    One that another has just relieved hangs up on us, or is not there any more while the directory is held: then whoever
    relieved it is asked, once it listens.
    """
    ends, relieved = time.monotonic() + patience_s, False
    while True:
        try:
            found = _asked(data, patience_s)
        except (ConnectionResetError, BrokenPipeError) as error:
            if time.monotonic() > ends:
                raise _refused(data, error) from error
            relieved = True
        else:
            if found is not None or not (relieved or held(data)) or time.monotonic() > ends:
                return found
        time.sleep(_PAUSE_S)


def _refused(data: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the gateway on {data} does not hand over its port ({error}): try again, or stop it and start this one"
    )


def _asked(data: Path, patience_s: float) -> Predecessor | None:
    """Ask once. Raises ConnectionResetError and BrokenPipeError where the gateway hangs up, and StoreError."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(patience_s)
    try:
        with _reachable(data / SOCKET) as path:
            line.connect(path)
        line.sendall(TAKE)
        said, descriptors, _, _ = socket.recv_fds(line, len(SOCKETS), _MOST, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
    except (FileNotFoundError, ConnectionRefusedError):
        line.close()
        return None
    except (ConnectionResetError, BrokenPipeError):
        line.close()
        raise
    except OSError as error:
        line.close()
        raise _refused(data, error) from error
    if not said:
        line.close()
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    if said != SOCKETS or len(descriptors) < 2:
        for descriptor in descriptors:
            os.close(descriptor)
        line.close()
        raise StoreError(f"the gateway on {data} hands over in a way that this version does not know: stop it, then start")
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    lock, *rest = descriptors
    return Predecessor(tuple(socket.socket(fileno=one) for one in rest), lock, line)


class Succession:
    """The old side. Use as a context: the socket is there from the beginning to the end of it.

    ``relieved`` is called once a new process serves, and awaited before that process starts its own control process.
    Raises OSError where there is no room for a socket.
    """

    def __init__(
        self, data: Path, lock: int, listeners: Sequence[socket.socket], relieved: Callable[[], Awaitable[None]]
    ) -> None:
        self._path = data / SOCKET
        self._lock = lock
        self._listeners = listeners
        self._relieved = relieved
        self._line = socket.socket(socket.AF_UNIX)
        self._ours = 0

    def __enter__(self) -> "Succession":
        """Listen, in the place of whoever did before us."""
        draft = self._path.with_name(f"{SOCKET}.{os.getpid()}")
        with _reachable(draft) as path:
            self._line.bind(path)
        draft.chmod(0o600)
        self._line.listen()
        self._line.setblocking(False)
        draft.replace(self._path)
        self._ours = self._path.stat().st_ino
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._ours:  # else a new process listens there
                self._path.unlink()

    async def run(self) -> None:
        """Serve one new process after the other until one of them has taken over."""
        loop = asyncio.get_running_loop()
        while True:
            line, _ = await loop.sock_accept(self._line)
            with line:
                line.setblocking(False)
                try:
                    if await self._handed_over(line):
                        return
                except OSError as error:
                    log.warning("a process that wanted to take over is gone: %s", error)

    async def _handed_over(self, line: socket.socket) -> bool:
        loop = asyncio.get_running_loop()
        if await loop.sock_recv(line, len(TAKE)) != TAKE:
            return False
        socket.send_fds(line, [SOCKETS], [self._lock, *(listener.fileno() for listener in self._listeners)])
        if await loop.sock_recv(line, len(READY)) != READY:
            log.warning("a process that wanted to take over ended before it was ready: this one goes on")
            return False
        await self._relieved()
        await loop.sock_sendall(line, ENDED)
        return True


async def offered(succession: Callable[[], Succession]) -> None:
    """Be there for a new process until one has taken over. What keeps the socket from being made, a full disk, passes."""
    while True:
        try:
            with succession() as ours:
                await ours.run()
                return
        except OSError as error:
            log.warning("no new version can take over for the next %.0f s: %s", AGAIN_S, error)
        await asyncio.sleep(AGAIN_S)


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """Give a name for a unix socket that is short enough, which a path may not be."""
    if len(os.fsencode(path)) <= _PATH_BYTES:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"  # Linux; elsewhere binding says that there is no such place
    finally:
        os.close(directory)
