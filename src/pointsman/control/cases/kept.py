"""Answers that were paid for, by the content of what was asked: one file an answer, in the owner's data directory.

Laws: what is asked again word for word, of the same deployment with the same variant, is not called again; a file is whole
or not there (written beside, synced, renamed); one that cannot be read counts as not there. Answers are kept until their
owner deletes the directory; prompts are not in it.
"""

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from pointsman.core.chat import Usage
from pointsman.core.errors import StoreError
from pointsman.core.routing import Deployment

DIRECTORY = "evals"


class Said(Struct, frozen=True):
    """What one call brought. ``text`` is None where there is nothing to grade; ``failed``: by the model's own fault.

    ``cost_nano`` is None where it is not known. ``exchange`` is its id in the journal; ``latency_ms`` was measured here,
    from the request's first byte to the reply's last; ``note`` says why there is no text.
    """

    text: str | None
    failed: bool = False
    usage: Usage | None = None
    cost_nano: int | None = None
    latency_ms: float = 0.0
    exchange: str = ""
    note: str = ""


_decoder = msgspec.json.Decoder(Said)


def digest(deployment: Deployment, body: bytes) -> str:
    """Return the name of what is asked: of whom, with what variant, in which words and parameters."""
    parts = (deployment.name.encode(), deployment.model.encode(), msgspec.json.encode(deployment.variant), body)
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


class Kept:
    """A directory of answers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, name: str) -> Said | None:
        """Return the answer to what has this digest, None where it was never asked."""
        try:
            return _decoder.decode(self._place(name).read_bytes())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def keep(self, name: str, said: Said) -> None:
        """Keep an answer, on disk when this returns. Raises StoreError."""
        place = self._place(name)
        part = place.with_name(f"{place.name}.{os.getpid()}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with part.open("xb") as file:
                part.chmod(0o600)
                file.write(msgspec.json.encode(said))
                file.flush()
                os.fsync(file.fileno())
            part.replace(place)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise StoreError(f"{place} cannot be written ({error.strerror}); make room, or name another --data") from error

    def _place(self, name: str) -> Path:
        return self._directory / name[:2] / f"{name[2:]}.json"
