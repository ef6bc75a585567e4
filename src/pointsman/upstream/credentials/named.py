"""The credential that a provider's row names.

none            nothing is added
env:NAME        a key in an environment variable
file:PATH       a key in a file
command:WORDS   a key that a command prints
aws             AWS keys, wherever its SDKs would find them; ``aws:PROFILE`` those of one profile
adc             Google's application default credentials; ``adc:FILE`` those in one file
entra           a token of Microsoft Entra ID
"""

import functools
import os
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pointsman.core.errors import ConfigError
from pointsman.core.routing import Provider
from pointsman.upstream.credentials import entra, google
from pointsman.upstream.credentials.aws import SignedForAws
from pointsman.upstream.credentials.bearer import Bearer, Token
from pointsman.upstream.credentials.command import KeyFromCommand
from pointsman.upstream.credentials.fetching import Fetch, no_fetch
from pointsman.upstream.credentials.keys import KeyInHeader, NoCredential
from pointsman.upstream.credentials.sources import EnvironmentVariable, File
from pointsman.upstream.interfaces import Credential
from pointsman.upstream.providers import API_KEY_HEADER, BEDROCK, VERTEX, X_API_KEY_HEADER

_BEARER: Final = (b"authorization", "Bearer ")
_USUAL: Final = {"anthropic": (b"x-api-key", ""), "gemini": (b"x-goog-api-key", "")}
_KEPT: Final = 1024


def credential_for(
    provider: Provider,
    environ: Mapping[str, str] = os.environ,
    fetch: Fetch = no_fetch,
    now: Callable[[], float] = time.time,
) -> Credential:
    """Return the credential that a provider's row names. Nothing is read yet, and nothing asked for.

    ``fetch`` is how tokens are asked for (see ``fetching``); ``now`` is Unix seconds. Raises ConfigError for a source of
    another form.
    """
    kind, _, name = provider.credential.partition(":")
    match kind:
        case "none" if not name:
            return NoCredential()
        case "env" if name:
            return KeyInHeader(EnvironmentVariable(name, environ), *_header(provider))
        case "file" if name:
            return KeyInHeader(File(_expanded(name, provider.name)), *_header(provider))
        case "command" if name.strip():
            return KeyFromCommand(_words(name, provider.name), *_header(provider), now)
        case "aws":
            return SignedForAws(provider.base_url, name, environ, fetch, now)
        case "adc":
            place = str(_expanded(name, provider.name)) if name else ""

            async def of_google() -> Token:
                return await google.token(place, environ, fetch, now())

            return Bearer(provider.credential, of_google, now)
        case "entra" if not name:

            async def of_entra() -> Token:
                return await entra.token(environ, fetch, now())

            return Bearer(provider.credential, of_entra, now)
    # Not repeated here: somebody may have put the key itself where its source belongs.
    raise ConfigError(
        f"provider {provider.name!r}: the credential is not a source. "
        'Write "env:NAME" (a variable), "file:PATH" (a file), "command:WORDS" (what prints it), "aws", "aws:PROFILE", '
        '"adc", "adc:FILE", "entra" or "none"; '
        "the key itself does not belong here."
    )


def credentials(fetch: Fetch, environ: Mapping[str, str] = os.environ) -> Callable[[Provider], Credential]:
    """Return ``credential_for`` with a memory: the same provider gets the same credential, and so keeps its token.

    (A snapshot that is published anew asks again for all of them.)
    """

    @functools.lru_cache(_KEPT)
    def remembered(provider: Provider) -> Credential:
        return credential_for(provider, environ, fetch)

    return remembered


def _header(provider: Provider) -> tuple[bytes, str]:
    """Return in which header a provider wants its key, and what stands before it."""
    if API_KEY_HEADER in provider.quirks:
        return b"api-key", ""
    if X_API_KEY_HEADER in provider.quirks:
        return b"x-api-key", ""
    elsewhere = provider.dialect == "anthropic" and not {BEDROCK, VERTEX}.isdisjoint(provider.quirks)
    return _BEARER if elsewhere else _USUAL.get(provider.dialect, _BEARER)


def _words(command: str, provider: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        raise ConfigError(
            f"provider {provider!r}: the command that prints the key has a quotation mark without another"
        ) from None


def _expanded(place: str, provider: str) -> Path:
    try:
        return Path(place).expanduser()
    except RuntimeError:  # ~somebody whom this machine does not know
        raise ConfigError(f"provider {provider!r}: the key file's home directory does not exist here") from None
