"""Keys as rows: one MessagePack cell each, and a number that says when it last changed."""

import sqlite3
from collections.abc import Callable
from typing import Final

import msgspec

from pointsman.core.errors import StoreError
from pointsman.core.keys import Key
from pointsman.store.sqlite import audit
from pointsman.store.sqlite.connections import Connections

_VERSION: Final = "SELECT coalesce(max(changed), 0) FROM keys"
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Key)


class SqliteKeys:
    """Implements ``keys.Keys``. ``actor`` is who changes them, for the log."""

    def __init__(self, connections: Connections, actor: str) -> None:
        self._connections = connections
        self._actor = actor

    def version(self) -> int:
        """Return a number that grows with every change."""
        return int(self._connections.read(_VERSION)[0][0])

    def all(self) -> list[Key]:
        """Return every key, in the order in which they were made."""
        rows = self._connections.read("SELECT cell FROM keys ORDER BY rowid")
        return [_key(cell) for (cell,) in rows]

    def add(self, key: Key, *, at_ms: int) -> None:
        """Keep a new key."""
        with self._connections.write() as connection:
            there = [_key(cell) for (cell,) in connection.execute("SELECT cell FROM keys")]
            if any(one.id == key.id for one in there):
                raise StoreError(f"there is a key {key.id} already; nothing was changed, try again")
            same = next((one for one in there if one.name == key.name and one.revoked_ms is None), None)
            if same is not None:
                raise StoreError(
                    f"the name {key.name!r} belongs to the key {same.id}; nothing was changed. Choose another name, or give "
                    f"that key a new secret: pointsman key rotate {same.id}"
                )
            connection.execute(
                f"INSERT INTO keys (id, changed, cell) VALUES (?, ({_VERSION}) + 1, ?)",  # noqa: S608 - our own text
                (key.id, _encode(key)),
            )
            self._note(connection, "key create", key, at_ms)

    def change(self, key_id: str, change: Callable[[Key], Key], *, at_ms: int, act: str) -> Key:
        """Change a key and return what it is now."""
        with self._connections.write() as connection:
            found = connection.execute("SELECT cell FROM keys WHERE id = ?", (key_id,)).fetchone()
            if found is None:
                raise StoreError(f"there is no key {key_id}; see `pointsman key list`")
            changed = change(_key(found[0]))
            connection.execute(
                f"UPDATE keys SET cell = ?, changed = ({_VERSION}) + 1 WHERE id = ?",  # noqa: S608 - our own text
                (_encode(changed), key_id),
            )
            self._note(connection, act, changed, at_ms)
        return changed

    def _note(self, connection: sqlite3.Connection, act: str, key: Key, at_ms: int) -> None:
        kind = "admin key" if key.admin else "key"
        audit.append(connection, act, f"{kind} {key.id}", key.name, at_ms=at_ms, actor=self._actor)


def _key(cell: bytes) -> Key:
    try:
        return _decoder.decode(cell)
    except msgspec.DecodeError as error:
        raise StoreError(f"a key was written by an incompatible version of Pointsman: {error}") from error
