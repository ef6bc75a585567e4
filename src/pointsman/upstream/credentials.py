"""Where the right to call a provider comes from, and how it is shown.

Strategy: a *source* knows the secret (an environment variable, a file), a *header style* knows where it goes; together they
are a Credential. Signed requests and refreshed tokens will be other Credentials: ``sign`` is asynchronous and sees the
whole request, body included.

Laws: a secret is read when it is needed and never kept in a Provider, a snapshot or a log; no repr and no error holds it;
a missing or unusable secret fails the one request with UpstreamError ``credential`` (not sent) and says what to do, so that
one provider without a key does not stop the others.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from pointsman.core.errors import ConfigError, UpstreamError
from pointsman.core.routing import Provider
from pointsman.upstream.interfaces import Credential, Request
from pointsman.upstream.providers import API_KEY_HEADER, X_API_KEY_HEADER

Header = tuple[bytes, bytes]
_USUAL = {"anthropic": (b"x-api-key", ""), "gemini": (b"x-goog-api-key", "")}


class Source(Protocol):
    """Knows a secret, or says in an UpstreamError how to supply it."""

    def secret(self) -> str:
        """Return the secret as it is now."""


class EnvironmentVariable:
    """A variable of the process's environment."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self._name = name
        self._environ = environ

    def __repr__(self) -> str:
        return f"env:{self._name}"

    def secret(self) -> str:
        """Return the variable's value."""
        value = self._environ.get(self._name, "").strip()
        if not value:
            raise _missing(f"the environment variable {self._name} is not set: export {self._name}=... and start again")
        return value


class File:
    """The first line of a file, read again whenever the file changes: mounted secrets rotate without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._value = ""

    def __repr__(self) -> str:
        return f"file:{self._path}"

    def secret(self) -> str:
        """Return the file's first line, without blanks around it. One stat per call; a read only after a change."""
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                lines = self._path.read_text("utf-8").splitlines()
                self._value = lines[0].strip() if lines else ""
                self._seen = seen
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise _missing(f"the key file {self._path} cannot be read ({reason}): put the key into it") from None
        if not self._value:
            raise _missing(f"the key file {self._path} is empty: put the key into its first line")
        return self._value


class KeyInHeader:
    """A secret in one header: ``authorization: Bearer``, ``api-key``, ``x-api-key`` or ``x-goog-api-key``."""

    def __init__(self, source: Source, header: bytes, prefix: str) -> None:
        self._source = source
        self._header = header
        self._prefix = prefix
        self._last: tuple[str, Header] = ("", (header, b""))

    def __repr__(self) -> str:
        return f"KeyInHeader({self._source!r} in {self._header.decode()})"

    async def sign(self, request: Request) -> Request:
        """Return the request with the key; a header of that name that was there before is replaced."""
        header = self._shown(self._source.secret())
        others = tuple(field for field in request.headers if field[0] != self._header)
        return msgspec.structs.replace(request, headers=(*others, header))

    def _shown(self, secret: str) -> Header:
        last, header = self._last
        if secret != last:
            if not (secret.isascii() and secret.isprintable()):
                raise _missing(f"the key from {self._source!r} holds a line end or another character that no key has")
            header = (self._header, f"{self._prefix}{secret}".encode("ascii"))
            self._last = (secret, header)
        return header


class NoCredential:
    """For servers that ask for none."""

    def __repr__(self) -> str:
        return "NoCredential()"

    async def sign(self, request: Request) -> Request:
        """Return the request as it is."""
        return request


def credential_for(provider: Provider, environ: Mapping[str, str] = os.environ) -> Credential:
    """Return the credential that a provider's row names: ``none``, ``env:NAME`` or ``file:PATH``.

    Nothing is read yet. Raises ConfigError for a source of another form.
    """
    if provider.credential == "none":
        return NoCredential()
    kind, _, name = provider.credential.partition(":")
    source: Source
    if kind == "env" and name:
        source = EnvironmentVariable(name, environ)
    elif kind == "file" and name:
        source = File(_expanded(name, provider.name))
    else:
        # Not repeated here: somebody may have put the key itself where its source belongs.
        raise ConfigError(
            f"provider {provider.name!r}: the credential is not a source. "
            'Write "env:NAME" (a variable), "file:PATH" (a file) or "none"; the key itself does not belong here.'
        )
    if API_KEY_HEADER in provider.quirks:
        return KeyInHeader(source, b"api-key", "")
    if X_API_KEY_HEADER in provider.quirks:
        return KeyInHeader(source, b"x-api-key", "")
    header, prefix = _USUAL.get(provider.dialect, (b"authorization", "Bearer "))
    return KeyInHeader(source, header, prefix)


def _expanded(place: str, provider: str) -> Path:
    try:
        return Path(place).expanduser()
    except RuntimeError:  # ~somebody whom this machine does not know
        raise ConfigError(f"provider {provider!r}: the key file's home directory does not exist here") from None


def _missing(what: str) -> UpstreamError:
    return UpstreamError("credential", what, sent=False)
