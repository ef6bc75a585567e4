"""Tokens of Microsoft Entra ID for Azure OpenAI: ``entra``.

Strategy: who the environment says we are, in the order of Microsoft's own SDKs: a client secret (AZURE_TENANT_ID,
AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), a workload's federated token (AZURE_FEDERATED_TOKEN_FILE, on AKS), the managed
identity of an app (IDENTITY_ENDPOINT, IDENTITY_HEADER), else that of the virtual machine. AZURE_CLIENT_ID chooses among
several identities of a machine.
(https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow,
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token)
"""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from pointsman.upstream.credentials.bearer import Token
from pointsman.upstream.credentials.fetching import Fetch, fetched, form, get, missing, read
from pointsman.upstream.credentials.sources import text_in
from pointsman.upstream.interfaces import Request

RESOURCE: Final = "https://cognitiveservices.azure.com"
SCOPE: Final = f"{RESOURCE}/.default"

_WHO: Final = "Microsoft Entra ID"
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NONE: Final = (
    "this machine has no managed identity to use for Azure: set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
)


class _Granted(Struct):
    """``expires_in`` are seconds, ``expires_on`` is Unix time; either may be text."""

    access_token: str
    expires_in: float | None = None
    expires_on: float | None = None


async def token(environ: Mapping[str, str], fetch: Fetch, now: float) -> Token:
    """Return a fresh access token; ``now`` is Unix seconds. Raises UpstreamError ``credential``."""
    secret, file = _said(environ, "AZURE_CLIENT_SECRET"), _said(environ, "AZURE_FEDERATED_TOKEN_FILE")
    if secret:
        request = _client(environ, {"client_secret": secret})
        return _granted(await fetched(fetch, request, _WHO, "check AZURE_TENANT_ID, AZURE_CLIENT_ID and the secret"), now)
    if file:
        proof = await asyncio.to_thread(text_in, file, "AZURE_FEDERATED_TOKEN_FILE")
        request = _client(environ, {"client_assertion_type": _ASSERTION, "client_assertion": proof})
        return _granted(await fetched(fetch, request, _WHO, "check the workload's federated credential"), now)
    return _granted(await fetched(fetch, _managed(environ), "the machine's managed identity", _NONE), now)


def _client(environ: Mapping[str, str], proof: Mapping[str, str]) -> Request:
    """Return the request of a client that can prove who it is."""
    tenant, client = _said(environ, "AZURE_TENANT_ID"), _said(environ, "AZURE_CLIENT_ID")
    for name, value in (("AZURE_TENANT_ID", tenant), ("AZURE_CLIENT_ID", client)):
        if not value:
            raise missing(f"the environment variable {name} is not set: export {name}=... and start again")
    host = (_said(environ, "AZURE_AUTHORITY_HOST") or "https://login.microsoftonline.com").rstrip("/")
    if "://" not in host:
        host = f"https://{host}"
    fields = {"grant_type": "client_credentials", "client_id": client, "scope": SCOPE, **proof}
    return form(f"{host}/{quote(tenant, safe='')}/oauth2/v2.0/token", fields)


def _managed(environ: Mapping[str, str]) -> Request:
    client = _said(environ, "AZURE_CLIENT_ID")
    chosen = {"resource": RESOURCE} | ({"client_id": client} if client else {})
    endpoint, proof = _said(environ, "IDENTITY_ENDPOINT"), _said(environ, "IDENTITY_HEADER")
    if endpoint and proof:
        query = urlencode({"api-version": "2019-08-01", **chosen})
        return get(f"{endpoint}?{query}", (b"x-identity-header", proof.encode()))
    host = (_said(environ, "AZURE_POD_IDENTITY_AUTHORITY_HOST") or "http://169.254.169.254").rstrip("/")
    query = urlencode({"api-version": "2018-02-01", **chosen})
    return get(f"{host}/metadata/identity/oauth2/token?{query}", (b"metadata", b"true"))


def _granted(body: bytes, now: float) -> Token:
    granted = read(body, _Granted, _WHO)
    if granted.expires_in is not None:
        return Token(granted.access_token, now + granted.expires_in)
    return Token(granted.access_token, granted.expires_on if granted.expires_on is not None else now)


def _said(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()
