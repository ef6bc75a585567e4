"""Tokens of Microsoft Entra ID, each way to prove who one is against an endpoint on a real socket."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.upstream.credentials.conftest import Clock, Endpoint, shown

from pointsman.core.errors import UpstreamError
from pointsman.core.routing import Provider
from pointsman.upstream.credentials import Fetch, credential_for
from pointsman.upstream.interfaces import Request
from pointsman.upstream.providers import API_KEY_HEADER

REQUEST = Request("POST", "https://mine.openai.azure.com/openai/v1/chat/completions", (), b"{}")
PROVIDER = Provider("azure", "https://mine.openai.azure.com/openai/v1", "entra", quirks=(API_KEY_HEADER,))
TOKEN = "eyJ.secret-token"
SCOPE = "https://cognitiveservices.azure.com/.default"


def granted(**more: object) -> bytes:
    return json.dumps({"token_type": "Bearer", "access_token": TOKEN, **more}).encode()


async def test_a_client_secret(endpoint: Endpoint, fetch: Fetch, clock: Clock) -> None:
    endpoint.answer = lambda _: (200, granted(expires_in=3599))
    environ = {
        "AZURE_TENANT_ID": "t/1",
        "AZURE_CLIENT_ID": "c",
        "AZURE_CLIENT_SECRET": "s-secret",
        "AZURE_AUTHORITY_HOST": endpoint.url,
    }
    credential = credential_for(PROVIDER, environ, fetch, clock)
    assert credential.ready(REQUEST) is None
    signed = await credential.sign(REQUEST)
    assert signed.headers == ((b"authorization", f"Bearer {TOKEN}".encode()),)
    assert credential.ready(REQUEST) == signed
    (call,) = endpoint.calls
    assert call.target == "/t%2F1/oauth2/v2.0/token"
    assert call.form == {"grant_type": "client_credentials", "client_id": "c", "client_secret": "s-secret", "scope": SCOPE}
    assert "secret" not in shown(credential, signed)
    clock.now += 3500
    assert credential.ready(REQUEST) is None
    await credential.sign(REQUEST)
    clock.now += 99
    await credential.sign(REQUEST)
    assert len(endpoint.calls) == 2


async def test_a_workloads_token(tmp_path: Path, endpoint: Endpoint, fetch: Fetch) -> None:
    endpoint.answer = lambda _: (200, granted(expires_in=3599))
    path = tmp_path / "token"
    path.write_text("federated\n")
    environ = {
        "AZURE_TENANT_ID": "t",
        "AZURE_CLIENT_ID": "c",
        "AZURE_FEDERATED_TOKEN_FILE": str(path),
        "AZURE_AUTHORITY_HOST": f"{endpoint.url}/",
    }
    await credential_for(PROVIDER, environ, fetch).sign(REQUEST)
    assert endpoint.calls[0].form["client_assertion"] == "federated"
    assert endpoint.calls[0].form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    path.unlink()
    with pytest.raises(UpstreamError, match="check AZURE_FEDERATED_TOKEN_FILE"):
        await credential_for(PROVIDER, environ, fetch).sign(REQUEST)


async def test_the_identity_of_an_app(endpoint: Endpoint, fetch: Fetch, clock: Clock) -> None:
    endpoint.answer = lambda _: (200, granted(expires_on=str(int(clock.now) + 600)))
    environ = {"IDENTITY_ENDPOINT": f"{endpoint.url}/msi/token", "IDENTITY_HEADER": "proof", "AZURE_CLIENT_ID": "c"}
    credential = credential_for(PROVIDER, environ, fetch, clock)
    await credential.sign(REQUEST)
    clock.now += 200
    await credential.sign(REQUEST)
    (call,) = endpoint.calls
    assert call.headers["x-identity-header"] == "proof"
    assert parse_qs(urlsplit(call.target).query) == {
        "api-version": ["2019-08-01"],
        "resource": ["https://cognitiveservices.azure.com"],
        "client_id": ["c"],
    }


async def test_the_identity_of_a_machine(endpoint: Endpoint, fetch: Fetch) -> None:
    endpoint.answer = lambda _: (200, granted(expires_in="3599", expires_on="1"))
    credential = credential_for(PROVIDER, {"AZURE_POD_IDENTITY_AUTHORITY_HOST": endpoint.url}, fetch)
    await credential.sign(REQUEST)
    await credential.sign(REQUEST)
    (call,) = endpoint.calls
    assert call.headers["metadata"] == "true"
    assert call.target.startswith("/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AZURE_CLIENT_SECRET": "s-secret"}, "AZURE_TENANT_ID is not set"),
        ({"AZURE_CLIENT_SECRET": "s-secret", "AZURE_TENANT_ID": "t"}, "AZURE_CLIENT_ID is not set"),
        ({"AZURE_CLIENT_SECRET": "s-secret", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}, "AADSTS7000215"),
        ({}, "no managed identity"),
    ],
)
async def test_what_is_wrong_is_said_with_its_remedy(
    endpoint: Endpoint, fetch: Fetch, environ: dict[str, str], words: str
) -> None:
    endpoint.answer = lambda _: (401, b'{"error":"invalid_client","error_description":"AADSTS7000215: Invalid."}')
    hosts = {"AZURE_AUTHORITY_HOST": endpoint.url, "AZURE_POD_IDENTITY_AUTHORITY_HOST": endpoint.url}
    with pytest.raises(UpstreamError, match=words) as caught:
        await credential_for(PROVIDER, {**environ, **hosts}, fetch).sign(REQUEST)
    assert caught.value.kind == "credential"
    assert "secret" not in shown(caught.value).replace("the secret", "").replace("CLIENT_SECRET", "")
