"""Google's application default credentials: ``adc``, or ``adc:FILE``.

Strategy: the file named, else that of GOOGLE_APPLICATION_CREDENTIALS, else what ``gcloud auth application-default login``
wrote, else the machine's metadata server. A file holds a service account (a JWT is signed and exchanged, RFC 7523) or a
user's refresh token; both are exchanged for an access token of an hour. The file is read again at every exchange, in a
thread, as signing is: a slow disk holds up nobody who has a token.
(https://cloud.google.com/docs/authentication/application-default-credentials, https://google.aip.dev/auth)

Not here: workload identity federation (``external_account``) and impersonation; they are refused with a word on what to do.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from pointsman.upstream.credentials.bearer import Token
from pointsman.upstream.credentials.fetching import Fetch, fetched, form, get, missing, read
from pointsman.upstream.signing.jwt import rs256

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
LIFE_S: Final = 3600

_VARIABLE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_WHO: Final = "Google's token endpoint"
_LOG_IN: Final = "run `gcloud auth application-default login` again"
_NONE: Final = (
    f"no Google credentials were found: set {_VARIABLE} to a service account's key file, or run "
    "`gcloud auth application-default login`"
)


class _File(Struct):
    type: str = ""
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    token_uri: str = TOKEN_URI
    quota_project_id: str = ""


class _Granted(Struct):
    access_token: str
    expires_in: float


async def token(place: str, environ: Mapping[str, str], fetch: Fetch, now: float) -> Token:
    """Return a fresh access token; ``place`` is a file, or empty; ``now`` Unix seconds. Raises UpstreamError."""
    path = await asyncio.to_thread(_path, place, environ)
    if path is None:
        return await _of_machine(environ, fetch, now)
    found = await asyncio.to_thread(_read, path)
    if found.type == "service_account":
        return await _of_service_account(found, path, fetch, now)
    if found.type == "authorized_user":
        return await _of_user(found, fetch, now)
    raise missing(
        f"the Google credentials in {path} are of a kind that is not supported ({found.type[:40] or 'none'}): use the key "
        "of a service account, or `gcloud auth application-default login` without impersonation"
    )


def _path(place: str, environ: Mapping[str, str]) -> Path | None:
    named = place or environ.get(_VARIABLE, "").strip()
    if named:
        return Path(named)
    folder = environ.get("CLOUDSDK_CONFIG", "").strip() or f"{environ.get('HOME', '')}/.config/gcloud"
    usual = Path(folder, "application_default_credentials.json")
    return usual if usual.is_file() else None


def _read(path: Path) -> _File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise missing(f"the Google credentials {path} cannot be read ({error.strerror}): set {_VARIABLE} anew") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise missing(f"{path} holds no Google credentials: download the service account's key as JSON again") from None


async def _of_service_account(found: _File, path: Path, fetch: Fetch, now: float) -> Token:
    claims = {"iss": found.client_email, "scope": SCOPE, "aud": found.token_uri, "iat": int(now), "exp": int(now) + LIFE_S}
    try:
        assertion = await asyncio.to_thread(rs256, claims, found.private_key, found.private_key_id)
    except ValueError as error:
        raise missing(f"the service account's key in {path} is unusable ({error}): download it again") from None
    request = form(found.token_uri, {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion})
    return _granted(await fetched(fetch, request, _WHO, f"check the service account's key in {path}"), found, now)


async def _of_user(found: _File, fetch: Fetch, now: float) -> Token:
    fields = {
        "grant_type": "refresh_token",
        "client_id": found.client_id,
        "client_secret": found.client_secret,
        "refresh_token": found.refresh_token,
    }
    return _granted(await fetched(fetch, form(found.token_uri, fields), _WHO, _LOG_IN), found, now)


async def _of_machine(environ: Mapping[str, str], fetch: Fetch, now: float) -> Token:
    host = environ.get("GCE_METADATA_HOST", "").strip() or "metadata.google.internal"
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    body = await fetched(fetch, get(url, (b"metadata-flavor", b"Google")), "Google's metadata server", _NONE)
    return _granted(body, _File(), now)


def _granted(body: bytes, found: _File, now: float) -> Token:
    granted = read(body, _Granted, _WHO)
    project = found.quota_project_id if found.type == "authorized_user" else ""
    headers = ((b"x-goog-user-project", project.encode()),) if project else ()
    return Token(granted.access_token, now + granted.expires_in, headers)
