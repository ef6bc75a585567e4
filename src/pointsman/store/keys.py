"""What a store must do with keys and with the log of what was done: see ``interfaces`` for the laws of all of it.

Laws: a key is never deleted, only revoked; an act that changes a key and its line in the log are one transaction; the log is
only appended to.
"""

from collections.abc import Callable
from typing import Protocol

from pointsman.core.audit import Act
from pointsman.core.keys import Key


class Keys(Protocol):
    """The keys that were made here."""

    def version(self) -> int:
        """Return a number that grows with every change, 0 while there is none. Cheap: called several times a second."""

    def all(self) -> list[Key]:
        """Return every key, revoked ones too, in the order in which they were made."""

    def add(self, key: Key, *, at_ms: int) -> None:
        """Keep a new key. Raises StoreError where its id is there, or its name with a key that is not revoked."""

    def change(self, key_id: str, change: Callable[[Key], Key], *, at_ms: int, act: str) -> Key:
        """Change a key in one transaction and return what it is now. Raises StoreError where there is none of that id."""


class Audit(Protocol):
    """What was done, by whom. The actor is that of the process that opened the store, unless another is named."""

    def note(self, act: str, subject: str = "", detail: str = "", *, at_ms: int, actor: str = "") -> None:
        """Append one act."""

    def acts(self, *, limit: int, since_ms: int | None = None, about: str = "") -> list[Act]:
        """Return acts, newest first; ``about``: those whose actor, act, object or detail holds this text."""

    def checked(self) -> tuple[int, str, int | None]:
        """Return how many acts there are, the last link in hexadecimal, and the first act whose link is wrong, if any."""
