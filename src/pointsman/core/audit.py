"""What was done to an installation, by whom: acts that follow one another in a chain.

Law: an act names what was done and never holds a secret. Each link is a SHA-256 over the link before and the whole act, so
that an act that was changed, put in or taken out breaks the chain from there on. Acts taken off its end leave it whole:
whoever fears that writes the last link down elsewhere.
"""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

BEGINNING: Final = bytes(32)
GATEWAY: Final = "gateway"
"""The actor of what Pointsman does by itself."""

_encode = msgspec.msgpack.Encoder().encode


class Act(Struct, frozen=True):
    """One act. ``n`` counts from 1; ``at_ms`` is Unix milliseconds.

    ``actor`` is ``cli:USER`` (a user of this machine), ``key:NAME`` (an admin key) or ``gateway``; ``act`` what was done in
    a word or two, ``object`` to what, ``detail`` the rest.
    """

    n: int
    at_ms: int
    actor: str
    act: str
    object: str = ""
    detail: str = ""


def link(before: bytes, act: Act) -> bytes:
    """Return the link of an act that follows one whose link is ``before`` (``BEGINNING``: none does)."""
    return hashlib.sha256(before + _encode(act)).digest()
