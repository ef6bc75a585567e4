"""What a provider says of a failure goes on to the client; the key that it was sent does not, should it repeat it.

Law: the owner's key reaches nobody but its provider, whatever that says of a failure. (A provider that writes it into a
good answer, or into a head, is not defended against: it has the key anyway.)
"""

from typing import Final

from pointsman.upstream.interfaces import Request

INSTEAD: Final = b"[key]"
_LEAST: Final = 8  # shorter than any key; what is that short stands in other words too


def scrubbed(said: bytes, signed: Request, unsigned: Request) -> bytes:
    """Return what a provider said without the values of the headers that signing added."""
    ours = set(unsigned.headers)
    for field in signed.headers:
        if field not in ours:
            secret = field[1].removeprefix(b"Bearer ")
            if len(secret) >= _LEAST:
                said = said.replace(secret, INSTEAD)
    return said
