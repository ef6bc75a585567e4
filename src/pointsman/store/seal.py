"""Feature vectors, and what reviewers read, at rest: sealed with a key that belongs to one installation.

Strategy: AES-256-GCM (NIST SP 800-38D) with a random nonce for each cell; format and record id are associated data, so that
a cell cannot be moved to another record. A cell is one byte of format (2), nonce (12), ciphertext, tag (16). Format 1, which
is still read, had another cipher, ChaCha20-Poly1305 (RFC 8439), with the installation's key itself; format 2 has a key that
is derived from it (HKDF, RFC 5869), because no key should serve two ciphers.

Laws: a cell has at most ``CELL_BYTES``; the key file is whole or absent, mode 0600, and never replaced; the key is in no
error, log or repr. With random nonces one key serves 2^32 cells with a chance of about 2^-33 that any nonce repeats.
"""

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from pointsman.core.errors import StoreError

KEY_FILE: Final = "installation.key"
KEY_BYTES: Final = 32
CELL_BYTES: Final = 512
_FORMAT: Final = b"\x02"
_FIRST_FORMAT: Final = b"\x01"
_PURPOSE: Final = b"pointsman feature vectors, format 2"
_TEXT_FORMAT: Final = b"\x01"
_TEXT_PURPOSE: Final = b"pointsman review material, format 1"
_NONCE: Final = 12
_TAG: Final = 16
_MOST: Final = CELL_BYTES - len(_FORMAT) - _NONCE - _TAG


class VectorSeal:
    """Seals and opens vectors with one key. ``named`` is the file it came from, for errors."""

    def __init__(self, key: bytes, named: Path) -> None:
        derived = HKDFExpand(SHA256(), KEY_BYTES, _PURPOSE).derive(key)
        self._cipher = AESGCM(derived)
        self._ciphers: dict[bytes, AESGCM | ChaCha20Poly1305] = {_FORMAT: self._cipher, _FIRST_FORMAT: ChaCha20Poly1305(key)}
        self._named = named

    def __repr__(self) -> str:
        return f"VectorSeal({str(self._named)!r})"

    def seal(self, record_id: str, vector: bytes) -> bytes:
        """Return the cell for a vector. ValueError where it would be longer than ``CELL_BYTES``."""
        return self.seal_all([(record_id, vector)])[0]

    def seal_all(self, vectors: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """Return the cells for the vectors of records (id, vector), as ``seal`` does; their nonces are drawn at once."""
        nonces, encrypt, cells = os.urandom(_NONCE * len(vectors)), self._cipher.encrypt, []
        start = 0
        for record_id, vector in vectors:
            if len(vector) > _MOST:
                raise ValueError(f"a vector of {len(vector)} bytes does not fit into a cell of {CELL_BYTES}")
            nonce = nonces[start : start + _NONCE]
            cells.append(_FORMAT + nonce + encrypt(nonce, vector, _FORMAT + record_id.encode()))
            start += _NONCE
        return cells

    def open(self, record_id: str, cell: bytes) -> bytes:
        """Return the vector in a cell. Raises StoreError: sealed with another key, for another record, or altered."""
        start = len(_FORMAT)
        form, nonce, sealed = cell[:start], cell[start : start + _NONCE], cell[start + _NONCE :]
        try:
            return self._ciphers[form].decrypt(nonce, sealed, form + record_id.encode())
        except (InvalidTag, ValueError, KeyError) as error:
            raise StoreError(
                f"the feature vector of {record_id} cannot be opened with {self._named}: it was sealed with another key, "
                "or altered. Put the right key file back; if it is lost, start with a new data directory"
            ) from error


class MaterialSeal:
    """Seals and opens what reviewers read, of any length, with a key of its own that is derived from the installation's."""

    def __init__(self, key: bytes, named: Path) -> None:
        self._cipher = AESGCM(HKDFExpand(SHA256(), KEY_BYTES, _TEXT_PURPOSE).derive(key))
        self._named = named

    def __repr__(self) -> str:
        return f"MaterialSeal({str(self._named)!r})"

    def seal(self, question: str, text: bytes) -> bytes:
        """Return the cell for what is read to a question: format, nonce, ciphertext, tag."""
        nonce = os.urandom(_NONCE)
        return _TEXT_FORMAT + nonce + self._cipher.encrypt(nonce, text, _TEXT_FORMAT + question.encode())

    def open(self, question: str, cell: bytes) -> bytes:
        """Return what is in a cell. Raises StoreError: sealed with another key, for another question, or altered."""
        start = len(_TEXT_FORMAT)
        form, nonce, sealed = cell[:start], cell[start : start + _NONCE], cell[start + _NONCE :]
        try:
            return self._cipher.decrypt(nonce, sealed, form + question.encode())
        except (InvalidTag, ValueError) as error:
            raise StoreError(
                f"what is to be read to question {question} cannot be opened with {self._named}: it was sealed with another "
                "key, or altered. Put the right key file back; what people said already is not lost"
            ) from error


def installation_key(data: Path) -> bytes:
    """Return the 32 bytes in ``<data>/installation.key``; the directory (0700) and the key (0600) are made on first use.

    Whichever of several processes comes first makes the key, the others read it whole. Raises StoreError.
    """
    path = data / KEY_FILE
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read or made: {error.strerror}; name another data directory with --data"
        ) from error
    if len(key) != KEY_BYTES:
        raise StoreError(
            f"{path} holds {len(key)} bytes, a key has {KEY_BYTES}: it is damaged. Put the right file back, or delete it "
            "where no vectors were stored yet"
        )
    return key


def _make(path: Path) -> None:
    """Write a new key beside ``path`` and link it there, which fails where another process was first."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
