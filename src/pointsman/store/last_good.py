"""Copies of the last good snapshot and of the keys beside the store, for the day on which the store cannot be read.

Strategy: whenever the gateway has taken up a snapshot, it writes it to a file of its own; a gateway that starts while the
store is locked, full or damaged serves from it. Where the store's current snapshot is damaged or gone, the copy is published
again, so that learning and commands go on from it.

Laws: the file is replaced whole, after its bytes are on disk: a crash leaves the old copy or the new one; a copy that is
damaged is none; what another version wrote is never replaced by the copy; it is as secret as the store (0600). What a
process that was killed has left of it is removed by the next one.
"""

import contextlib
import hashlib
import logging
import os
import time
from pathlib import Path
from typing import Final, Protocol

import msgspec

from pointsman.core import snapshot as snapshots
from pointsman.core.errors import SnapshotError, StoreError
from pointsman.core.keys import Key
from pointsman.store.interfaces import Published, Snapshots

FILE: Final = "snapshot.last"
KEYS_FILE: Final = "keys.last"
OF_THE_COPY: Final = -2
"""Which version the copied keys have: none of the store's."""

_FORSAKEN_S: Final = 60.0

logger = logging.getLogger("pointsman.store")
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Published)


class HoldsKeys(Protocol):
    """The part of ``store.keys.Keys`` that is read."""

    def version(self) -> int:
        """Return a number that grows with every change. Raises StoreError."""

    def all(self) -> list[Key]:
        """Return every key. Raises StoreError."""


class LastGood:
    """The copy in a data directory. ``keeps``: whether this process writes it and puts it back; one of a gateway does.

    ``problem`` says why it could not be written, empty once it was.
    """

    def __init__(self, data: Path, *, keeps: bool) -> None:
        self.path = data / FILE
        self.keeps = keeps
        self.problem = ""

    def keep(self, published: Published) -> None:
        """Take the place of the copy before. What goes wrong is a ``problem`` and stops nobody."""
        if not self.keeps:
            return
        try:
            write_whole(self.path, _encode(published))
        except OSError as error:
            self.problem = f"the last good snapshot could not be copied to {self.path}: {error.strerror}"
        else:
            self.problem = ""

    def read(self) -> Published | None:
        """Return the copy; None where there is none, or it is damaged or of another version."""
        try:
            found = _decoder.decode(self.path.read_bytes())
            snapshots.decode(found.data)
        except (OSError, msgspec.DecodeError, SnapshotError):
            return None
        return found

    def of_keys(self, store: HoldsKeys) -> "KeysWithCopy":
        """Return the store's keys with a copy of their own."""
        return KeysWithCopy(store, self.path.with_name(KEYS_FILE), keeps=self.keeps)

    def put_back(self, store: Snapshots, current: Published | None, at_ms: int) -> Published | None:
        """Publish the copy where what is current in the store is damaged or missing; None where nothing was to be done.

        Raises StoreError.
        """
        if not self.keeps or (current is not None and not snapshots.damaged(current.data)):
            return None
        found = self.read()
        if found is None:
            return None
        why = f"snapshot {current.number} is damaged" if current is not None else "the store had none"
        replaces = current.number if current is not None else 0
        logger.warning("%s: the last good one, %s, is put back", why, found.hash)
        return store.publish(found.data, made_by=f"put back: {why}", at_ms=at_ms, replaces=replaces)


class KeysWithCopy:
    """The store's keys, and those of the copy while the store could not be read since this process began."""

    def __init__(self, store: HoldsKeys, path: Path, *, keeps: bool) -> None:
        self._store = store
        self._path = path
        self._keeps = keeps
        self._was_read = False

    def version(self) -> int:
        """Return a number that grows with every change; that of the copy, below zero, where only that can be read.

        Raises StoreError.
        """
        try:
            found = self._store.version()
        except StoreError:
            if self._was_read or self._copied() is None:
                raise
            return OF_THE_COPY
        return found

    def all(self) -> list[Key]:
        """Return every key. Raises StoreError where neither the store nor the copy can be read."""
        try:
            found = self._store.all()
        except StoreError:
            copied = None if self._was_read else self._copied()
            if copied is None:
                raise
            return copied
        self._was_read = True
        if self._keeps:
            self.keep(found)
        return found

    def keep(self, keys: list[Key]) -> None:
        """Take the place of the copy before, so that what was revoked stays so. What goes wrong is logged."""
        data = msgspec.msgpack.encode(keys)
        try:
            write_whole(self._path, hashlib.sha256(data).digest() + data)
        except OSError as error:
            logger.warning("the keys could not be copied to %s: %s", self._path, error.strerror)

    def _copied(self) -> list[Key] | None:
        try:
            found = self._path.read_bytes()
            if hashlib.sha256(found[32:]).digest() == found[:32]:
                return msgspec.msgpack.decode(found[32:], type=list[Key])
        except (OSError, msgspec.DecodeError):
            pass
        return None


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by another content, on disk before it returns: all of it or nothing. Raises OSError."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    _forsake(path)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the name, too
    finally:
        os.close(directory)


def _forsake(path: Path) -> None:
    """Remove the drafts of processes that were killed in the midst of writing one; nobody takes a minute for his."""
    for draft in path.parent.glob(f"{path.name}.*.draft"):
        with contextlib.suppress(OSError):
            if time.time() - draft.stat().st_mtime > _FORSAKEN_S:
                draft.unlink()
